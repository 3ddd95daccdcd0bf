/*
 * Resumes a session from the deposit of the worker before.  Used by worker.c on
 * START.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "vhost/device/inflight_packed.h"
#include "vhost/device/packed.h"
#include "vhost/worker.h"

/*@
 @ // A saved state that can be gone on with.
 @ predicate state_is_valid(struct saved_state *s) =
 @   s->nregions <= VHOST_USER_MEM_SLOTS &&
 @   (s->reply == REPLY_NONE ||
 @     (s->reply == REPLY_OWED && s->reply_len <=
 @       sizeof(struct vhost_user_header) +
 @       sizeof(union vhost_user_payload)));
 @*/

/* Ends the worker.  A compromised worker may have written the deposit. */
/*@
 @ assigns \nothing;
 @ ensures \false;
 @*/
_Noreturn static void
lost(const char *why)
{
	log_error("cannot resume session: %s", why);
	_exit(EXIT_SESSION_LOST);
}

/* Finds the memory file, and maps it. */
static void
open_file(struct worker *w)
{
	struct deposit_parts parts;
	struct mapping map = { 0 };
	const char *why = "missing memory file";
	int r = 0;

	if (deposit_rewind(w->save.deposit) == -1)
		lost(strerror(errno));
	while (map.base == NULL &&
	    (r = deposit_peek(w->save.deposit, &parts)) == 1) {
		for (size_t i = 0; i < parts.n; i++)
			if (parts.ids[i] == DEPOSIT_STATE && map.base == NULL)
				mapping_open(&map, parts.fds[i], 0,
				    DEPOSIT_STATE_SIZE, &why);
		deposit_close(&parts);
	}
	if (map.base == NULL)
		lost(r == -1 ? strerror(errno) : why);
	w->save.file = (struct saved *)(void *)map.base;
}

/*
 * The state in the memory file, or that of a session of which nothing was saved
 * yet.
 */
/*@
 @ requires \valid_read(file);
 @ assigns \nothing;
 @ ensures \valid_read(\result) && state_is_valid(\result);
 @*/
static const struct saved_state *
read_state(const struct saved *file)
{
	static const struct saved_state nothing = {
		.next_id = DEPOSIT_OTHERS,
	};
	const struct saved_state *s = &nothing;

	if (file->abandoned != 0)
		lost("incomplete deposit");
	if (file->version == SAVE_VERSION ||
	    file->version == SAVE_VERSION_PACKED)
		s = &file->copies[file->count % 2];
	else if (file->version != 0)
		lost("saved by an incompatible version of vrngd");
	if (s->nregions > VHOST_USER_MEM_SLOTS)
		lost("too many memory regions");
	if (s->reply == REPLY_SENDING)
		lost("worker died during a reply, which the frontend may or "
		     "may not have received");
	if (s->reply > REPLY_SENDING)
		lost("the state of the saved reply is unknown");
	/* The rest of a longer reply is zero. */
	if (s->reply == REPLY_OWED &&
	    s->reply_len > sizeof(struct vhost_user_header) +
		    sizeof(union vhost_user_payload))
		lost("saved reply is too long");
	return s;
}

/*@
 @ requires \valid(map) && \valid_read(place) && \separated(map, place);
 @ requires mapping_is_valid(map);
 @ assigns *map;
 @ ensures mapping_is_valid(map);
 @*/
static void
take_mapping(struct mapping *map, const struct saved_place *place, uint32_t id,
    int fd)
{
	const char *why;

	if (place->id != id || map->base != NULL)
		return;
	if (mapping_open(map, fd, place->offset, place->size, &why) == -1)
		lost(why);
	map->id = id;
}

/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ requires \valid_read(s) && state_is_valid(s) && \separated(mem, s);
 @ assigns mem->regions[0 .. VHOST_USER_MEM_SLOTS - 1], mem->nregions,
 @   mem->recent, mem->shrunk;
 @ ensures memory_is_valid(mem);
 @*/
static void
take_region(struct memory *mem, const struct saved_state *s, uint32_t id,
    int fd)
{
	const char *why;

	/*@
	 @ loop invariant i <= mem->nregions;
	 @ loop assigns i;
	 @ loop variant mem->nregions - i;
	 @*/
	for (uint32_t i = 0; i < mem->nregions; i++)
		if (mem->regions[i].map.id == id)
			return;
	/*@
	 @ loop invariant i <= s->nregions && memory_is_valid(mem);
	 @ loop assigns i, why, mem->regions[0 .. VHOST_USER_MEM_SLOTS - 1],
	 @   mem->nregions, mem->recent, mem->shrunk;
	 @ loop variant s->nregions - i;
	 @*/
	for (uint32_t i = 0; i < s->nregions; i++)
		if (s->regions[i].id == id &&
		    memory_add(mem, &s->regions[i].desc, fd, id, &why) == -1)
			lost(why);
}

