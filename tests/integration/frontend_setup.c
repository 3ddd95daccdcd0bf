/*
 * The fake frontend's sequences: what QEMU sends when the device is realized,
 * started and stopped, and the dirty log.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "integration/frontend.h"

/* Turn a refusal (1) into an error. */
static int
must(int rc)
{
	if (rc == 1)
		errno = EREMOTEIO;
	return rc == 0 ? 0 : -1;
}

static int
open_eventfds(struct fe *fe)
{
	int *fds[] = { &fe->kick, &fe->call, &fe->err };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] != -1)
			continue;
		*fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (*fds[i] == -1)
			return -1;
	}
	return 0;
}

static int
negotiate_protocol(struct fe *fe, uint64_t pfeatures)
{
	if (fe_get_u64(fe, FE_GET_PROTOCOL_FEATURES, &fe->poffered) == -1)
		return -1;
	fe->pfeatures = 0;
	if (fe_set_u64(fe, FE_SET_PROTOCOL_FEATURES,
		pfeatures & fe->poffered) == -1)
		return -1;
	fe->pfeatures = pfeatures & fe->poffered;
	if ((fe->pfeatures & FE_P_MQ) &&
	    fe_get_u64(fe, FE_GET_QUEUE_NUM, &fe->queue_num) == -1)
		return -1;
	if ((fe->pfeatures & FE_P_MEM_SLOTS) &&
	    fe_get_u64(fe, FE_GET_MAX_MEM_SLOTS, &fe->max_slots) == -1)
		return -1;
	return 0;
}

int
fe_handshake(struct fe *fe, uint64_t features, uint64_t pfeatures)
{
	if (open_eventfds(fe) == -1 ||
	    fe_get_u64(fe, FE_GET_FEATURES, &fe->offered) == -1)
		return -1;
	if ((features & FE_F_PROTOCOL) &&
	    negotiate_protocol(fe, pfeatures) == -1)
		return -1;
	fe->features = features;
	if (fe->ring.packed != NULL)
		fe->features |= FE_F_RING_PACKED;
	if (must(fe_set(fe, FE_SET_OWNER, NULL, 0, NULL, 0)) == -1 ||
	    fe_get_u64(fe, FE_GET_FEATURES, &fe->offered) == -1 ||
	    must(fe_set_fd(fe, FE_SET_VRING_CALL, fe->call)) == -1)
		return -1;
	return must(fe_set_fd(fe, FE_SET_VRING_ERR, fe->err));
}

