#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "config_tree.h"
#include "log.h"

#define ID_MAX	 UINT32_C(4294967294) /* the one after is "no id" */
#define MODE_MAX 0777

static void __attribute__((format(printf, 4, 5)))
bad_value(struct config_reader *r, struct config_block *block,
    enum config_key key, const char *fmt, ...)
{
	const struct config_setting *s = block->set[key];
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	config_block_mistake(r, block, s->place, "%s \"%s\" %s",
	    config_key_name(key), config_shown(r, s->value), text);
	/* What depends on the others can be told all the same. */
	if (key == KEY_RATE || key == KEY_CEIL || key == KEY_BURST ||
	    key == KEY_MAX_BYTES || key == KEY_PERIOD)
		block->damaged = true;
}

/*
 * Reads digits.  Returns what follows them, or NULL if there are none.  A
 * number that is too large becomes UINT64_MAX.
 */
static const char *
read_digits(const char *text, uint64_t *n)
{
	const char *c = text;

	for (*n = 0; *c >= '0' && *c <= '9'; c++)
		if (__builtin_mul_overflow(*n, UINT64_C(10), n) ||
		    __builtin_add_overflow(*n, (uint64_t)(*c - '0'), n))
			*n = UINT64_MAX;
	return c == text ? NULL : c;
}

/* UINT64_MAX stays what it is. */
static uint64_t
times(uint64_t n, uint64_t factor)
{
	return __builtin_mul_overflow(n, factor, &n) ? UINT64_MAX : n;
}

const char *
config_size_text(char buf[CONFIG_SIZE_TEXT], uint64_t bytes)
{
	static const char units[] = { '\0', 'K', 'M', 'G', '\0' };
	size_t i = 0;

	while (bytes != 0 && bytes % 1024 == 0 && units[i + 1] != '\0') {
		bytes /= 1024;
		i++;
	}
	snprintf(buf, CONFIG_SIZE_TEXT, "%llu%.1s", (unsigned long long)bytes,
	    &units[i]);
	return buf;
}

bool
config_value_size(struct config_reader *r, struct config_block *block,
    enum config_key key, uint64_t min, uint64_t max, uint64_t *size)
{
	char least[CONFIG_SIZE_TEXT], most[CONFIG_SIZE_TEXT];
	const char *unit;
	uint64_t n;

	if (block->set[key] == NULL)
		return false;
	unit = read_digits(block->set[key]->value, &n);
	if (unit != NULL && unit[0] != '\0') {
		n = strcmp(unit, "K") == 0   ? times(n, UINT64_C(1) << 10)
		    : strcmp(unit, "M") == 0 ? times(n, UINT64_C(1) << 20)
					     : times(n, UINT64_C(1) << 30);
		if (unit[1] != '\0' || strchr("KMG", unit[0]) == NULL)
			unit = NULL;
	}
	if (unit == NULL) {
		bad_value(r, block, key,
		    "is not a number of bytes%s: write it like 65536, 64K, "
		    "10M or 1G",
		    key == KEY_RATE || key == KEY_CEIL ? " per second" : "");
		return false;
	}
	if (n < min || n > max) {
		bad_value(r, block, key, "is out of range: it may be %s to %s",
		    config_size_text(least, min), config_size_text(most, max));
		return false;
	}
	*size = n;
	return true;
}

bool
config_value_number(struct config_reader *r, struct config_block *block,
    enum config_key key, uint32_t min, uint32_t max, uint32_t *number)
{
	const char *rest;
	uint64_t n;

	if (block->set[key] == NULL)
		return false;
	rest = read_digits(block->set[key]->value, &n);
	if (rest == NULL || rest[0] != '\0' || n < min || n > max) {
		bad_value(r, block, key, "is not a whole number from %u to %u",
		    min, max);
		return false;
	}
	*number = (uint32_t)n;
	return true;
}

