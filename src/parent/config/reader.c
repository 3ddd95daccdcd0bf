/*
 * Functions of the configuration reader: memory with the life time of the
 * reader, errors with file and line, and suggestions for misspelt words.  Used
 * by all of this folder.
 */
#include <search.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/names.h"
#include "parent/config/reader.h"

#define SHOWN_MAX 120 /* bytes of a text in a message */

/*
 * Large enough for malloc(3) to map it and for free(3) to unmap it: small
 * pieces, freed with the reader, would leave holes in the heap.
 */
#define MEMORY_SIZE ((size_t)1 << 18)

struct config_memory {
	struct config_memory *next;
	size_t used;
	_Alignas(max_align_t) char bytes[];
};

void *
config_must(void *data)
{
	if (data == NULL)
		log_fatal("out of memory for the configuration");
	return data;
}

void *
config_alloc(struct config_reader *r, size_t size)
{
	const size_t align = sizeof(max_align_t);
	struct config_memory *m = r->memory;
	void *place;

	size = (size + align - 1) / align * align;
	if (m == NULL || m->used > MEMORY_SIZE ||
	    MEMORY_SIZE - m->used < size) {
		m = config_must(calloc(1,
		    sizeof(*m) + (size > MEMORY_SIZE ? size : MEMORY_SIZE)));
		m->next = r->memory;
		r->memory = m;
	}
	place = m->bytes + m->used;
	m->used += size;
	return place;
}

char *
config_text(struct config_reader *r, const char *fmt, ...)
{
	va_list ap, again;
	char *text, most[256];
	size_t size;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(most, sizeof(most), fmt, ap);
	va_end(ap);
	size = n < 0 ? 1 : (size_t)n + 1;
	text = config_alloc(r, size);
	if (size <= sizeof(most) && n > 0)
		memcpy(text, most, size);
	else if (n > 0)
		vsnprintf(text, size, fmt, again);
	va_end(again);
	return text;
}

const char *
config_shown(struct config_reader *r, const char *text)
{
	if (strnlen(text, SHOWN_MAX + 1) <= SHOWN_MAX)
		return text;
	return config_text(r, "%.*s...", SHOWN_MAX - 3, text);
}

const char *
config_alternatives(struct config_reader *r, const char *const words[],
    unsigned int which)
{
	const char *list = "", *separator;

	for (unsigned int i = 0; words[i] != NULL; i++) {
		if ((which >> i & 1) == 0)
			continue;
		separator = list[0] == '\0'		      ? ""
		    : words[i + 1] == NULL || which >> i == 1 ? " or "
							      : ", ";
		list = config_text(r, "%s%s%s", list, separator, words[i]);
	}
	return list;
}

const char *
config_article(const char *word)
{
	return strchr("aeiou", word[0]) != NULL ? "an" : "a";
}

static bool
comes_after(struct config_place a, struct config_place b)
{
	if (a.file != b.file)
		return a.file->order > b.file->order;
	return a.line > b.line;
}

/* Inserts in the order of files and lines.  Control characters become ?. */
static void
insert(struct config_errors *list, struct config_reader *r,
    const struct config_block *block, struct config_place place, char *text)
{
	struct config_error *e = config_alloc(r, sizeof(*e)), *before;

	if (block != NULL && block->kind != CONFIG_TOP)
		text = config_text(r, "%s: %s", block->title, text);
	for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++)
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
	e->place = place;
	e->text = text;
	before = TAILQ_LAST(list, config_errors);
	while (before != NULL && comes_after(before->place, place))
		before = TAILQ_PREV(before, config_errors, entry);
	if (before != NULL)
		TAILQ_INSERT_AFTER(list, before, e, entry);
	else
		TAILQ_INSERT_HEAD(list, e, entry);
}

void
config_error_add(struct config_reader *r, const struct config_block *block,
    struct config_place place, char *text)
{
	insert(&r->errors, r, block, place, text);
	r->nerrors++;
}

void
config_warning_add(const struct config_block *block,
    const struct config_setting *s, char *text)
{
	insert(&block->reader->warnings, block->reader, block,
	    s != NULL ? s->place : block->place, text);
}

bool
config_syntax_damaged(struct config_parse *p, int line)
{
	bool is_first = line != p->error_line;

	p->block->damaged = true;
	p->error_line = line;
	return is_first;
}

const char *
config_place_text(struct config_reader *r, struct config_place place,
    struct config_place from)
{
	if (place.file == from.file)
		return config_text(r, "line %d", place.line);
	return config_text(r, "%s:%d", place.file->path, place.line);
}

struct config_block *
config_block_new(struct config_reader *r, enum config_kind kind,
    const char *name)
{
	struct config_block *block = config_alloc(r, sizeof(*block));

	block->reader = r;
	block->kind = kind;
	block->name = name != NULL ? name : "";
	block->title = config_text(r, "%s \"%s\"", schema_block(kind)->word,
	    config_shown(r, block->name));
	TAILQ_INIT(&block->settings);
	TAILQ_INSERT_TAIL(&r->blocks, block, entry);
	return block;
}

void
config_reader_init(struct config_reader *r)
{
	*r = (struct config_reader){ 0 };
	TAILQ_INIT(&r->errors);
	TAILQ_INIT(&r->warnings);
	TAILQ_INIT(&r->blocks);
	TAILQ_INIT(&r->files);
	r->top = config_block_new(r, CONFIG_TOP, NULL);
}

void
config_reader_free(struct config_reader *r)
{
	struct config_memory *memory;

	tdestroy(r->taken, free);
	while ((memory = r->memory) != NULL) {
		r->memory = memory->next;
		free(memory);
	}
}

struct config_setting *
setting_of(const struct config_block *block, const char *name)
{
	struct config_setting *s;

	TAILQ_FOREACH(s, &block->settings, entry)
		if (strcmp(s->name, name) == 0)
			break;
	return s;
}

const char *
config_nearest_key(const char *word, enum config_kind kind)
{
	const struct schema_block *block = schema_blocks;
	const char *found = NULL;

	for (const struct config_key *k = schema_keys; k->name != NULL; k++)
		if (kind == CONFIG_IGNORED || (k->blocks & kind) != 0)
			names_near(word, k->name, &found);
	for (; kind == CONFIG_IGNORED && block->kind != CONFIG_TOP; block++)
		names_near(word, block->word, &found);
	return found;
}

static int
taken_order(const void *a, const void *b)
{
	const struct config_taken *x = a, *y = b;

	return strcmp(x->text, y->text);
}

const struct config_taken *
config_take(struct config_block *block, const struct config_setting *setting,
    const char *text)
{
	struct config_taken *t = config_must(malloc(sizeof(*t))), **first;

	*t = (struct config_taken){ text, block, setting };
	first = config_must(tsearch(t, &block->reader->taken, taken_order));
	if (*first == t)
		return NULL;
	free(t);
	return *first;
}

struct config_block *
config_named(struct config_reader *r, const char *text)
{
	struct config_taken t = { .text = text }, **found;

	found = tfind(&t, &r->taken, taken_order);
	return found != NULL && (*found)->block->object != NULL
	    ? (*found)->block
	    : NULL;
}
