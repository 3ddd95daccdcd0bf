# shellcheck shell=sh disable=SC2154 # those of lib.sh and servers.sh
# guests.sh: reads in real guests; to be sourced.
#
#	guests_begin		boot a guest for each device, all at once
#	guests_round N		each of them reads
#	guests_end
#
# A device is one of $servers, egd or egd-polling, which are vrngd over the EGD
# protocol, or QEMU's own: rng-random, rng-builtin.  egd-full is QEMU's part of
# the time over EGD: bytes are always in its socket, as a stream sends them.

reads=5000

guests_socket()
{
	case $1 in
	peer) echo "$work/guest-peer0" ;;
	*) echo "$work/guest-$1" ;;
	esac
}

# The configuration of vrngd for a device.
guests_config()
{
	guests_key=egd
	case $1 in
	egd) vrngd_config vrngd 1 ;;
	egd-polling) vrngd_config polling 1 ;;
	egd-full)
		vrngd_config vrngd 0
		echo "stream \"full\" { unix = \"$work/guest-egd-full\" }" \
		    >>"$work/conf"
		;;
	*)
		guests_key=socket
		vrngd_config "$1" 1
		;;
	esac
	sed "s|socket = \"$work/v0\"|$guests_key = \"$work/guest-$1\"|" \
	    "$work/conf"
}

# A daemon for each, as they all run at the same time.
guests_server()
{
	if [ "$1" = peer ]; then
		"$peer" -s "$work/guest-peer" -c 1 -f /dev/urandom \
		    </dev/null >"$work/guest-peer.log" 2>&1 &
		echo $! >"$work/pids/guest-server-peer"
		lib_until 10 test -S "$work/guest-peer0"
		return
	fi
	guests_config "$1" >"$work/conf-$1"
	vrngd_start "guest-server-$1" -C "$work/conf-$1" \
	    --control "$work/control-$1"
}

guests_boot()
{
	case $1 in
	rng-random)
		guest_start "$1" none -device virtio-rng-pci,rng=own \
		    -object rng-random,id=own,filename=/dev/urandom
		;;
	rng-builtin)
		guest_start "$1" none -device virtio-rng-pci,rng=own \
		    -object rng-builtin,id=own
		;;
	egd*)
		guests_server "$1" && guest_start "$1" none \
		    -chardev "socket,id=egd,path=$(guests_socket "$1")" \
		    -object rng-egd,id=own,chardev=egd \
		    -device virtio-rng-pci,rng=own
		;;
	*)
		guests_server "$1" && guest_start "$1" "$(guests_socket "$1")"
		;;
	esac
}

# Over EGD, with polling if there is any.
guests_egd()
{
	echo egd egd-full
	echo "$servers" | grep -q polling && echo egd-polling
}

guests_begin()
{
	devices=
	missing=$(lib_missing)
	if [ -n "$missing" ]; then
		say "SKIPPED: guests, as there is $missing"
		return
	fi
	lib_initrd || return
	for device in $(echo "$servers" | sed 's/drbg//') $(guests_egd) \
	    rng-random rng-builtin; do
		guests_boot "$device" || say "guest of $device: no server"
		devices="$devices $device"
	done
	for device in $devices; do
		guest_ready "$device" 120 || return
	done
}

# Prints the seconds that it took.
guests_read()
{
	guest_run "$1" 120 \
	    "time dd if=/dev/hwrng of=/dev/null bs=64 count=$reads" |
	    tr -d '\r' |
	    sed -n 's/^real[[:space:]]*\([0-9]*\)m *\([0-9.]*\)s.*/\1 \2/p' |
	    awk '{ print $1 * 60 + $2 }'
}

guests_round()
{
	for device in $devices; do
		took=$(guests_read "$device")
		if [ -n "$took" ]; then
			result guest "$device" seconds "$took"
		else
			failed "guest of $device did not read"
		fi
	done
}

guests_end()
{
	for device in $devices; do
		guest_stop "$device"
		[ ! -f "$work/pids/guest-server-$device" ] ||
		    lib_end "$work/pids/guest-server-$device" KILL || :
	done
}
