/*
 * What vrngctl prints for virtual machines that get their bytes by EGD or from
 * a stream, and whether QEMU and libvirt take it.
 */
#include "ctl/vrngctl.h"

#define HEAD "<domain type='kvm'>\n  <devices>\n    <rng model='virtio'>\n"
#define TAIL "      </backend>\n    </rng>\n  </devices>\n</domain>\n"
#define RECONNECT \
	"          <reconnect enabled='yes' timeout='1'/>\n        </source>\n"

/* Exit status 0 and the snippet, possibly with a note. */
static void
check_printed(const struct server *s, const char *words, const char *text,
    const char *remark)
{
	run(s, words);
	assert_int_equal(result.status, 0);
	assert_string_equal(result.out, text);
	if (remark == NULL)
		assert_string_equal(result.err, "");
	else
		check_contains(result.err, remark);
}

static void
test_guest(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_printed(&s, "qemu-args vm1 --egd",
	    "-chardev socket,id=vrngd-egd-vm1,path=/run/vrngd/vm1.egd,"
	    "reconnect=1 \\\n"
	    "-object rng-egd,id=vrngd-rng-egd-vm1,chardev=vrngd-egd-vm1 \\\n"
	    "-device virtio-rng-pci,rng=vrngd-rng-egd-vm1\n",
	    NULL);
	check_printed(&s, "libvirt-xml --egd vm1",
	    HEAD
	    "      <backend model='egd' type='unix'>\n"
	    "        <source mode='connect' path='/run/vrngd/vm1.egd'>\n" RECONNECT
		TAIL,
	    NULL);
	/* Both ways are printed apart, and have no id in common. */
	check_vhost(&s, "qemu-args vm1");
	check_contains(result.out, "vhost-user-rng-pci,chardev=vrngd-vm1\n");
	assert_null(strstr(result.out, "egd"));
	/* One that has no other way needs no option. */
	check_printed(&s, "qemu-args vm5 --memory 2G",
	    "-m 2G \\\n"
	    "-chardev socket,id=vrngd-egd-vm5,path=/run/vrngd/vm5.egd,"
	    "reconnect=1 \\\n"
	    "-object rng-egd,id=vrngd-rng-egd-vm5,chardev=vrngd-egd-vm5 \\\n"
	    "-device virtio-rng-pci,rng=vrngd-rng-egd-vm5\n",
	    NULL);
	check_done(&s, "libvirt-xml vm5");
	check_contains(result.out, "path='/run/vrngd/vm5.egd'");
	server_stop(&s);
}

static void
test_egd(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	check_printed(&s, "qemu-args --service local",
	    "-chardev socket,id=vrngd-service-local,"
	    "path=/run/vrngd/egd.sock,reconnect=1 \\\n"
	    "-object rng-egd,id=vrngd-rng-service-local,"
	    "chardev=vrngd-service-local \\\n"
	    "-device virtio-rng-pci,rng=vrngd-rng-service-local\n",
	    NULL);
	check_printed(&s, "qemu-args --service=lan",
	    "-chardev socket,id=vrngd-service-lan,host=127.0.0.1,port=7000,"
	    "reconnect=1 \\\n"
	    "-object rng-egd,id=vrngd-rng-service-lan,"
	    "chardev=vrngd-service-lan \\\n"
	    "-device virtio-rng-pci,rng=vrngd-rng-service-lan\n",
	    "vrngctl: service lan listens at all addresses");
	check_printed(&s, "libvirt-xml --service lan",
	    HEAD "      <backend model='egd' type='tcp'>\n"
		 "        <source mode='connect' host='127.0.0.1' "
		 "service='7000'>\n" RECONNECT
		 "        <protocol type='raw'/>\n" TAIL,
	    "in place of 127.0.0.1\n");
	check_done(&s, "qemu-args --service egd:both");
	check_contains(result.out, ",host=::1,port=7001,reconnect=1 ");
	server_stop(&s);
}

