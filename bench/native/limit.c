/* The least that a check can cost: an epoll loop with a tick of 10 ms that connects (or sends), takes the answer, closes, and does nothing else.
 * Usage: limit tcp|http|http-kept|udp PORT SERVERS PERIOD_MS */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
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

#define BASE 0x7f010000u
#define TICK_MS 10

enum mode { TCP_MODE, HTTP_MODE, KEPT_MODE, UDP_MODE };
struct check {
  int fd;
  int sent;
  struct sockaddr_in to;
};

static enum mode mode;
static int epfd;
static const char REQUEST[] = "GET /healthz HTTP/1.1\r\nHost: target\r\nConnection: close\r\n\r\n";
static const char KEPT[] = "GET /healthz HTTP/1.1\r\nHost: target\r\n\r\n";

static uint64_t millis(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static void watch(struct check *c, uint32_t events, int op) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  epoll_ctl(epfd, op, c->fd, &e);
}

static void end(struct check *c) {
  close(c->fd);
  c->fd = -1;
}

static void start(struct check *c) {
  if (mode == UDP_MODE || mode == KEPT_MODE) {
    if (c->fd >= 0) {
      if (write(c->fd, mode == UDP_MODE ? "ping" : KEPT, mode == UDP_MODE ? 4 : sizeof KEPT - 1) < 0 && errno != EAGAIN) end(c);
      return;
    }
  } else if (c->fd >= 0) return;
  c->fd = socket(AF_INET, (mode == UDP_MODE ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) return;
  c->sent = 0;
  if (connect(c->fd, (struct sockaddr *)&c->to, sizeof c->to) < 0 && errno != EINPROGRESS) {
    end(c);
    return;
  }
  if (mode == UDP_MODE) {
    watch(c, EPOLLIN, EPOLL_CTL_ADD);
    if (write(c->fd, "ping", 4) < 0) end(c);
  } else
    watch(c, EPOLLOUT, EPOLL_CTL_ADD);
}

static void ready(struct check *c) {
  char answer[4096];
  if (c->fd < 0) return;
  if (mode == TCP_MODE) {
    end(c);
    return;
  }
  if (mode != UDP_MODE && !c->sent) {
    c->sent = 1;
    if (write(c->fd, mode == KEPT_MODE ? KEPT : REQUEST, (mode == KEPT_MODE ? sizeof KEPT : sizeof REQUEST) - 1) < 0) end(c);
    else watch(c, EPOLLIN, EPOLL_CTL_MOD);
    return;
  }
  ssize_t n = read(c->fd, answer, sizeof answer);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0 || mode == HTTP_MODE) end(c);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: limit tcp|http|http-kept|udp PORT SERVERS PERIOD_MS\n");
    return 2;
  }
  mode = !strcmp(argv[1], "tcp") ? TCP_MODE : !strcmp(argv[1], "http") ? HTTP_MODE : !strcmp(argv[1], "udp") ? UDP_MODE : KEPT_MODE;
  int servers = atoi(argv[3]), period = atoi(argv[4]);
  struct rlimit files = {1 << 17, 1 << 17};
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) {
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  signal(SIGPIPE, SIG_IGN);
  epfd = epoll_create1(EPOLL_CLOEXEC);
  struct check *checks = calloc((size_t)servers, sizeof *checks);
  for (int i = 0; i < servers; i++) {
    checks[i].fd = -1;
    checks[i].to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2])), .sin_addr = {htonl(BASE + (uint32_t)i)}};
  }
  uint64_t begin = millis();
  int64_t done = 0;
  struct epoll_event events[1024];
  for (;;) {
    int64_t due = (int64_t)((millis() - begin) * (uint64_t)servers / (uint64_t)period);
    while (done < due) start(&checks[done++ % servers]);
    uint64_t tick = TICK_MS - (millis() - begin) % TICK_MS;
    int n = epoll_wait(epfd, events, 1024, (int)tick);
    for (int i = 0; i < n; i++) ready(events[i].data.ptr);
  }
}