bool
config_value_period(struct config_reader *r, struct config_block *block,
    uint64_t *ns)
{
	const char *value, *unit;
	uint64_t ms;

	if (block->set[KEY_PERIOD] == NULL)
		return false;
	value = block->set[KEY_PERIOD]->value;
	unit = read_digits(value, &ms);
	if (unit != NULL && unit[0] == '\0') {
		value = config_shown(r, value);
		bad_value(r, block, KEY_PERIOD,
		    "has no unit: write %sms, %ss or %smin", value, value,
		    value);
		return false;
	}
	if (unit != NULL && strcmp(unit, "s") == 0)
		ms = times(ms, 1000);
	else if (unit != NULL && strcmp(unit, "min") == 0)
		ms = times(ms, 60000);
	else if (unit == NULL || strcmp(unit, "ms") != 0) {
		bad_value(r, block, KEY_PERIOD,
		    "is not a time: write it like 500ms, 10s or 2min");
		return false;
	}
	if (ms < 1 || ms > CONFIG_PERIOD_MAX_MS) {
		bad_value(r, block, KEY_PERIOD,
		    "is out of range: it may be 1ms to %llums",
		    (unsigned long long)CONFIG_PERIOD_MAX_MS);
		return false;
	}
	*ns = ms * NS_PER_MS;
	return true;
}

static bool
has_control_character(const char *text)
{
	while (*text != '\0')
		if (iscntrl((unsigned char)*text++))
			return true;
	return false;
}

bool
config_value_path(struct config_reader *r, struct config_block *block,
    enum config_key key, size_t max, char **path)
{
	const char *value;

	if (block->set[key] == NULL)
		return false;
	value = block->set[key]->value;
	if (value[0] == '\0')
		bad_value(r, block, key, "is empty: name an absolute path");
	else if (value[0] != '/')
		bad_value(r, block, key,
		    "is not an absolute path: begin it with a /");
	else if (has_control_character(value))
		bad_value(r, block, key,
		    "has a control character in it: remove that");
	else if (strnlen(value, max + 1) > max)
		bad_value(r, block, key,
		    "is longer than %zu bytes: shorten the path", max);
	else {
		if ((*path = strdup(value)) == NULL)
			log_fatal("no memory for the configuration");
		return true;
	}
	return false;
}

/* A numeric id, as users and groups may be given. */
static bool
is_id(const char *value, uint32_t *id)
{
	const char *rest;
	uint64_t n;

	rest = read_digits(value, &n);
	if (rest == NULL || rest[0] != '\0' || n > ID_MAX)
		return false;
	*id = (uint32_t)n;
	return true;
}

void
config_value_owner(struct config_reader *r, struct config_block *block,
    uid_t *owner)
{
	const struct config_setting *s = block->set[KEY_OWNER];
	const struct passwd *pw;

	if (s == NULL || is_id(s->value, owner))
		return;
	if ((pw = getpwnam(s->value)) != NULL)
		*owner = pw->pw_uid;
	else
		bad_value(r, block, KEY_OWNER,
		    "is no user of this host: name one, or give a uid");
}

void
config_value_group(struct config_reader *r, struct config_block *block,
    gid_t *group)
{
	const struct config_setting *s = block->set[KEY_GROUP];
	const struct group *gr;

	if (s == NULL || is_id(s->value, group))
		return;
	if ((gr = getgrnam(s->value)) != NULL)
		*group = gr->gr_gid;
	else
		bad_value(r, block, KEY_GROUP,
		    "is no group of this host: name one, or give a gid");
}

void
config_value_mode(struct config_reader *r, struct config_block *block,
    mode_t *mode)
{
	const struct config_setting *s = block->set[KEY_MODE];
	unsigned long n;

	if (s == NULL)
		return;
	n = strtoul(s->value, NULL, 8);
	if (s->value[0] == '\0' ||
	    s->value[strspn(s->value, "01234567")] != '\0' || n < 1 ||
	    n > MODE_MAX)
		bad_value(r, block, KEY_MODE,
		    "is not an octal mode from 0001 to 0777, such as 0660");
	else
		*mode = (mode_t)n;
}
