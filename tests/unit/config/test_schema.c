/*
 * The schema of the configuration and its table in vrngd.conf(5): every key
 * stands there with its blocks, values and default, as the schema has them.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/config/schema.h"

#define LINE_MAX 512
#define LIST_MAX 128

/* What a row can say of each type, before the range or the words. */
static const char *const types[] = {
	[TYPE_SIZE] = "size, ",
	[TYPE_RATE] = "rate, ",
	[TYPE_TIME] = "time, ",
	[TYPE_NUMBER] = "number, ",
	[TYPE_OCTAL] = "octal, ",
	[TYPE_HEX] = "hexadecimal, ",
	[TYPE_BITS] = "bits, ",
	[TYPE_WORD] = "",
	[TYPE_BOOL] = "yes or no",
	[TYPE_USER] = "user",
	[TYPE_GROUP] = "group",
	[TYPE_TEXT] = "string, ",
	[TYPE_BYTES] = "string, ",
	[TYPE_PATH] = "path",
	[TYPE_ADDRESS] = "",
	[TYPE_NETWORKS] = "networks",
	[TYPE_PRESET] = "",
	[TYPE_NAME] = "name",
};

/* Adds a word to a list, with the separator if it is the last of several. */
static void
add(char list[LIST_MAX], const char *word, bool last, const char *separator)
{
	size_t n = strlen(list);

	snprintf(list + n, LIST_MAX - n, "%s%s",
	    n == 0     ? ""
		: last ? separator
		       : ", ",
	    word);
}

static void
add_names(char text[LIST_MAX], const char *const names[])
{
	for (size_t i = 0; names[i] != NULL; i++)
		add(text, names[i], names[i + 1] == NULL, " or ");
}

static void
values_of(const struct config_key *key, char text[LIST_MAX])
{
	char least[VALUE_TEXT_SIZE], most[VALUE_TEXT_SIZE];
	size_t n = (size_t)snprintf(text, LIST_MAX, "%s", types[key->type]);

	switch (key->type) {
	case TYPE_WORD:
	case TYPE_PRESET:
		add_names(text, key->names);
		break;
	case TYPE_ADDRESS:
		snprintf(text, LIST_MAX, "%s%s",
		    key->min == CONFIG_UNIX	   ? "path"
			: key->min == CONFIG_VSOCK ? "yes"
						   : "address",
		    key->blocks & CONFIG_SOURCE ? ", or systemd of a service"
						: " or systemd");
		break;
	case TYPE_TEXT:
	case TYPE_BYTES:
		snprintf(text + n, LIST_MAX - n, "%u to %u bytes",
		    (unsigned int)key->min, (unsigned int)key->max);
		break;
	case TYPE_NUMBER:
		if (key->nnumbers > 0 && key->nnumbers < 8) {
			text[0] = '\0';
			for (size_t i = 0; i < key->nnumbers; i++)
				add(text,
				    value_text(key, key->numbers[i], least),
				    i + 1 == key->nnumbers, " or ");
			break;
		}
		__attribute__((fallthrough));
	case TYPE_SIZE:
	case TYPE_RATE:
	case TYPE_TIME:
	case TYPE_OCTAL:
	case TYPE_HEX:
	case TYPE_BITS:
		snprintf(text + n, LIST_MAX - n, "%s%s to %s",
		    key->flags & KEY_ZERO ? "0 or " : "",
		    value_text(key, key->min, least),
		    value_text(key, key->max, most));
		break;
	default:
		break;
	}
}

