/*
 * The configuration: each file of tests/config by itself.  Those with a .err
 * beside them are wrong, and that is what is said; the others are good, those
 * with a .out print that, and those with a .warn cause these warnings.  Then
 * what no file can show.
 */
#include "unit/unit.h"

#include <sys/stat.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
/* By its path, since autoconf's has the same name. */
#include "parent/config/config.h"

#define FILES_MAX 256
#define TEXT_MAX  (1 << 16)
#define MUTATIONS 40 /* of each file */

static const char *const example = EXAMPLES_DIR "/vrngd.conf";

static glob_t files;
static char directory[] = "/tmp/vrngd-config-XXXXXX";

struct output {
	char *text;
	size_t len;
	FILE *out;
	size_t lines;
};

static void
collect(void *arg, const char *text)
{
	struct output *output = arg;
	const char *prefix = CONFIG_DIR "/", *at;

	output->lines++;
	assert_null(strchr(text, '\n'));
	while ((at = strstr(text, prefix)) != NULL) {
		fwrite(text, 1, (size_t)(at - text), output->out);
		text = at + strlen(prefix);
	}
	fprintf(output->out, "%s\n", text);
}

static void
output_open(struct output *output)
{
	*output = (struct output){ 0 };
	output->out = open_memstream(&output->text, &output->len);
	assert_non_null(output->out);
}

/* All of a file, as a string to be freed; NULL if it is not there. */
static char *
slurp(const char *path, size_t *len)
{
	FILE *in = fopen(path, "r");
	char *text;

	*len = 0;
	if (in == NULL)
		return NULL;
	text = calloc(1, TEXT_MAX);
	assert_non_null(text);
	*len = fread(text, 1, TEXT_MAX - 1, in);
	fclose(in);
	return text;
}

/* What belongs to a file, such as its .err. */
static char *
beside(const char *path, const char *suffix)
{
	char name[512];
	size_t len;

	snprintf(name, sizeof(name), "%.*s%s", (int)(strlen(path) - 5), path,
	    suffix);
	return slurp(name, &len);
}

/* The effective tree, as a string to be freed. */
static char *
printed(const struct config *config)
{
	struct output output;

	output_open(&output);
	config_print(config, output.out, true);
	fclose(output.out);
	return output.text;
}

static void
put(const char *path, const char *text, size_t len)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

/* The configuration of a text in a file of its own; output gets the errors. */
static struct config *
read_text(const char *text, size_t len, struct output *output)
{
	struct config *config;
	char path[64];

	snprintf(path, sizeof(path), "%s/text", directory);
	put(path, text, len);
	output_open(output);
	config = config_read(path, collect, output);
	fclose(output->out);
	assert_int_equal(config == NULL, output->lines > 0);
	return config;
}

/* What is printed can be read, and comes to the same. */
static void
check_print(const struct config *config)
{
	struct config *again;
	struct output output;
	char *first = printed(config), *second;

	again = read_text(first, strlen(first), &output);
	assert_string_equal(output.text, "");
	second = printed(again);
	assert_string_equal(first, second);
	config_free(again);
	free(output.text);
	free(first);
	free(second);
}

/* The warnings are those beside the file, if any. */
static void
check_warnings(const struct config *config, const char *path)
{
	char *expected = beside(path, ".warn");
	const struct config_warning *w;
	struct output output;

	output_open(&output);
	TAILQ_FOREACH(w, &config->warnings, entry)
		collect(&output, w->text);
	fclose(output.out);
	assert_string_equal(output.text, expected != NULL ? expected : "");
	free(output.text);
	free(expected);
}

static void
test_file(void **state)
{
	const char *path = *state;
	char *wrong = beside(path, ".err"), *right = beside(path, ".out");
	struct config *config;
	struct output output;
	size_t fds = unit_count_fds();
	char *text;

	output_open(&output);
	config = config_read(path, collect, &output);
	fclose(output.out);
	assert_string_equal(output.text, wrong != NULL ? wrong : "");
	assert_int_equal(config == NULL, wrong != NULL);
	if (config != NULL) {
		text = printed(config);
		if (right != NULL)
			assert_string_equal(text, right);
		free(text);
		check_print(config);
		check_warnings(config, path);
	}
	config_free(config);
	free(output.text);
	free(wrong);
	free(right);
	assert_int_equal(unit_count_fds(), fds);
}

