/*
 * The configuration (vrngd.conf(5)), checked and with all defaults.
 */
#ifndef VRNGD_CONFIG_H
#define VRNGD_CONFIG_H

#include <sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "parent/alloc/alloc.h"
#include "parent/host/listener.h"
#include "common/proto.h"

#define CONFIG_NAME_SIZE     GUEST_NAME_SIZE
#define CONFIG_RATE_MAX	     (UINT64_C(1) << 40) /* bytes per second */
#define CONFIG_BURST_MIN     64			 /* bytes */
#define CONFIG_BURST_MAX     (UINT64_C(1) << 32) /* bytes */
#define CONFIG_BURST_DEFAULT 4096 /* bytes, or 100 ms at ceil if more */
#define CONFIG_WEIGHT_MAX    10000
#define CONFIG_PRIORITY_MAX  7 /* 0 comes first */
#define CONFIG_PERIOD_MAX_MS UINT32_MAX
#define CONFIG_DEPTH_MAX     8	/* classes within classes */
#define CONFIG_SERIAL_SIZE   64 /* with the terminating NUL */
#define CONFIG_CLIENTS	     64 /* default of a service */
#define CONFIG_UDP_IDLE	     (60 * UINT64_C(1000000000)) /* ns, of a listener */
#define CONFIG_VSOCK_IDLE    (600 * UINT64_C(1000000000)) /* ns, of vsock */
#define CONFIG_CID_MIN	     3 /* 0 to 2: hypervisor, local, host */
#define CONFIG_CID_MAX	     (UINT32_MAX - 1)
#define CONFIG_GUEST_CLIENTS 8 /* of a guest's EGD socket */
#define CONFIG_STATISTICS    UINT64_C(300000000000) /* ns, default */

/* Polling for the next request of a guest, or of an EGD service's clients. */
struct config_polling {
	uint32_t us;	/* at most POLL_US_MAX; 0: no polling */
	uint32_t share; /* percent of a CPU for polling, 1 to 100 */
};

/* The delivery and polling of a guest. */
struct config_terms {
	struct proto_delivery delivery;
	struct config_polling polling;
};

struct config_class {
	TAILQ_ENTRY(config_class) entry;
	char name[CONFIG_NAME_SIZE];
	struct alloc_share share;
	struct config_terms terms;   /* defaults of its guests */
	struct config_class *parent; /* NULL: the pool itself */
	TAILQ_HEAD(config_classes, config_class) classes; /* within it */
};

enum config_transport {
	CONFIG_UNIX,
	CONFIG_TCP,
	CONFIG_UDP,
	CONFIG_VSOCK
};

/* What keeps the bytes of a socket secret from the network. */
enum config_confidential {
	CONFIDENTIAL_TLS, /* of a proxy on each host */
	CONFIDENTIAL_WIREGUARD,
	CONFIDENTIAL_NONE, /* nothing, on purpose */
	CONFIDENTIAL_UNSET /* the configuration does not say */
};

/* The address of a socket, or the path of a device. */
struct config_socket {
	enum config_transport transport; /* of a device, CONFIG_UNIX */
	bool passed;			 /* by systemd */
	char *where;	       /* allocated: path or numeric address; or NULL */
	uint16_t port;	       /* of tcp, udp and vsock */
	uint32_t cid;	       /* of vsock: the guest's; 0: it listens */
	uint32_t confidential; /* enum config_confidential */
};

struct config_source {
	TAILQ_ENTRY(config_source) entry;
	struct proto_source spec;    /* number: the index in its pool */
	struct config_socket socket; /* of egd, stream, device and serial */
	bool listen;		  /* of stream: listens, and does not connect */
	bool replay;		  /* of device: a file with test data */
	uint16_t vendor, product; /* of qng; 0: any known */
	char usb_serial[CONFIG_SERIAL_SIZE]; /* of qng; "": any */
};

TAILQ_HEAD(config_sources, config_source);

struct config_pool {
	TAILQ_ENTRY(config_pool) entry;
	char name[CONFIG_NAME_SIZE];
	bool
	    accept_writes; /* bytes of EGD clients go to the kernel's generator */
	struct config_sources sources; /* 1 to SOURCES_MAX */
	uint32_t combine;	       /* enum proto_combine */
	uint32_t min_sources;	       /* as in struct proto_pool */
	uint32_t stock;		       /* bytes, for each source */
	struct alloc_share share;
	struct config_terms terms; /* defaults of its classes and guests */
	struct config_classes classes;
};

/* A guest, with a socket for vhost-user, for EGD, or both; or EGD by vsock. */
struct config_guest {
	TAILQ_ENTRY(config_guest) entry;
	char name[CONFIG_NAME_SIZE];
	struct config_socket socket; /* vhost-user: of unix */
	char *egd;		     /* EGD: path, allocated; or NULL */
	uint32_t cid;		     /* EGD by vsock; 0: none */
	struct config_pool *pool;
	struct config_class *class; /* NULL: the pool itself */
	struct alloc_share share;
	struct config_terms terms;
	struct listener_rights rights; /* of its sockets */
};

enum config_service_kind {
	CONFIG_SERVICE_EGD,
	CONFIG_SERVICE_STREAM
};

