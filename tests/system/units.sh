# shellcheck shell=sh disable=SC2154
# units.sh: vrngd's units and who uses their sockets; to be sourced after lib.sh.
#
#	$examples		the directory of the examples
#	configure		write /etc/vrngd/vrngd.conf from standard input
#	drop_in UNIT SECTION LINE...	have settings of the unit changed
#	guest_place NAME	print a guest's class and state, nothing if there
#				is no such guest
#	guest_is NAME STATE	whether it is in that state
#	guest_gone NAME		whether there is no such guest
#	hold NAME		connect to a guest's socket and stay connected
#	let_go NAME		end that
#	held NAME		whether no other process has ended it
#	daemon_pid		print the daemon's pid
#	daemon_other PID	whether another one is ready by now
#	stored			print how many descriptors systemd keeps

# Where the build installed them, whatever its prefix is.
for examples in /usr/share/doc/vrngd/examples \
    /usr/local/share/doc/vrngd/examples; do
	[ ! -f "$examples/default.conf" ] || break
done

configure()
{
	mkdir -p /etc/vrngd
	cat >/etc/vrngd/vrngd.conf
}

drop_in()
{
	mkdir -p "/etc/systemd/system/$1.d"
	{
		echo "[$2]"
		shift 2
		printf '%s\n' "$@"
	} >"/etc/systemd/system/$1.d/test.conf"
	systemctl daemon-reload
}

no_drop_in()
{
	rm -rf "/etc/systemd/system/$1.d"
	systemctl daemon-reload
}

guest_place()
{
	vrngctl status | awk -v name="$1" '
		/^ *GUEST / { guests = 1 }
		NF == 0 { guests = 0 }
		guests && $1 == name { print $2, $3; exit }'
}

guest_is()
{
	case $(guest_place "$1") in
	*" $2") ;;
	*) return 1 ;;
	esac
}

guest_gone()
{
	[ -z "$(guest_place "$1")" ]
}

hold()
{
	socat -u "UNIX-CONNECT:/run/vrngd/$1.sock" - >/dev/null &
	echo $! >"$work/pids/hold.$1"
}

let_go()
{
	lib_end "$work/pids/hold.$1" TERM || :
}

held()
{
	lib_alive "$(cat "$work/pids/hold.$1")"
}

daemon_pid()
{
	unit_get vrngd MainPID
}

daemon_other()
{
	unit_is vrngd active && [ "$(daemon_pid)" != "$1" ] &&
	    [ "$(daemon_pid)" != 0 ]
}

stored()
{
	unit_get vrngd NFileDescriptorStore
}
