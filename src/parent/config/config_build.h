/*
 * What becomes of the tree of blocks (config_tree.h): their values are checked,
 * and fill in a struct config.
 *
 *	config_value.c	numbers, sizes, times, choices
 *	config_host.c	what the host knows: paths, addresses, users
 *	config_network.c	addresses and networks
 *	config_socket.c	where a socket is
 *	config_share.c	rates, their defaults and checks
 *	config_delivery.c	what guests are served
 *	config_polling.c	and how fast
 *	config_source.c	one source
 *	config_noise.c	what it is tested for
 *	config_sources.c	a pool's sources together
 *	config_device.c	what a source is read from
 *	config_leaf.c	what guests and services have in common
 *	config_outlet.c	services
 *	config_unique.c	names and sockets that must differ
 *	config.c	blocks to struct config
 */
#ifndef VRNGD_CONFIG_BUILD_H
#define VRNGD_CONFIG_BUILD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parent/config/config.h"
#include "parent/config/config_tree.h"

/*
 * config_value.c: the value of a key, if it is set and good.  A bad one is
 * told, and damages the block if more than itself depends on it.
 */
void config_value_bad(struct config_reader *, struct config_block *,
    enum config_key, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool config_value_size(struct config_reader *, struct config_block *,
    enum config_key, uint64_t min, uint64_t max, uint64_t *);
bool config_value_number(struct config_reader *, struct config_block *,
    enum config_key, uint32_t min, uint32_t max, uint32_t *);
bool config_value_time(struct config_reader *, struct config_block *,
    enum config_key, uint64_t min, uint64_t max, uint64_t *ns);
bool config_value_bool(struct config_reader *, struct config_block *,
    enum config_key, bool *);

/* The number of the word, of those that the key may have. */
struct config_choice {
	const char *const *words;
	uint32_t n;
};

bool config_value_choice(struct config_reader *, struct config_block *,
    enum config_key, const struct config_choice *, uint32_t *);

/* "first or xor", of those with a bit set in `which`. */
const char *config_choice_list(struct config_reader *,
    const struct config_choice *, uint64_t which);

/*
 * Reads digits.  Returns what follows them, or NULL if there are none.  A
 * number that is too large becomes UINT64_MAX.
 */
const char *config_digits(const char *text, uint64_t *);

/*
 * config_host.c: likewise; paths and addresses are allocated for config_free().
 */
bool config_value_path(struct config_reader *, struct config_block *,
    enum config_key, size_t max, char **);
bool config_value_address(struct config_reader *, struct config_block *,
    enum config_key, char **);

/*
 * Whether the value is `systemd`, for a socket that is passed: of guests and
 * services alone.
 */
bool config_value_passed(const struct config_block *, enum config_key);
void config_value_owner(struct config_reader *, struct config_block *, uid_t *);
void config_value_group(struct config_reader *, struct config_block *, gid_t *);
void config_value_mode(struct config_reader *, struct config_block *, mode_t *);

/* Whether text has a character in it that would upset a terminal. */
bool config_has_control(const char *text);

/* The longest path of a socket. */
#define CONFIG_SOCKET_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

#define CONFIG_SIZE_TEXT 24

/* A number of bytes, as short as it can be said exactly. */
const char *config_size_text(char buf[CONFIG_SIZE_TEXT], uint64_t bytes);

/* A time in ns, a whole number of milliseconds, likewise. */
const char *config_time_text(char buf[CONFIG_SIZE_TEXT], uint64_t ns);

/*
 * config_network.c: reads a network, or an address, which is one by itself.
 * CONFIG_NETWORK_LONG: the prefix is longer than the address;
 * CONFIG_NETWORK_BITS: bits are set behind it, but not in what is returned.
 */
enum config_network_result {
	CONFIG_NETWORK_GOOD,
	CONFIG_NETWORK_BITS,
	CONFIG_NETWORK_LONG,
	CONFIG_NETWORK_BAD
};

enum config_network_result config_network_read(const char *text,
    struct proto_network *);
bool config_network_is_ipv4(const struct proto_network *);

/*
 * Whether an address is of the host itself, as it may be written; then also
 * the network of all such addresses.
 */
bool config_network_loopback(const char *address, struct proto_network *);

/*
 * config_socket.c: reads unix, or tcp or udp and port, those of them that are
 * set.
 */
struct config_socket {
	enum config_transport transport;
	bool passed;   /* by systemd: has neither path nor address */
	char *path;    /* allocated for config_free(), or NULL */
	char *address; /* likewise */
	uint16_t port; /* 0: none */
	const struct config_setting *where; /* unix, tcp or udp; or NULL */
};

void config_socket(struct config_reader *, struct config_block *,
    struct config_socket *);

/* "127.0.0.1:7000" or "[::1]:7000", for messages.  Returns the buffer. */
const char *config_socket_text(const char *address, uint16_t port, char *buf,
    size_t size);

/*
 * config_share.c: what a block's rates come to.  Parents go first; the parent
 * may be NULL if it is not known.
 */
void config_share_pool(struct config_reader *, struct config_block *);
void config_share_child(struct config_reader *, struct config_block *);

/* Whether the parent can guarantee what its children are. */
void config_share_sum(struct config_reader *, struct config_block *);

/*
 * config_delivery.c: how a block's guests are served, which comes from its
 * parent, or for a pool from config_pool_defaults(), but for what it says
 * itself.  Parents go first; the parent may be NULL if it is not known.
 */
extern const struct config_choice config_deliveries; /* proto_delivery_mode */
extern const struct proto_delivery config_delivery_default;
void config_delivery(struct config_reader *, struct config_block *);

/* config_polling.c: likewise, of pools, classes and guests. */
extern const struct config_polling config_polling_default;
void config_polling(struct config_reader *, struct config_block *);

/*
 * config_source.c: fills in a source as its block says.  Returns whether all
 * of that is good.
 */
extern const struct config_choice config_types;	       /* proto_source_kind */
extern const struct config_choice config_instructions; /* proto_instruction */
bool config_source(struct config_reader *, struct config_block *,
    struct config_source *);

/* config_noise.c: what is known of its samples, and how that is tested. */
extern const struct config_choice config_noises; /* proto_noise */
void config_noise(struct config_reader *, struct config_block *,
    struct proto_source *);

/* config_sources.c: a pool's sources and what is made of them. */
extern const struct config_choice config_combines; /* proto_combine */
void config_sources(struct config_reader *, struct config_block *pool);

/*
 * config_device.c: an empty source with the defaults of any kind; whether one
 * reads the kernel's generator, in whatever way; and whether two read the same
 * thing, as far as that can be told without opening it.
 */
struct config_source *config_source_new(void);
bool config_source_is_kernel(const struct config_source *);
bool config_source_same(const struct config_source *,
    const struct config_source *);

/*
 * config_leaf.c: the pool and the class of a guest or service, which are set
 * if they are known, its share of them, its delivery and a guest's polling.
 */
void config_leaf(struct config_reader *, struct config_block *,
    struct config_pool **, struct config_class **);

/*
 * config_outlet.c: tells that owner, group and mode are not for a socket that
 * systemd passes.
 */
void config_refuse_rights(struct config_reader *, const struct config_block *);

/* Adds the service of a block to the configuration. */
void config_outlet(struct config_reader *, struct config_block *);
void config_outlet_free(struct config_outlet *);

/*
 * config_unique.c: tells of names that are there twice; and, once blocks have
 * become what they say, of sockets.
 */
void config_unique_names(struct config_reader *);
void config_unique_sockets(struct config_reader *);

/* Memory that config_free() frees, zeroed; a copy of a string in it. */
void *config_new(size_t);
char *config_strdup(const char *);

#endif
