#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Install what building and testing Pawl needs and this machine does not have.
#
#   tools/bootstrap.sh [--check] [--optional] [GROUP...]      (default groups: build test)
#
#   build         compiler, Meson, and what the pawl command links
#   test          cmocka, a C++ compiler, what the tests read binaries with
#   docs          man pages
#   lint          the second compiler, formatters and analysers (make lint, .ci/run)
#   bench         the libraries that benchmarks compare with, and gnuplot
#   instructions  valgrind, to count instructions (make bench-instructions)
#   programs      programs that the allocator is tested under (the tests say which are missing)
#   vm            virtual machines and a cross compiler (make check-vm)
#   all           all of them
#
#   --check       install nothing: say what is missing, exit 1 if anything is
#   --optional    what cannot be installed is left out with a note; the exit status stays 0
#
# Packages are looked for by what they provide (a command, a pkg-config module, a header), so that a
# Meson from elsewhere, or another distribution, is as good as a Debian package. When all is there
# the script says nothing and takes a fraction of a second.
set -euo pipefail

say() { printf 'bootstrap: %s\n' "$*"; }
complain() { printf 'bootstrap: %s\n' "$*" >&2; }

# group | package | how to see that it is there | why it is wanted
table=$(cat <<'END'
build|gcc|cmd:gcc|the C compiler
build|libc6-dev|hdr:stdio.h|the C library headers
build|meson|cmd:meson|the build system
build|ninja-build|cmd:ninja|runs the build
build|pkg-config|cmd:pkg-config|finds libraries
build|libhwloc-dev|pc:hwloc|pawl topo: caches, cores, NUMA nodes
build|liburing-dev|pc:liburing|the runtime's second engine
build|libjansson-dev|pc:jansson|JSON output
build|libhttp-parser-dev|file:/usr/include/http_parser.h|pawl-cache --metrics; an example
build|scdoc|cmd:scdoc|man pages
build|libelf-dev|pc:libelf|pawl rseq-check: reads programs
build|libcapstone-dev|pc:capstone|pawl rseq-check: decodes instructions
build|libdw-dev|pc:libdw|pawl rseq-check: names source lines
build|libssl-dev|pc:openssl|TLS for streams (libpawl-tls)
build|libc-ares-dev|pc:libcares|names to addresses (libpawl-resolve)
test|g++|cmd:g++|the headers are tested as C++ too
test|libcmocka-dev|pc:cmocka|the test framework
test|openssl|cmd:openssl|the TLS examples are talked to by its client
test|curl|cmd:curl|the HTTP examples are talked to by it
test|libevent-dev|pc:libevent_core|headers of libpawl-event, and the library that it is compared with
test|memcached|cmd:memcached|runs on libpawl-event
test|tmux|cmd:tmux|runs on libpawl-event
test|binutils|cmd:readelf|the tests read what the libraries export
docs|scdoc|cmd:scdoc|man pages
lint|clang|cmd:clang|the second compiler
lint|clang-format|cmd:clang-format|the style of the code
lint|clang-tidy|cmd:clang-tidy|static analysis
lint|cppcheck|cmd:cppcheck|static analysis
lint|shellcheck|cmd:shellcheck|static analysis of the scripts
bench|g++|cmd:g++|C++ peers
bench|gnuplot-nox|cmd:gnuplot|figures as SVG (--plot)
bench|liburcu-dev|pc:liburcu|peer: RCU, queues, hash table
bench|libck-dev|pc:ck|peer: Concurrency Kit
bench|libabsl-dev|pc:absl_synchronization|peer: Abseil, mutex
bench|libtbb-dev|pc:tbb|peer: oneTBB, sharded counter
bench|libcuckoo-dev|file:/usr/include/libcuckoo/cuckoohash_map.hh|peer: libcuckoo, map
bench|libconcurrentqueue-dev|file:/usr/include/concurrentqueue/concurrentqueue.h|peer: moodycamel
bench|libjemalloc2|file:/usr/lib/x86_64-linux-gnu/libjemalloc.so.2|peer: jemalloc
bench|libjemalloc-dev|pc:jemalloc|peer: jemalloc, linked (pools)
bench|libboost-dev|file:/usr/include/boost/lockfree/stack.hpp|peer: boost::lockfree
bench|libboost-context-dev|file:/usr/include/boost/context/fiber.hpp|peer: Boost.Context (fibers)
bench|libglib2.0-dev|pc:glib-2.0|peer: GHashTable
bench|libreaderwriterqueue-dev|file:/usr/include/readerwriterqueue/readerwriterqueue.h|peer: moodycamel, one producer
bench|libtcmalloc-minimal4|file:/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4|peer: gperftools' tcmalloc
bench|libmimalloc2.0|file:/usr/lib/x86_64-linux-gnu/libmimalloc.so.2.0|peer: mimalloc
bench|cargo|cmd:cargo|peers in Rust
bench|librust-crossbeam-epoch-dev|file:/usr/share/cargo/registry/crossbeam-epoch-0.9.13/Cargo.toml|peer: crossbeam-epoch
bench|librust-crossbeam-queue-dev|file:/usr/share/cargo/registry/crossbeam-queue-0.3.8/Cargo.toml|peer: crossbeam's queues
bench|librust-crossbeam-deque-dev|file:/usr/share/cargo/registry/crossbeam-deque-0.8.1/Cargo.toml|peer: crossbeam's deque
bench|librust-tokio-dev|file:/usr/share/cargo/registry/tokio-1.24.2/Cargo.toml|peer: tokio, tasks
bench|libdpdk-dev|pc:libdpdk|peer: DPDK's rte_ring
bench|libevent-dev|pc:libevent|peer: libevent, timers, echo and TLS
bench|libuv1-dev|pc:libuv|peer: libuv, timers and echo
bench|libev-dev|file:/usr/include/ev.h|peer: libev, timers and echo
bench|memcached|cmd:memcached|peer: the cache server
bench|redis-server|cmd:redis-server|peer: the cache server
instructions|valgrind|cmd:valgrind|counts instructions
programs|jq|cmd:jq|under the allocator
programs|sqlite3|cmd:sqlite3|under the allocator
programs|zstd|cmd:zstd|under the allocator
programs|memcached|cmd:memcached|under the allocator
programs|nutcracker|file:/usr/sbin/nutcracker|twemproxy before several cache servers
programs|libmemcached-tools|cmd:memccapable|client of the cache server
programs|python3-pymemcache|file:/usr/lib/python3/dist-packages/pymemcache/__init__.py|client of the cache server
programs|python3-memcache|file:/usr/lib/python3/dist-packages/memcache.py|client of the cache server
programs|python3-pylibmc|file:/usr/lib/python3/dist-packages/pylibmc/__init__.py|client of the cache server
programs|php-cli|cmd:php|client of the cache server; under the allocator
programs|php-memcached|file:/etc/php/8.2/mods-available/memcached.ini|client of the cache server
programs|libcache-memcached-perl|file:/usr/share/perl5/Cache/Memcached.pm|client of the cache server
programs|redis-server|cmd:redis-server|under the allocator
programs|libpython3.11-testsuite|file:/usr/lib/python3.11/test/test_dict.py|Python's own tests under the allocator
vm|qemu-system-x86|cmd:qemu-system-x86_64|a guest with 64 CPUs on 4 NUMA nodes
vm|qemu-system-arm|cmd:qemu-system-aarch64|an aarch64 guest
vm|qemu-user-static|cmd:qemu-aarch64-static|aarch64 programs without a guest
vm|gcc-aarch64-linux-gnu|cmd:aarch64-linux-gnu-gcc|the cross compiler
vm|libc6-dev-arm64-cross|file:/usr/aarch64-linux-gnu/lib/libc.a|its C library
vm|cpio|cmd:cpio|builds the guests' file systems
vm|debian-archive-keyring|file:/usr/share/keyrings/debian-archive-keyring.gpg|signs the guests' kernels
END
)
all_groups=(build test docs lint bench instructions programs vm)

