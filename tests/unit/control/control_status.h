/*
 * What a made-up daemon tells of itself: 2 pools with sources, classes, guests,
 * outlets and their clients.
 */
#ifndef CONTROL_STATUS_H
#define CONTROL_STATUS_H

#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "parent/control/control.h"

/* A path that shows who does not take care with text. */
#define SERVER_PATH    "/dev/\"x\\y\033[1m\xff\xc3\xa4"
#define SERVER_POOLS   2
#define SERVER_SOURCES 5
#define SERVER_GUESTS  5
#define SERVER_OUTLETS 10
#define SERVER_CLIENTS 18

static void
fake_class(struct control_client *c, const char *name, const char *parent,
    uint32_t depth, uint64_t rate)
{
	struct control_class class = {
		.pool = "default",
		.share = {
			.rate = { rate, rate == 0 ? 0 : NS_PER_SEC },
			.ceil = { UINT64_C(5) << 20, NS_PER_SEC },
			.burst = 256 << 10,
			.weight = 4,
			.priority = 1,
		},
		.bytes = UINT64_C(3) << 30,
		.now = (UINT64_C(1) << 20) + (UINT64_C(1) << 19),
		.depth = depth,
		.guests = 1,
		.delivery = depth > 0 ? DELIVERY_DRBG : DELIVERY_RAW,
	};

	strlcpy(class.name, name, sizeof(class.name));
	strlcpy(class.parent, parent, sizeof(class.parent));
	control_tell_class(c, &class);
}

static void
fake_guest(struct control_client *c, const char *name, const char *pool,
    const char *class, const char *socket, enum control_guest_state state)
{
	struct control_guest guest = {
		.state = state,
		.share = {
			.rate = { 512, 65536 * NS_PER_MS },
			.ceil = { 1 << 20, NS_PER_SEC },
			.burst = 4096,
			.weight = 1,
		},
		.bytes = 123456789,
		.now = 512 << 10,
		.requests = 1929012,
		.cut = 3,
		.refused = 1,
		.wait_ns = UINT64_C(12345) * NS_PER_MS,
		.connected_for =
		    state == CONTROL_GUEST_IDLE ? 0 : 61 * NS_PER_SEC,
		.pid = state == CONTROL_GUEST_IDLE ? 0 : 4711,
		.connections = 2,
	};

	strlcpy(guest.name, name, sizeof(guest.name));
	strlcpy(guest.pool, pool, sizeof(guest.pool));
	strlcpy(guest.class, class, sizeof(guest.class));
	strlcpy(guest.socket, socket, sizeof(guest.socket));
	if (strcmp(name, "vm1") == 0 || strcmp(name, "vm5") == 0)
		snprintf(guest.egd, sizeof(guest.egd), "/run/vrngd/%s.egd",
		    name);
	guest.egd_clients = strcmp(name, "vm5") == 0;
	if (strcmp(name, "vm1") == 0) {
		guest.poll_us = 50;
		guest.poll_share = 20;
		guest.polls = 2000;
		guest.poll_hits = 1900;
		guest.poll_misses = 90;
		guest.poll_ns = 77 * NS_PER_MS;
	}
	control_tell_guest(c, &guest);
}

