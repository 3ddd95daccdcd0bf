/*
 * The text formats of metrics, and the metrics of a status.
 */
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

#undef fail /* of cmocka, but also a function of vrngctl */
#include "ctl/metrics.h"

#define NOW UINT64_C(1700000000500000000)

static const struct family counter = { "x_bytes", FAMILY_COUNTER, "bytes",
	"Bytes." };
static const struct family gauge = { "x_seconds", FAMILY_GAUGE, "seconds",
	"Time." };
static const struct family info = { "x", FAMILY_INFO, NULL, "About x." };

struct output {
	struct exposition e;
	char *text;
	size_t len;
};

static void
begin(struct output *o, bool openmetrics)
{
	*o = (struct output){ .e.openmetrics = openmetrics, .e.now = NOW };
	o->e.f = open_memstream(&o->text, &o->len);
	assert_non_null(o->e.f);
}

static void
check(struct output *o, const char *wanted)
{
	assert_int_equal(fclose(o->e.f), 0);
	assert_string_equal(o->text, wanted);
	free(o->text);
}

static void
put_all(const struct output *o)
{
	struct labels none = { .len = 0 }, labels = { .len = 0 };

	exposition_label(&labels, "pool", "a");
	exposition_label(&labels, "source", "b");
	exposition_family(&o->e, &counter);
	exposition_number(&o->e, &counter, &labels, UINT64_MAX, 1500000000);
	exposition_number(&o->e, &counter, &none, 0, 0);
	exposition_family(&o->e, &gauge);
	exposition_seconds(&o->e, &gauge, &none, 1000000001, 5);
	exposition_family(&o->e, &info);
	exposition_number(&o->e, &info, &labels, 1, 0);
	exposition_end(&o->e);
}

static void
test_openmetrics(void **state)
{
	struct output o;

	(void)state;
	begin(&o, true);
	put_all(&o);
	check(&o,
	    "# HELP vrngd_x_bytes Bytes.\n"
	    "# TYPE vrngd_x_bytes counter\n"
	    "# UNIT vrngd_x_bytes bytes\n"
	    "vrngd_x_bytes_total{pool=\"a\",source=\"b\"} "
	    "18446744073709551615\n"
	    "vrngd_x_bytes_created{pool=\"a\",source=\"b\"} "
	    "1699999999.000000000\n"
	    "vrngd_x_bytes_total 0\n"
	    "# HELP vrngd_x_seconds Time.\n"
	    "# TYPE vrngd_x_seconds gauge\n"
	    "# UNIT vrngd_x_seconds seconds\n"
	    "vrngd_x_seconds 1.000000001\n"
	    "# HELP vrngd_x About x.\n"
	    "# TYPE vrngd_x info\n"
	    "vrngd_x_info{pool=\"a\",source=\"b\"} 1\n"
	    "# EOF\n");
}

static void
test_text(void **state)
{
	struct output o;

	(void)state;
	begin(&o, false);
	put_all(&o);
	check(&o,
	    "# HELP vrngd_x_bytes_total Bytes.\n"
	    "# TYPE vrngd_x_bytes_total counter\n"
	    "vrngd_x_bytes_total{pool=\"a\",source=\"b\"} "
	    "18446744073709551615\n"
	    "vrngd_x_bytes_total 0\n"
	    "# HELP vrngd_x_seconds Time.\n"
	    "# TYPE vrngd_x_seconds gauge\n"
	    "vrngd_x_seconds 1.000000001\n"
	    "# HELP vrngd_x_info About x.\n"
	    "# TYPE vrngd_x_info gauge\n"
	    "vrngd_x_info{pool=\"a\",source=\"b\"} 1\n");
}

#define BAD "\xef\xbf\xbd"

static void
test_labels(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "a\\b\"c\nd", "a\\\\b\\\"c\\nd" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xc2\xa0\xed\x9f\xbf\xf4\x8f\xbf\xbf",
		    "\xc2\xa0\xed\x9f\xbf\xf4\x8f\xbf\xbf" },
		{ "\033[1m\r\t\x7f", BAD "[1m" BAD BAD BAD },
	};
	char wanted[256];
	struct labels l;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		l.len = 0;
		exposition_label(&l, "x", rows[i][0]);
		snprintf(wanted, sizeof(wanted), "x=\"%s\"", rows[i][1]);
		assert_string_equal(l.text, wanted);
		assert_int_equal(l.len, strlen(wanted));
	}
}

/* A label of any bytes and length is whole, or not there. */
static void
test_any_label(void **state)
{
	static char value[5000];
	uint64_t seed = 1;
	struct labels l;
	size_t len, n;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		l.len = 0;
		exposition_label(&l, "a", "b");
		len = unit_below(&seed, sizeof(value));
		unit_fill((uint8_t *)value, len, unit_random(&seed));
		value[len] = '\0';
		exposition_label(&l, "c", value);
		n = strlen(l.text);
		assert_int_equal(n, l.len);
		assert_memory_equal(l.text, "a=\"b\"", 5);
		assert_int_equal(l.text[n - 1], '"');
		for (size_t k = 0; k < n; k++)
			assert_true((unsigned char)l.text[k] >= 0x20);
	}
}

