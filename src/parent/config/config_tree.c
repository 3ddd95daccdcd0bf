#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/config/config_tree.h"
#include "common/log.h"

#define SHOWN_MAX 120 /* bytes of a text in a message */

void *
config_alloc(struct config_reader *r, size_t size)
{
	struct config_memory *memory = NULL;

	if (size < SIZE_MAX - sizeof(*memory))
		memory = calloc(1, sizeof(*memory) + size);
	if (memory == NULL)
		log_fatal("no memory for the configuration");
	memory->next = r->memory;
	r->memory = memory;
	return memory->data;
}

static char *__attribute__((format(printf, 2, 0)))
text_of(struct config_reader *r, const char *fmt, va_list ap)
{
	va_list again;
	char *text;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		log_fatal("no memory for the configuration");
	text = config_alloc(r, (size_t)len + 1);
	vsnprintf(text, (size_t)len + 1, fmt, ap);
	return text;
}

char *
config_text(struct config_reader *r, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = text_of(r, fmt, ap);
	va_end(ap);
	return text;
}

const char *
config_shown(struct config_reader *r, const char *text)
{
	if (strnlen(text, SHOWN_MAX + 1) <= SHOWN_MAX)
		return text;
	return config_text(r, "%.*s...", SHOWN_MAX - 3, text);
}

/* Adds a mistake; characters that would upset a terminal or a log become ?. */
static void
add_mistake(struct config_reader *r, struct config_place place, char *text)
{
	struct config_mistake *m = config_alloc(r, sizeof(*m));

	for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++)
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
	m->place = place;
	m->order = r->nmistakes++;
	m->text = text;
	TAILQ_INSERT_TAIL(&r->mistakes, m, entry);
}

void
config_mistake(struct config_reader *r, struct config_place place,
    const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = text_of(r, fmt, ap);
	va_end(ap);
	add_mistake(r, place, text);
}

void
config_block_mistake(struct config_reader *r, const struct config_block *block,
    struct config_place place, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = text_of(r, fmt, ap);
	va_end(ap);
	if (block->kind != CONFIG_TOP)
		text = config_text(r, "%s: %s", block->title, text);
	add_mistake(r, place, text);
}

const char *
config_place_text(struct config_reader *r, struct config_place place,
    struct config_place from)
{
	if (place.file == from.file)
		return config_text(r, "line %d", place.line);
	return config_text(r, "%s:%d", place.file->path, place.line);
}

/* The order of files and lines, or of being found. */
static int
mistake_order(const void *a, const void *b)
{
	const struct config_mistake *const *x = a, *const *y = b;
	uint32_t file_x = (*x)->place.file->order;
	uint32_t file_y = (*y)->place.file->order;

	if (file_x != file_y)
		return file_x < file_y ? -1 : 1;
	if ((*x)->place.line != (*y)->place.line)
		return (*x)->place.line < (*y)->place.line ? -1 : 1;
	return (*x)->order < (*y)->order ? -1 : (*x)->order > (*y)->order;
}

void
config_tell(struct config_reader *r, config_report *report, void *arg)
{
	struct config_mistake **sorted, *m;
	size_t n = 0;

	sorted = config_alloc(r, r->nmistakes * sizeof(void *));
	TAILQ_FOREACH(m, &r->mistakes, entry)
		sorted[n++] = m;
	qsort(sorted, n, sizeof(void *), mistake_order);
	for (size_t i = 0; i < n; i++)
		report(arg,
		    config_text(r, "%s:%d: %s", sorted[i]->place.file->path,
			sorted[i]->place.line, sorted[i]->text));
}

static struct config_block *
new_block(struct config_reader *r, enum config_kind kind, const char *name)
{
	struct config_block *block = config_alloc(r, sizeof(*block));

	block->kind = kind;
	block->order = r->nblocks++;
	block->name = name != NULL ? name : "";
	block->title = config_text(r, "%s \"%s\"", config_kind_word(kind),
	    config_shown(r, block->name));
	TAILQ_INIT(&block->blocks);
	TAILQ_INIT(&block->settings);
	TAILQ_INSERT_TAIL(&r->all, block, all);
	return block;
}

void
config_tree_init(struct config_reader *r)
{
	*r = (struct config_reader){ 0 };
	TAILQ_INIT(&r->mistakes);
	TAILQ_INIT(&r->all);
	TAILQ_INIT(&r->files);
	r->top = new_block(r, CONFIG_TOP, NULL);
}

void
config_tree_free(struct config_reader *r)
{
	struct config_memory *memory;

	while ((memory = r->memory) != NULL) {
		r->memory = memory->next;
		free(memory);
	}
}

/*
 * Pools, guests and services belong to the top level, whatever they stand in:
 * that may only lack its end.
 */
void
config_block_open(struct config_parse *p, const char *keyword, const char *name,
    int line)
{
	enum config_kind kind = CONFIG_IGNORED;
	struct config_block *block, *parent = p->block;

	if (keyword != NULL)
		kind = config_kind_find(keyword);
	if (kind & (CONFIG_POOL | CONFIG_LEAVES))
		parent = p->reader->top;
	block = new_block(p->reader, kind, name);
	block->place = (struct config_place){ p->file, line };
	block->within = p->block;
	TAILQ_INSERT_TAIL(&parent->blocks, block, entry);
	p->block = block;
}

void
config_block_close(struct config_parse *p)
{
	if (p->block->within != NULL)
		p->block = p->block->within;
}

void
config_item_add(struct config_parse *p, const struct config_word *word,
    int line)
{
	struct config_item *item = config_alloc(p->reader, sizeof(*item));

	item->word = *word;
	item->place = (struct config_place){ p->file, line };
	TAILQ_INSERT_TAIL(&p->items, item, entry);
}

void
config_setting_add(struct config_parse *p, const char *key, bool is_list,
    int line)
{
	struct config_setting *s = config_alloc(p->reader, sizeof(*s));
	const struct config_item *first = TAILQ_FIRST(&p->items);

	s->key = key;
	s->value = first != NULL ? first->word.text : "";
	s->len = first != NULL ? first->word.len : 0;
	s->is_list = is_list;
	s->place = (struct config_place){ p->file, line };
	TAILQ_INIT(&s->items);
	TAILQ_CONCAT(&s->items, &p->items, entry);
	TAILQ_INSERT_TAIL(&p->block->settings, s, entry);
}
