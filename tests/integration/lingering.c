/*
 * The server of a file system with one file, /f, that is of no use but to be
 * closed.  See <linux/fuse.h>.  Used by tests of hung processes.
 */
#include <sys/mount.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/lingering.h"
#include "integration/suite.h"

#define FILE_NODE   2
#define BUFFER_SIZE (2 * FUSE_MIN_READ_BUFFER)

static void
set_attr(struct fuse_attr *attr, uint64_t node)
{
	attr->ino = node;
	attr->mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0600;
	attr->nlink = 1;
}

/* Answers with `len` bytes at `payload`, or with an error. */
static void
answer(const struct lingering *l, uint64_t unique, int error,
    const void *payload, size_t len)
{
	union {
		struct fuse_out_header hdr;
		char buf[512];
	} out = { 0 };

	out.hdr.unique = unique;
	out.hdr.error = -error;
	out.hdr.len = (uint32_t)(sizeof(out.hdr) + len);
	if (len > 0)
		memcpy(out.buf + sizeof(out.hdr), payload, len);
	/* The caller may have exited. */
	if (write(l->dev, &out, out.hdr.len) == -1)
		return;
}

static void
answer_init(const struct lingering *l, const struct fuse_in_header *in)
{
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};

	answer(l, in->unique, 0, &init, sizeof(init));
}

static void
answer_node(const struct lingering *l, const struct fuse_in_header *in)
{
	struct fuse_entry_out entry = { .nodeid = FILE_NODE };
	struct fuse_attr_out attr = { 0 };

	set_attr(&entry.attr, FILE_NODE);
	set_attr(&attr.attr, in->nodeid);
	if (in->opcode == FUSE_LOOKUP)
		answer(l, in->unique, 0, &entry, sizeof(entry));
	else
		answer(l, in->unique, 0, &attr, sizeof(attr));
}

static void
dispatch(struct lingering *l, const struct fuse_in_header *in)
{
	const struct fuse_open_out open_out = { .fh = 1 };

	switch (in->opcode) {
	case FUSE_INIT:
		answer_init(l, in);
		break;
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
		answer_node(l, in);
		break;
	case FUSE_OPEN:
		answer(l, in->unique, 0, &open_out, sizeof(open_out));
		break;
	case FUSE_FLUSH:
		if (l->armed)
			l->waiting++;
		else
			answer(l, in->unique, 0, NULL, 0);
		break;
	case FUSE_RELEASE:
		answer(l, in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(l, in->unique, ENOSYS, NULL, 0);
	}
}

static void *
serve(void *arg)
{
	struct lingering *l = arg;
	union {
		struct fuse_in_header hdr;
		char buf[BUFFER_SIZE];
	} *in = malloc(sizeof(*in));
	struct pollfd pfd[2] = { { l->dev, POLLIN, 0 }, { l->stop[0], 0, 0 } };

	while (in != NULL && poll(pfd, 2, -1) != -1 && pfd[1].revents == 0)
		if (read(l->dev, in, sizeof(*in)) >= (ssize_t)sizeof(in->hdr))
			dispatch(l, &in->hdr);
	free(in);
	return NULL;
}

static int
mount_fuse(int dev, const char *dir)
{
	char options[96];

	snprintf(options, sizeof(options),
	    "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	return mount("vrngd-test", dir, "fuse", MS_NOSUID | MS_NODEV, options);
}

int
lingering_mount(struct lingering *l)
{
	*l = (struct lingering){ .dir = "/tmp/vrngd-linger.XXXXXX" };
	if ((l->dev = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK)) == -1)
		return -1;
	/* It goes with this process, however that ends. */
	if (unshare(CLONE_NEWNS) == -1 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mkdtemp(l->dir) == NULL)
		goto fail;
	if (mount_fuse(l->dev, l->dir) == -1) {
		rmdir(l->dir);
		goto fail;
	}
	CHECK(pipe2(l->stop, O_CLOEXEC));
	CHECK(pthread_create(&l->server, NULL, serve, l));
	return 0;
fail:
	close(l->dev);
	return -1;
}

int
lingering_open(struct lingering *l)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/f", l->dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_not_equal(fd, -1);
	return fd;
}

void
lingering_arm(struct lingering *l)
{
	l->armed = true;
}

void
lingering_unmount(struct lingering *l)
{
	l->armed = false;
	close(l->stop[1]);
	pthread_join(l->server, NULL);
	/* Without a server all calls fail. */
	close(l->dev);
	close(l->stop[0]);
	CHECK(umount2(l->dir, MNT_DETACH));
	CHECK(rmdir(l->dir));
}

int
lingering_silence(const char *dir)
{
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	assert_int_not_equal(dev, -1);
	CHECK(mount_fuse(dev, dir));
	return dev;
}
