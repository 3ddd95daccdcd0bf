# shellcheck shell=sh disable=SC2154
# What quickstart and check share.  They set `source` (the top of the tree),
# `build` (a directory of their own) and `log` (a file in it) first.

begin=$(date +%s)

# shellcheck disable=SC2034
build_packages='autoconf automake pkg-config gcc libc6-dev make libbsd-dev
    libsystemd-dev libseccomp-dev libssl-dev libjson-c-dev bison flex'
# shellcheck disable=SC2034 # used by those who read this
guest_packages='qemu-system-x86 busybox-static cpio kmod procps'

step()
{
	printf '[%3d s] %s\n' $(($(date +%s) - begin)) "$*"
}

die()
{
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# Runs a command with its output in the log, of which the end is shown if the
# command fails.
quietly()
{
	echo "+ $*" >>"$log"
	"$@" >>"$log" 2>&1 </dev/null || {
		tail -n 30 "$log" >&2
		die "failed: $* (all output is in $log)"
	}
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		quietly "$@"
	elif command -v sudo >/dev/null; then
		# Asked for here, where the question can be seen.
		sudo -v
		quietly sudo "$@"
	else
		die "not root, and there is no sudo, for: $*"
	fi
}

missing_packages()
{
	for package; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
		    grep -q ' installed$' || echo "$package"
	done
}

install_packages()
{
	purpose=$1
	shift
	packages=$(missing_packages "$@" | tr '\n' ' ')
	[ -n "$packages" ] || return 0
	refresh_package_lists
	step "installing $purpose: ${packages% }"
	# shellcheck disable=SC2086 # a list of names
	as_root env DEBIAN_FRONTEND=noninteractive \
	    apt-get -q -y install --no-install-recommends $packages
}

refreshed=
refresh_package_lists()
{
	[ -z "$refreshed" ] || return 0
	step 'refreshing the package lists'
	as_root apt-get -q update
	refreshed=yes
}

# find_kernel PATTERN: prints the newest kernel, of those whose names match,
# that has its modules with it.
find_kernel()
{
	newest=
	for kernel in $(find /boot "$build"/kernel*/boot -maxdepth 1 \
	    -name "vmlinuz-$1" 2>/dev/null | sort -V); do
		version=${kernel##*/vmlinuz-}
		for modules in "${kernel%/boot/*}/lib/modules/$version" \
		    "${kernel%/boot/*}/usr/lib/modules/$version"; do
			[ ! -d "$modules/kernel" ] || newest=$kernel
		done
	done
	[ -z "$newest" ] || echo "$newest"
}

# unpack_kernel METAPACKAGE DIRECTORY
unpack_kernel()
{
	refresh_package_lists
	package=$(apt-cache depends "$1" |
	    sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1)
	[ -n "$package" ] || die "there is no package $1"
	step "unpacking the guest's kernel: $package"
	rm -rf "$2"
	mkdir "$2"
	cd "$2" || return
	quietly apt-get -q download "$package"
	for file in *.deb; do
		quietly dpkg-deb -x "$file" .
		rm "$file"
	done
}

# Sets GUEST_KERNEL, which is unpacked in the build directory if there is none.
provide_kernel()
{
	GUEST_KERNEL=$(find_kernel '*-cloud-amd64')
	if [ -z "$GUEST_KERNEL" ]; then
		(unpack_kernel linux-image-cloud-amd64 "$build/kernel")
		GUEST_KERNEL=$(find_kernel '*-cloud-amd64')
	fi
	[ -n "$GUEST_KERNEL" ] || die 'the kernel package holds no kernel'
	export GUEST_KERNEL
}

# Sets USB_GUEST_KERNEL likewise: cloud kernels have no USB.
provide_usb_kernel()
{
	USB_GUEST_KERNEL=$(find_kernel '*[0-9]-amd64')
	if [ -z "$USB_GUEST_KERNEL" ]; then
		(unpack_kernel linux-image-amd64 "$build/kernel-usb")
		USB_GUEST_KERNEL=$(find_kernel '*[0-9]-amd64')
	fi
	[ -n "$USB_GUEST_KERNEL" ] || die 'the kernel package holds no kernel'
	export USB_GUEST_KERNEL
}

# Sets POSTFIX_ROOT.  The package is only unpacked, since its installation would
# start a mail server; the libraries that it needs are installed.
provide_postfix()
{
	POSTFIX_ROOT=
	export POSTFIX_ROOT
	[ ! -x /usr/lib/postfix/sbin/tlsmgr ] || return 0
	POSTFIX_ROOT=$build/postfix
	[ ! -x "$POSTFIX_ROOT/usr/lib/postfix/sbin/tlsmgr" ] || return 0
	refresh_package_lists
	# shellcheck disable=SC2046 # a list of names
	install_packages "Postfix's libraries" $(apt-cache depends postfix |
	    sed -n 's/^ *Depends: \(lib[^ ]*\)$/\1/p')
	step 'unpacking Postfix'
	rm -rf "$POSTFIX_ROOT"
	mkdir "$POSTFIX_ROOT"
	(cd "$POSTFIX_ROOT" && quietly apt-get -q download postfix &&
	    quietly dpkg-deb -x postfix_*.deb . && rm postfix_*.deb)
}

# Sets PROMETHEUS_ROOT.  The package is only unpacked, likewise; its programs need
# no other libraries.
provide_prometheus()
{
	PROMETHEUS_ROOT=
	export PROMETHEUS_ROOT
	[ ! -x /usr/bin/prometheus ] || [ ! -x /usr/bin/promtool ] || return 0
	PROMETHEUS_ROOT=$build/prometheus
	[ ! -x "$PROMETHEUS_ROOT/usr/bin/promtool" ] || return 0
	refresh_package_lists
	step 'unpacking Prometheus'
	rm -rf "$PROMETHEUS_ROOT"
	mkdir "$PROMETHEUS_ROOT"
	(cd "$PROMETHEUS_ROOT" && quietly apt-get -q download prometheus &&
	    quietly dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb)
}

# Sets VARLINK_ROOT, with Debian 13's varlinkctl and module varlink of Python:
# Debian 12 lacks them.  They are unpacked with their libraries.  Without them
# varlink.test skips.
provide_varlink()
{
	VARLINK_ROOT=
	export VARLINK_ROOT
	! command -v varlinkctl >/dev/null ||
	    ! python3 -c 'import varlink' 2>/dev/null || return 0
	[ -x "$build/varlink/bin/varlinkctl" ] || (unpack_varlink) || return 0
	VARLINK_ROOT=$build/varlink
}

varlink_packages='systemd libsystemd-shared libacl1 libaudit1 libblkid1 libc6
    libcap2 libcap-ng0 libcrypt1 libmount1 libpam0g libpcre2-8-0 libseccomp2
    libselinux1 libssl3t64 libzstd1 zlib1g python3-varlink'

# From where apt-get takes Debian's packages, but with lists of another release.
unpack_varlink()
{
	step "unpacking Debian 13's varlinkctl"
	rm -rf "$build/varlink"
	mkdir -p "$build/varlink/bin" "$build/trixie/lists/partial" \
	    "$build/trixie/cache/archives/partial" && cd "$build/trixie" || return
	# shellcheck disable=SC2016 # apt-get's own
	repository=$(apt-get indextargets --format '$(REPO_URI)' \
	    'Created-By: Packages' 'Label: Debian' | head -n 1)
	[ -n "$repository" ] || die 'apt-get has no lists of Debian'
	keys=/usr/share/keyrings/debian-archive-keyring.gpg
	echo "deb [signed-by=$keys] $repository trixie main" >sources.list
	cat >apt.conf <<CONF
Dir::Etc::sourcelist "$PWD/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$PWD/lists";
Dir::Cache "$PWD/cache";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
CONF
	APT_CONFIG=$PWD/apt.conf
	export APT_CONFIG
	quietly apt-get -q update
	# shellcheck disable=SC2086 # a list of names
	quietly apt-get -q download $varlink_packages
	for file in *.deb; do
		quietly dpkg-deb -x "$file" "$build/varlink"
		rm "$file"
	done
	loader=$(find "$build/varlink/usr" -type f -name 'ld-linux*.so.*' | head -n 1)
	[ -n "$loader" ] || die 'libc6 has no loader'
	cat >"$build/varlink/bin/varlinkctl" <<SCRIPT
#!/bin/sh
exec "$loader" --library-path "${loader%/*}:${loader%/*}/systemd" \
    "$build/varlink/usr/bin/varlinkctl" "\$@"
SCRIPT
	chmod +x "$build/varlink/bin/varlinkctl"
	quietly "$build/varlink/bin/varlinkctl" --version
}
