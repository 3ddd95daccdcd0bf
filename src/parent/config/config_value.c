#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "parent/config/config_build.h"

#define MS_PER_SEC UINT64_C(1000)
#define MS_PER_MIN UINT64_C(60000)

void
config_value_bad(struct config_reader *r, struct config_block *block,
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
	    key == KEY_MAX_BYTES || key == KEY_PERIOD || key == KEY_DELIVERY)
		block->damaged = true;
}

const char *
config_digits(const char *text, uint64_t *n)
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
	unit = config_digits(block->set[key]->value, &n);
	if (unit != NULL && unit[0] != '\0') {
		n = strcmp(unit, "K") == 0   ? times(n, UINT64_C(1) << 10)
		    : strcmp(unit, "M") == 0 ? times(n, UINT64_C(1) << 20)
					     : times(n, UINT64_C(1) << 30);
		if (unit[1] != '\0' || strchr("KMG", unit[0]) == NULL)
			unit = NULL;
	}
	if (unit == NULL) {
		config_value_bad(r, block, key,
		    "is not a number of bytes%s: write it like 65536, 64K, "
		    "10M or 1G",
		    key == KEY_RATE || key == KEY_CEIL ? " per second" : "");
		return false;
	}
	if (n < min || n > max) {
		config_value_bad(r, block, key,
		    "is out of range: it may be %s to %s",
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
	rest = config_digits(block->set[key]->value, &n);
	if (rest == NULL || rest[0] != '\0' || n < min || n > max) {
		config_value_bad(r, block, key,
		    "is not a whole number from %u to %u", min, max);
		return false;
	}
	*number = (uint32_t)n;
	return true;
}

const char *
config_time_text(char buf[CONFIG_SIZE_TEXT], uint64_t ns)
{
	unsigned long long ms = ns / NS_PER_MS;

	if (ms % MS_PER_MIN == 0)
		snprintf(buf, CONFIG_SIZE_TEXT, "%llumin", ms / MS_PER_MIN);
	else if (ms % MS_PER_SEC == 0)
		snprintf(buf, CONFIG_SIZE_TEXT, "%llus", ms / MS_PER_SEC);
	else
		snprintf(buf, CONFIG_SIZE_TEXT, "%llums", ms);
	return buf;
}

bool
config_value_time(struct config_reader *r, struct config_block *block,
    enum config_key key, uint64_t min, uint64_t max, uint64_t *ns)
{
	char least[CONFIG_SIZE_TEXT], most[CONFIG_SIZE_TEXT];
	const char *value, *unit;
	uint64_t n;

	if (block->set[key] == NULL)
		return false;
	value = block->set[key]->value;
	unit = config_digits(value, &n);
	if (unit != NULL && unit[0] == '\0') {
		value = config_shown(r, value);
		config_value_bad(r, block, key,
		    "has no unit: write %sms, %ss or %smin", value, value,
		    value);
		return false;
	}
	if (unit != NULL && strcmp(unit, "ms") == 0)
		n = times(n, NS_PER_MS);
	else if (unit != NULL && strcmp(unit, "s") == 0)
		n = times(n, NS_PER_SEC);
	else if (unit != NULL && strcmp(unit, "min") == 0)
		n = times(n, MS_PER_MIN * NS_PER_MS);
	else {
		config_value_bad(r, block, key,
		    "is not a time: write it like 500ms, 10s or 2min");
		return false;
	}
	if (n < min || n > max) {
		config_value_bad(r, block, key,
		    "is out of range: it may be %s to %s",
		    config_time_text(least, min), config_time_text(most, max));
		return false;
	}
	*ns = n;
	return true;
}

bool
config_value_bool(struct config_reader *r, struct config_block *block,
    enum config_key key, bool *yes)
{
	const struct config_setting *s = block->set[key];

	if (s == NULL)
		return false;
	if (strcmp(s->value, "yes") != 0 && strcmp(s->value, "no") != 0) {
		config_value_bad(r, block, key, "is neither yes nor no");
		return false;
	}
	*yes = strcmp(s->value, "yes") == 0;
	return true;
}

const char *
config_choice_list(struct config_reader *r, const struct config_choice *choice,
    uint64_t which)
{
	const char *list = "", *separator;

	for (uint32_t i = 0; i < choice->n; i++) {
		if ((which >> i & 1) == 0)
			continue;
		separator = list[0] == '\0' ? ""
		    : which >> (i + 1) == 0 ? " or "
					    : ", ";
		list =
		    config_text(r, "%s%s%s", list, separator, choice->words[i]);
	}
	return list;
}

bool
config_value_choice(struct config_reader *r, struct config_block *block,
    enum config_key key, const struct config_choice *choice, uint32_t *number)
{
	const struct config_setting *s = block->set[key];
	struct config_nearest nearest;

	if (s == NULL)
		return false;
	config_nearest_init(&nearest, s->value);
	for (uint32_t i = 0; i < choice->n; i++) {
		if (strcmp(s->value, choice->words[i]) == 0) {
			*number = i;
			return true;
		}
		config_nearest_try(&nearest, choice->words[i]);
	}
	if (nearest.found != NULL)
		config_value_bad(r, block, key, "is unknown: did you mean %s?",
		    nearest.found);
	else
		config_value_bad(r, block, key, "is unknown: it may be %s",
		    config_choice_list(r, choice,
			(UINT64_C(1) << choice->n) - 1));
	return false;
}