/* The sources of one of the pools: the first one is served by a fallback. */
static void
fake_sources(struct control_client *c, const char *pool)
{
	const struct control_source sources[SERVER_SOURCES] = {
		{ .pool = "default",
		    .name = "hwrng",
		    .what = "/dev/hwrng",
		    .kind = SOURCE_DEVICE,
		    .noise = NOISE_RAW,
		    .status = SOURCE_FAILED,
		    .since = 2100 * NS_PER_MS,
		    .bytes = 3 << 20,
		    .failures = 4,
		    .failed_for = 125 * NS_PER_SEC,
		    .failure = "the repetition count test found 0x00 41 times",
		    .health = { .bytes = 2 << 20,
			.alarms = { [TEST_NONE] = 3,
			    [TEST_REPETITION] = 3,
			    [TEST_DEVICE] = 1 },
			.fips_blocks = 800,
			.fips_failed = 77 } },
		{ .pool = "default",
		    .name = "kernel",
		    .what = "getrandom(2)",
		    .kind = SOURCE_KERNEL,
		    .status = SOURCE_OK,
		    .serving = 1,
		    .since = UINT64_C(400000) * NS_PER_SEC,
		    .bytes = UINT64_C(12) << 30,
		    .now = 310 << 10,
		    .health = { .bytes = UINT64_C(12) << 30,
			.alarms = { [TEST_NONE] = 1 },
			.fips_blocks = 15600,
			.fips_failed = 12 } },
		{ .pool = "default",
		    .name = "trng",
		    .what = "/dev/serial/by-id/usb-long-name",
		    .kind = SOURCE_SERIAL,
		    .noise = NOISE_RAW,
		    .status = SOURCE_WAITING },
		{ .pool = "slow",
		    .name = "hw",
		    .what = SERVER_PATH,
		    .kind = SOURCE_DEVICE,
		    .status = SOURCE_LOST,
		    .failures = 2,
		    .failed_for = 15 * NS_PER_MS,
		    .failure = SERVER_PATH },
		{ .pool = "slow",
		    .name = "upstream",
		    .kind = SOURCE_EGD,
		    .status = SOURCE_LATCHED },
	};

	for (size_t i = 0; i < SERVER_SOURCES; i++)
		if (strcmp(sources[i].pool, pool) == 0)
			control_tell_source(c, &sources[i]);
}

/* Clients of an outlet, numbered in their ports or process ids. */
static void
fake_clients(struct control_client *c, bool by_unix, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct control_outlet_client client = {
			.connected_for = (61 + i) * NS_PER_SEC,
			.bytes = 4096 + i,
			.requests = 64 + i,
			.waiting = i % 2,
		};

		if (by_unix)
			snprintf(client.peer, sizeof(client.peer),
			    "pid %u, uid 107", 4000 + i);
		else
			snprintf(client.peer, sizeof(client.peer),
			    "10.0.0.1:%u", 4000 + i);
		control_tell_outlet_client(c, &client);
	}
}

/* What differs between outlets. */
static const struct control_outlet fake_outlet_rows[SERVER_OUTLETS] = {
	{ .pool = "default",
	    .name = "local",
	    .class = "bronze",
	    .where = "/run/vrngd/egd.sock",
	    .state = CONTROL_OUTLET_CONNECTED,
	    .connections = 17,
	    .clients = 2,
	    .pid = 4712 },
	{ .pool = "default",
	    .name = "lan",
	    .class = "bronze",
	    .where = "0.0.0.0:7000",
	    .state = CONTROL_OUTLET_WAITING,
	    .transport = 1,
	    .bytes = 123456789,
	    .now = 512 << 10,
	    .requests = 1929012,
	    .cut = 4,
	    .refused = 2,
	    .wait_ns = UINT64_C(12345) * NS_PER_MS,
	    .turned_away = 5,
	    .connections = 1929,
	    .clients = 12,
	    .pid = 4713,
	    .delivery = DELIVERY_DRBG },
	{ .pool = "default",
	    .name = "legacy",
	    .class = "gold",
	    .where = "[::]:1024",
	    .kind = CONTROL_OUTLET_STREAM,
	    .transport = 1 },
	{ .pool = "default",
	    .name = "vm7",
	    .class = "gold",
	    .where = "/run/qemu/a,b <'&'> c",
	    .kind = CONTROL_OUTLET_STREAM,
	    .state = CONTROL_OUTLET_CONNECTING,
	    .connects = 1 },
	{ .pool = "default",
	    .name = "udp",
	    .class = "gold",
	    .where = "udp 127.0.0.1:1025",
	    .kind = CONTROL_OUTLET_STREAM,
	    .state = CONTROL_OUTLET_CONNECTED,
	    .transport = 2,
	    .connections = 1,
	    .clients = 1 },
	{ .pool = "default",
	    .name = "vm1",
	    .class = "gold",
	    .where = "/run/vrngd/vm1.egd",
	    .kind = CONTROL_OUTLET_GUEST },
	{ .pool = "default",
	    .name = "vm5",
	    .class = "gold",
	    .where = "/run/vrngd/vm5.egd",
	    .kind = CONTROL_OUTLET_GUEST,
	    .state = CONTROL_OUTLET_WAITING,
	    .connections = 1,
	    .clients = 1 },
	{ .pool = "slow",
	    .name = "both",
	    .where = "[::1]:7001",
	    .state = CONTROL_OUTLET_PAUSED,
	    .transport = 1 },
	{ .pool = "slow",
	    .name = "both",
	    .where = "127.0.0.1:1026",
	    .kind = CONTROL_OUTLET_STREAM,
	    .state = CONTROL_OUTLET_CONNECTED,
	    .transport = 1,
	    .connects = 1,
	    .connections = 3,
	    .clients = 1 },
	{ .pool = "slow",
	    .name = "feed",
	    .where = "udp 127.0.0.1:1027",
	    .local_port = 1028,
	    .kind = CONTROL_OUTLET_STREAM,
	    .state = CONTROL_OUTLET_CONNECTED,
	    .transport = 2,
	    .connects = 1,
	    .connections = 1,
	    .clients = 1 },
};