/* A service: egd "NAME" or stream "NAME". */
struct config_service {
	TAILQ_ENTRY(config_service) entry;
	char name[CONFIG_NAME_SIZE]; /* unique among those of its kind */
	enum config_service_kind kind;
	struct config_socket socket;
	bool connect;	     /* of stream: the peer listens */
	bool accept_unknown; /* of vsock: CIDs of no guest */
	uint16_t local_port; /* of udp with connect: source port; 0: any */
	struct listener_rights rights; /* of a listening unix socket */
	uint32_t max_clients;	       /* 1 to CLIENTS_MAX */
	uint64_t idle_timeout;	       /* ns; 0: none */
	/*
	 * The networks that may connect or send to a TCP or UDP socket: at
	 * least one, except for unix and connect, which have none.
	 */
	struct proto_network allow[ALLOWED_MAX];
	uint32_t nallowed;
	struct config_pool *pool;
	struct config_class *class; /* NULL: the pool itself */
	struct alloc_share share;
	struct proto_delivery delivery;
	struct config_polling polling; /* of EGD */
};

TAILQ_HEAD(config_pools, config_pool);
TAILQ_HEAD(config_guests, config_guest);
TAILQ_HEAD(config_services, config_service);

/* A line without newline that begins with "FILE:LINE: warning: ". */
struct config_warning {
	TAILQ_ENTRY(config_warning) entry;
	char text[];
};

TAILQ_HEAD(config_warnings, config_warning);

struct config {
	struct config_pools pools;
	struct config_guests guests;
	struct config_services services;
	struct config_warnings warnings; /* in the order of lines */
	uint64_t statistics;		 /* ns, between records; 0: none */
};

/*
 * Reads and checks the file and its includes.  Calls `report` for each error
 * with a line without newline that begins with FILE:LINE.  Returns the
 * configuration, which the caller frees with config_free(), or NULL after an
 * error.
 */
typedef void config_report(void *arg, const char *text);
struct config *config_read(const char *path, config_report *report, void *arg);

/*
 * Prints it as a file with all keys and defaults, for vrngd -n; users and groups
 * by name, or by number, which cannot wait for a directory service.
 */
void config_print(const struct config *, FILE *, bool by_name);

/* The same as text, by number, allocated. */
char *config_printed(const struct config *);

/*
 * Such a text without what ends a block and the one before it: the text of 10,000
 * guests is mostly that.  And the text again.  Both are allocated.
 */
char *config_fold(const char *text);
char *config_unfold(const char *folded);

/*
 * Compares two configurations, as text by config_printed(), and reports each
 * block that is only in one of them and each value that differs, by block in the
 * order of names.
 */
struct config_changed {
	char sign;     /* '+', '-' or '~' */
	char word[16]; /* of the block: "guest"; "": the top level */
	char name[CONFIG_NAME_SIZE];
	const char *text; /* "~ class gold ceil 5M -> 7M" */
};
typedef void config_change(void *arg, const struct config_changed *);
void config_changes(const char *old, const char *new, config_change *,
    void *arg);

void config_free(struct config *);

/*
 * The address of a source for messages: "/dev/hwrng", "getrandom",
 * "[::1]:7000", "usb 0403:6001".  Returns the buffer.
 */
const char *config_source_text(const struct config_source *, char *buf,
    size_t size);

/*
 * Whether two sources are equal, including name and number, so that a reload
 * can keep the running one.  `confidential` may differ, since it changes nothing
 * that the source does.
 */
bool config_source_equal(const struct config_source *,
    const struct config_source *);

/*
 * Whether two services use the same socket in the same way, so that a reload
 * can keep its clients: kind, transport, path or address and port, and connect.
 */
bool config_service_same_place(const struct config_service *,
    const struct config_service *);

/*
 * The address of a socket for messages: a path, "127.0.0.1:7000", "udp
 * [::1]:7000", "vsock::1024", of a guest "vsock:42"; or only the address,
 * without the transport.  Returns the buffer.
 */
#define CONFIG_WHERE_SIZE 160 /* sufficient for all of them */
const char *config_socket_text(const struct config_socket *, char *buf,
    size_t size);
const char *config_address_text(const char *address, uint16_t port, char *buf,
    size_t size);

/* A network as text, "10.0.0.0/8"; and from text, or the error. */
#define CONFIG_NETWORK_SIZE 50
const char *config_network_text(const struct proto_network *,
    char buf[CONFIG_NETWORK_SIZE]);
enum config_network_result {
	CONFIG_NETWORK_GOOD,
	CONFIG_NETWORK_BITS, /* bits set after the prefix; cleared in the result */
	CONFIG_NETWORK_LONG, /* the prefix is longer than the address */
	CONFIG_NETWORK_BAD
};
enum config_network_result config_network_read(const char *text,
    struct proto_network *);

/* Whether an address is a loopback address, and the network of these. */
bool config_network_loopback(const char *address, struct proto_network *);

/*
 * Whether bytes of a source or service can cross a network: by TCP or UDP, and
 * not at a loopback address.  The address of a socket that systemd passes is not
 * known; its service must allow other than loopback addresses.
 */
bool config_source_remote(const struct config_source *);
bool config_service_remote(const struct config_service *);

/*
 * Whether two sources read the same device, as far as known without opening it.
 */
bool config_source_same(const struct config_source *,
    const struct config_source *);

/* Whether two paths lead to one file, or to nodes of one device. */
bool config_file_same(const char *, const char *);

/*
 * The source for a path, with all defaults: the kernel's for /dev/urandom and
 * /dev/random, serial for a terminal of a serial line (by its name if it is
 * absent), and a device for all others.  Does not open it.  Freed with
 * config_source_free(), or with its configuration.
 */
struct config_source *config_source_of_path(const char *path);
void config_source_free(struct config_source *);

/*
 * Sets the defaults of a pool with these sources: combine, min_sources, stock
 * and terms.
 */
void config_pool_defaults(struct config_pool *);
uint32_t config_pool_stock(const struct config_pool *);

#endif
