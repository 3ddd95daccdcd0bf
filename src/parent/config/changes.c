/*
 * What differs between two configurations: compares the texts that
 * config_print() made of them, block by block.  Used by state/reload.c.
 */
#include <stdlib.h>
#include <string.h>

#include "parent/config/reader.h"

#define REPEATED_MIN 32 /* bytes, more than what stands for them */

/* A block of a text: pointers into it, which is not changed. */
struct block {
	const struct block *within; /* NULL: the top level */
	const char *head;	    /* `class "gold" {`; the top level: NULL */
	size_t nhead;		    /* without " {" */
	const char *keys;	    /* its lines up to a block or its end */
};

struct text {
	struct block *blocks;
	size_t n;
	unsigned int npools;
};

/* A line of the answer, while it is written. */
struct line {
	FILE *out;
	char *text;
	size_t n;
};

struct changes {
	struct text old, new;
	config_change *report;
	void *arg;
};

static size_t
line_length(const char *line)
{
	return strcspn(line, "\n");
}

static const char *
next_line(const char *line)
{
	line += line_length(line);
	return *line == '\n' ? line + 1 : line;
}

static const char *
skip_indent(const char *line)
{
	return line + strspn(line, " ");
}

/* Whether a line opens a block: a value never ends with an open brace. */
static bool
opens(const char *line)
{
	size_t n = line_length(line);

	return n > 2 && strncmp(line + n - 2, " {", 2) == 0;
}

static size_t
count_blocks(const char *text)
{
	size_t n = 1;

	for (; *text != '\0'; text = next_line(text))
		n += opens(text);
	return n;
}

/* Finds the blocks.  The text ends each, as config_print() does. */
static void
find_blocks(struct text *t, const char *text)
{
	struct block *b;

	t->blocks = config_must(calloc(count_blocks(text), sizeof(*b)));
	b = &t->blocks[0];
	b->keys = text;
	t->n = 1;
	t->npools = 0;
	for (const struct block *within = b; *text != '\0';
	     text = next_line(text)) {
		if (*skip_indent(text) == '}')
			within = within->within;
		if (!opens(text))
			continue;
		b = &t->blocks[t->n++];
		b->within = within;
		b->head = skip_indent(text);
		b->nhead = line_length(b->head) - strlen(" {");
		b->keys = next_line(text);
		t->npools += within->head == NULL &&
		    strncmp(b->head, "pool ", strlen("pool ")) == 0;
		within = b;
	}
}

static int
compare_heads(const struct block *a, const struct block *b)
{
	size_t n = a->nhead < b->nhead ? a->nhead : b->nhead;
	int r = a->head == NULL || b->head == NULL
	    ? (a->head != NULL) - (b->head != NULL)
	    : memcmp(a->head, b->head, n);

	return r != 0 ? r : (a->nhead > b->nhead) - (a->nhead < b->nhead);
}

/* The outermost block around one: the pool of a class or source, or itself. */
static const struct block *
outermost(const struct block *b)
{
	while (b->within != NULL && b->within->within != NULL)
		b = b->within;
	return b;
}

/* By name, and those of a pool after it, wherever they stand in it. */
static int
compare_blocks(const struct block *a, const struct block *b)
{
	const struct block *outer_a = outermost(a), *outer_b = outermost(b);
	int r = compare_heads(outer_a, outer_b);

	if (r == 0)
		r = (outer_a != a) - (outer_b != b);
	return r != 0 ? r : compare_heads(a, b);
}

static int
compare_sorted(const void *a, const void *b)
{
	return compare_blocks(a, b);
}

/* Copies of the blocks in order, allocated; they refer to those of the text. */
static struct block *
sorted(const struct text *t)
{
	struct block *list = config_must(calloc(t->n, sizeof(*list)));

	memcpy(list, t->blocks, t->n * sizeof(*list));
	qsort(list, t->n, sizeof(*list), compare_sorted);
	return list;
}