usage() {
    sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

# The compiler that was asked for, without its arguments or a ccache in front of it.
compiler() {
    local word
    for word in ${CC:-gcc}; do
        [[ ${word##*/} == ccache ]] && continue
        printf '%s' "$word"
        return
    done
}

present() {
    local what=${1#*:}
    case $1 in
    cmd:*) command -v "$what" >/dev/null ;;
    file:*) [[ -e $what ]] ;;
    pc:*) command -v pkg-config >/dev/null && pkg-config --exists "$what" ;;
    hdr:*) printf '#include <%s>\n' "$what" | "$(compiler)" -E -x c -o /dev/null - 2>/dev/null ;;
    *) complain "unknown probe $1" && exit 2 ;;
    esac
}

# Adds to `missing` the packages of a group that are not there, and says why each is wanted.
missing=()
look_through() {
    local group package probe why
    while IFS='|' read -r group package probe why; do
        [[ $group == "$1" ]] || continue
        if [[ $package == gcc && -n ${CC-} ]]; then
            probe=cmd:$(compiler)
            package=$(basename "$(compiler)")
            why="the compiler in CC"
        fi
        present "$probe" && continue
        [[ " ${missing[*]-} " == *" $package "* ]] && continue
        missing+=("$package")
        printf '  %-24s %-15s %s\n' "$package" "($group)" "$why"
    done <<<"$table"
}

