/*
 * A guest: its vhost-user socket and, if it has one, its EGD socket, and its
 * share of the pool.
 */
#ifndef VRNGD_GUEST_H
#define VRNGD_GUEST_H

#include "parent/endpoint/service.h"
#include "parent/endpoint/vhost.h"

/* An EGD socket: the guest's share is a node of the tree with two leaves. */
struct guest_egd {
	struct alloc_class alloc;
	struct service service;
};

/* Its totals, as far as the statistics have them. */
struct guest_sums {
	struct totals reported; /* in the last record */
	struct totals counted;	/* in the sums of guest_count() */
};

struct guest {
	TAILQ_ENTRY(guest) entry;
	RB_ENTRY(guest) by_name;
	struct log_subject subject; /* "guest" and the name */
	bool kept;		    /* by the current configuration */
	bool added; /* by vrngctl or systemd, without a configuration */
	const struct config_guest *config; /* in a reload; NULL: not there */
	struct vhost vhost;
	struct guest_egd *egd;	 /* allocated; NULL: no EGD socket */
	struct guest_sums *sums; /* allocated; NULL: all are 0 */
	char name[];
};

/*
 * Derives a guest's name from its socket: the last part of the path without
 * ".sock", with `_` in place of characters that a name may not contain.
 */
void guest_name(char name[GUEST_NAME_SIZE], const char *path);

/*
 * Initializes a guest without sockets, with a share below a node of the pool's
 * tree.  It has room for the name behind it, and must not move from now on.
 */
void guest_init(struct guest *, const char *name, struct process_env *,
    struct store *, struct pool *, struct alloc_node *parent,
    const struct alloc_share *, const struct config_terms *);

/* Changes its place in the pool's tree, its share and its terms. */
void guest_change(struct guest *, struct alloc_node *parent,
    const struct alloc_share *, const struct config_terms *);

/*
 * Gives it an EGD socket, whose service is started by the caller, or takes it
 * away.
 */
void guest_add_egd(struct guest *, const struct config_service *);
void guest_remove_egd(struct guest *, uint64_t deadline);

/* The node of the tree with its share, and its pool. */
struct alloc_node *guest_node(struct guest *);
struct pool *guest_pool(const struct guest *);

/*
 * The path of its vhost-user socket; NULL: unknown.  Whether the socket was
 * adopted, that is, not created by the daemon.
 */
const char *guest_path(const struct guest *);
bool guest_adopted(const struct guest *);

/*
 * The counters of all its workers, for both sockets; connections and
 * turned_away are those of the EGD socket.
 */
struct counters guest_counters(struct guest *);

/*
 * The state of the socket that is more active, and whether one of them is
 * connected; ns, the time from which its counters count.
 */
enum endpoint_state guest_state(const struct guest *);
bool guest_connected(const struct guest *);
uint64_t guest_since(const struct guest *);

/* ns, time that its requests waited for its limits. */
uint64_t guest_throttled(const struct guest *);

/* The same, with the current wait. */
uint64_t guest_throttled_now(const struct guest *);

/*
 * Adds the increase of its totals since the last call; its connections are
 * those to both sockets.
 */
void guest_count(struct guest *, struct totals *sum);

/* The totals in its last record, which are allocated if it had none. */
struct totals *guest_reported(struct guest *);

/* Frees these; afterwards guest_count() counts all again. */
void guest_forget(struct guest *);

/* Logs its state, with the counters of its connection. */
void guest_report(struct guest *);

/*
 * The two steps of the end: ask, then make sure that it has happened by the
 * deadline (ns).  Its places have no owner then.
 */
void guest_hang_up(struct guest *);
void guest_stop(struct guest *, uint64_t deadline);

#endif