/* A head as it is written in messages: `class "gold"` as "class gold". */
static void
put_head(FILE *out, const struct block *b)
{
	for (size_t i = 0; i < b->nhead; i++)
		if (b->head[i] != '"')
			putc(b->head[i], out);
}

/* The block: a class or source with its pool, if there are several pools. */
static void
put_block(FILE *out, const struct changes *c, const struct block *b)
{
	const struct block *pool = outermost(b);

	if (b->head == NULL)
		return;
	putc(' ', out);
	put_head(out, b);
	if (pool != b && (c->old.npools > 1 || c->new.npools > 1)) {
		fputs(" of ", out);
		put_head(out, pool);
	}
}

/* Starts a line about a block. */
static void
line_open(struct line *l, const struct changes *c, char sign,
    const struct block *b)
{
	l->text = NULL;
	l->out = config_must(open_memstream(&l->text, &l->n));
	putc(sign, l->out);
	put_block(l->out, c, b);
}

/* Gives it to the caller. */
static void
line_report(struct line *l, const struct changes *c, const struct block *b)
{
	struct config_changed changed = { 0 };
	const char *quote;

	fclose(l->out);
	changed.text = config_must(l->text);
	changed.sign = changed.text[0];
	if (b->head != NULL) {
		snprintf(changed.word, sizeof(changed.word), "%.*s",
		    (int)strcspn(b->head, " "), b->head);
		quote = strchr(b->head, '"');
		snprintf(changed.name, sizeof(changed.name), "%.*s",
		    (int)strcspn(quote + 1, "\""), quote + 1);
	}
	c->report(c->arg, &changed);
	free(l->text);
}

/* A block that is there only before or only after. */
static void
report_block(const struct changes *c, char sign, const struct block *b)
{
	struct line line;

	line_open(&line, c, sign, b);
	line_report(&line, c, b);
}

/* The value of a key of a block, and its length; NULL: not printed. */
static const char *
value_of(const struct block *b, const char *key, size_t nkey, size_t *n)
{
	const char *line = b->keys, *name;

	for (; *line != '\0' && !opens(line); line = next_line(line)) {
		name = skip_indent(line);
		if (*name == '}')
			return NULL;
		if (strncmp(name, key, nkey) == 0 &&
		    strncmp(name + nkey, " = ", 3) == 0) {
			*n = line_length(name) - nkey - 3;
			return name + nkey + 3;
		}
	}
	return NULL;
}

/* Leaves out the quotes of a word, as messages do. */
static void
unquote(const char **value, size_t *n)
{
	if (*n > 2 && (*value)[0] == '"' &&
	    strcspn(*value + 1, " \\\"") == *n - 2) {
		++*value;
		*n -= 2;
	}
}

/* A key with its values; one that is not printed has its default. */
static void
report_key(const struct changes *c, const struct block *b, const char *key,
    size_t nkey, const struct block *blocks[2])
{
	static const char none[] = "(default)";
	struct line line;
	const char *value[2];
	size_t n[2];

	for (int i = 0; i < 2; i++)
		if ((value[i] = value_of(blocks[i], key, nkey, &n[i])) ==
		    NULL) {
			value[i] = none;
			n[i] = strlen(none);
		}
	if (n[0] == n[1] && memcmp(value[0], value[1], n[0]) == 0)
		return;
	unquote(&value[0], &n[0]);
	unquote(&value[1], &n[1]);
	line_open(&line, c, '~', b);
	fprintf(line.out, " %.*s %.*s -> %.*s", (int)nkey, key, (int)n[0],
	    value[0], (int)n[1], value[1]);
	line_report(&line, c, b);
}

/* The length of a block's keys. */
static size_t
keys_length(const struct block *b)
{
	const char *line = b->keys;

	while (*line != '\0' && !opens(line) && *skip_indent(line) != '}')
		line = next_line(line);
	return (size_t)(line - b->keys);
}

/* Whether all keys of two blocks are the same, as are those of most. */
static bool
same_keys(const struct block *a, const struct block *b)
{
	size_t n = keys_length(a);

	return n == keys_length(b) && memcmp(a->keys, b->keys, n) == 0;
}

