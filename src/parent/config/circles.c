/*
 * A pool must not be its own source, directly or through other pools: finds the
 * services of this configuration that feed sources of it.  Used by build.c when
 * all blocks are known.
 */
#include <sys/queue.h>

#include <string.h>

#include "parent/config/reader.h"

/* A service, or a guest's EGD socket, feeds a source. */
struct feed {
	TAILQ_ENTRY(feed) entry;
	const struct config_block *source, *service;
	const struct config_block *to, *from; /* their pools */
	bool seen;			      /* in the current search */
	bool cut;			      /* reported, not followed again */
};

TAILQ_HEAD(feeds, feed);

/* Whether who connects to an address gets to who listens at the other one. */
static bool
address_reaches(const char *to, const char *at)
{
	const char *any = strchr(to, ':') != NULL ? "::" : "0.0.0.0";
	struct proto_network loopback;

	return strcmp(to, at) == 0 ||
	    (strcmp(at, any) == 0 && config_network_loopback(to, &loopback));
}

static bool
reaches(const struct config_socket *to, const struct config_socket *at)
{
	if (to->transport != at->transport || to->where == NULL ||
	    at->where == NULL)
		return false;
	if (to->transport == CONFIG_UNIX)
		return config_file_same(to->where, at->where);
	return to->port == at->port && address_reaches(to->where, at->where);
}

/* Whether the guest or service sends its bytes to the source. */
static bool
feeds(const struct config_block *leaf, const struct config_source *source)
{
	const struct config_service *service = leaf->object;
	const struct config_guest *guest = leaf->object;
	struct config_socket egd = { .transport = CONFIG_UNIX };

	if (leaf->kind == CONFIG_GUEST) {
		egd.where = guest->egd;
		return !source->listen && reaches(&source->socket, &egd);
	}
	if (service->connect)
		return source->listen &&
		    reaches(&service->socket, &source->socket);
	return !source->listen && reaches(&source->socket, &service->socket);
}

/* The pool of a guest or service, or NULL after an error. */
static const struct config_block *
pool_of(const struct config_block *leaf)
{
	const struct config_block *block = leaf->parent;

	while (block != NULL && block->kind != CONFIG_POOL)
		block = block->parent;
	return block;
}

static void
add_feeds(struct feeds *all, const struct config_block *block)
{
	const struct config_source *source = block->object;
	const struct config_block *leaf, *from;
	struct feed *f;

	if (block->wrong ||
	    (source->spec.kind != SOURCE_EGD &&
		source->spec.kind != SOURCE_STREAM))
		return;
	TAILQ_FOREACH(leaf, &block->reader->blocks, entry) {
		if ((leaf->kind & CONFIG_LEAVES) == 0 || leaf->object == NULL ||
		    (from = pool_of(leaf)) == NULL || !feeds(leaf, source))
			continue;
		f = config_alloc(block->reader, sizeof(*f));
		f->source = block;
		f->service = leaf;
		f->to = block->within;
		f->from = from;
		TAILQ_INSERT_TAIL(all, f, entry);
	}
}

/* Whether bytes of the pool come from the other one. */
static bool
depends(struct feeds *all, const struct config_block *pool,
    const struct config_block *on)
{
	struct feed *f;

	if (pool == on)
		return true;
	TAILQ_FOREACH(f, all, entry) {
		if (f->to != pool || f->seen || f->cut)
			continue;
		f->seen = true;
		if (depends(all, f->from, on))
			return true;
	}
	return false;
}

static void
report(const struct feed *f)
{
	block_error(f->source, "%s, in %s, feeds it from %s%s%s: remove one",
	    f->service->title,
	    config_place_text(f->source->reader, f->service->place,
		f->source->place),
	    f->to == f->from ? "the same pool" : f->from->title,
	    f->to == f->from ? "" : ", which depends on ",
	    f->to == f->from ? "" : f->to->title);
}

void
rules_circles(struct config_reader *r)
{
	struct feeds all = TAILQ_HEAD_INITIALIZER(all);
	const struct config_block *block;
	struct feed *f, *other;

	TAILQ_FOREACH(block, &r->blocks, entry)
		if (block->kind == CONFIG_SOURCE && block->object != NULL)
			add_feeds(&all, block);
	TAILQ_FOREACH(f, &all, entry) {
		TAILQ_FOREACH(other, &all, entry)
			other->seen = false;
		f->cut = depends(&all, f->from, f->to);
		if (f->cut)
			report(f);
	}
}