static const char status_text[] =
    "{\"version\":\"1.2\",\"uptime_ns\":1500000000,"
    "\"events\":{\"ready\":1,\"cut_off\":2},\"pools\":[{\"name\":\"p\","
    "\"limit\":{\"bytes\":512,\"period_ns\":500000000},\"stock\":7,"
    "\"counting_ns\":500000000,\"bytes_granted\":123,\"combine\":\"first\","
    "\"sources_serving\":1,\"sources_total\":2,\"sources\":["
    "{\"name\":\"hw\",\"kind\":\"device\",\"noise\":\"raw\",\"what\":\"/x\","
    "\"state\":\"lost\",\"serving\":false,\"bytes\":5,\"health\":{"
    "\"bytes_tested\":4,\"alarms\":{\"lag\":3,\"stuck\":0}}},"
    "{\"name\":\"k\",\"state\":\"ok\",\"serving\":true}],"
    "\"guests\":[{\"name\":\"vm1\",\"class\":\"gold\",\"delivery\":\"raw\","
    "\"state\":\"waiting\",\"cause\":\"ceiling\",\"bytes\":9,"
    "\"polling\":{\"ns\":2000000000}},{\"name\":\"vm2\",\"state\":\"idle\","
    "\"cause\":\"not-connected\"},{\"name\":\"vm3\",\"state\":\"waiting\","
    "\"cause\":\"a new one\"}],\"guests_total\":{\"wait_ns\":250000000},"
    "\"classes\":[{\"name\":\"gold\",\"parent\":null,\"rate\":null,"
    "\"guests\":1}],\"services\":[{\"name\":\"vm1\",\"kind\":\"guest\"},"
    "{\"name\":\"lan\",\"kind\":\"egd\",\"state\":\"connecting\","
    "\"turned_away\":4}]}]}";

#define SOURCE "pool=\"p\",source=\"hw\""
#define LAN    "pool=\"p\",service=\"lan\",kind=\"egd\""

/* clang-format off */
static const char *const parts[] = {
	"vrngd_build_info{version=\"1.2\"} 1\n",
	"vrngd_uptime_seconds 1.500000000\n",
	"vrngd_events_total{event=\"cut_off\"} 2\n",
	"vrngd_events_created{event=\"cut_off\"} 1699999999.000000000\n",
	"vrngd_pool_limit_bytes_per_second{pool=\"p\"} 1024\n",
	"vrngd_pool_granted_bytes_total{pool=\"p\"} 123\n",
	"vrngd_pool_granted_bytes_created{pool=\"p\"} 1700000000.000000000\n",
	"vrngd_pool_supply{pool=\"p\",supply=\"fallback\"} 1\n",
	"vrngd_pool_supply{pool=\"p\",supply=\"full\"} 0\n",
	"vrngd_source_info{" SOURCE ",kind=\"device\",noise=\"raw\",what=\"/x\"} 1\n",
	"vrngd_source_state{" SOURCE ",state=\"lost\"} 1\n",
	"vrngd_source_state{" SOURCE ",state=\"ok\"} 0\n",
	"vrngd_source_serving{pool=\"p\",source=\"k\"} 1\n",
	"vrngd_source_alarms_total{" SOURCE ",test=\"lag\"} 3\n",
	"vrngd_class_guests{pool=\"p\",class=\"gold\"} 1\n",
	"vrngd_guests{pool=\"p\",state=\"waiting\"} 2\n",
	"vrngd_guests{pool=\"p\",state=\"paused\"} 0\n",
	"vrngd_guests_unserved{pool=\"p\",cause=\"ceiling\"} 1\n",
	"vrngd_guests_unserved{pool=\"p\",cause=\"other\"} 1\n",
	"vrngd_guests_wait_seconds_total{pool=\"p\"} 0.250000000\n",
	"vrngd_service_state{" LAN ",state=\"connecting\"} 1\n",
	"vrngd_service_rejected_connections_total{" LAN "} 4\n",
	/* Of single guests. */
	"vrngd_guest_info{pool=\"p\",guest=\"vm1\",class=\"gold\",delivery=\"raw\"} 1\n",
	"vrngd_guest_bytes_total{pool=\"p\",guest=\"vm1\"} 9\n",
	"vrngd_guest_poll_seconds_total{pool=\"p\",guest=\"vm1\"} 2.000000000\n",
};
/* clang-format on */

static void
test_status(void **state)
{
	struct json_object *status = json_tokener_parse(status_text);
	struct output o;

	(void)state;
	assert_non_null(status);
	for (int guests = 0; guests < 2; guests++) {
		begin(&o, true);
		metrics_print(&o.e, status, guests != 0);
		assert_int_equal(fclose(o.e.f), 0);
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			if (!guests && strstr(parts[i], "d_guest_") != NULL)
				continue;
			if (strstr(o.text, parts[i]) == NULL)
				print_error("# no %s", parts[i]);
			assert_non_null(strstr(o.text, parts[i]));
		}
		assert_int_equal(strstr(o.text, "vm1") != NULL, guests);
		assert_null(strstr(o.text, "class_rate_bytes_per_second{"));
		assert_null(strstr(o.text, "cause=\"not-connected\""));
		free(o.text);
	}
	json_object_put(status);
}

/* A status of another shape has other numbers, and no invalid lines. */
static void
test_odd_status(void **state)
{
	static const char *const rows[] = { "{}", "[]", "7", "{\"pools\":7}",
		"{\"pools\":[7,{\"sources\":[[]],\"guests\":{},\"limit\":[]}]}",
		"{\"events\":[],\"pools\":[{\"limit\":{\"bytes\":1}}]}" };
	struct json_object *status;
	struct output o;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		status = json_tokener_parse(rows[i]);
		assert_non_null(status);
		begin(&o, true);
		metrics_print(&o.e, status, true);
		assert_int_equal(fclose(o.e.f), 0);
		assert_non_null(strstr(o.text, "vrngd_build_info{"));
		assert_string_equal(o.text + o.len - 6, "# EOF\n");
		free(o.text);
		json_object_put(status);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openmetrics),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_any_label),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_odd_status),
	};

	return UNIT_MAIN("exposition", tests);
}