/* The keys of a block that are printed in `from`; not those in `without`. */
static void
report_keys(const struct changes *c, const struct block *blocks[2],
    const struct block *from, const struct block *without)
{
	const char *line = from->keys, *key;
	size_t nkey, n;

	for (; *line != '\0' && !opens(line); line = next_line(line)) {
		key = skip_indent(line);
		if (*key == '}')
			return;
		nkey = strcspn(key, " ");
		if (without == NULL || value_of(without, key, nkey, &n) == NULL)
			report_key(c, from, key, nkey, blocks);
	}
}

/* A block that is there before and after. */
static void
report_both(const struct changes *c, const struct block *old,
    const struct block *new)
{
	const struct block *blocks[2] = { old, new };
	struct line line;

	if (old->within != NULL &&
	    compare_heads(old->within, new->within) != 0) {
		line_open(&line, c, '~', new);
		fputs(" within ", line.out);
		put_head(line.out, old->within);
		fputs(" -> ", line.out);
		put_head(line.out, new->within);
		line_report(&line, c, new);
	}
	if (same_keys(old, new))
		return;
	report_keys(c, blocks, old, NULL);
	report_keys(c, blocks, new, old);
}

void
config_changes(const char *old, const char *new, config_change *report_change,
    void *arg)
{
	struct changes c = { .report = report_change, .arg = arg };
	struct block *before, *after;
	size_t i = 0, k = 0;
	int order;

	find_blocks(&c.old, old);
	find_blocks(&c.new, new);
	before = sorted(&c.old);
	after = sorted(&c.new);
	while (i < c.old.n || k < c.new.n) {
		order = i == c.old.n ? 1
		    : k == c.new.n   ? -1
				     : compare_blocks(&before[i], &after[k]);
		if (order < 0)
			report_block(&c, '-', &before[i++]);
		else if (order > 0)
			report_block(&c, '+', &after[k++]);
		else
			report_both(&c, &before[i++], &after[k++]);
	}
	free(before);
	free(after);
	free(c.old.blocks);
	free(c.new.blocks);
}

char *
config_printed(const struct config *config)
{
	char *text = NULL;
	size_t n;
	FILE *out = config_must(open_memstream(&text, &n));

	config_print(config, out, false);
	fclose(out);
	return config_must(text);
}

/* How many bytes before `end`, from a line's begin, stand before `start` too. */
static size_t
repeated(const char *text, const char *start, const char *end)
{
	size_t n = 0, lines = 0;

	while (
	    end - n > start && start - n > text && end[-1 - n] == start[-1 - n])
		if (end[-1 - ++n] == '\n')
			lines = n;
	return lines;
}

char *
config_fold(const char *text)
{
	const char *start = text, *line, *next;
	char *folded = config_must(malloc(strlen(text) + 1)), *to = folded;
	size_t n;

	for (line = text; *line != '\0'; line = next) {
		next = next_line(line);
		if (*line != '}')
			continue;
		if ((n = repeated(text, start, next)) < REPEATED_MIN)
			n = 0;
		to = mempcpy(to, start, (size_t)(next - start) - n);
		if (n > 0)
			to += sprintf(to, "^%zu\n", n);
		start = next;
	}
	to = mempcpy(to, start, (size_t)(line - start) + 1);
	return config_must(realloc(folded, (size_t)(to - folded)));
}

char *
config_unfold(const char *folded)
{
	const char *line, *next;
	char *text, *to, *start;
	size_t size = strlen(folded) + 1, n;

	for (line = folded; *line != '\0'; line = next_line(line))
		if (*line == '^')
			size += strtoul(line + 1, NULL, 10);
	text = to = start = config_must(malloc(size));
	for (line = folded; *line != '\0'; line = next) {
		next = next_line(line);
		if (*line == '^') {
			n = strtoul(line + 1, NULL, 10);
			to = mempcpy(to, start - n, n);
		} else
			to = mempcpy(to, line, (size_t)(next - line));
		if (*line == '^' || *line == '}')
			start = to;
	}
	*to = '\0';
	return text;
}
