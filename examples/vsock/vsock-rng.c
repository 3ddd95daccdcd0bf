/*
 * vsock-rng: feeds the kernel of a virtual machine with bytes of vrngd on its
 * host, by EGD over vsock.  For guests without a virtio-rng device of vrngd,
 * such as those of Firecracker.
 *
 *	cc -O2 -o /usr/local/sbin/vsock-rng vsock-rng.c
 *	vsock-rng [--once] PORT
 *
 * Reads 64 bytes at once and then every minute, as the kernel does from a
 * virtio-rng device.  Ends when the connection does; its unit starts it again.
 */
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <err.h>
#include <fcntl.h>
#include <linux/random.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES	 64
#define INTERVAL (60 * 1000) /* ms */

static const unsigned char request[] = { 2, BYTES }; /* EGD: wait for BYTES */

/* As struct rand_pool_info of linux/random.h. */
static struct {
	int bits, size;
	unsigned char bytes[BYTES];
} pool = { .bits = BYTES * 8, .size = BYTES };

int
main(int argc, char **argv)
{
	int once = argc == 3 && strcmp(argv[1], "--once") == 0;
	struct sockaddr_vm host = { .svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST };
	struct pollfd p = { .events = POLLIN };
	int kernel;

	if (argc != 2 + once)
		errx(2, "usage: vsock-rng [--once] PORT");
	host.svm_port = (unsigned int)strtoul(argv[1 + once], NULL, 10);
	if ((kernel = open("/dev/random", O_WRONLY | O_CLOEXEC)) == -1)
		err(1, "/dev/random");
	p.fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p.fd == -1 ||
	    connect(p.fd, (struct sockaddr *)&host, sizeof(host)) == -1)
		err(1, "cannot connect to port %s of the host", argv[1 + once]);
	do {
		if (send(p.fd, request, sizeof(request), MSG_NOSIGNAL) !=
			(ssize_t)sizeof(request) ||
		    recv(p.fd, pool.bytes, BYTES, MSG_WAITALL) != BYTES)
			errx(1, "the host has closed the connection");
		if (ioctl(kernel, RNDADDENTROPY, &pool) == -1)
			err(1, "RNDADDENTROPY");
		explicit_bzero(pool.bytes, BYTES);
	} while (!once && poll(&p, 1, INTERVAL) == 0);
	return once ? 0 : 1;
}
