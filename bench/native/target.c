/* What is probed: one process that is any number of TCP, HTTP and UDP servers on 127.1.0.0/16, all with one port for each protocol.
 * It counts, per server, what arrived and when. Told on standard input, answered on standard output, a line each:
 *   fail FROM TO     HTTP servers FROM..TO-1 answer 503, TCP ones reset, UDP ones are silent
 *   mute FROM TO     HTTP servers FROM..TO-1 take requests and do not answer, else as fail
 *   ok FROM TO
 *   deaf FROM TO     connections of TCP servers FROM..TO-1 are not taken, in place of the range before; TO = FROM: of none
 *   reset            forgets what was counted
 *   stats            {"seen":..,"served":..,"late":[..]}: arrivals, servers that saw any, and how far intervals were from PERIOD, in ms (histogram 0..99, 100+)
 *   fails FROM       when that server gave its last failing answers: CLOCK_MONOTONIC in microseconds, oldest first (the last 16)
 * Usage: target TCP_PORT HTTP_PORT UDP_PORT SERVERS PERIOD_MS */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BASE 0x7f010000u /* 127.1.0.0 */
#define MOST 65536
#define LATE 101
#define KEPT 16
#define MUTE 2

enum kind { LISTEN_TCP, LISTEN_HTTP, UDP, CONTROL, TCP, HTTP };
struct conn {
  enum kind kind;
  int fd;
  int server;
  int used;
  char request[]; /* REQUEST_SIZE bytes, of HTTP connections only */
};
#define REQUEST_SIZE 2048

static int servers, period, epfd, tcp_listener;
static unsigned char failing[MOST]; /* MUTE: and says nothing */
static uint64_t last_seen[MOST], fails[MOST][KEPT];
static unsigned fail_count[MOST];
static uint64_t seen, late[LATE];
static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\nok\n";
static const char BAD[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\nbad\n";

static uint64_t micros(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void arrived(int server) {
  uint64_t now = micros();
  seen++;
  if (last_seen[server]) {
    int64_t off = (int64_t)(now - last_seen[server]) - (int64_t)period * 1000;
    if (off < 0) off = -off;
    off = (off + 500) / 1000;
    late[off >= LATE ? LATE - 1 : off]++;
  }
  last_seen[server] = now;
}

static void failed(int server) { fails[server][fail_count[server]++ % KEPT] = micros(); }

static int index_of(uint32_t address) {
  uint32_t i = ntohl(address) - BASE;
  return i < (uint32_t)servers ? (int)i : -1;
}

static void watch(struct conn *c) {
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &e) < 0) die("epoll_ctl");
}

static struct conn *conn(enum kind kind, int fd) {
  struct conn *c = calloc(1, sizeof(struct conn) + (kind == HTTP ? REQUEST_SIZE : 0));
  if (!c) die("calloc");
  c->kind = kind;
  c->fd = fd;
  return c;
}

static void drop(struct conn *c, int reset) {
  if (reset) {
    struct linger l = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
  }
  close(c->fd);
  free(c);
}

static void open_port(enum kind kind, int port) {
  int type = kind == UDP ? SOCK_DGRAM : SOCK_STREAM, one = 1, big = 8 << 20;
  int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_ANY)}};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (kind == UDP) {
    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
  }
  if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0) die("bind");
  if (kind != UDP && listen(fd, 65535) < 0) die("listen");
  if (kind == LISTEN_TCP) tcp_listener = fd;
  watch(conn(kind, fd));
}

/* Drops what comes to these servers before a connection begins, SYN and all. */
static void deaf(uint32_t from, uint32_t to) {
  struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + 16),
                               BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, BASE + from, 0, 1),
                               BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, BASE + to, 0, 1),
                               BPF_STMT(BPF_RET | BPF_K, UINT32_MAX), BPF_STMT(BPF_RET | BPF_K, 0)};
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  if (setsockopt(tcp_listener, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0) die("SO_ATTACH_FILTER");
}