int
fe_send_addr(struct fe *fe)
{
	const struct fe_ring *r = &fe->ring;
	struct fe_vring_addr addr = { .flags = fe->addr_flags,
		.desc = fe_uva(fe, r->desc_gpa),
		.used = fe_uva(fe, r->used_gpa),
		.avail = fe_uva(fe, r->avail_gpa),
		.log = r->used_gpa };

	return fe_set(fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

int
fe_start_ring(struct fe *fe)
{
	if (must(fe_set_state(fe, FE_SET_VRING_NUM, fe->ring.size)) == -1 ||
	    must(fe_set_state(fe, FE_SET_VRING_BASE, fe->ring.base)) == -1 ||
	    must(fe_send_addr(fe)) == -1)
		return -1;
	fe_kick_always(fe);
	if (must(fe_set_fd(fe, FE_SET_VRING_KICK, fe->kick)) == -1)
		return -1;
	if ((fe->features & FE_F_PROTOCOL) &&
	    must(fe_set_state(fe, FE_SET_VRING_ENABLE, 1)) == -1)
		return -1;
	return must(fe_set_fd(fe, FE_SET_VRING_CALL, fe->call));
}

int
fe_start(struct fe *fe)
{
	uint64_t status;

	if (must(fe_set_fd(fe, FE_SET_VRING_CALL, fe->call)) == -1 ||
	    must(fe_set_u64(fe, FE_SET_FEATURES, fe->features)) == -1)
		return -1;
	if ((fe->pfeatures & FE_P_STATUS) &&
	    (fe_get_u64(fe, FE_GET_STATUS, &status) == -1 ||
		must(fe_set_u64(fe, FE_SET_STATUS, 8)) == -1))
		return -1;
	if ((!fe->mem_sent || !(fe->pfeatures & FE_P_MEM_SLOTS)) &&
	    must(fe_mem_send(fe)) == -1)
		return -1;
	return fe_start_ring(fe);
}

int
fe_get_base(struct fe *fe)
{
	struct fe_vring_state state = { 0 };
	struct fe_msg msg;

	if (fe_ask(fe, FE_GET_VRING_BASE, &state, sizeof(state), &msg) == -1)
		return -1;
	memcpy(&state, msg.payload, sizeof(state));
	if (msg.hdr.size != sizeof(state) || state.index != 0) {
		errno = EPROTO;
		return -1;
	}
	fe->ring.base = state.num;
	if (fe->ring.packed == NULL)
		return (int)state.num;
	if ((fe->pfeatures & FE_P_BASE_INFLIGHT) == 0 &&
	    state.num >> 16 != (state.num & UINT16_MAX)) {
		errno = EPROTO;
		return -1;
	}
	return (int)(state.num & UINT16_MAX);
}

int
fe_next(const struct fe *fe)
{
	uint16_t idx = fe_used_idx(fe), position;

	if (fe->ring.packed == NULL)
		return idx;
	fe_packed_used_idx(fe, &position);
	return position;
}

int
fe_stop(struct fe *fe)
{
	if ((fe->features & FE_F_PROTOCOL) &&
	    must(fe_set_state(fe, FE_SET_VRING_ENABLE, 0)) == -1)
		return -1;
	return fe_get_base(fe);
}

int
fe_up(struct fe *fe, const char *path, uint32_t size, uint64_t features,
    uint64_t pfeatures)
{
	fe_init(fe);
	if (fe_connect(fe, path) == -1 || fe_mem_default(fe) == -1 ||
	    fe_ring_init(fe, size, FE_RING_GPA) == -1 ||
	    fe_handshake(fe, features, pfeatures) == -1)
		return -1;
	return fe_start(fe);
}

int
fe_log_start(struct fe *fe)
{
	struct fe_log log = { 0 };
	struct fe_msg msg;
	uint64_t end = 0;
	size_t i;

	for (i = 0; i < fe->nregions; i++)
		if (fe->regions[i].wire.gpa + fe->regions[i].wire.size > end)
			end =
			    fe->regions[i].wire.gpa + fe->regions[i].wire.size;
	fe->log_size = (size_t)(end / FE_PAGE + 7) / 8;
	fe->log_fd = memfd_create("log", MFD_CLOEXEC);
	if (fe->log_fd == -1 ||
	    ftruncate(fe->log_fd, (off_t)fe->log_size) == -1)
		return -1;
	fe->log = mmap(NULL, fe->log_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    fe->log_fd, 0);
	if (fe->log == MAP_FAILED) {
		fe->log = NULL;
		return -1;
	}
	log.size = fe->log_size;
	if (fe_send(fe, FE_SET_LOG_BASE, 0, &log, sizeof(log), &fe->log_fd,
		1) == -1 ||
	    fe_recv(fe, &msg, FE_TIMEOUT_MS) == -1)
		return -1;
	if (msg.hdr.request != FE_SET_LOG_BASE) {
		errno = EPROTO;
		return -1;
	}
	return 0;
}

bool
fe_log_dirty(const struct fe *fe, uint64_t gpa)
{
	uint64_t page = gpa / FE_PAGE;

	return (__atomic_load_n(&fe->log[page / 8], __ATOMIC_ACQUIRE) >>
		   (page % 8)) &
	    1;
}

size_t
fe_log_count(const struct fe *fe)
{
	size_t i, n = 0;

	for (i = 0; i < fe->log_size; i++)
		n += (size_t)__builtin_popcount(
		    __atomic_load_n(&fe->log[i], __ATOMIC_ACQUIRE));
	return n;
}

void
fe_log_clear(struct fe *fe)
{
	size_t i;

	for (i = 0; i < fe->log_size; i++)
		__atomic_store_n(&fe->log[i], 0, __ATOMIC_RELEASE);
}
