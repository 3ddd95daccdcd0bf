/*
 * What the DRBG makes of libcrypto: NIST's known answers, nothing but our seeds
 * in it, and no output when it fails.
 */
#include "unit/drbg/generator.h"

#include <sys/resource.h>

#include <dlfcn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "entropy/drbg/seed.h"
#include "unit/drbg/vectors.h"

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

/* The first test: starts what all others need, first where it reads nothing. */
static void
test_start(void **state)
{
	int status = generator_apart(start_confined, NULL);

	(void)state;
	drbg_start();
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

/* A generator of libcrypto's behind the provider, and the hands on it. */
struct rand {
	OSSL_LIB_CTX *context;
	OSSL_PROVIDER *seeds;
	OSSL_PROVIDER *algorithms;
	EVP_RAND_CTX *source;
	EVP_RAND_CTX *ctr;
};

static EVP_RAND_CTX *
rand_new(OSSL_LIB_CTX *context, const char *name, EVP_RAND_CTX *parent)
{
	EVP_RAND *rand = EVP_RAND_fetch(context, name, NULL);
	EVP_RAND_CTX *new;

	assert_non_null(rand);
	new = EVP_RAND_CTX_new(rand, parent);
	assert_non_null(new);
	EVP_RAND_free(rand);
	return new;
}

static void
rand_open(struct rand *r)
{
	char cipher[] = "AES-256-CTR";
	int with_df = 1;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher,
		    0),
		OSSL_PARAM_construct_int(OSSL_DRBG_PARAM_USE_DF, &with_df),
		OSSL_PARAM_construct_end(),
	};

	r->context = OSSL_LIB_CTX_new();
	assert_non_null(r->context);
	assert_true(OSSL_PROVIDER_add_builtin(r->context, SEED_PROVIDER,
	    seed_provider));
	r->seeds = OSSL_PROVIDER_load(r->context, SEED_PROVIDER);
	assert_non_null(r->seeds);
	r->algorithms = OSSL_PROVIDER_load(r->context, "default");
	assert_non_null(r->algorithms);
	r->source = rand_new(r->context, SEED_NAME, NULL);
	r->ctr = rand_new(r->context, "CTR-DRBG", r->source);
	assert_true(EVP_RAND_CTX_set_params(r->ctr, params));
}

static void
rand_close(struct rand *r)
{
	EVP_RAND_CTX_free(r->ctr);
	EVP_RAND_CTX_free(r->source);
	/* A context that is freed does not free the providers in use. */
	OSSL_PROVIDER_unload(r->algorithms);
	OSSL_PROVIDER_unload(r->seeds);
	OSSL_LIB_CTX_free(r->context);
	ERR_clear_error();
}

/* Bytes, or none: NULL. */
struct string {
	uint8_t bytes[64];
	size_t n;
};

static const uint8_t *
parse(struct string *s, const char *hex)
{
	s->n = 0;
	if (hex == NULL)
		return NULL;
	assert_true(OPENSSL_hexstr2buf_ex(s->bytes, sizeof(s->bytes), &s->n,
	    hex, '\0'));
	return s->bytes;
}

static bool
rand_instantiate(struct rand *r, const char *seed, const char *personal)
{
	struct string s, p = { .n = 0 };

	parse(&s, seed);
	parse(&p, personal);
	return seed_put(r->source, s.bytes, s.n) == 0 &&
	    EVP_RAND_instantiate(r->ctr, SEED_STRENGTH, 0, p.bytes, p.n, NULL);
}

static bool
rand_reseed(struct rand *r, const char *seed, const char *more)
{
	struct string s, m;
	const uint8_t *bytes = parse(&m, more);

	parse(&s, seed);
	return seed_put(r->source, s.bytes, s.n) == 0 &&
	    EVP_RAND_reseed(r->ctr, 0, NULL, 0, bytes, m.n);
}

/*
 * Additional input of an output that is reseeded for goes into the reseeding
 * (SP 800-90A 9.3.1, step 7.4).
 */
static bool
rand_generate(struct rand *r, const char *seed, const char *more, uint8_t *out,
    size_t n)
{
	struct string m;
	const uint8_t *bytes;

	if (seed != NULL) {
		if (!rand_reseed(r, seed, more))
			return false;
		more = NULL;
	}
	bytes = parse(&m, more);
	return EVP_RAND_generate(r->ctr, out, n, SEED_STRENGTH, 0, bytes, m.n);
}

static bool
passes(const struct vector *v)
{
	const struct drbg_vector *p = &v->plain;
	struct string answer;
	uint8_t out[64];
	struct rand r;
	bool passed;

	parse(&answer, p->answer);
	rand_open(&r);
	passed = rand_instantiate(&r, p->seed, v->personal) &&
	    (p->reseed == NULL || rand_reseed(&r, p->reseed, v->more_reseed)) &&
	    rand_generate(&r, p->resistance[0], v->more[0], out, answer.n) &&
	    rand_generate(&r, p->resistance[1], v->more[1], out, answer.n) &&
	    memcmp(out, answer.bytes, answer.n) == 0;
	rand_close(&r);
	return passed;
}

