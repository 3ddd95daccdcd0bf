# shellcheck shell=sh
# lib.sh: start vrngd and real guests and talk to them; to be sourced.
#
#	lib_work			make $work
#	lib_initrd			build the initramfs in it
#	lib_init			both
#	vrngd_start NAME ARG...		start a daemon and wait until it is ready
#	vrngd_counters NAME GUEST	print its log line with a guest's counters
#	vrngd_child NAME TITLE		print the pid of a child process
#	vrngd_stop NAME			SIGTERM; fails unless it ends with status 0
#	vrngd_status NAME WHAT FIELD	print a number of vrngctl's status
#	guest_start NAME SOCKET [ARG...]  start QEMU, attached to a vhost socket
#	guest_channels NAME		what guest_start does first, for a guest
#					that is started in another way
#	guest_ready NAME [SECONDS]	wait until the guest takes commands
#	guest_run NAME SECONDS COMMAND	run a command, print its output
#	guest_send NAME COMMAND		the same in two halves, for commands that
#	guest_reply NAME SECONDS	run meanwhile
#	guest_answered NAME		whether guest_reply would return at once
#	guest_reads_begin NAME		have it read /dev/hwrng, without a pause, by
#					hwrng_reader, which is in GUEST_PROGRAMS
#	guest_reads_end NAME LEAST MS	whether so many reads or more have been
#					served, none twice or longer than MS
#	guest_rearm NAME		call before whatever makes the guest boot anew
#	guest_monitor NAME COMMAND	a command to QEMU's own monitor
#	guest_stop NAME			end QEMU
#	guest_kill NAME			the same with SIGKILL
#	lib_port			print an unused port
#	lib_logs			print every log, as comment lines
#	run_test NAME FUNCTION		print a line of TAP
#	expect NAME WANTED FOUND	whether they are the same
#
# The caller sets VRNGD and VRNGD_LIBEXEC, and may set GUEST_KERNEL; VRNGCTL
# for vrngd_status.  A guest
# has two serial ports: the kernel's console is kept in a file, and commands
# travel on the second one, so that kernel messages never mix with replies.
# All files are in one temporary directory, which goes away with every process
# that was started when the shell exits.

lib_dir=${lib_dir:-$(dirname "$0")}
number=0
failures=0

# The function prints diagnostics and returns a status; it may set skip.
run_test()
{
	number=$((number + 1))
	skip=
	if "$2" >"$work/diagnostics" 2>&1; then
		echo "ok $number - $1${skip:+ # SKIP $skip}"
	else
		echo "not ok $number - $1"
		failures=$((failures + 1))
	fi
	sed 's/^#* */# /' "$work/diagnostics"
	after_test
}

# For the caller to define.
after_test()
{
	:
}

expect()
{
	[ "$2" = "$3" ] && return
	echo "$1: expected '$2', found '$3'"
	return 1
}

# Ports below the range of ports that are assigned automatically.
lib_port()
{
	lib_port=$(cat "$work/port" 2>/dev/null || echo $((20000 + $$ % 8000)))
	lib_taken=$(cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp \
	    /proc/net/udp6 2>/dev/null)
	while
		lib_port=$((lib_port + 1))
		echo "$lib_taken" | grep -q ":$(printf %04X "$lib_port") "
	do
		:
	done
	echo "$lib_port" | tee "$work/port"
}

lib_work()
{
	work=$(mktemp -d "${TMPDIR:-/tmp}/vrngd-guest.XXXXXX") || return 1
	trap lib_cleanup EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 141' PIPE
	trap 'exit 143' TERM
	mkdir "$work/pids"
	# The daemon's children have other uids; what they open they are given.
	chmod 755 "$work"
}

lib_init()
{
	lib_work && lib_initrd
}

lib_initrd()
{
	guest_kernel=${GUEST_KERNEL:-$(find /boot -maxdepth 1 \
	    -name 'vmlinuz-*-cloud-amd64' 2>/dev/null | sort -V | tail -n 1)}
	"$lib_dir/mkinitrd" "$work/initrd" "$guest_kernel"
}

# Prints what is missing to run guests, nothing if all is there.
lib_missing()
{
	for lib_program in qemu-system-x86_64 busybox cpio ps; do
		command -v "$lib_program" >/dev/null ||
		    echo "no $lib_program"
	done
	if [ -n "${GUEST_KERNEL:-}" ]; then
		[ -r "$GUEST_KERNEL" ] || echo "cannot read $GUEST_KERNEL"
	else
		find /boot -maxdepth 1 -name 'vmlinuz-*-cloud-amd64' \
		    2>/dev/null | grep -q . ||
		    echo "no /boot/vmlinuz-*-cloud-amd64"
	fi
}