/* The row of a key, as the manual has it. */
static void
row_of(const struct config_key *key, char row[LINE_MAX])
{
	char blocks[LIST_MAX] = "", values[LIST_MAX], text[VALUE_TEXT_SIZE];
	unsigned int left = key->blocks;
	const struct schema_block *b = schema_blocks;
	const char *initial;

	for (; b->kind != CONFIG_TOP; b++)
		if (key->blocks & b->kind) {
			left &= ~(unsigned int)b->kind;
			add(blocks, b->word, left == 0, " and ");
		}
	values_of(key, values);
	initial = key->initial;
	if (initial == NULL)
		initial = key->type <= TYPE_GROUP
		    ? value_text(key, key->value, text)
		    : "none";
	snprintf(row, LINE_MAX, ".It %s Ta %s Ta %s Ta %s\n", key->name,
	    blocks[0] != '\0' ? blocks : "top level", values, initial);
}

/* To fix the manual, use the rows that this prints when it fails. */
static void
test_manual(void **state)
{
	char line[LINE_MAX], row[LINE_MAX];
	const struct config_key *key = schema_keys;
	FILE *manual = fopen(CONFIG_MANUAL, "r");
	bool right = true;

	(void)state;
	assert_non_null(manual);
	while (fgets(line, sizeof(line), manual) != NULL &&
	    strcmp(line, ".Sh KEYS\n") != 0)
		;
	while (fgets(line, sizeof(line), manual) != NULL &&
	    strncmp(line, ".It key Ta", 10) != 0)
		;
	for (; key->name != NULL; key++) {
		row_of(key, row);
		right = fgets(line, sizeof(line), manual) != NULL &&
		    strcmp(line, row) == 0 && right;
	}
	right = fgets(line, sizeof(line), manual) != NULL &&
	    strcmp(line, ".El\n") == 0 && right;
	fclose(manual);
	if (right)
		return;
	for (key = schema_keys; key->name != NULL; key++) {
		row_of(key, row);
		fprintf(stderr, "%s", row);
	}
	fail_msg("the table of keys in vrngd.conf(5) is not that of schema.c");
}

/*
 * Whether the manual explains a key, besides the table: it is the name of an
 * item, or one of several.
 */
static bool
is_explained(FILE *manual, const char *name)
{
	char line[LINE_MAX];
	size_t len = strlen(name);

	rewind(manual);
	while (fgets(line, sizeof(line), manual) != NULL) {
		const char *at = line;

		if (strncmp(line, ".It Ic ", 7) != 0)
			continue;
		while ((at = strstr(at + 1, name)) != NULL)
			if (at[-1] == ' ' &&
			    (at[len] == ' ' || at[len] == '\n'))
				return true;
	}
	return false;
}

static void
test_explained(void **state)
{
	FILE *manual = fopen(CONFIG_MANUAL, "r");

	(void)state;
	assert_non_null(manual);
	for (const struct config_key *k = schema_keys; k->name != NULL; k++)
		if (!is_explained(manual, k->name))
			fail_msg("vrngd.conf(5) does not explain %s", k->name);
	fclose(manual);
}

/* Whether the structs of all of its blocks have the part that it is in. */
static bool
has_part(const struct config_key *key)
{
	const struct schema_block *b = schema_blocks;

	for (; b->kind != CONFIG_TOP; b++)
		if ((key->blocks & b->kind) != 0 && key->part != PART_WHOLE &&
		    b->parts[key->part] == 0)
			return false;
	return true;
}

/* What the walks count on. */
static void
test_rows(void **state)
{
	(void)state;
	for (const struct config_key *k = schema_keys; k->name != NULL; k++) {
		assert_in_range(k->type, 0, TYPE_NAME);
		assert_ptr_equal(schema_find(k->blocks, k->name), k);
		if (k->type == TYPE_WORD || k->type == TYPE_PRESET)
			assert_non_null(k->names);
		if (k->with != NULL)
			assert_non_null(schema_find(k->blocks, k->with));
		assert_true(has_part(k));
		/* No two have the same name and a block in common. */
		for (const struct config_key *o = k + 1; o->name != NULL; o++)
			assert_false(strcmp(k->name, o->name) == 0 &&
			    (k->blocks & o->blocks) != 0);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_explained),
	};

	return UNIT_MAIN("schema", tests);
}