/* Uses a descriptor by its id; `*fd` is -1 afterwards if it is kept. */
static void
take_part(struct worker *w, const struct saved_state *s, uint32_t id, int *fd)
{
	bool keep = true;

	take_mapping(&w->memory.log, &s->log, id, *fd);
	take_mapping(&w->memory.inflight, &s->inflight, id, *fd);
	take_region(&w->memory, s, id, *fd);
	if (id == DEPOSIT_CONNECTION && w->session.fd == -1)
		session_init(&w->session, *fd);
	else if (id == s->kick_id && w->kick_fd == -1) {
		if (ring_set_kick(w, *fd, id) == -1)
			lost(strerror(errno));
	} else if (id == s->call_id && w->call.fd == -1)
		ring_set_call(w, *fd, id);
	else if (id == s->err_id && w->err.fd == -1)
		ring_set_err(w, *fd, id);
	else if (id == s->reply_id && s->reply == REPLY_OWED &&
	    w->save.reply_fd == -1)
		w->save.reply_fd = *fd;
	else
		keep = false;
	if (keep)
		*fd = -1;
}

static void
take_parts(struct worker *w, const struct saved_state *s)
{
	struct deposit_parts parts;
	int r;

	if (deposit_rewind(w->save.deposit) == -1)
		lost(strerror(errno));
	while ((r = deposit_peek(w->save.deposit, &parts)) == 1) {
		for (size_t i = 0; i < parts.n; i++)
			if (parts.ids[i] != 0)
				take_part(w, s, parts.ids[i], &parts.fds[i]);
		deposit_close(&parts);
		w->save.messages++;
	}
	if (r == -1)
		lost(strerror(errno));
	if (w->session.fd == -1 || w->memory.nregions != s->nregions ||
	    (s->log.id != 0) != (w->memory.log.base != NULL) ||
	    (s->inflight.id != 0) != (w->memory.inflight.base != NULL) ||
	    (s->kick_id != 0) != (w->kick_fd != -1) ||
	    (s->call_id != 0) != (w->call.fd != -1) ||
	    (s->err_id != 0) != (w->err.fd != -1))
		lost("incomplete deposit");
}

/* Where a ring that was running goes on: requests are completed in order. */
static void
take_position(struct queue *q, uint16_t next, uint32_t mark)
{
	const char *why;
	int position;

	q->next = next;
	if (queue_map(q, &why) == -1)
		lost(why);
	if (!q->packed)
		q->next = (uint16_t)(q->used + next);
	else if ((position = packed_settle(q, mark)) != -1)
		q->next = (uint16_t)position;
	else
		lost("the mark of the ring is out of range");
	queue_unmap(q);
}

static int
take_record(struct worker *w, const struct saved_state *s)
{
	const struct mapping *map = &w->memory.inflight;
	uint16_t num = (uint16_t)s->inflight_num;

	return w->queue.packed
	    ? inflight_packed_attach(&w->inflight, map->start, map->size, num)
	    : inflight_attach(&w->inflight, map->start, map->size, num);
}

static void
take_state(struct worker *w, const struct saved_state *s)
{
	struct queue *q = &w->queue;

	w->features = s->features;
	w->memory.logging = (s->features & FEATURE(VHOST_F_LOG_ALL)) != 0;
	w->protocol_features = s->protocol_features;
	w->status = (uint8_t)s->status;
	w->kick_set = (s->flags & SAVED_KICK_SET) != 0;
	w->enabled = (s->flags & SAVED_ENABLED) != 0;
	w->memory.shrunk = (s->flags & SAVED_MEMORY_SHRUNK) != 0;
	q->addr = s->addr;
	q->addr_set = (s->flags & SAVED_ADDR_SET) != 0;
	queue_set_packed(q, (s->features & FEATURE(VIRTIO_F_RING_PACKED)) != 0);
	if (s->num != 0 && queue_set_size(q, s->num) == -1)
		lost("queue size is not a power of two");
	q->next = s->next;
	q->shrunk = s->shrunk;
	if ((s->flags & SAVED_RUNNING) != 0)
		take_position(q, s->next, w->save.file->mark);
	q->mark = &w->save.file->mark;
	if (w->memory.inflight.base != NULL && take_record(w, s) == -1)
		lost("in-flight memory is too small for its queue");
	w->save.next_id = s->next_id;
	if (w->features != 0)
		worker_expect_memory(w);
}

/* Completes the message that the worker before had handled. */
static void
take_message(struct worker *w, const struct saved_state *s)
{
	struct message *out = &w->session.out;
	ssize_t left = session_unconsumed(&w->session);

	if (left == -1)
		lost(strerror(errno));
	if (s->consume > 0 &&
	    ((uint32_t)left > s->consume ||
		session_consume(&w->session, (size_t)left) == -1))
		lost("connection does not match the saved state");
	if (s->reply != REPLY_OWED)
		return;
	out->hdr = s->reply_hdr;
	memcpy(&out->payload, s->reply_payload, sizeof(s->reply_payload));
	w->session.out_len = s->reply_len;
	if (w->save.reply_fd != -1) {
		out->fds[0] = w->save.reply_fd;
		out->ids[0] = s->reply_id;
		out->nfds = 1;
	}
}

void
save_resume(struct worker *w, int deposit)
{
	const struct saved_state *s;

	w->save = (struct save){ .deposit = deposit, .reply_fd = -1 };
	open_file(w);
	s = read_state(w->save.file);
	take_parts(w, s);
	take_state(w, s);
	take_message(w, s);
	/* Descriptors sent by the parent count for its limit (unix(7)). */
	if (w->save.file->version == 0 && save_gather(w) == -1)
		log_debug("cannot gather the deposit: %s", strerror(errno));
	ring_update(w);
	save_state(w, 0, (enum saved_reply)s->reply);
}
