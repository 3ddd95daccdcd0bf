#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>

#include "clock.h"
#include "config_tree.h"

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

static void
print_text(FILE *out, int depth, const char *key, const char *text)
{
	fprintf(out, "%*s%s = \"", depth * INDENT, "", key);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputs("\"\n", out);
}

static void
print_size(FILE *out, int depth, const char *key, uint64_t bytes)
{
	char text[CONFIG_SIZE_TEXT];

	line(out, depth, "%s = %s", key, config_size_text(text, bytes));
}

static void
print_period(FILE *out, int depth, uint64_t ns)
{
	uint64_t ms = ns / NS_PER_MS;

	if (ms % 60000 == 0)
		line(out, depth, "period = %" PRIu64 "min", ms / 60000);
	else if (ms % 1000 == 0)
		line(out, depth, "period = %" PRIu64 "s", ms / 1000);
	else
		line(out, depth, "period = %" PRIu64 "ms", ms);
}

/* What is unlimited has no words for it: the key is left out. */
static void
print_share(FILE *out, int depth, const struct alloc_share *share)
{
	if (share->ceil.period != NS_PER_SEC) {
		print_size(out, depth, "max-bytes", share->ceil.bytes);
		print_period(out, depth, share->ceil.period);
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

static void
print_classes(FILE *out, int depth, const struct config_classes *classes)
{
	const struct config_class *class;

	TAILQ_FOREACH(class, classes, entry) {
		line(out, depth, "class \"%s\" {", class->name);
		print_share(out, depth + 1, &class->share);
		print_classes(out, depth + 1, &class->classes);
		line(out, depth, "}");
	}
}

static void
print_pool(FILE *out, const struct config_pool *pool)
{
	const struct config_source *source = &pool->source;

	line(out, 0, "pool \"%s\" {", pool->name);
	line(out, 1, "source \"%s\" {", source->name);
	if (source->type == CONFIG_SOURCE_DEVICE) {
		line(out, 2, "type = device");
		print_text(out, 2, "path", source->path);
	} else
		line(out, 2, "type = kernel");
	line(out, 1, "}");
	if (pool->share.rate.bytes != 0) {
		print_size(out, 1, "rate", pool->share.rate.bytes);
		print_size(out, 1, "burst", pool->share.burst);
	}
	print_classes(out, 1, &pool->classes);
	line(out, 0, "}");
}

static void
print_guest(FILE *out, const struct config_guest *guest)
{
	const struct passwd *pw = getpwuid(guest->owner);
	const struct group *gr = getgrgid(guest->group);

	line(out, 0, "guest \"%s\" {", guest->name);
	print_text(out, 1, "socket", guest->socket);
	print_text(out, 1, "pool", guest->pool->name);
	if (guest->class != NULL)
		print_text(out, 1, "class", guest->class->name);
	if (guest->owner != (uid_t)-1 && pw != NULL)
		print_text(out, 1, "owner", pw->pw_name);
	else if (guest->owner != (uid_t)-1)
		line(out, 1, "owner = %" PRIu32, guest->owner);
	if (guest->group != (gid_t)-1 && gr != NULL)
		print_text(out, 1, "group", gr->gr_name);
	else if (guest->group != (gid_t)-1)
		line(out, 1, "group = %" PRIu32, guest->group);
	if (guest->mode != 0)
		line(out, 1, "mode = %04o", (unsigned int)guest->mode);
	print_share(out, 1, &guest->share);
	line(out, 0, "}");
}

void
config_print(const struct config *config, FILE *out)
{
	const struct config_pool *pool;
	const struct config_guest *guest;

	TAILQ_FOREACH(pool, &config->pools, entry)
		print_pool(out, pool);
	TAILQ_FOREACH(guest, &config->guests, entry)
		print_guest(out, guest);
}