/* The values, not only how they are printed. */
static void
test_values(void **state)
{
	const struct config_pool *pool;
	const struct config_class *gold, *bronze, *batch;
	const struct config_guest *vm1, *vm2;
	struct config *config;
	struct output output;

	(void)state;
	output_open(&output);
	config = config_read(example, collect, &output);
	fclose(output.out);
	assert_string_equal(output.text, "");
	free(output.text);
	pool = TAILQ_FIRST(&config->pools);
	assert_string_equal(pool->name, "default");
	assert_int_equal(TAILQ_FIRST(&pool->sources)->spec.kind, SOURCE_KERNEL);
	assert_int_equal(pool->share.rate.bytes, 10 << 20);
	assert_int_equal(pool->share.ceil.bytes, 10 << 20);
	assert_int_equal(pool->share.ceil.period, NS_PER_SEC);
	gold = TAILQ_FIRST(&pool->classes);
	bronze = TAILQ_NEXT(gold, entry);
	batch = TAILQ_FIRST(&bronze->classes);
	assert_null(gold->parent);
	assert_ptr_equal(batch->parent, bronze);
	assert_int_equal(gold->share.weight, 4);
	assert_int_equal(batch->share.priority, 7);
	assert_int_equal(batch->share.rate.bytes, 0);
	assert_int_equal(batch->share.rate.period, NS_PER_SEC);
	vm1 = TAILQ_FIRST(&config->guests);
	assert_ptr_equal(vm1->pool, pool);
	assert_ptr_equal(vm1->class, gold);
	assert_int_equal(vm1->rights.mode, 0660);
	assert_int_equal(vm1->rights.owner, 0);
	vm2 = TAILQ_NEXT(vm1, entry);
	assert_int_equal(vm2->share.ceil.bytes, 512);
	assert_int_equal(vm2->share.burst, 512);
	assert_int_equal(vm2->share.rate.bytes, 0);
	assert_int_equal(vm2->rights.owner, (uid_t)-1);
	assert_int_equal(vm2->rights.mode, 0);
	config_free(config);
}

static void
check_refusal(const char *path, const char *message)
{
	struct output output;

	output_open(&output);
	assert_null(config_read(path, collect, &output));
	fclose(output.out);
	assert_non_null(strstr(output.text, message));
	assert_int_equal(output.lines, 1);
	free(output.text);
}

static void
test_unreadable(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/none", directory);
	check_refusal(path, "No such file or directory");
	check_refusal(directory, "is a directory");
	snprintf(path, sizeof(path), "%s/fifo", directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	check_refusal(path, "not a regular file");
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/large", directory);
	put(path, "", 0);
	assert_int_equal(truncate(path, (1 << 24) + 1), 0);
	check_refusal(path, "larger than 16M");
	assert_int_equal(unlink(path), 0);
}

/* As many guests as there may be: nothing takes the square of their number. */
static void
test_many(void **state)
{
	const struct config_guest *guest;
	struct config *config;
	struct output output, text;
	const clock_t start = clock(); /* CPU time */
	unsigned int n = 0;

	(void)state;
	output_open(&text);
	fputs("pool p { source k { type = kernel } class c { } }\n", text.out);
	for (unsigned int i = 0; i < 10000; i++)
		fprintf(text.out,
		    "guest vm%u { socket = /run/vm%u.sock class = c }\n", i, i);
	fclose(text.out);
	config = read_text(text.text, text.len, &output);
	assert_string_equal(output.text, "");
	TAILQ_FOREACH(guest, &config->guests, entry)
		n++;
	assert_int_equal(n, 10000);
	assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
	config_free(config);
	free(output.text);
	free(text.text);
}

/*
 * What the example has commented out is good too: the lines with a # and no
 * space, or the four of a block.
 */
static void
test_commented(void **state)
{
	const struct config_pool *pool;
	const struct config_service *service;
	struct config *config;
	struct output output;
	size_t len, npools = 0, noutlets = 0;
	char *text = slurp(example, &len);

	(void)state;
	assert_non_null(text);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '#' && (c == text || c[-1] == '\n') &&
		    (strncmp(c + 1, "    ", 4) == 0 ||
			(c[1] != ' ' && c[1] != '\n')))
			*c = ' ';
	config = read_text(text, len, &output);
	assert_string_equal(output.text, "");
	TAILQ_FOREACH(pool, &config->pools, entry)
		npools++;
	assert_int_equal(npools, 5);
	TAILQ_FOREACH(service, &config->services, entry)
		noutlets++;
	assert_int_equal(noutlets, 6);
	check_print(config);
	config_free(config);
	free(output.text);
	free(text);
}

