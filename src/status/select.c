/*
 * Selects parts of a status, and events.  It only looks for the ends of values,
 * since the text is that of the parent, but it never reads past its end.  Used
 * by client.c.
 */
#include <string.h>

#include "status/select.h"

/* An array or object whose values are visited one after the other. */
struct walk {
	const char *at, *end;
	struct part key; /* of the value, with its quotes; in an object */
};

struct found {
	bool guest, service, pool;
};

/* The end of a string that begins at `at`. */
static const char *
string_end(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		if (*at == '\\' && end - at > 1)
			at++;
	return at < end ? at + 1 : end;
}

/* Whether a value ends before this character. */
static bool
is_delimiter(char c)
{
	return c == ',' || c == ']' || c == '}';
}

/* The end of a value that begins at `at`. */
static const char *
value_end(const char *at, const char *end)
{
	const char *begin = at;
	size_t depth = 0;

	while (at < end && (at == begin || depth > 0 || !is_delimiter(*at))) {
		if (*at == '"') {
			at = string_end(at, end);
			continue;
		}
		if (*at == '{' || *at == '[')
			depth++;
		else if (depth > 0 && is_delimiter(*at) && *at != ',')
			depth--;
		at++;
	}
	return at;
}

/* Starts at the first value of an array or object. */
static struct walk
walk_start(struct part value)
{
	return (struct walk){
		.at = value.text + (value.size > 0),
		.end = value.text + value.size,
	};
}

/* Sets `*value` to the next value.  Returns false at the end. */
static bool
walk_next(struct walk *w, bool object, struct part *value)
{
	const char *begin;

	if (w->at < w->end && *w->at == ',')
		w->at++;
	if (w->at >= w->end || *w->at == ']' || *w->at == '}')
		return false;
	if (object) {
		begin = w->at;
		w->at = string_end(begin, w->end);
		w->key = (struct part){ begin, (size_t)(w->at - begin) };
		w->at += w->at < w->end; /* the colon */
	}
	begin = w->at;
	w->at = value_end(begin, w->end);
	*value = (struct part){ begin, (size_t)(w->at - begin) };
	return true;
}

/* Whether a string with its quotes is that text. */
static bool
is_text(struct part string, const char *text)
{
	size_t len = strlen(text);

	return string.size == len + 2 &&
	    memcmp(string.text + 1, text, len) == 0;
}

/* The value of a key of an object; empty without it. */
static struct part
value_of(struct part object, const char *key)
{
	struct walk w = walk_start(object);
	struct part value;

	while (walk_next(&w, true, &value))
		if (is_text(w.key, key))
			return value;
	return (struct part){ object.text, 0 };
}

static void
add(struct parts *parts, const char *begin, const char *end)
{
	if (parts->n < SELECT_PARTS_MAX)
		parts->part[parts->n++] =
		    (struct part){ begin, (size_t)(end - begin) };
}

/* "NAME", or "KIND:NAME"; the name of an object is the value of `key`. */
static bool
is_service(struct part object, const char *key, const char *name)
{
	struct part kind = value_of(object, "kind");
	size_t len = kind.size < 2 ? 0 : kind.size - 2;

	if (is_text(kind, "guest"))
		return false;
	if (len > 0 && strncmp(name, kind.text + 1, len) == 0 &&
	    name[len] == ':')
		name += len + 1;
	return is_text(value_of(object, key), name);
}

/* Whether a guest or service is selected. */
static bool
wanted(const struct select *s, struct part leaf, bool guests,
    struct found *found)
{
	struct part name;

	if (!guests && s->service[0] != '\0' &&
	    is_service(leaf, "name", s->service)) {
		found->service = true;
		return true;
	}
	name = value_of(leaf, "name");
	if (s->guest[0] == '\0' || !is_text(name, s->guest))
		return false;
	found->guest = found->guest || guests;
	return guests || is_text(value_of(leaf, "kind"), "guest");
}

/*
 * Adds a pool with the selected guests and services only.  Returns whether there
 * are any.
 */
static bool
add_pool(const struct select *s, struct part pool, struct parts *parts,
    struct found *found)
{
	struct walk w = walk_start(pool), list;
	const char *begin = pool.text;
	struct part value, leaf;
	bool guests, any = false, first;

	while (walk_next(&w, true, &value)) {
		guests = is_text(w.key, "guests");
		if (!guests && !is_text(w.key, "services"))
			continue;
		add(parts, begin, value.text + 1);
		list = walk_start(value);
		for (first = true; walk_next(&list, false, &leaf);) {
			if (!wanted(s, leaf, guests, found))
				continue;
			if (!first)
				add(parts, ",", &","[1]);
			add(parts, leaf.text, leaf.text + leaf.size);
			first = false;
			any = true;
		}
		begin = value.text + value.size - 1;
	}
	add(parts, begin, pool.text + pool.size);
	return any;
}

bool
select_any(const struct select *s)
{
	return s->guest[0] != '\0' || s->service[0] != '\0' ||
	    s->pool[0] != '\0';
}

enum selected
select_status(const struct select *s, const char *text, size_t size,
    struct parts *parts)
{
	bool leaves = s->guest[0] != '\0' || s->service[0] != '\0';
	struct part pools = value_of((struct part){ text, size }, "pools");
	struct walk w = walk_start(pools);
	struct found found = { 0 };
	struct part pool;
	bool first = true;
	size_t before;

	parts->n = 0;
	add(parts, text, w.at);
	while (walk_next(&w, false, &pool)) {
		if (s->pool[0] != '\0' &&
		    !is_text(value_of(pool, "name"), s->pool))
			continue;
		found.pool = true;
		before = parts->n;
		if (!first)
			add(parts, ",", &","[1]);
		if (!leaves)
			add(parts, pool.text, pool.text + pool.size);
		else if (!add_pool(s, pool, parts, &found)) {
			parts->n = before;
			continue;
		}
		first = false;
	}
	add(parts, w.at, text + size);
	if (s->pool[0] != '\0' && !found.pool)
		return SELECT_NO_POOL;
	if (s->guest[0] != '\0' && !found.guest)
		return SELECT_NO_GUEST;
	if (s->service[0] != '\0' && !found.service)
		return SELECT_NO_SERVICE;
	return SELECT_FOUND;
}

struct select_array
select_array(const char *text, size_t size)
{
	struct walk w = walk_start((struct part){ text, size });

	return (struct select_array){ .at = w.at, .end = w.end };
}

bool
select_next(struct select_array *a, struct part *value)
{
	struct walk w = { .at = a->at, .end = a->end };
	bool more = walk_next(&w, false, value);

	a->at = w.at;
	return more;
}

bool
select_event(const struct select *s, struct part event)
{
	bool leaves = s->guest[0] != '\0' || s->service[0] != '\0';

	if (s->pool[0] != '\0' && !is_text(value_of(event, "pool"), s->pool))
		return false;
	return !leaves ||
	    (s->guest[0] != '\0' &&
		is_text(value_of(event, "guest"), s->guest)) ||
	    (s->service[0] != '\0' && is_service(event, "service", s->service));
}
