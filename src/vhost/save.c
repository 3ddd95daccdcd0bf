/*
 * Saves the session in its deposit.  Used by worker.c with each message, and by
 * requests.c for descriptors.
 */
#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "vhost/worker.h"

/* With this many messages, those in use are gathered into fewer. */
#define MESSAGES_MAX 128

static bool
is_of(const struct message *m, uint32_t id)
{
	for (size_t i = 0; i < m->nfds; i++)
		if (m->ids[i] == id)
			return true;
	return false;
}

/* Whether the session uses the descriptor with an id, or may use it soon. */
static bool
is_used(const struct worker *w, uint32_t id)
{
	if (id == DEPOSIT_CONNECTION || id == DEPOSIT_STATE ||
	    id == w->memory.log.id || id == w->memory.inflight.id ||
	    id == w->kick_id || id == w->call.id || id == w->err.id)
		return true;
	if (is_of(&w->session.in, id) || is_of(&w->session.out, id))
		return true;
	for (uint32_t i = 0; i < w->memory.nregions; i++)
		if (w->memory.regions[i].map.id == id)
			return true;
	return false;
}

static int
put(struct save *save, const struct deposit_parts *parts)
{
	if (deposit_put(save->deposit, parts) == -1)
		return -1;
	save->messages++;
	return 0;
}

/* Moves the parts in use from `from`, and closes the others. */
static void
gather(const struct worker *w, struct deposit_parts *used,
    struct deposit_parts *from)
{
	for (size_t i = 0; i < from->n; i++) {
		if (!is_used(w, from->ids[i]))
			continue;
		used->ids[used->n] = from->ids[i];
		used->fds[used->n++] = from->fds[i];
		from->fds[i] = -1;
	}
	deposit_close(from);
}

/*
 * Gathers the parts in use of the oldest messages into one new message, and
 * removes the old ones.  Returns the number of removed messages, or -1 with
 * errno.
 */
static int
gather_some(struct worker *w, uint32_t most)
{
	struct save *save = &w->save;
	struct deposit_parts used = { .n = 0 }, parts;
	uint32_t n = 0;
	int r = 0;

	if (deposit_rewind(save->deposit) == -1)
		return -1;
	while (n < most && (r = deposit_peek(save->deposit, &parts)) == 1) {
		if (used.n + parts.n > DEPOSIT_PARTS_MAX) {
			deposit_close(&parts);
			break;
		}
		gather(w, &used, &parts);
		n++;
	}
	if (r != -1 && used.n > 0)
		r = put(save, &used);
	deposit_close(&used);
	if (r == -1)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		if (deposit_drop(save->deposit) == -1)
			return -1;
		save->messages--;
	}
	return (int)n;
}

int
save_gather(struct worker *w)
{
	uint32_t left = w->save.messages;
	int n;

	while (left > 0) {
		if ((n = gather_some(w, left)) == -1)
			return -1;
		if (n == 0)
			break;
		left -= (uint32_t)n;
	}
	return 0;
}

void
save_fds(struct worker *w, struct message *m)
{
	struct save *save = &w->save;
	struct deposit_parts parts = { .n = m->nfds };
	bool enough = save->next_id <= UINT32_MAX - VHOST_USER_FDS_MAX;

	if (m->hdr.request == VHOST_USER_SET_DEVICE_STATE_FD) {
		memset(m->ids, 0, sizeof(m->ids));
		return;
	}
	for (size_t i = 0; i < m->nfds; i++) {
		m->ids[i] = save->next_id++;
		parts.ids[i] = m->ids[i];
		parts.fds[i] = m->fds[i];
	}
	if (m->nfds == 0 || save->file->abandoned != 0)
		return;
	errno = EOVERFLOW;
	if (enough && put(save, &parts) == 0 &&
	    (save->messages < MESSAGES_MAX || save_gather(w) == 0))
		return;
	log_warning("session will not be resumable: %s", strerror(errno));
	save->file->abandoned = 1;
}

static void
save_place(struct saved_place *place, const struct mapping *map)
{
	place->id = map->base == NULL ? 0 : map->id;
	place->offset = map->offset;
	place->size = map->size;
}

static void
save_ring(const struct worker *w, struct saved_state *s)
{
	const struct queue *q = &w->queue;

	s->addr = q->addr;
	s->num = q->num;
	s->shrunk = q->shrunk;
	s->next = q->next;
	if (q->packed)
		s->next = rng_next(&w->rng);
	else if (w->running)
		s->next = (uint16_t)(rng_next(&w->rng) - q->published);
	s->flags = (w->kick_set ? SAVED_KICK_SET : 0) |
	    (w->enabled ? SAVED_ENABLED : 0) |
	    (w->running ? SAVED_RUNNING : 0) |
	    (q->addr_set ? SAVED_ADDR_SET : 0) |
	    (w->memory.shrunk ? SAVED_MEMORY_SHRUNK : 0);
	s->inflight_num = w->inflight.num;
	s->kick_id = w->kick_fd == -1 ? 0 : w->kick_id;
	s->call_id = w->call.fd == -1 ? 0 : w->call.id;
	s->err_id = w->err.fd == -1 ? 0 : w->err.id;
}

static void
save_memory(const struct memory *mem, struct saved_state *s)
{
	s->nregions = mem->nregions;
	for (uint32_t i = 0; i < mem->nregions; i++)
		s->regions[i] = (struct saved_region){
			.desc = mem->regions[i].desc,
			.id = mem->regions[i].map.id,
		};
	save_place(&s->log, &mem->log);
	save_place(&s->inflight, &mem->inflight);
}

static void
save_reply(const struct session *session, struct saved_state *s)
{
	const struct message *m = &session->out;

	s->reply_len = (uint32_t)session->out_len;
	s->reply_hdr = m->hdr;
	memcpy(s->reply_payload, &m->payload, sizeof(s->reply_payload));
	s->reply_id = m->nfds > 0 ? m->ids[0] : 0;
}

void
save_state(struct worker *w, uint32_t consume, enum saved_reply reply)
{
	struct saved *file = w->save.file;
	struct saved_state *s = &file->copies[(file->count + 1) % 2];

	s->features = w->features;
	s->protocol_features = w->protocol_features;
	s->status = w->status;
	save_ring(w, s);
	save_memory(&w->memory, s);
	s->next_id = w->save.next_id;
	s->consume = consume;
	s->reply = reply;
	if (reply != REPLY_NONE)
		save_reply(&w->session, s);
	__atomic_store_n(&file->count, file->count + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&file->version,
	    w->queue.packed ? SAVE_VERSION_PACKED : SAVE_VERSION,
	    __ATOMIC_RELEASE);
}
