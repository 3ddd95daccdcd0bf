# shellcheck shell=sh disable=SC2154
# cross.sh: builds for arm64, for s390x, whose byte order is big-endian, and with
# musl; to be sourced by check after lib.sh.
#
#	cross_check		all of it, in steps
#	provide_arm64_guest	sets ARM64_GUEST, for tests/guest/arm64.test
#
# The libraries of another architecture are unpacked in a folder of their own, so
# that no package of this machine changes.

# shellcheck disable=SC2034 # used by check
cross_packages='dpkg-dev gcc-aarch64-linux-gnu gcc-s390x-linux-gnu gperf
    musl-tools qemu-user-static'
# shellcheck disable=SC2034 # used by check
arm64_packages=qemu-system-arm
root_packages='libc6-dev libbsd-dev libcmocka-dev libftdi1-dev libjson-c-dev
    libseccomp-dev libssl-dev libsystemd-dev libusb-1.0-0-dev'

# What qemu-user cannot run: it has no system call filters, no SO_PEEK_OFF on unix
# sockets, no SIGBUS of a shrunk file and not the paths of this machine.  One test
# measures time.
cannot_emulate()
{
	cat <<'LIST'
tests/fuzz/fuzz_deposit
tests/fuzz/fuzz_egd
tests/fuzz/fuzz_vhost
tests/unit/common/test_channel
tests/unit/config/test_config
tests/unit/control/test_status_json
tests/unit/drbg/test_drbg_libcrypto
tests/unit/egd/test_egd_filter
tests/unit/egd/test_saved
tests/unit/endpoint/test_clients
tests/unit/entropy/test_entropy_filter
tests/unit/host/test_confine
tests/unit/kind/test_egd
tests/unit/kind/test_kinds
tests/unit/kind/test_serial
tests/unit/kind/test_stream
tests/unit/status/test_status_filter
tests/unit/usb/test_usb_filter
tests/unit/vhost/test_deposit
tests/unit/vhost/test_memory
tests/unit/vhost/test_session
tests/unit/vhost/test_vhost_filter
LIST
}

# own_lists DIRECTORY TYPE ARCHITECTURE: apt works there, with nothing installed,
# from where it takes Debian's packages.
own_lists()
{
	mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/state" || return
	: >"$1/status"
	# shellcheck disable=SC2016 # apt-get's own
	repository=$(apt-get indextargets --format '$(REPO_URI)' \
	    'Created-By: Packages' 'Label: Debian' | head -n 1)
	# shellcheck source=/dev/null
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	keys=/usr/share/keyrings/debian-archive-keyring.gpg
	echo "$2 [signed-by=$keys] $repository $release main" >"$1/sources.list"
	cat >"$1/apt.conf" <<CONF
APT::Architecture "$3";
APT::Architectures { "$3"; };
APT::Sandbox::User "";
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$1/state";
Dir::State::lists "$1/lists";
Dir::State::status "$1/status";
Dir::Cache "$1/cache";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Debug::NoLocking "true";
CONF
	APT_CONFIG=$1/apt.conf
	export APT_CONFIG
	apt-get -q update
}

provide_arm64_guest()
{
	ARM64_GUEST=$build/arm64-guest
	export ARM64_GUEST
	[ -f "$ARM64_GUEST/complete" ] && return
	step "unpacking the guest of arm64"
	(unpack_arm64_guest) >>"$log" 2>&1 ||
	    die "cannot unpack the guest of arm64 (all output is in $log)"
}

unpack_arm64_guest()
{
	rm -rf "$ARM64_GUEST"
	mkdir -p "$ARM64_GUEST" && cd "$ARM64_GUEST" &&
	    own_lists "$ARM64_GUEST/apt" deb arm64 || return
	kernel=$(apt-cache depends linux-image-cloud-arm64 |
	    sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1)
	apt-get -q download "$kernel" busybox-static || return
	for file in *.deb; do
		dpkg-deb -x "$file" . && rm "$file" || return
	done
	touch complete
}