static bool
passes_start(const struct vector *v)
{
	const char *failed = drbg_check(&v->plain, 1);

	ERR_clear_error();
	if (failed != NULL)
		assert_ptr_equal(failed, v->plain.name);
	return failed == NULL;
}

/* Changes a digit of *hex, if there is one, and expects that to be noticed. */
static void
falsify(bool (*check)(const struct vector *), const struct vector *v,
    const char **hex)
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
		assert_false(check(v));
	}
	*hex = right;
	assert_true(check(v));
}

static void
falsify_each(bool (*check)(const struct vector *), struct vector v)
{
	assert_true(check(&v));
	falsify(check, &v, &v.plain.seed);
	falsify(check, &v, &v.personal);
	falsify(check, &v, &v.plain.reseed);
	falsify(check, &v, &v.more_reseed);
	for (int k = 0; k < 2; k++) {
		falsify(check, &v, &v.plain.resistance[k]);
		falsify(check, &v, &v.more[k]);
	}
	falsify(check, &v, &v.plain.answer);
}

static void
test_vectors(void **state)
{
	(void)state;
	assert_int_equal(DRBG_VECTORS + VECTORS, 12);
	for (size_t i = 0; i < VECTORS; i++)
		falsify_each(passes, vectors[i]);
	for (size_t i = 0; i < DRBG_VECTORS; i++) {
		falsify_each(passes,
		    (struct vector){ .plain = drbg_vectors[i] });
		falsify_each(passes_start,
		    (struct vector){ .plain = drbg_vectors[i] });
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
	    drbg_vectors[0].seed, '\0'));
	assert_int_equal(n, sizeof(seed));
	assert_true(OPENSSL_hexstr2buf_ex(answer, sizeof(answer), &n,
	    drbg_vectors[0].answer, '\0'));
	assert_int_equal(drbg_seed(d, seed, sizeof(seed), 0), 0);
	assert_int_equal(drbg_generate(d, out, sizeof(out), 0), 0);
	assert_int_equal(drbg_generate(d, out, sizeof(out), 0), 0);
	assert_memory_equal(out, answer, sizeof(answer));
	drbg_free(d);
	/* No error is left in the queue. */
	assert_int_equal(ERR_peek_error(), 0);
}

/* In place of libcrypto's, which a generator that has a seed is seeded with. */
static bool refusing;
static EVP_RAND_CTX *refused;

int
EVP_RAND_reseed(EVP_RAND_CTX *rand, int resistance, const unsigned char *seed,
    size_t nseed, const unsigned char *more, size_t nmore)
{
	int (*reseed)(EVP_RAND_CTX *, int, const unsigned char *, size_t,
	    const unsigned char *, size_t);

	refused = rand;
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
	struct drbg *d = generator_lasting();
	struct rand r;

	(void)state;
	generator_seed(d, 1, 0);
	refusing = true;
	assert_int_equal(drbg_seed(d, seed, sizeof(seed), 0), -1);
	refusing = false;
	assert_int_equal(EVP_RAND_get_state(refused),
	    EVP_RAND_STATE_UNINITIALISED);
	assert_false(
	    EVP_RAND_instantiate(refused, SEED_STRENGTH, 0, seed, 0, NULL));
	drbg_free(d);
	/* One that is too short, and one that it never came to look at. */
	rand_open(&r);
	assert_int_equal(seed_put(r.source, seed, SEED_SIZE - 1), 0);
	assert_false(
	    EVP_RAND_instantiate(r.ctr, SEED_STRENGTH, 0, seed, 0, NULL));
	assert_int_equal(seed_put(r.source, seed, SEED_SIZE), 0);
	seed_revoke(r.source);
	assert_true(EVP_RAND_uninstantiate(r.ctr));
	assert_false(
	    EVP_RAND_instantiate(r.ctr, SEED_STRENGTH, 0, seed, 0, NULL));
	rand_close(&r);
}

/* A seed is given away once, whatever libcrypto wants it for. */
static void
test_once(void **state)
{
	static const uint8_t seed[SEED_SIZE] = { 1 };
	struct rand r;

	(void)state;
	rand_open(&r);
	assert_int_equal(seed_put(r.source, seed, sizeof(seed)), 0);
	assert_true(
	    EVP_RAND_instantiate(r.ctr, SEED_STRENGTH, 0, seed, 0, NULL));
	assert_false(EVP_RAND_reseed(r.ctr, 0, NULL, 0, NULL, 0));
	rand_close(&r);
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
