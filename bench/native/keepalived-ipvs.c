/* For measuring only: answers keepalived's IPVS calls where the kernel has no IPVS, as if all were done. Loaded with LD_PRELOAD. keepalived asks by
 * netlink first, finds no such family, and falls back to these socket options. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define IP_VS_BASE_CTL (64 + 1024 + 64)
#define IP_VS_MAX (IP_VS_BASE_CTL + 63)
#define IP_VS_SO_GET_INFO (IP_VS_BASE_CTL + 1)

static int ours(int level, int name) { return level == IPPROTO_IP && name >= IP_VS_BASE_CTL && name <= IP_VS_MAX; }

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict size) {
  static int (*real)(int, int, int, void *, socklen_t *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "getsockopt");
  if (!ours(level, name)) return real(fd, level, name, value, size);
  if (name != IP_VS_SO_GET_INFO) {
    errno = ESRCH;
    return -1;
  }
  unsigned info[3] = {0x010201, 4096, 0};
  memset(value, 0, *size);
  memcpy(value, info, *size < sizeof info ? *size : sizeof info);
  return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
  static int (*real)(int, int, int, const void *, socklen_t);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "setsockopt");
  return ours(level, name) ? 0 : real(fd, level, name, value, size);
}
