#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# valgrind.sh rt IO WHEEL TIMER FIBER BLOCK, valgrind.sh tls TLS: programs of these tests under valgrind; speaks TAP.
#
# With epoll, which the runtime chooses by itself there: valgrind 3.19 holds all threads while one waits in io_uring_enter, and does
# not see what the kernel writes through a ring. Nor does it know pidfd_open, so children are left out; and storms of signals take minutes in it. Children of
# fork() have the memory of threads that are not there: they are not looked at.
set -u

if ! command -v valgrind >/dev/null; then
    echo "1..0 # SKIP no valgrind"
    exit 0
fi

ulimit -c 0 # a program that aborts, as a test wants it, would have all its address space written down
n=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

clean() { # NAME PROGRAM [ARG...]
    local name=$1
    shift
    n=$((n + 1))
    if env -u PAWL_TEST_LONG -u PAWL_RT_ENGINE timeout -k 10 900 \
        valgrind -q --error-exitcode=99 --child-silent-after-fork=yes --fair-sched=try \
        --leak-check=full --errors-for-leak-kinds=definite "$@" >"$out" 2>&1; then
        echo "ok $n - $name: no invalid access, nothing uninitialised used, nothing lost"
    else
        echo "not ok $n - $name"
        grep -E '==|FAILED|ERROR' "$out" | head -60 | sed 's/^/# /'
    fi
}

case $1 in
rt)
    clean 'streams' "$2" epoll streams ends
    clean 'pipes and terminals' "$2" epoll plain
    clean 'files' "$2" epoll files direct
    clean 'datagrams' "$2" epoll datagrams networks letters
    clean 'fibers that read and write' "$2" epoll fibers
    clean 'the timing wheel' "$3"
    clean 'timers' "$4"
    clean 'fibers' "$5"
    clean 'calls that block' "$6"
    ;;
tls)
    clean 'TLS' "$2" epoll
    ;;
esac
echo "1..$n"
