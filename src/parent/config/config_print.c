#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <string.h>

#include "common/clock.h"
#include "parent/config/config_build.h"

#define INDENT 4 /* spaces a level */

static void __attribute__((format(printf, 3, 4)))
line(FILE *out, int depth, const char *fmt, ...)
{
	va_list ap;

	fprintf(out, "%*s", depth * INDENT, "");
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	fputc('\n', out);
}

/* A string; of one that is not text, everything but ASCII is escaped. */
static void
print_bytes(FILE *out, int depth, const char *key, const uint8_t *bytes,
    size_t n, bool is_text)
{
	static const char special[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
	const char *found;

	fprintf(out, "%*s%s = \"", depth * INDENT, "", key);
	for (size_t i = 0; i < n; i++) {
		found = memchr(special, bytes[i], sizeof(special) - 1);
		if (found != NULL)
			fprintf(out, "\\%c", letters[found - special]);
		else if (bytes[i] < ' ' || bytes[i] == 0x7f ||
		    (bytes[i] > 0x7f && !is_text))
			fprintf(out, "\\x%02x", bytes[i]);
		else
			fputc(bytes[i], out);
	}
	fputs("\"\n", out);
}

static void
print_text(FILE *out, int depth, const char *key, const char *text)
{
	print_bytes(out, depth, key, (const uint8_t *)text, strlen(text), true);
}

static void
print_size(FILE *out, int depth, const char *key, uint64_t bytes)
{
	char text[CONFIG_SIZE_TEXT];

	line(out, depth, "%s = %s", key, config_size_text(text, bytes));
}

static void
print_time(FILE *out, int depth, const char *key, uint64_t ns)
{
	char text[CONFIG_SIZE_TEXT];

	line(out, depth, "%s = %s", key, config_time_text(text, ns));
}

/* 1/1000 bits, without zeros at the end. */
static void
print_bits(FILE *out, int depth, const char *key, uint32_t bits)
{
	uint32_t decimals = bits % 1000;
	int digits = 3;

	for (; digits > 0 && decimals % 10 == 0; digits--)
		decimals /= 10;
	if (digits == 0)
		line(out, depth, "%s = %" PRIu32, key, bits / 1000);
	else
		line(out, depth, "%s = %" PRIu32 ".%0*" PRIu32, key,
		    bits / 1000, digits, decimals);
}

static void
print_bool(FILE *out, int depth, const char *key, bool yes)
{
	line(out, depth, "%s = %s", key, yes ? "yes" : "no");
}

/*
 * What is unlimited has no words for it: the key is left out.  What cannot be
 * said otherwise is said in the plain form; and with `plain`, everything.
 */
static void
print_share(FILE *out, int depth, const struct alloc_share *share)
{
	if (share->ceil.period != NS_PER_SEC) {
		print_size(out, depth, "max-bytes", share->ceil.bytes);
		print_time(out, depth, "period", share->ceil.period);
	} else {
		print_size(out, depth, "rate", share->rate.bytes);
		if (share->ceil.bytes != 0)
			print_size(out, depth, "ceil", share->ceil.bytes);
		if (share->burst != 0)
			print_size(out, depth, "burst", share->burst);
	}
	line(out, depth, "weight = %" PRIu32, share->weight);
	line(out, depth, "priority = %" PRIu32, share->priority);
}

/* Of a guest without a DRBG, there is nothing to say about seeds. */
static void
print_delivery(FILE *out, int depth, const struct proto_delivery *delivery,
    bool is_guest)
{
	line(out, depth, "delivery = %s",
	    config_deliveries.words[delivery->mode]);
	if (is_guest && delivery->mode == DELIVERY_RAW)
		return;
	print_size(out, depth, "reseed-bytes", delivery->reseed_bytes);
	print_time(out, depth, "reseed-interval", delivery->reseed_interval);
	print_bool(out, depth, "prediction-resistance",
	    delivery->prediction_resistance != 0);
}

static void
print_polling(FILE *out, int depth, const struct config_polling *polling)
{
	line(out, depth, "poll-us = %" PRIu32, polling->us);
	line(out, depth, "poll-share = %" PRIu32 "%%", polling->share);
}

static void
print_classes(FILE *out, int depth, const struct config_classes *classes)
{
	const struct config_class *class;

	TAILQ_FOREACH(class, classes, entry) {
		line(out, depth, "class \"%s\" {", class->name);
		print_share(out, depth + 1, &class->share);
		print_delivery(out, depth + 1, &class->terms.delivery, false);
		print_polling(out, depth + 1, &class->terms.polling);
		print_classes(out, depth + 1, &class->classes);
		line(out, depth, "}");
	}
}

static void
print_address(FILE *out, int depth, enum config_transport transport,
    const char *path, const char *address, uint16_t port)
{
	if (transport == CONFIG_UNIX)
		print_text(out, depth, "unix", path);
	else {
		print_text(out, depth, transport == CONFIG_TCP ? "tcp" : "udp",
		    address);
		line(out, depth, "port = %u", port);
	}
}

static void
print_source_address(FILE *out, const struct config_source *source)
{
	print_address(out, 2, source->transport, source->path, source->address,
	    source->port);
}

/* Any device has no words for it: those keys are left out. */
static void
print_usb(FILE *out, const struct config_source *source)
{
	if (source->vendor != 0)
		line(out, 2, "vendor = %04x", source->vendor);
	if (source->product != 0)
		line(out, 2, "product = %04x", source->product);
	if (source->usb_serial[0] != '\0')
		print_text(out, 2, "serial", source->usb_serial);
}

/* What goes with the type. */
static void
print_kind(FILE *out, const struct config_source *source)
{
	const struct proto_source *spec = &source->spec;

	switch (spec->kind) {
	case SOURCE_DEVICE:
		print_text(out, 2, "path", source->path);
		print_bool(out, 2, "replay", source->replay);
		break;
	case SOURCE_SERIAL:
		print_text(out, 2, "path", source->path);
		line(out, 2, "speed = %" PRIu32, spec->speed);
		print_bytes(out, 2, "init", spec->init, spec->init_size, false);
		break;
	case SOURCE_QNG:
		print_usb(out, source);
		break;
	case SOURCE_CPU:
		line(out, 2, "instruction = %s",
		    config_instructions.words[spec->instruction]);
		break;
	case SOURCE_EGD:
		print_source_address(out, source);
		break;
	case SOURCE_STREAM:
		print_source_address(out, source);
		print_bool(out, 2, "listen", source->listen);
		break;
	default:
		break;
	}
}

static void
print_source(FILE *out, const struct config_source *source)
{
	const struct proto_source *spec = &source->spec;

	line(out, 1, "source \"%s\" {", spec->name);
	line(out, 2, "type = %s", config_types.words[spec->kind]);
	print_kind(out, source);
	line(out, 2, "noise = %s", config_noises.words[spec->noise]);
	if (spec->noise == NOISE_RAW) {
		print_bits(out, 2, "min-entropy", spec->min_entropy);
		line(out, 2, "sample-bits = %" PRIu32, spec->sample_bits);
		line(out, 2, "alpha = 2^-%" PRIu32, spec->alpha);
	}
	print_time(out, 2, "timeout", spec->timeout);
	line(out, 1, "}");
}

static void
print_pool(FILE *out, const struct config_pool *pool)
{
	const struct config_source *source;

	line(out, 0, "pool \"%s\" {", pool->name);
	TAILQ_FOREACH(source, &pool->sources, entry)
		print_source(out, source);
	line(out, 1, "combine = %s", config_combines.words[pool->combine]);
	if (pool->combine == COMBINE_XOR)
		line(out, 1, "min-sources = %" PRIu32, pool->min_sources);
	print_size(out, 1, "stock", pool->stock);
	print_bool(out, 1, "accept-writes", pool->accept_writes);
	if (pool->share.rate.bytes != 0) {
		print_size(out, 1, "rate", pool->share.rate.bytes);
		print_size(out, 1, "burst", pool->share.burst);
	}
	print_delivery(out, 1, &pool->terms.delivery, false);
	print_polling(out, 1, &pool->terms.polling);
	print_classes(out, 1, &pool->classes);
	line(out, 0, "}");
}

/* Whose a socket is; what is left to chance is left out. */
static void
print_rights(FILE *out, const struct listener_rights *rights)
{
	const struct passwd *pw = getpwuid(rights->owner);
	const struct group *gr = getgrgid(rights->group);

	if (rights->owner != (uid_t)-1 && pw != NULL)
		print_text(out, 1, "owner", pw->pw_name);
	else if (rights->owner != (uid_t)-1)
		line(out, 1, "owner = %" PRIu32, rights->owner);
	if (rights->group != (gid_t)-1 && gr != NULL)
		print_text(out, 1, "group", gr->gr_name);
	else if (rights->group != (gid_t)-1)
		line(out, 1, "group = %" PRIu32, rights->group);
	if (rights->mode != 0)
		line(out, 1, "mode = %04o", (unsigned int)rights->mode);
}

static void
print_parent(FILE *out, const struct config_pool *pool,
    const struct config_class *class)
{
	print_text(out, 1, "pool", pool->name);
	if (class != NULL)
		print_text(out, 1, "class", class->name);
}

static void
print_guest(FILE *out, const struct config_guest *guest)
{
	line(out, 0, "guest \"%s\" {", guest->name);
	if (guest->passed)
		line(out, 1, "socket = systemd");
	if (guest->socket != NULL)
		print_text(out, 1, "socket", guest->socket);
	if (guest->egd != NULL)
		print_text(out, 1, "egd", guest->egd);
	print_parent(out, guest->pool, guest->class);
	print_rights(out, &guest->rights);
	print_share(out, 1, &guest->share);
	print_delivery(out, 1, &guest->terms.delivery, true);
	print_polling(out, 1, &guest->terms.polling);
	line(out, 0, "}");
}

static void
print_allow(FILE *out, const struct config_outlet *outlet)
{
	char text[CONFIG_NETWORK_SIZE];

	if (outlet->nallowed == 0)
		return;
	fprintf(out, "%*sallow = {", INDENT, "");
	for (uint32_t i = 0; i < outlet->nallowed; i++)
		fprintf(out, " \"%s\"",
		    config_network_text(&outlet->allow[i], text));
	fputs(" }\n", out);
}

static void
print_outlet(FILE *out, const struct config_outlet *outlet)
{
	static const char *const transports[] = {
		[CONFIG_UNIX] = "unix",
		[CONFIG_TCP] = "tcp",
		[CONFIG_UDP] = "udp",
	};
	bool stream = outlet->kind == CONFIG_OUTLET_STREAM;

	line(out, 0, "%s \"%s\" {", stream ? "stream" : "egd", outlet->name);
	if (outlet->passed)
		line(out, 1, "%s = systemd", transports[outlet->transport]);
	else
		print_address(out, 1, outlet->transport, outlet->path,
		    outlet->address, outlet->port);
	if (stream)
		print_bool(out, 1, "connect", outlet->connect);
	if (outlet->local_port != 0)
		line(out, 1, "local-port = %u", outlet->local_port);
	print_parent(out, outlet->pool, outlet->class);
	print_rights(out, &outlet->rights);
	print_allow(out, outlet);
	if (!outlet->connect && outlet->transport != CONFIG_UDP)
		line(out, 1, "max-clients = %" PRIu32, outlet->max_clients);
	if (outlet->idle_timeout != 0)
		print_time(out, 1, "idle-timeout", outlet->idle_timeout);
	print_share(out, 1, &outlet->share);
	print_delivery(out, 1, &outlet->delivery, true);
	line(out, 0, "}");
}

void
config_print(const struct config *config, FILE *out)
{
	const struct config_pool *pool;
	const struct config_guest *guest;
	const struct config_outlet *outlet;

	if (config->statistics == 0)
		line(out, 0, "statistics = 0");
	else
		print_time(out, 0, "statistics", config->statistics);
	TAILQ_FOREACH(pool, &config->pools, entry)
		print_pool(out, pool);
	TAILQ_FOREACH(guest, &config->guests, entry)
		print_guest(out, guest);
	TAILQ_FOREACH(outlet, &config->outlets, entry)
		print_outlet(out, outlet);
}