/* The outlets of one of the pools; the second one has `more` clients. */
static void
fake_outlets(struct control_client *c, const char *pool, uint32_t more)
{
	for (size_t i = 0; i < SERVER_OUTLETS; i++) {
		struct control_outlet o = fake_outlet_rows[i];

		if (strcmp(o.pool, pool) != 0)
			continue;
		o.clients += i == 1 ? more : 0;
		o.max_clients = 64;
		o.share = (struct control_share){
			.rate = { 64 << 10, NS_PER_SEC },
			.ceil = { 1 << 20, NS_PER_SEC },
			.burst = 4096,
			.weight = 1,
		};
		control_tell_outlet(c, &o);
		fake_clients(c, o.transport == 0, o.clients);
	}
}

static void
fake_odd(struct control_client *c, const struct control_reply *odd)
{
	switch (odd->kind) {
	case CONTROL_POOL:
		control_tell_pool(c, &odd->u.pool);
		break;
	case CONTROL_SOURCE:
		control_tell_source(c, &odd->u.source);
		break;
	case CONTROL_CLASS:
		control_tell_class(c, &odd->u.class);
		break;
	case CONTROL_GUEST:
		control_tell_guest(c, &odd->u.guest);
		break;
	case CONTROL_OUTLET:
		control_tell_outlet(c, &odd->u.outlet);
		break;
	case CONTROL_CLIENT:
		control_tell_outlet_client(c, &odd->u.client);
		break;
	}
}

static void
fake_pool(struct control_client *c, size_t i)
{
	const struct control_pool pools[SERVER_POOLS] = {
		{ .name = "default",
		    .limit = { UINT64_C(10) << 20, NS_PER_SEC },
		    .burst = 1 << 20,
		    .stock = 49152,
		    .capacity = 65536,
		    .bytes = UINT64_C(7) << 40,
		    .now = UINT64_C(3) << 20,
		    .guests = 4,
		    .combine = COMBINE_FIRST,
		    .serving = 1,
		    .nsources = 3 },
		{ .name = "slow",
		    .capacity = 65536,
		    .guests = 1,
		    .combine = COMBINE_XOR,
		    .min_sources = 2,
		    .nsources = 2 },
	};

	control_tell_pool(c, &pools[i]);
	fake_sources(c, pools[i].name);
}

/* The pools, but for their outlets. */
static void
fake_default(struct control_client *c)
{
	fake_pool(c, 0);
	fake_class(c, "gold", "", 0, 1 << 20);
	fake_class(c, "bronze", "", 0, 64 << 10);
	fake_class(c, "batch", "bronze", 1, 0);
	fake_guest(c, "vm1", "default", "gold", "/run/vrngd/vm1.sock",
	    CONTROL_GUEST_CONNECTED);
	fake_guest(c, "vm2", "default", "batch", "/run/vrngd/a,b <'&'> c",
	    CONTROL_GUEST_WAITING);
	fake_guest(c, "vm3", "default", "", "", CONTROL_GUEST_IDLE);
	fake_guest(c, "vm5", "default", "gold", "", CONTROL_GUEST_IDLE);
}

static void
fake_slow(struct control_client *c)
{
	fake_pool(c, 1);
	fake_guest(c, "vm4", "slow", "", "/run/vrngd/vm4.sock",
	    CONTROL_GUEST_PAUSED);
}

#endif
