/*
 * What Frama-C does not know of the compiler, by contracts that are true of it.
 * Included by scripts/prove before each file.
 */
#ifndef VRNGD_PROVE_H
#define VRNGD_PROVE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* endian.h of a little-endian machine, as is the one that is proved for. */
#define htole16(x) ((uint16_t)(x))
#define htole32(x) ((uint32_t)(x))
#define le16toh(x) ((uint16_t)(x))
#define le32toh(x) ((uint32_t)(x))
#define le64toh(x) ((uint64_t)(x))

/* limits.h, sys/mman.h and sys/socket.h of Linux, which Frama-C's lack. */
#define MAP_NORESERVE 0x4000
#define SOCK_CLOEXEC  02000000
#define PIPE_BUF      4096
#define CMSG_ALIGN(n) (((n) + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1))
#define CMSG_SPACE(n) (CMSG_ALIGN(n) + CMSG_ALIGN(sizeof(struct cmsghdr)))
#define CMSG_LEN(n)   (CMSG_ALIGN(sizeof(struct cmsghdr)) + (n))

/* What the guest may change meanwhile: any value, each time. */
#define __atomic_load_n(from, order) (*(volatile __typeof__(*(from)) *)(from))

#define __atomic_store_n(to, value, order)  (*(to) = (value))
#define __atomic_fetch_or(to, value, order) (*(to) |= (value))
#define __atomic_thread_fence(order)	    ((void)0)
#define __atomic_signal_fence(order)	    ((void)0)

/* string.h: memcpy() of bytes; what they are is not said. */
#define memcpy prove_copy
/*@
 @ requires \valid(to + (0 .. n - 1));
 @ requires \valid_read(from + (0 .. n - 1));
 @ requires \separated(to + (0 .. n - 1), from + (0 .. n - 1));
 @ assigns to[0 .. n - 1];
 @*/
void prove_copy(uint8_t *to, const uint8_t *from, uint64_t n);

/*
 * sys/mman.h, sys/stat.h and signal.h: what mmap() returns is memory.  The
 * content of errno is left out.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#undef MAP_FAILED
#define MAP_FAILED    ((uint8_t *)-1)
#define mmap	      prove_map
#define munmap	      prove_unmap
#define fstat(fd, st) prove_stat(fd, st)
/*@
 @ assigns \result \from addr, length, fd, offset;
 @ ensures \result == MAP_FAILED ||
 @   \valid(\result + (0 .. length - 1));
 @*/
uint8_t *prove_map(uint8_t *addr, uint64_t length, int prot, int flags, int fd,
    int64_t offset);
/*@
 @ assigns \result \from addr, length;
 @*/
int prove_unmap(uint8_t *addr, uint64_t length);
/*@
 @ requires \valid(st);
 @ assigns *st, \result;
 @*/
int prove_stat(int fd, struct stat *st);
#include <signal.h>
#define sigaction(sig, act, old) prove_action(sig, act)
/*@
 @ requires \valid_read(act);
 @ assigns \result;
 @*/
int prove_action(int sig, const struct sigaction *act);
/*@
 @ assigns \result;
 @ ensures \valid_read(\result);
 @*/
const char *prove_error(int error);
#define strerror prove_error

/*
 * gcc: __builtin_add_overflow() and the like compute as if with unlimited
 * precision, and return whether the result does not fit in *to.
 */
/*@
 @ requires \valid(to);
 @ assigns *to, \result \from a, b;
 @ ensures \result <==> a + b > UINT64_MAX;
 @ ensures !\result ==> *to == a + b;
 @*/
bool prove_add_uuu(uint64_t a, uint64_t b, uint64_t *to);
/*@
 @ requires \valid(to);
 @ assigns *to, \result \from a, b;
 @ ensures \result <==> a + b > INT64_MAX;
 @ ensures !\result ==> *to == a + b;
 @*/
bool prove_add_iui(int64_t a, uint64_t b, int64_t *to);
/*@
 @ requires \valid(to);
 @ assigns *to, \result \from a, b;
 @ ensures \result <==> a < b;
 @ ensures !\result ==> *to == a - b;
 @*/
bool prove_sub_iiu(int64_t a, int64_t b, uint64_t *to);

/*@
 @ requires \valid(to);
 @ assigns *to, \result \from a, b;
 @ ensures \result <==> a * b > UINT64_MAX;
 @ ensures !\result ==> *to == a * b;
 @*/
bool prove_mul_uuu(uint64_t a, uint64_t b, uint64_t *to);
#define __builtin_mul_overflow prove_mul_uuu

#ifdef PROVE_SIGNED /* the types of the file that is proved */
#define __builtin_add_overflow prove_add_iui
#define __builtin_sub_overflow prove_sub_iiu
#else
#define __builtin_add_overflow prove_add_uuu
#endif

#endif