static void
test_stream(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	run(&s, "qemu-args --service legacy");
	check_contains(result.out, ",host=::1,port=1024,reconnect=1 ");
	check_contains(result.err, "in place of ::1\n");
	check_done(&s, "qemu-args --service vm7");
	check_contains(result.out,
	    "-chardev 'socket,id=vrngd-service-vm7,path=/run/qemu/a,,b "
	    "<'\\''&'\\''> c,server=on,wait=off' \\\n");
	check_printed(&s, "libvirt-xml --service vm7",
	    HEAD "      <backend model='egd' type='unix'>\n"
		 "        <source mode='bind' path='/run/qemu/a,b "
		 "&lt;&apos;&amp;&apos;&gt; c'/>\n" TAIL,
	    NULL);
	check_done(&s, "qemu-args --service stream:both");
	check_contains(result.out,
	    ",host=127.0.0.1,port=1026,server=on,wait=off ");
	check_done(&s, "libvirt-xml --service stream:both");
	check_contains(result.out,
	    "<source mode='bind' host='127.0.0.1' service='1026'/>\n"
	    "        <protocol type='raw'/>\n");
	check_done(&s, "qemu-args --service udp");
	check_contains(result.out,
	    "-chardev udp,id=vrngd-service-udp,host=127.0.0.1,port=1025 ");
	check_printed(&s, "libvirt-xml --service udp",
	    HEAD "      <backend model='egd' type='udp'>\n"
		 "        <source mode='connect' host='127.0.0.1' "
		 "service='1025'/>\n" TAIL,
	    NULL);
	check_done(&s, "qemu-args --service feed");
	check_contains(result.out,
	    ",host=127.0.0.1,port=1028,localaddr=127.0.0.1,localport=1027 ");
	check_printed(&s, "libvirt-xml --service feed",
	    HEAD "      <backend model='egd' type='udp'>\n"
		 "        <source mode='bind' host='127.0.0.1' "
		 "service='1027'/>\n"
		 "        <source mode='connect' host='127.0.0.1' "
		 "service='1028'/>\n" TAIL,
	    NULL);
	server_stop(&s);
}

/* Paths of EGD sockets, and of the socket that Firecracker creates. */
static void
test_firecracker(void **state)
{
	static const char *const rows[][3] = {
		{ "/run/fc/v.sock_1024", "/run/fc/v.sock", "1024" },
		{ "/run/a b/\\\\\\\"v_1_2", "/run/a b/\\\\\\\"v_1", "2" },
		{ "/run/v_4294967294", "/run/v", "4294967294" },
		{ "/run/v.sock" },
		{ "/run/v_" },
		{ "/run/v_0" },
		{ "/run/v_+1" },
		{ "/run/v_1x" },
		{ "/run/v_4294967295" },
		{ "/run/_1024" },
	};
	char text[256], odd[256];
	struct server s = { .odd = odd, .odd_list = "guests" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(odd, sizeof(odd),
		    "{\"name\":\"fc\",\"egd_socket\":\"%s\"}", rows[i][0]);
		server_start(&s);
		if (rows[i][1] == NULL) {
			check_fails(&s, "firecracker-args fc", 1,
			    "guest fc: path of its EGD socket must end in "
			    "_PORT, such as /run/fc/v.sock_1024\n");
			server_stop(&s);
			continue;
		}
		run(&s, "firecracker-args fc");
		assert_int_equal(result.status, 0);
		snprintf(text, sizeof(text),
		    "{\"guest_cid\":3,\"uds_path\":\"%s\"}\n", rows[i][1]);
		assert_string_equal(result.out, text);
		snprintf(text, sizeof(text), "CID 2, port %s ", rows[i][2]);
		check_contains(result.err, text);
		server_stop(&s);
	}
}