lib_cleanup()
{
	for lib_pidfile in "$work"/pids/*; do
		[ -f "$lib_pidfile" ] || continue
		lib_end "$lib_pidfile" KILL || :
	done
	rm -rf "$work"
}

lib_logs()
{
	for lib_log in "$work"/*.log "$work"/*.console; do
		[ -f "$lib_log" ] || continue
		echo "# ---- ${lib_log##*/}, last lines ----"
		tail -n 60 "$lib_log" | tr -d '\r' |
		    tr -c '[:print:]\n\t' '?' | cut -c 1-300 |
		    awk '{ print "# " $0 }'
	done
}

# The process is running; a zombie is not.
lib_alive()
{
	case $(ps -o stat= -p "$1" 2>/dev/null) in
	''|Z*) return 1 ;;
	esac
}

# Runs the rest of the arguments until they succeed; $1 is a limit in seconds.
lib_until()
{
	lib_polls=$(($1 * 20))
	shift
	while ! "$@"; do
		[ "$lib_polls" -gt 0 ] || return 1
		lib_polls=$((lib_polls - 1))
		sleep 0.05
	done
}

lib_dead()
{
	! lib_alive "$1"
}

# lib_end PIDFILE SIGNAL: end a process started here and return its status,
# 99 if it had to be killed because it did not end within 5 seconds.
lib_end()
{
	lib_pid=$(cat "$1")
	kill -s "$2" "$lib_pid" 2>/dev/null || :
	lib_status=0
	lib_until 5 lib_dead "$lib_pid" || {
		kill -s KILL "$lib_pid" 2>/dev/null || :
		lib_status=99
	}
	if [ "$lib_status" -eq 0 ]; then
		wait "$lib_pid" 2>/dev/null || lib_status=$?
	fi
	rm -f "$1"
	return "$lib_status"
}

vrngd_start()
{
	lib_name=$1
	shift
	# At once, not only when the background shell gets to it.
	: >"$work/$lib_name.log"
	"$VRNGD" --libexec "$VRNGD_LIBEXEC" "$@" \
	    </dev/null >"$work/$lib_name.log" 2>&1 &
	echo $! >"$work/pids/$lib_name"
	lib_until 10 vrngd_is_ready "$lib_name" &&
	    grep -q ' ready: ' "$work/$lib_name.log"
}

# Ready, or dead, in which case there is nothing to wait for.
vrngd_is_ready()
{
	grep -q ' ready: ' "$work/$1.log" ||
	    lib_dead "$(cat "$work/pids/$1")"
}

# A line in the part of a daemon's log after line number $2.
vrngd_logged()
{
	tail -n +"$(($2 + 1))" "$work/$1.log" | grep "$3"
}

vrngd_counters()
{
	lib_line=$(wc -l <"$work/$1.log")
	kill -s USR1 "$(cat "$work/pids/$1")" || return 1
	lib_until 5 vrngd_logged "$1" "$lib_line" "guest $2:.* bytes" \
	    >"$work/counters" || return 1
	cat "$work/counters"
}

# The daemon's control socket is $work/NAME.control.  An object's own fields are
# indented as its name is.
vrngd_status()
{
	"$VRNGCTL" -s "$work/$1.control" status --json |
	    awk -v name="\"name\": \"$2\"," -v field="\"$3\":" '
		substr($0, match($0, "\"")) == name { indent = match($0, "\"") }
		$1 == field && match($0, "\"") == indent {
			print $2 + 0
			exit
		}'
}

vrngd_child()
{
	ps -ww -o pid= -o args= --ppid "$(cat "$work/pids/$1")" |
	    awk -v title="$2" 'index($0 " ", title " ") { print $1; exit }' |
	    grep . || {
		echo "# $1 has no child process $2" >&2
		return 1
	}
}

vrngd_stop()
{
	lib_end "$work/pids/$1" TERM
}

# What a QEMU talks through, who may be another user.
guest_channels()
{
	rm -f "$work/$1".*.in "$work/$1".*.out "$work/$1.stuck"
	for guest_pipe in serial.in serial.out monitor.in monitor.out; do
		mkfifo -m 666 "$work/$1.$guest_pipe"
	done
	: >"$work/$1.tty"
	echo 1 >"$work/$1.start"
	echo 0 >"$work/$1.id"

	# QEMU must never wait for us, so its output is drained at all times.
	cat "$work/$1.serial.out" >"$work/$1.tty" &
	echo $! >"$work/pids/$1.serial"
	cat "$work/$1.monitor.out" >"$work/$1.monitor.txt" &
	echo $! >"$work/pids/$1.monitor"
}