# provide_root ARCHITECTURE: sets up $build/cross-ARCHITECTURE/root.
provide_root()
(
	dir=$build/cross-$1
	[ ! -f "$dir/complete" ] || exit 0
	rm -rf "$dir"
	mkdir -p "$dir/root" && own_lists "$dir" deb "$1" || exit 1
	# shellcheck disable=SC2086 # a list of names
	apt-get -q -y --no-install-recommends --download-only install \
	    $root_packages || exit 1
	for file in "$dir"/cache/archives/*.deb; do
		dpkg-deb -x "$file" "$dir/root" || exit 1
	done
	# Links lead into the folder, too.
	find "$dir/root" -type l -lname '/*' | while read -r link; do
		ln -sfn "$dir/root$(readlink "$link")" "$link"
	done
	touch "$dir/complete"
)

# built_for ARCHITECTURE TRIPLET: the programs and the unit tests.
built_for()
(
	root=$build/cross-$1/root
	PKG_CONFIG_SYSROOT_DIR=$root
	PKG_CONFIG_LIBDIR=$root/usr/lib/$2/pkgconfig:$root/usr/share/pkgconfig
	export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR
	configured "$1" --host="$2" --build="$(gcc -dumpmachine)" \
	    CC="$2-gcc --sysroot=$root" &&
	    make -C "$build/$1" -j "$jobs" all unit-programs
)

# emulated ARCHITECTURE QEMU: its unit tests.
emulated()
{
	cannot_emulate >"$build/cannot-emulate"
	tests=$(make -s -C "$build/$1" list-unit-tests | tr ' ' '\n' |
	    grep -v -x -F -f "$build/cannot-emulate" | tr '\n' ' ')
	run_tests "testing on $1, emulated" env VRNGD_TEST_PATIENCE=10 \
	    VRNGD_TEST_EMULATOR="qemu-$2-static -L $build/cross-$1/root" \
	    make -C "$build/$1" check-TESTS check_PROGRAMS= \
	    check_LIBRARIES= TESTS="$tests"
}

# What the workers and their tests are linked with, from Debian's sources.
provide_musl()
(
	dir=$build/cross-musl
	prefix=$dir/prefix
	[ ! -f "$dir/complete" ] || exit 0
	rm -rf "$dir"
	mkdir -p "$dir/kernel" "$dir/source" "$prefix/include" "$prefix/lib" &&
	    own_lists "$dir" deb-src "$(dpkg --print-architecture)" || exit 1
	for headers in linux asm-generic "$(gcc -print-multiarch)/asm"; do
		ln -s "/usr/include/$headers" "$dir/kernel/${headers##*/}"
	done
	cd "$dir/source" &&
	    apt-get -q source libmd libbsd libseccomp cmocka || exit 1
	CC="musl-gcc -isystem $dir/kernel"
	CPPFLAGS=-I$prefix/include
	LDFLAGS=-L$prefix/lib
	PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig
	export CC CPPFLAGS LDFLAGS PKG_CONFIG_LIBDIR
	for library in libmd libbsd libseccomp; do
		(cd "$library"-* && { [ -x configure ] || autoreconf -fi; } &&
		    ./configure --host="$(uname -m)-linux-musl" \
			--build="$(gcc -dumpmachine)" --prefix="$prefix" \
			--disable-shared --enable-static &&
		    make -j "$jobs" && make install) || exit 1
	done
	# A script of the linker for the shared library.
	rm -f "$prefix/lib/libbsd.so"
	cd cmocka-* && $CC -Iinclude -O2 -DHAVE_CLOCK_GETTIME_REALTIME \
	    -DHAVE_CLOCK_GETTIME -DHAVE_GCC_THREAD_LOCAL_STORAGE \
	    -DHAVE_INTTYPES_H -DHAVE_MALLOC_H -DHAVE_MEMORY_H -DHAVE_SETJMP_H \
	    -DHAVE_SIGNAL_H -DHAVE_SNPRINTF -DHAVE_STDINT_H -DHAVE_STRINGS_H \
	    -DHAVE_STRSIGNAL -DHAVE_STRUCT_TIMESPEC -DHAVE_SYS_TYPES_H \
	    -DHAVE_UNISTD_H -c src/cmocka.c -o cmocka.o &&
	    ar rcs "$prefix/lib/libcmocka.a" cmocka.o &&
	    cp include/cmocka*.h "$prefix/include" && touch "$dir/complete"
)

# There is no musl build of the libraries of the parent: it is not made.
built_with_musl()
(
	dir=$build/cross-musl
	prefix=$dir/prefix
	PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig
	export PKG_CONFIG_LIBDIR
	configured musl --host="$(uname -m)-linux-musl" \
	    --build="$(gcc -dumpmachine)" --without-ftdi \
	    CC="musl-gcc -isystem $dir/kernel" \
	    LIBBSD_CFLAGS="-isystem $prefix/include/bsd -isystem $prefix/include -DLIBBSD_OVERLAY" \
	    LIBBSD_LIBS="-L$prefix/lib -lbsd -lmd" \
	    LIBSYSTEMD_CFLAGS=' ' LIBSYSTEMD_LIBS=' ' \
	    JSONC_CFLAGS=' ' JSONC_LIBS=' ' \
	    LIBCRYPTO_CFLAGS=' ' LIBCRYPTO_LIBS=' ' \
	    CMOCKA_CFLAGS=' ' CMOCKA_LIBS="-L$prefix/lib -lcmocka" &&
	    make -C "$build/musl" -j "$jobs" vrngd-vhost vrngd-egd \
		worker-programs
)

cross_check()
{
	for target in arm64:aarch64-linux-gnu s390x:s390x-linux-gnu; do
		arch=${target%:*} triplet=${target#*:}
		run_step "unpacking the libraries of $arch" \
		    provide_root "$arch" &&
		    run_step "building for $arch" \
			built_for "$arch" "$triplet" &&
		    emulated "$arch" "${triplet%%-*}"
	done
	run_step 'building the libraries of the workers with musl' \
	    provide_musl &&
	    run_step 'building the workers with musl' built_with_musl &&
	    run_tests 'testing with musl' make -C "$build/musl" check-TESTS \
		check_PROGRAMS= check_LIBRARIES= \
		TESTS="$(make -s -C "$build/musl" list-worker-tests)"
}
