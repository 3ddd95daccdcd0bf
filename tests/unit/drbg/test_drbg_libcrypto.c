/*
 * What the DRBG makes of libcrypto: NIST's known answers, nothing but our seeds
 * in it, and no output when it fails.
 */
#include "unit/drbg/generator.h"

#include <sys/resource.h>

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "entropy/drbg/drbg_check.h"
#include "unit/drbg/vectors.h"
#include "entropy/drbg/drbg_seed.h"
#include "common/log.h"

/*
 * What drbg_*() may do after drbg_start(), and the test itself: write,
 * exit_group.
 */
static const int allowed[] = {
	SCMP_SYS(getpid),
	SCMP_SYS(brk),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(time),
	SCMP_SYS(exit_group),
	SCMP_SYS(write),
#ifdef VRNGD_SANITIZE
	SCMP_SYS(gettid),
	SCMP_SYS(madvise),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sigaltstack),
#endif
};

/* And drbg_start() itself. */
static const int allowed_at_start[] = { SCMP_SYS(mprotect), SCMP_SYS(mlock),
	SCMP_SYS(mlock2), SCMP_SYS(madvise) };

/* Holds this process to system calls, on pain of SIGSYS. */
static void
confine(const int *more, size_t nmore)
{
	static const struct rlimit no_core = { 0, 0 };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	bool failed = filter == NULL;

	failed |= setrlimit(RLIMIT_CORE, &no_core) == -1;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i],
			      0) != 0;
	for (size_t i = 0; i < nmore; i++)
		failed |=
		    seccomp_rule_add(filter, SCMP_ACT_ALLOW, more[i], 0) != 0;
	if (failed || seccomp_load(filter) != 0)
		_exit(99);
}

/* Whether a new generator works from beginning to end. */
static bool
works(void)
{
	struct drbg *d = generator_lasting();
	uint8_t seed[DRBG_SEED_MAX], out[3][DRBG_OUTPUT_MAX];
	bool good;

	unit_fill(seed, sizeof(seed), 1);
	good = drbg_seed(d, seed, SEED_SIZE, 0) == 0 &&
	    drbg_generate(d, out[0], sizeof(out[0]), 1) == 0 &&
	    drbg_generate(d, out[1], sizeof(out[1]), 2) == 0 &&
	    drbg_seed(d, seed, sizeof(seed), 3) == 0 &&
	    drbg_generate(d, out[2], sizeof(out[2]), 4) == 0 &&
	    memcmp(out[0], out[1], sizeof(out[0])) != 0 &&
	    memcmp(out[1], out[2], sizeof(out[1])) != 0;
	drbg_free(d);
	return good;
}

static int
start_confined(void *arg)
{
	(void)arg;
	setenv("OPENSSL_CONF", "/etc/ssl/openssl.cnf", 1);
	setenv("OPENSSL_MODULES", "/tmp", 1);
	confine(allowed_at_start,
	    sizeof(allowed_at_start) / sizeof(allowed_at_start[0]));
	drbg_start();
	return works() ? 0 : 1;
}

/* For the tests that look behind drbg.h; until the end, as drbg_start()'s. */
static struct drbg_library library;

/* The first test: starts what all others need, first where it reads nothing. */
static void
test_start(void **state)
{
	int status = generator_apart(start_confined, NULL);

	(void)state;
	drbg_start();
	drbg_ctr_load(&library);
	assert_int_equal(status, 0);
}

static int
work_confined(void *arg)
{
	confine(NULL, 0);
	if (arg == NULL)
		return works() ? 0 : 1;
	/* This is libcrypto's own, which asks the system. */
	return RAND_bytes(arg, SEED_SIZE) == 1 ? 0 : 1;
}