# With an empty SOCKET the guest gets QEMU's own device: that distinguishes trouble in
# the guest or in these scripts from trouble in the daemon.  With "none" it gets
# what the arguments say.
guest_start()
{
	guest=$1
	guest_socket=$2
	shift 2
	guest_channels "$guest"
	if [ "$guest_socket" = none ]; then
		:
	elif [ -n "$guest_socket" ]; then
		set -- -chardev "socket,id=rng,path=$guest_socket" \
		    -device vhost-user-rng-pci,chardev=rng "$@"
	else
		set -- -object rng-random,id=rng,filename=/dev/urandom \
		    -device virtio-rng-pci,rng=rng "$@"
	fi
	# vhost-user needs the guest's memory to be shared.
	qemu-system-x86_64 -accel tcg -cpu max -m "${GUEST_MEMORY:-128}" \
	    -nodefaults -no-user-config -display none \
	    -object memory-backend-memfd,id=mem,size="${GUEST_MEMORY:-128}M",share=on \
	    -machine q35,memory-backend=mem \
	    -serial "file:$work/$guest.console" \
	    -serial "pipe:$work/$guest.serial" \
	    -chardev "pipe,id=monitor,path=$work/$guest.monitor" \
	    -mon chardev=monitor,mode=readline \
	    -kernel "$guest_kernel" -initrd "$work/initrd" \
	    -append "console=ttyS0 quiet panic=-1" \
	    "$@" </dev/null >"$work/$guest.qemu.log" 2>&1 &
	echo $! >"$work/pids/$guest"
}

guest_alive()
{
	[ -f "$work/pids/$1" ] && lib_alive "$(cat "$work/pids/$1")"
}

# What the guest has sent since its last command was sent to it.
guest_output()
{
	tail -c +"$(cat "$work/$1.start")" "$work/$1.tty"
}

guest_has()
{
	guest_output "$1" | grep -q "$2"
}

guest_has_or_died()
{
	guest_has "$1" "$2" || ! guest_alive "$1"
}

# guest_await NAME SECONDS PATTERN; a guest that failed to answer in time is
# not asked again until it has been reset, so that one fault costs one time-out.
guest_await()
{
	[ ! -f "$work/$1.stuck" ] || return 1
	if lib_until "$2" guest_has_or_died "$1" "$3" && guest_has "$1" "$3"
	then
		return 0
	fi
	: >"$work/$1.stuck"
	if guest_alive "$1"; then
		echo "# guest $1: no answer within $2 seconds" >&2
	else
		echo "# guest $1: QEMU has ended" >&2
	fi
	return 1
}

guest_ready()
{
	guest_await "$1" "${2:-60}" '^@@ready$'
}

guest_rearm()
{
	rm -f "$work/$1.stuck"
	echo $(($(wc -c <"$work/$1.tty") + 1)) >"$work/$1.start"
}

guest_send()
{
	guest_alive "$1" && [ ! -f "$work/$1.stuck" ] || return 1
	guest_id=$(($(cat "$work/$1.id") + 1))
	echo "$guest_id" >"$work/$1.id"
	echo $(($(wc -c <"$work/$1.tty") + 1)) >"$work/$1.start"
	# One line is one command.  The FIFO is opened for both directions, so
	# that a QEMU that has just died cannot make the open wait.
	printf '%s %s\n' "$guest_id" "$(printf '%s' "$2" | tr '\n' ' ')" \
	    1<>"$work/$1.serial.in"
}

guest_answered()
{
	guest_has "$1" "^@@end $(cat "$work/$1.id") [0-9]* @@\$"
}

guest_reply()
{
	guest_end="^@@end $(cat "$work/$1.id") "
	guest_await "$1" "$2" "${guest_end}[0-9]* @@\$" || return 124
	guest_output "$1" | sed "/$guest_end/,\$d"
	return "$(guest_output "$1" |
	    sed -n "s/$guest_end\([0-9]*\) @@\$/\1/p")"
}

guest_run()
{
	guest_send "$1" "$3" || return 125
	guest_reply "$1" "$2"
}

guest_reads_begin()
{
	guest_run "$1" 10 'hwrng_reader >/tmp/reads & echo $! >/tmp/reader' >/dev/null
}

guest_reads_end()
{
	# shellcheck disable=SC2016 # the guest's
	guest_run "$1" 120 'kill -TERM "$(cat /tmp/reader)"; while kill -0 "$(cat /tmp/reader)" 2>/dev/null; do sleep 0.1; done; cat /tmp/reads' \
	    >"$work/reads"
	echo "$1: $(cat "$work/reads")"
	# shellcheck disable=SC2046 # its words
	set -- "$2" "$3" $(cat "$work/reads")
	[ $# -eq 10 ] || return 1
	expect 'failed reads' 0 "$6" && expect 'repeated blocks' 0 "$8" &&
	    [ "$4" -gt "$1" ] && [ "${10}" -lt "$2" ]
}

guest_monitor()
{
	guest_alive "$1" || return 1
	printf '%s\n' "$2" 1<>"$work/$1.monitor.in"
}

guest_stop()
{
	guest_end "$1" TERM
}

guest_kill()
{
	guest_end "$1" KILL
}

guest_end()
{
	for guest_process in "$1" "$1.serial" "$1.monitor"; do
		[ -f "$work/pids/$guest_process" ] || continue
		lib_end "$work/pids/$guest_process" "$2" || :
	done
}
