/* Stands in for ipvsadm where the kernel has no IPVS: keeps virtual services and real servers (IPv4, TCP and UDP, masquerading) in files beside itself.
 *   rules   the table as `ipvsadm -Sn` lists it
 *   proc    the same as /proc/net/ip_vs shows it
 *   log     a line for each run: CLOCK_MONOTONIC in microseconds at its start, lines taken from standard input, arguments
 * Knows -Sn, -R (with -A, -D, -a, -e, -d), and answers every listing else with nothing. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST 65536
#define SLOTS (MOST * 4)

struct entry {
  char proto; /* t or u */
  char service[24], server[24], scheduler[16];
  int weight, parent, gone;
};

static struct entry entries[MOST];
static int count, slots[SLOTS];

static uint32_t hash(char proto, const char *a, const char *b) {
  uint32_t h = 2166136261u ^ (unsigned char)proto;
  for (; *a; a++) h = (h ^ (unsigned char)*a) * 16777619u;
  h = (h ^ '|') * 16777619u;
  for (; *b; b++) h = (h ^ (unsigned char)*b) * 16777619u;
  return h;
}

static int *slot(char proto, const char *service, const char *server) {
  uint32_t i = hash(proto, service, server) % SLOTS;
  for (;; i = (i + 1) % SLOTS) {
    if (slots[i] == 0) return &slots[i];
    struct entry *e = &entries[slots[i] - 1];
    if (e->proto == proto && !strcmp(e->service, service) && !strcmp(e->server, server)) return &slots[i];
  }
}

static int apply(char *line) {
  char *words[64], *save;
  int n = 0;
  for (char *w = strtok_r(line, " \n", &save); w && n < 64; w = strtok_r(NULL, " \n", &save)) words[n++] = w;
  if (n == 0) return 0;
  struct entry given = {.weight = 1, .scheduler = "wlc"};
  char order = words[0][1];
  for (int i = 1; i < n; i++) {
    if (!strcmp(words[i], "-t") || !strcmp(words[i], "-u")) {
      given.proto = words[i][1];
      snprintf(given.service, sizeof given.service, "%s", words[++i]);
    } else if (!strcmp(words[i], "-r")) snprintf(given.server, sizeof given.server, "%s", words[++i]);
    else if (!strcmp(words[i], "-w")) given.weight = atoi(words[++i]);
    else if (!strcmp(words[i], "-s")) snprintf(given.scheduler, sizeof given.scheduler, "%s", words[++i]);
  }
  int *here = slot(given.proto, given.service, given.server);
  struct entry *e = *here ? &entries[*here - 1] : NULL;
  int there = e && !e->gone;
  if (order == 'A' || order == 'a') {
    if (there) {
      fputs(order == 'A' ? "Service already exists\n" : "Destination already exists\n", stderr);
      return 255;
    }
    if (!e) {
      if (count == MOST) abort();
      *here = count + 1;
      e = &entries[count++];
    }
    if (order == 'a') {
      int *parent = slot(given.proto, given.service, "");
      if (!*parent) {
        fputs("Service not defined\n", stderr);
        return 255;
      }
      given.parent = *parent;
    }
    *e = given;
    return 0;
  }
  if (!there) {
    fputs(order == 'D' ? "No such service\n" : "No such destination\n", stderr);
    return 255;
  }
  if (order == 'e') e->weight = given.weight;
  else if (order == 'd' || order == 'D') {
    e->gone = 1;
    if (order == 'D')
      for (int i = 0; i < count; i++)
        if (entries[i].parent == *here) entries[i].gone = 1;
  }
  return 0;
}

static const char *hex(const char *endpoint, char *into) {
  char host[24];
  int port = 0;
  struct in_addr a = {0};
  sscanf(endpoint, "%23[^:]:%d", host, &port);
  inet_pton(AF_INET, host, &a);
  snprintf(into, 24, "%08X:%04X", ntohl(a.s_addr), port);
  return into;
}

static void save(void) {
  static const char *const names[2] = {"rules", "proc"};
  char fresh[32], text[24];
  for (int proc = 0; proc < 2; proc++) {
    snprintf(fresh, sizeof fresh, "%s.%d", names[proc], getpid());
    FILE *f = fopen(fresh, "w");
    if (!f) exit(1);
    if (proc)
      fputs("IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n"
            "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n", f);
    for (int s = 0; s < count; s++) {
      struct entry *v = &entries[s];
      if (v->gone || *v->server) continue;
      if (proc) fprintf(f, "%s  %s %s  \n", v->proto == 't' ? "TCP" : "UDP", hex(v->service, text), v->scheduler);
      else fprintf(f, "-A -%c %s -s %s\n", v->proto, v->service, v->scheduler);
      for (int i = s + 1; i < count; i++) {
        struct entry *d = &entries[i];
        if (d->gone || d->parent != s + 1) continue;
        if (proc) fprintf(f, "  -> %s      Masq    %-6d 0          0         \n", hex(d->server, text), d->weight);
        else fprintf(f, "-a -%c %s -r %s -m -w %d\n", d->proto, d->service, d->server, d->weight);
      }
    }
    if (fclose(f) != 0 || rename(fresh, names[proc]) != 0) exit(1);
  }
}

int main(int argc, char **argv) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  char folder[PATH_MAX], line[512];
  ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
  if (n < 0) return 1;
  folder[n] = 0;
  *strrchr(folder, '/') = 0;
  if (chdir(folder) < 0) return 1;
  FILE *rules = fopen("rules", "r");
  int restore = argc > 1 && !strcmp(argv[1], "-R"), list = argc > 1 && !strcmp(argv[1], "-Sn"), code = 0, taken = 0;
  if (list && rules)
    while (fgets(line, sizeof line, rules)) fputs(line, stdout);
  if (restore) {
    if (rules)
      while (fgets(line, sizeof line, rules)) apply(line);
    for (; fgets(line, sizeof line, stdin); taken++) code = apply(line);
    save();
  }
  FILE *log = fopen("log", "a");
  if (log) {
    fprintf(log, "%llu %d", (unsigned long long)t.tv_sec * 1000000u + (unsigned long long)t.tv_nsec / 1000u, taken);
    for (int i = 1; i < argc; i++) fprintf(log, " %s", argv[i]);
    fputc('\n', log);
    fclose(log);
  }
  return code;
}
