# shellcheck shell=sh disable=SC2154,SC2034 # shared with those who source it
# servers.sh: the servers that are compared; to be sourced after lib.sh.
#
#	servers_find		set $servers to those available
#	server_start KIND N	start one for N guests, at ${server_socket}0 ...;
#				sets $server_pid
#	server_await KIND N	wait until they can connect, the second time
#	server_stop KIND
#	pin CPUS		where this shell and what it starts from now on run
#
# The kinds: vrngd; polling, which is vrngd with poll-us; drbg, which is vrngd
# with delivery = drbg; polling-drbg, which has both; limited, whose guests share
# a limit; peer, which is vhost-device-rng.

poll_us=${BENCH_POLL_US:-100}
limit=4M # bytes per second, of all guests
peer_version=0.1.0
home=${HOME:-/nonexistent}
peer_cache=${XDG_CACHE_HOME:-$home/.cache}/vrngd-bench

say()
{
	echo "bench: $*" >&2
}

pin()
{
	taskset -p -c "$1" $$ >/dev/null || failed "cannot run on CPU $1"
}

# Prints the path of a vhost-device-rng, which is built if there is none.
peer_find()
{
	[ "${BENCH_PEER:-}" != none ] || return
	peer=${BENCH_PEER:-$(command -v vhost-device-rng ||
	    echo "$peer_cache/bin/vhost-device-rng")}
	[ -x "$peer" ] && echo "$peer" && return
	cargo=$(PATH=$PATH:$home/.cargo/bin command -v cargo) || return
	say "building vhost-device-rng $peer_version, once, in $peer_cache"
	PATH=$PATH:${cargo%/*}
	for locked in --locked ''; do
		# shellcheck disable=SC2086 # nothing, if it is empty
		"$cargo" install vhost-device-rng --version "$peer_version" \
		    $locked --root "$peer_cache" \
		    --target-dir "$peer_cache/target" \
		    >"$work/cargo.log" 2>&1 && break
	done
	rm -rf "$peer_cache/target"
	[ -x "$peer" ] && echo "$peer"
}

servers_find()
{
	servers='vrngd drbg'
	vrngd_config polling 1
	if "$VRNGD" -n -C "$work/conf" >/dev/null 2>&1; then
		servers="$servers polling"
	else
		say 'SKIPPED: polling, which this vrngd cannot do'
	fi
	if peer=$(peer_find); then
		servers="$servers peer"
	else
		say 'SKIPPED: vhost-device-rng, which is not here and could' \
		    'not be built with cargo'
	fi
}

# vrngd_config KIND N
vrngd_config()
{
	case $1 in
	drbg) class='delivery = drbg' ;;
	polling) class="poll-us = $poll_us" ;;
	limited) class="ceil = $limit" ;;
	polling-drbg) class="delivery = drbg poll-us = $poll_us" ;;
	*) class='' ;;
	esac
	awk -v n="$2" -v class="$class" -v socket="$work/v" 'BEGIN {
		print "pool \"default\" {"
		print "\tsource \"kernel\" { type = kernel }"
		print "\tclass \"bench\" { " class " }\n}"
		for (i = 0; i < n; i++)
			printf "guest \"g%d\" { socket = \"%s%d\"" \
			    " class = \"bench\" }\n", i, socket, i
	}' >"$work/conf"
	[ -z "${vrngd_also:-}" ] || echo "$vrngd_also" >>"$work/conf"
}

# It makes its sockets in any order, and each anew when a guest has gone.
peer_listens()
{
	[ "$(find "$work" -maxdepth 1 -type s -name 'p[0-9]*' | wc -l)" -ge "$1" ]
}

# server_await KIND N: until all of its guests can connect
server_await()
{
	[ "$1" = peer ] || return 0
	lib_until 30 peer_listens "$2" && sleep 0.2
}

server_start()
{
	rm -f "$work"/[vp][0-9]*
	if [ "$1" = peer ]; then
		server_socket=$work/p
		"$peer" -s "$server_socket" -c "$2" -f /dev/urandom \
		    </dev/null >"$work/peer.log" 2>&1 &
		echo $! >"$work/pids/server"
		server_await peer "$2" || return
	else
		server_socket=$work/v
		vrngd_config "$1" "$2"
		vrngd_start server -C "$work/conf" \
		    --control "$work/control" || return
	fi
	server_pid=$(cat "$work/pids/server")
}

# The peer does not end by itself.
server_stop()
{
	if [ "$1" = peer ]; then
		lib_end "$work/pids/server" KILL || :
	else
		vrngd_stop server || say "$1 did not end well: $?"
	fi
}