static void
test_system(void **state)
{
	uint8_t out[SEED_SIZE];
	int status;

	(void)state;
	assert_int_equal(generator_apart(work_confined, NULL), 0);
	status = generator_apart(work_confined, out);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* Changes a digit of *hex, if there is one, and expects that to be noticed. */
static void
falsify(const struct drbg_vector *v, const char **hex)
{
	const char *right = *hex;
	char wrong[2 * 64 + 1];
	size_t n;

	if (right == NULL)
		return;
	n = strlen(right);
	assert_true(n < sizeof(wrong));
	for (size_t at = 0; at < n; at += n - 1) {
		memcpy(wrong, right, n + 1);
		wrong[at] = wrong[at] == '0' ? '1' : '0';
		*hex = wrong;
		assert_ptr_equal(drbg_check(&library, v, 1), v->name);
	}
	*hex = right;
	assert_null(drbg_check(&library, v, 1));
}

static void
test_vectors(void **state)
{
	struct drbg_vector v;

	(void)state;
	assert_int_equal(VECTORS, 12);
	assert_null(drbg_check(&library, vectors, VECTORS));
	for (size_t i = 0; i < VECTORS; i++) {
		v = vectors[i];
		falsify(&v, &v.seed);
		falsify(&v, &v.personal);
		falsify(&v, &v.reseed.entropy);
		falsify(&v, &v.reseed.more);
		for (int k = 0; k < 2; k++) {
			falsify(&v, &v.outputs[k].entropy);
			falsify(&v, &v.outputs[k].more);
		}
		falsify(&v, &v.answer);
	}
}

/* A consumer's generator is the one that NIST knows: nothing is added. */
static void
test_answer(void **state)
{
	struct drbg *d = generator_lasting();
	uint8_t seed[SEED_SIZE], out[64], answer[64];
	size_t n;

	(void)state;
	assert_true(OPENSSL_hexstr2buf_ex(seed, sizeof(seed), &n,
	    vectors[0].seed, '\0'));
	assert_int_equal(n, sizeof(seed));
	assert_true(OPENSSL_hexstr2buf_ex(answer, sizeof(answer), &n,
	    vectors[0].answer, '\0'));
	assert_int_equal(drbg_seed(d, seed, sizeof(seed), 0), 0);
	assert_int_equal(drbg_generate(d, out, sizeof(out), 0), 0);
	assert_int_equal(drbg_generate(d, out, sizeof(out), 0), 0);
	assert_memory_equal(out, answer, sizeof(answer));
	drbg_free(d);
	/* Nor is there an error left that a later one would be taken for. */
	assert_string_equal(drbg_ctr_error(), "no reason is given");
}

/* In place of libcrypto's, which a generator that has a seed is seeded with. */
static bool refusing;

int
EVP_RAND_reseed(EVP_RAND_CTX *rand, int resistance, const unsigned char *seed,
    size_t nseed, const unsigned char *more, size_t nmore)
{
	int (*reseed)(EVP_RAND_CTX *, int, const unsigned char *, size_t,
	    const unsigned char *, size_t);

	if (refusing)
		return 0;
	*(void **)&reseed = dlsym(RTLD_NEXT, "EVP_RAND_reseed");
	return reseed(rand, resistance, seed, nseed, more, nmore);
}

static void
count_lines(void *arg, const struct log_line *line)
{
	int *lines = arg;

	if (line->level == LOG_LEVEL_WARNING &&
	    strstr(line->text, "DRBG") != NULL)
		++*lines;
}

static int
reseed_refused(void *arg)
{
	struct drbg *d = generator_lasting();
	uint8_t seed[SEED_SIZE] = { 1 }, out[32];
	int lines = 0;
	bool good;

	(void)arg;
	log_open(count_lines, &lines);
	good = drbg_seed(d, seed, sizeof(seed), 0) == 0 &&
	    drbg_generate(d, out, sizeof(out), 0) == 0;
	refusing = true;
	good = good && drbg_seed(d, seed, sizeof(seed), 0) == -1 &&
	    lines == 1 && drbg_needs_seed(d, 0) &&
	    drbg_generate(d, out, sizeof(out), 0) == -1;
	/* It starts anew, and only then can it be refused again. */
	good = good && drbg_seed(d, seed, sizeof(seed), 0) == 0 &&
	    drbg_seed(d, seed, sizeof(seed), 0) == -1 && lines == 1 &&
	    drbg_seed(d, seed, sizeof(seed), 0) == 0 &&
	    drbg_generate(d, out, sizeof(out), 0) == 0 &&
	    drbg_seed(d, seed, sizeof(seed), 0) == -1 && lines == 2;
	refusing = false;
	good = good && drbg_seed(d, seed, sizeof(seed), 0) == 0 &&
	    drbg_seed(d, seed, sizeof(seed), 0) == 0 &&
	    drbg_generate(d, out, sizeof(out), 0) == 0 && lines == 2;
	drbg_free(d);
	return good ? 0 : 1;
}

/* What a fork does with a generator of its parent's. */
static int
generate_forked(void *arg)
{
	struct drbg *d = arg;
	uint8_t seed[SEED_SIZE] = { 1 }, out[32], zero[32] = { 0 };
	int lines = 0;
	bool good;

	log_open(count_lines, &lines);
	memset(out, 0xa5, sizeof(out));
	good = !drbg_needs_seed(d, 0) &&
	    drbg_generate(d, out, sizeof(out), 0) == -1 &&
	    memcmp(out, zero, sizeof(out)) == 0 && drbg_needs_seed(d, 0) &&
	    drbg_generate(d, out, sizeof(out), 0) == -1 && lines == 1 &&
	    drbg_seed(d, seed, sizeof(seed), 0) == 0 &&
	    drbg_generate(d, out, sizeof(out), 0) == 0 &&
	    memcmp(out, zero, sizeof(out)) != 0;
	return good ? 0 : 1;
}

static void
test_refused(void **state)
{
	struct drbg *d = generator_lasting();
	uint8_t out[32];

	(void)state;
	assert_int_equal(generator_apart(reseed_refused, NULL), 0);
	generator_seed(d, 1, 0);
	assert_int_equal(generator_apart(generate_forked, d), 0);
	assert_int_equal(drbg_generate(d, out, sizeof(out), 0), 0);
	drbg_free(d);
}

/* A seed that libcrypto did not want is not kept for another time. */
static void
test_revoked(void **state)
{
	static const uint8_t seed[SEED_SIZE] = { 1 };
	static const struct drbg_input none = { NULL, 0 },
				       good = { seed, SEED_SIZE },
				       small = { seed, SEED_SIZE - 1 };
	struct drbg_ctr c;
	uint8_t out[32];

	(void)state;
	assert_int_equal(drbg_ctr_open(&c, &library), 0);
	assert_int_equal(drbg_ctr_generate(&c, out, 32, none), -1);
	assert_int_equal(drbg_ctr_seed(&c, small, none), -1);
	assert_string_not_equal(drbg_ctr_error(), "no reason is given");
	assert_int_equal(drbg_ctr_generate(&c, out, 32, none), -1);
	assert_int_equal(drbg_ctr_seed(&c, good, none), 0);
	assert_int_equal(drbg_ctr_generate(&c, out, 32, none), 0);
	drbg_ctr_unseed(&c);
	assert_int_equal(drbg_ctr_generate(&c, out, 32, none), -1);
	/* One that it never came to look at. */
	assert_int_equal(drbg_ctr_seed(&c, good, none), 0);
	refusing = true;
	assert_int_equal(drbg_ctr_seed(&c, good, none), -1);
	refusing = false;
	assert_int_equal(drbg_ctr_generate(&c, out, 32, none), -1);
	drbg_ctr_close(&c);
}

/* A seed is given away once, whatever libcrypto wants it for. */
static void
test_once(void **state)
{
	static const uint8_t seed[SEED_SIZE] = { 1 };
	struct drbg_ctr c;

	(void)state;
	assert_int_equal(drbg_ctr_open(&c, &library), 0);
	assert_int_equal(drbg_seed_put(c.source, seed, sizeof(seed)), 0);
	assert_true(
	    EVP_RAND_instantiate(c.rand, DRBG_STRENGTH, 0, seed, 0, NULL));
	assert_false(EVP_RAND_reseed(c.rand, 0, NULL, 0, NULL, 0));
	drbg_ctr_close(&c);
	drbg_ctr_error();
}

/* In place of libc's, by which libcrypto would reseed. */
static time_t later;

time_t
time(time_t *now)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (now != NULL)
		*now = ts.tv_sec + later;
	return ts.tv_sec + later;
}

/* libcrypto's own limits, of outputs and of time, are off: ours count. */
static void
test_limits(void **state)
{
	struct drbg *d = generator_lasting();
	uint8_t out;

	(void)state;
	generator_seed(d, 1, 0);
	for (int i = 0; i < 100000; i++) {
		assert_int_equal(drbg_generate(d, &out, 1, 0), 0);
		later += 60;
	}
	later = -86400;
	assert_int_equal(drbg_generate(d, &out, 1, 0), 0);
	later = 0;
	drbg_free(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_system),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_revoked),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_limits),
	};

	return UNIT_MAIN("libcrypto's DRBG", tests);
}