static void take(struct conn *listener) {
  for (;;) {
    struct sockaddr_in here;
    socklen_t size = sizeof here;
    int one = 1;
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    getsockname(fd, (struct sockaddr *)&here, &size);
    int server = index_of(here.sin_addr.s_addr);
    struct conn *c = conn(listener->kind == LISTEN_TCP ? TCP : HTTP, fd);
    c->server = server;
    if (server < 0) {
      drop(c, 1);
      continue;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (c->kind == TCP) {
      arrived(server);
      if (failing[server]) {
        failed(server);
        drop(c, 1);
        continue;
      }
    }
    watch(c);
  }
}

static void answer(struct conn *c) {
  ssize_t n = read(c->fd, c->request + c->used, REQUEST_SIZE - (size_t)c->used - 1);
  if (n <= 0) {
    if (n == 0 || errno != EAGAIN) drop(c, 0);
    return;
  }
  c->used += (int)n;
  c->request[c->used] = 0;
  if (!strstr(c->request, "\r\n\r\n")) {
    if (c->used > 2000) drop(c, 1);
    return;
  }
  int close_after = strstr(c->request, "HTTP/1.0") || strcasestr(c->request, "connection: close");
  c->used = 0;
  arrived(c->server);
  if (failing[c->server] == MUTE) {
    failed(c->server);
    return;
  }
  const char *text = failing[c->server] ? BAD : OK;
  if (write(c->fd, text, strlen(text)) < 0) {
    drop(c, 0);
    return;
  }
  if (failing[c->server]) failed(c->server);
  if (close_after) drop(c, 0);
}

static void echo(struct conn *c) {
  char data[2048], control[256];
  struct sockaddr_in from;
  for (;;) {
    struct iovec io = {data, sizeof data};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &io, .msg_iovlen = 1,
                       .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(c->fd, &m, 0);
    if (n < 0) return;
    struct in_pktinfo *info = NULL;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
      if (h->cmsg_type == IP_PKTINFO) info = (struct in_pktinfo *)CMSG_DATA(h);
    int server = info ? index_of(info->ipi_addr.s_addr) : -1;
    if (server < 0) continue;
    arrived(server);
    if (failing[server]) {
      failed(server);
      continue;
    }
    /* The answer comes from the address that was asked. */
    info->ipi_spec_dst = info->ipi_addr;
    info->ipi_ifindex = 0;
    io.iov_len = (size_t)n;
    sendmsg(c->fd, &m, 0);
  }
}

static void stats(void) {
  int served = 0;
  for (int i = 0; i < servers; i++) served += last_seen[i] != 0;
  printf("{\"at\":%llu,\"seen\":%llu,\"served\":%d,\"late\":[", (unsigned long long)micros(), (unsigned long long)seen, served);
  for (int i = 0; i < LATE; i++) printf("%s%llu", i ? "," : "", (unsigned long long)late[i]);
  puts("]}");
}

static void told(char *line) {
  int from = 0, to = 0;
  if (sscanf(line, "fail %d %d", &from, &to) == 2) memset(failing + from, 1, (size_t)(to - from));
  else if (sscanf(line, "mute %d %d", &from, &to) == 2) memset(failing + from, MUTE, (size_t)(to - from));
  else if (sscanf(line, "deaf %d %d", &from, &to) == 2) deaf((uint32_t)from, (uint32_t)to);
  else if (sscanf(line, "ok %d %d", &from, &to) == 2) memset(failing + from, 0, (size_t)(to - from));
  else if (!strcmp(line, "reset")) {
    seen = 0;
    memset(late, 0, sizeof late);
    memset(last_seen, 0, sizeof last_seen);
    memset(fail_count, 0, sizeof fail_count);
  } else if (!strcmp(line, "stats")) {
    stats();
    return;
  } else if (sscanf(line, "fails %d", &from) == 1) {
    unsigned n = fail_count[from] < KEPT ? fail_count[from] : KEPT;
    printf("[");
    for (unsigned i = 0; i < n; i++)
      printf("%s%llu", i ? "," : "", (unsigned long long)fails[from][(fail_count[from] - n + i) % KEPT]);
    puts("]");
    return;
  }
  puts("{}");
}

static void control(void) {
  static char text[4096];
  static size_t used;
  ssize_t n = read(0, text + used, sizeof text - used - 1);
  if (n <= 0) exit(0);
  used += (size_t)n;
  text[used] = 0;
  for (char *end; (end = strchr(text, '\n'));) {
    *end = 0;
    told(text);
    used -= (size_t)(end + 1 - text);
    memmove(text, end + 1, used + 1);
  }
}

int main(int argc, char **argv) {
  struct rlimit files = {1 << 17, 1 << 17};
  struct epoll_event events[1024];
  if (argc != 6) {
    fprintf(stderr, "usage: target TCP_PORT HTTP_PORT UDP_PORT SERVERS PERIOD_MS\n");
    return 2;
  }
  servers = atoi(argv[4]);
  period = atoi(argv[5]);
  if (servers < 1 || servers > MOST) die("SERVERS");
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) {
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOLBF, 0);
  epfd = epoll_create1(EPOLL_CLOEXEC);
  open_port(LISTEN_TCP, atoi(argv[1]));
  open_port(LISTEN_HTTP, atoi(argv[2]));
  open_port(UDP, atoi(argv[3]));
  watch(conn(CONTROL, 0));
  puts("{\"ready\":true}");
  for (;;) {
    int n = epoll_wait(epfd, events, 1024, -1);
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      char rest[256];
      switch (c->kind) {
        case LISTEN_TCP:
        case LISTEN_HTTP:
          take(c);
          break;
        case UDP:
          echo(c);
          break;
        case CONTROL:
          control();
          break;
        case TCP:
          if (read(c->fd, rest, sizeof rest) <= 0) drop(c, 0);
          break;
        case HTTP:
          answer(c);
      }
    }
  }
}
