/*
 * VMMs started with the wrong options: memory that is not shared, rings that
 * cannot be reached.  One warning names the option, and so does vrngctl why.
 */
#include <sys/mman.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/admin.h"

#define LIMIT_MS	     (20000 * test_patience())
#define FE_F_ACCESS_PLATFORM FE_BIT(33)

static void
start(struct suite *s)
{
	admin_conf(s, "w",
	    "pool \"default\" { source \"kernel\" { type = kernel } }\n");
	admin_conf_guest(s, "vm0", "");
	admin_start(s);
}

/* Connects with memory and a ring, until the guest's driver starts. */
static void
realize(struct suite *s, uint64_t features, bool private)
{
	struct fe *fe = &s->fe;

	fe_init(fe);
	CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_mem_default(fe));
	for (size_t i = 0; i < fe->nregions && private; i++)
		assert_ptr_not_equal(
		    mmap(fe->regions[i].base, fe->regions[i].wire.size,
			PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
			fe->regions[i].fd, (off_t)fe->regions[i].wire.offset),
		    MAP_FAILED);
	CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
	CHECK(fe_handshake(fe, features, QEMU_PFEATURES));
}

/* vrngctl why says that of vm0, in the end. */
static void
await_why(struct suite *s, const char *text)
{
	uint64_t end = fe_now() + LIMIT_MS;
	char out[1024];

	do {
		if (fe_now() > end)
			fail_msg("'%s' is not in: %s", text, out);
		assert_int_equal(admin_ctl(s, out, sizeof(out), "why vm0"), 0);
	} while (strstr(out, text) == NULL);
}

/* The warning comes, and is the only one. */
static void
await_fault(struct suite *s, const char *text)
{
	CHECK(daemon_log_wait(&s->d, text, 1, LIMIT_MS));
	await_why(s, text);
	assert_int_equal(daemon_log_count(&s->d, text), 1);
	assert_int_equal(daemon_log_count(&s->d, " warning guest vm0: "), 1);
}

/* Like memory-backend-memfd,share=off: the VMM writes to a copy. */
static void
test_private(void **state)
{
	struct suite *s = *state;

	start(s);
	realize(s, QEMU_FEATURES, true);
	await_why(s, "has not requested bytes yet");
	CHECK(fe_start(&s->fe));
	for (int i = 0; i < 10; i++) {
		assert_int_not_equal(fe_add_one(&s->fe, FE_BUF_GPA, 64), -1);
		fe_kick_always(&s->fe);
	}
	await_fault(s, "guest memory is not shared: use memory-backend-memfd");
	suite_pass(s);
}

/* The guest requests once, and the worker starts the ring after that. */
static void
test_private_early(void **state)
{
	struct suite *s = *state;

	start(s);
	realize(s, QEMU_FEATURES, true);
	CHECK(fe_start(&s->fe));
	CHECK(fe_set_state(&s->fe, FE_SET_VRING_ENABLE, 0));
	usleep(100000);
	assert_int_not_equal(fe_add_one(&s->fe, FE_BUF_GPA, 64), -1);
	fe_kick_always(&s->fe);
	usleep(100000);
	CHECK(fe_set_state(&s->fe, FE_SET_VRING_ENABLE, 1));
	await_fault(s, "guest memory is not shared: use memory-backend-memfd");
	suite_pass(s);
}

/* Like no backend at all: the VMM has nothing to share. */
static void
test_no_memory(void **state)
{
	struct suite *s = *state;

	start(s);
	realize(s, QEMU_FEATURES, false);
	CHECK(fe_set_u64(&s->fe, FE_SET_FEATURES, QEMU_FEATURES));
	await_fault(s, "guest memory is not shared: use memory-backend-memfd");
	/* Late, but not too late. */
	CHECK(fe_start(&s->fe));
	suite_served(&s->fe);
	await_why(s, "vm0 is connected: no request waits");
	suite_pass(s);
}

/* A guest with more memory than that which is shared. */
static void
test_ring(void **state)
{
	struct suite *s = *state;
	uint64_t desc;

	start(s);
	realize(s, QEMU_FEATURES, false);
	desc = s->fe.ring.desc_gpa;
	s->fe.ring.desc_gpa = FE_MEM_END + FE_PAGE;
	CHECK(fe_start(&s->fe));
	CHECK(fe_start_ring(&s->fe));
	await_fault(s, "ring is not in the shared memory: set share=on");
	s->fe.ring.desc_gpa = desc;
	CHECK(fe_start_ring(&s->fe));
	suite_served(&s->fe);
	await_why(s, "vm0 is connected: no request waits");
	suite_pass(s);
}

/* The ring's addresses are those of an IOMMU that QEMU emulates. */
static void
test_iommu(void **state)
{
	struct suite *s = *state;
	uint64_t desc;

	start(s);
	realize(s, QEMU_FEATURES | FE_F_ACCESS_PLATFORM, false);
	desc = s->fe.ring.desc_gpa;
	s->fe.ring.desc_gpa = FE_MEM_END + FE_PAGE;
	CHECK(fe_start(&s->fe));
	await_fault(s, "virtual IOMMU: remove iommu_platform=on");
	/* Without an IOMMU, the option does no harm. */
	s->fe.ring.desc_gpa = desc;
	CHECK(fe_start(&s->fe));
	suite_served(&s->fe);
	suite_pass(s);
}

/* The next worker does not warn again. */
static void
test_worker_dies(void **state)
{
	const char *const text = "ring is not in the shared memory";
	struct suite *s = *state;
	pid_t pid;

	start(s);
	realize(s, QEMU_FEATURES, false);
	s->fe.ring.desc_gpa = FE_MEM_END + FE_PAGE;
	CHECK(fe_start(&s->fe));
	await_fault(s, text);
	pid = daemon_child(&s->d, ROLE_VHOST, "vm0");
	CHECK(kill(pid, SIGKILL));
	CHECK(daemon_log_wait(&s->d, "session resumed", 1, LIMIT_MS));
	await_why(s, text);
	/* It has read the ring's address, as it answers. */
	assert_true(fe_get_base(&s->fe) >= 0);
	assert_int_equal(daemon_log_count(&s->d, text), 1);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_EMPTY(test_private),
		SUITE_EMPTY(test_private_early), SUITE_EMPTY(test_no_memory),
		SUITE_EMPTY(test_ring), SUITE_EMPTY(test_iommu),
		SUITE_EMPTY(test_worker_dies), SUITE_EMPTY_PACKED(test_private),
		SUITE_EMPTY_PACKED(test_private_early),
		SUITE_EMPTY_PACKED(test_ring),
		SUITE_EMPTY_PACKED(test_worker_dies) };

	return SUITE_MAIN("faults", tests);
}