/* A guest with a CID has a vsock device. */
static void
test_vsock(void **state)
{
	struct server s = {
		.odd = "{\"name\":\"fc\",\"socket\":null,\"cid\":4294967294}",
		.odd_list = "guests",
	};

	(void)state;
	server_start(&s);
	check_printed(&s, "qemu-args fc",
	    "-device vhost-vsock-pci,id=vrngd-vsock-fc,guest-cid=4294967294\n",
	    NULL);
	check_printed(&s, "libvirt-xml fc",
	    "<domain type='kvm'>\n  <devices>\n    <vsock model='virtio'>\n"
	    "      <cid auto='no' address='4294967294'/>\n    </vsock>\n"
	    "  </devices>\n</domain>\n",
	    NULL);
	server_stop(&s);
}

static void
test_refused(void **state)
{
	const char *const rows[][2] = {
		{ "qemu-args vm2 --egd", "guest vm2 has no EGD socket" },
		{ "libvirt-xml vm2 --egd", "guest vm2 has no EGD socket" },
		{ "firecracker-args vm2", "guest vm2 has no EGD socket" },
		{ "qemu-args vm9 --egd", "unknown guest vm9 (there are " },
		{ "qemu-args --service vm1",
		    "unknown service vm1 (there are local, lan, legacy, vm7, "
		    "udp, both, both, feed)\n" },
		{ "qemu-args --service stream:lan",
		    "unknown service stream:lan " },
		{ "qemu-args --service both",
		    "ambiguous service both: use egd:both or stream:both\n" },
	};
	const char *const usage[][2] = {
		{ "firecracker-args", "missing operand (guest name)" },
		{ "qemu-args --egd", "missing operand (guest name)" },
		{ "qemu-args --service", "missing value of --service" },
		{ "qemu-args vm1 --service lan", "unexpected argument 'vm1'" },
		{ "qemu-args --service lan --egd",
		    "--egd is not allowed with --service" },
		{ "guest remove vm1 --egd", "--egd is not allowed" },
		{ "guest remove --service lan", "--service is not allowed" },
		{ "top --clients", "--clients is not allowed" },
	};
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_fails(&s, rows[i][0], 1, rows[i][1]);
	for (size_t i = 0; i < sizeof(usage) / sizeof(usage[0]); i++)
		check_fails(&s, usage[i][0], 2, usage[i][1]);
	server_stop(&s);
}

/* Invalid addresses are rejected. */
static void
test_odd_places(void **state)
{
	const struct {
		const char *transport;
		const char *where;
	} rows[] = {
		{ "unix", "" },
		{ "unix", "run/egd.sock" },
		{ "unix", "/run/\\negd.sock" },
		{ "tcp", "" },
		{ "tcp", "/run/vrngd/egd.sock" },
		{ "tcp", ":7000" },
		{ "tcp", "127.0.0.1" },
		{ "tcp", "127.0.0.1:" },
		{ "tcp", "127.0.0.1:0" },
		{ "tcp", "127.0.0.1:65536" },
		{ "tcp", "127.0.0.1:70x" },
		{ "tcp", "127.0.0.1,server=on:7000" },
		{ "tcp", "localhost:7000" },
		{ "tcp", "[]:7000" },
		{ "tcp", "[::1:7000" },
		{ "tcp", "udp 127.0.0.1:7000" },
		{ "udp", "udp  127.0.0.1:7000" },
		{ "sctp", "127.0.0.1:7000" },
		{ "", "/run/vrngd/egd.sock" },
	};
	char odd[256];
	struct server s = { .odd = odd, .odd_list = "services" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(odd, sizeof(odd),
		    "{\"name\":\"odd\",\"transport\":\"%s\","
		    "\"where\":\"%s\"}",
		    rows[i].transport, rows[i].where);
		server_start(&s);
		check_fails(&s, "qemu-args --service odd", 1,
		    "vrngctl: service odd: invalid address ");
		assert_int_equal(strcspn(result.err, "\n"),
		    strlen(result.err) - 1);
		server_stop(&s);
	}
}

