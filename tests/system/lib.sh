# shellcheck shell=sh
# lib.sh: tests that run under a real systemd; to be sourced.
#
# A test is a script, tests/system/NAME.test, of this form:
#
#	. "$(dirname "$0")/lib.sh"
#	test_starts() { systemctl start vrngd && ...; }
#	system_tests() { run_test 'the service starts' test_starts; }
#	system_main
#
# system_main boots a container (see boot) in which vrngd has been installed,
# and runs the script there again, as a service, which then calls system_tests.
# The container is a throw-away copy of this machine's own root: what is
# installed here is there, nothing that is done there is seen here.  No service
# of vrngd's has been started or enabled, and there is no /etc/vrngd/vrngd.conf
# but the one that was installed.
#
# Of ../guest/lib.sh there are, with what is written there:
#
#	run_test NAME FUNCTION	print a line of TAP; on failure the function's
#				output and the journal since the last test too
#	expect NAME WANTED FOUND
#	lib_until SECONDS COMMAND...
#
# and, after system_guests, all that starts guests and talks to them.  Here:
#
#	unit_get UNIT PROPERTY		print a property's value
#	unit_is UNIT STATE		whether its ActiveState is that
#	journal ARGUMENT...		journalctl, of this test's records alone
#	journal_has PATTERN [ARGUMENT...]	whether one's message matches
#	system_guests			call once in system_tests: what
#					guest_start needs
#
# What a test may set before system_main:
#
#	system_limit	seconds that it may take, 300 if not set
#	system_guest	yes, if it calls system_guests
#	system_install	a shell command that installs what is tested in the
#			directory $root, instead of make install
#
# VRNGD is the program in the build directory from which is installed.  In the
# container $work is a directory that goes away, /t the directory tests, /out
# what is printed if anything fails: console, journal, *.log.

system_dir=$(cd "$(dirname "$0")" && pwd)
lib_dir=$system_dir/../guest
# shellcheck source-path=SCRIPTDIR source=../guest/lib.sh
. "$lib_dir/lib.sh"

system_limit=300
system_guest=no
system_install=

unit_get()
{
	systemctl show --value -p "$2" "$1"
}

unit_is()
{
	[ "$(unit_get "$1" ActiveState)" = "$2" ]
}

journal()
{
	journalctl --sync
	journalctl -q --no-pager --since="$journal_since" "$@"
}

journal_has()
{
	journal_pattern=$1
	shift
	journal -o cat "$@" | grep -q -e "$journal_pattern"
}

# What is recorded from now on is the next test's.  Not by a cursor: with a match
# systemd 252 leaves out the first record after it.
journal_mark()
{
	journalctl --sync
	journal_since=@$(date +%s.%6N)
}

after_test()
{
	if [ "$failures" -gt "$system_failures" ]; then
		system_failures=$failures
		echo '# ---- journal ----'
		journal -o short-monotonic --no-hostname | tail -n 100 |
		    cut -c 1-300 | sed 's/^/# /'
	fi
	journal_mark
}

# See lib_init; the initramfs has been made outside.
system_guests()
{
	# shellcheck disable=SC2034 # guest_start's
	guest_kernel=/guest/kernel
	ln -s /guest/initrd "$work/initrd"
}

# What is run as the service in the container.
system_inside()
{
	lib_work || return 1
	# What the one that took too long has said.
	trap 'cp "$work/diagnostics" /out/diagnostics.log; exit 143' TERM
	system_failures=0
	journal_mark
	system_tests
	echo "1..$number"
	[ "$failures" -eq 0 ] || {
		lib_logs
		return 1
	}
}

system_main()
{
	if [ -d /t/system ] && [ -n "${SYSTEM_INSIDE:-}" ]; then
		system_inside
		exit
	fi
	export system_limit system_guest system_install
	exec sh "$system_dir/boot" "$0"
}