/* Any file may end anywhere. */
static void
test_cut(void **state)
{
	struct output output;
	size_t len;
	char *text = slurp(example, &len);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < len; i++) {
		config_free(read_text(text, i, &output));
		free(output.text);
	}
	free(text);
}

static size_t
mutate(char *text, size_t len, uint64_t *seed)
{
	static const char letters[] = "{}=;,\"\\# \n\tsource0KM/";
	size_t at, n;

	for (size_t i = 1 + unit_below(seed, 4); i > 0; i--) {
		at = unit_below(seed, len);
		n = unit_below(seed, len - at > 40 ? 40 : len - at);
		switch (unit_below(seed, 4)) {
		case 0:
			text[at] = (char)unit_random(seed);
			break;
		case 1:
			text[at] = letters[unit_below(seed, sizeof(letters))];
			break;
		case 2:
			memmove(text + at, text + at + n, len - at - n);
			len -= n;
			break;
		default:
			memmove(text + unit_below(seed, len - n), text + at, n);
			break;
		}
	}
	return len;
}

/* No input does harm; what is taken can be printed and read again. */
static void
test_mutations(void **state)
{
	uint64_t seed = program_seed(), game;
	struct config *config;
	struct output output;
	char *text;
	size_t len;

	(void)state;
	for (size_t i = 0; i < files.gl_pathc * MUTATIONS; i++) {
		text = slurp(files.gl_pathv[i % files.gl_pathc], &len);
		assert_non_null(text);
		game = seed + i;
		len = len == 0 ? 0 : mutate(text, len, &game);
		config = read_text(text, len, &output);
		if (config != NULL)
			check_print(config);
		config_free(config);
		free(output.text);
		free(text);
	}
}

static size_t
add(struct CMUnitTest *tests, size_t n, const char *name, CMUnitTestFunction f,
    void *arg)
{
	tests[n] = (struct CMUnitTest){ name, f, NULL, NULL, arg };
	return n + 1;
}

int
main(void)
{
	struct CMUnitTest tests[FILES_MAX];
	char text[64], *path;
	size_t n = 0;
	int status;

	if (glob(CONFIG_DIR "/*.conf", 0, NULL, &files) != 0 ||
	    glob(example, GLOB_APPEND, NULL, &files) != 0 ||
	    files.gl_pathc > FILES_MAX / 2 || mkdtemp(directory) == NULL)
		return 1;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		path = files.gl_pathv[i];
		n = add(tests, n, strrchr(path, '/') + 1, test_file, path);
	}
	n = add(tests, n, "test_values", test_values, NULL);
	n = add(tests, n, "test_unreadable", test_unreadable, NULL);
	n = add(tests, n, "test_many", test_many, NULL);
	n = add(tests, n, "test_commented", test_commented, NULL);
	n = add(tests, n, "test_cut", test_cut, NULL);
	n = add(tests, n, "test_mutations", test_mutations, NULL);
	status = unit_main("config", tests, n);
	snprintf(text, sizeof(text), "%s/text", directory);
	unlink(text);
	rmdir(directory);
	globfree(&files);
	return status;
}