/* QEMU accepts datagrams only from the given address. */
static void
test_senders(void **state)
{
	struct server s = { .odd_list = "services" };

	(void)state;
	s.odd = "{\"name\":\"odd\",\"transport\":\"udp\",\"connects\":true,"
		"\"where\":\"udp 127.0.0.1:1027\"}";
	server_start(&s);
	check_fails(&s, "qemu-args --service odd", 1,
	    "to the stream, or remove connect\n");
	server_stop(&s);
	s.odd = "{\"name\":\"odd\",\"transport\":\"udp\",\"connects\":true,"
		"\"where\":\"udp 192.0.2.1:1027\",\"local_port\":1028}";
	server_start(&s);
	check_fails(&s, "libvirt-xml --service odd", 1,
	    "port=1028,localaddr=192.0.2.1,localport=1027\n");
	server_stop(&s);
}

/* A domain around what was printed is one that libvirt's schema describes. */
static void
test_libvirt(void **state)
{
	static const char validate[] =
	    "command -v virsh || exit 127; f=$(mktemp) || exit 1; "
	    "sed \"s,<domain type='kvm'>,&<name>x</name>"
	    "<memory>65536</memory><os><type>hvm</type></os>,;"
	    "s/type='kvm'/type='test'/\" >$f; "
	    "virsh -c test:///default define --validate $f; r=$?; rm -f $f; "
	    "exit $r";
	const char *const words[] = {
		"libvirt-xml vm1 --egd",
		"libvirt-xml --service lan",
		"libvirt-xml --service vm7",
		"libvirt-xml --service stream:both",
		"libvirt-xml --service udp",
		"libvirt-xml --service feed",
	};
	struct server s = { 0 };
	bool checked = false;

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		run(&s, words[i]);
		checked = check_with(validate);
	}
	server_stop(&s);
	if (!checked)
		program_skip("there is no virsh");
}

/* The metadata names pool and class, and is as our schema describes it. */
static void
test_metadata(void **state)
{
	static const char validate[] =
	    "command -v xmllint || exit 127; sed -n "
	    "'s,^    <vrngd:guest .*/>$,&,p' | xmllint --noout --relaxng "
	    "\"" GUEST_SCHEMA "\" -";
	const char *const rows[][2] = {
		{ "libvirt-xml vm1",
		    "\n  <metadata>\n    <vrngd:guest "
		    "xmlns:vrngd='urn:vrngd:libvirt:1' name='vm1' "
		    "pool='default' class='gold'/>\n  </metadata>\n" },
		{ "libvirt-xml vm4", " name='vm4' pool='slow'/>\n" },
	};
	struct server s = { 0 };
	bool checked = false;

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_vhost(&s, rows[i][0]);
		check_contains(result.out, rows[i][1]);
		checked = check_with(validate);
	}
	/* The configuration has the class of an EGD socket. */
	check_done(&s, "libvirt-xml vm1 --egd");
	assert_null(strstr(result.out, "metadata"));
	server_stop(&s);
	if (!checked)
		program_skip("there is no xmllint");
}

/* QEMU accepts the options, and retries to connect without a server. */
static void
test_qemu(void **state)
{
	static const char start[] =
	    "command -v qemu-system-x86_64 || exit 127; "
	    "eval \"set -- $(cat)\"; "
	    "echo quit | timeout 60 qemu-system-x86_64 -S -nodefaults "
	    "-display none -monitor stdio \"$@\"";
	const char *const words[] = {
		"qemu-args vm1 --egd --memory 64M",
		"qemu-args --service local",
		"qemu-args --service lan",
		"qemu-args --service egd:both",
		"qemu-args --service udp",
		"qemu-args --service feed",
	};
	struct server s = { 0 };
	bool checked = false;

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		run(&s, words[i]);
		checked = check_with(start);
	}
	server_stop(&s);
	if (!checked)
		program_skip("there is no qemu-system-x86_64");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest),
		cmocka_unit_test(test_egd),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_firecracker),
		cmocka_unit_test(test_vsock),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_odd_places),
		cmocka_unit_test(test_senders),
		cmocka_unit_test(test_libvirt),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_qemu),
	};

	return UNIT_MAIN("vrngctl snippets", tests);
}