is_debian() {
    command -v apt-get >/dev/null && [[ -r /etc/os-release ]] &&
        grep -qE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release
}

# How to become root: sets `as_root`. A password is only asked for at a terminal.
as_root=()
find_root() {
    if [[ $(id -u) == 0 ]]; then
        return 0
    fi
    command -v sudo >/dev/null || return 1
    if sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    elif [[ -t 0 && -t 2 ]]; then
        as_root=(sudo)
    else
        return 1
    fi
}

run_apt() {
    # env stands behind sudo, which would drop the variable.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 "$@" </dev/null
}

# The lists may be absent (a fresh container) or too old (a version that is gone from the mirror).
install() {
    if ! apt-get --simulate install "$@" >/dev/null 2>&1; then
        say "reading the package lists (apt-get update)"
        run_apt update || return
        run_apt install --yes --no-install-recommends "$@"
        return
    fi
    run_apt install --yes --no-install-recommends "$@" && return
    say "that failed; reading the package lists again (apt-get update)"
    run_apt update && run_apt install --yes --no-install-recommends "$@"
}

refuse() {
    complain "$1"
    complain "please install it yourself, then run the same command again:"
    complain "    $2"
    [[ $optional == yes ]] && complain "(optional: going on without)" && exit 0
    exit 1
}

check_only=no
optional=no
groups=()
for argument in "$@"; do
    case $argument in
    --check) check_only=yes ;;
    --optional) optional=yes ;;
    -h | --help) usage && exit 0 ;;
    all) groups+=("${all_groups[@]}") ;;
    *)
        if [[ " ${all_groups[*]} " != *" $argument "* ]]; then
            complain "no group or option named '$argument'; the groups are: ${all_groups[*]} all"
            exit 2
        fi
        groups+=("$argument")
        ;;
    esac
done
((${#groups[@]})) || groups=(build test)

report=$(mktemp)
trap 'rm -f "$report"' EXIT
for group in "${groups[@]}"; do
    look_through "$group" >>"$report"
done
if ! ((${#missing[@]})); then
    [[ $check_only == yes ]] && say "nothing is missing for: ${groups[*]}"
    exit 0
fi

say "missing on this machine:"
cat "$report"
command_line="apt-get install --no-install-recommends ${missing[*]}"
[[ $check_only == yes ]] && say "to install: $command_line" && exit 1

if ! is_debian; then
    refuse "this is not Debian or Ubuntu, and only their packages are known here" \
        "(your package manager) ${missing[*]}"
fi
find_root || refuse "installing needs root, and neither root nor sudo without a password is at hand" \
    "sudo $command_line"

say "installing: ${as_root[*]}${as_root:+ }$command_line"
if ! install "${missing[@]}"; then
    if [[ $optional == yes ]]; then
        # One package that does not exist here must not keep the others out.
        for package in "${missing[@]}"; do
            install "$package" || complain "going on without $package"
        done
        exit 0
    fi
    refuse "apt-get failed; its message is above" "${as_root[*]:-}${as_root:+ }$command_line"
fi
say "done"
