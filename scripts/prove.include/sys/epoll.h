/*
 * sys/epoll.h of Linux, which Frama-C does not have: see scripts/prove.h.
 */
#ifndef VRNGD_PROVE_EPOLL_H
#define VRNGD_PROVE_EPOLL_H

#include <stdint.h>

#define EPOLLIN	      0x1
#define EPOLLOUT      0x4
#define EPOLLET	      0x80000000
#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3

typedef union epoll_data {
	void *ptr;
	int fd;
	uint32_t u32;
	uint64_t u64;
} epoll_data_t;

struct epoll_event {
	uint32_t events;
	epoll_data_t data;
} __attribute__((packed));

#endif
