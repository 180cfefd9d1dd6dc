#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Real programs with the allocator preloaded, each with a check of its own. Speaks TAP.
#
#   programs.sh LIBRARY [short]
#
# short: the quick ones. PAWL_TEST_LONG=1: test suites that programs bring along, too.
set -u

library=$(realpath "$1")
amount=${2-all}
root=$(realpath "$(dirname "$0")/../..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/promise.sh
. "$(dirname "$0")/../promise.sh"

preloaded() {
    LD_PRELOAD=$library "$@"
}

in_the_process() {
    preloaded cat /proc/self/maps | grep -q "$library"
}

python_counts() {
    [[ $(preloaded /usr/bin/python3 -c '
import json, threading, zlib
def work(n):
    d = {str(i): [i] * (i % 50) for i in range(20000)}
    t = json.dumps(d)
    assert json.loads(t) == d
    assert zlib.decompress(zlib.compress(t.encode())) == t.encode()
threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print("fine")') == fine ]]
}

perl_counts() {
    # shellcheck disable=SC2016 # for perl
    [[ $(preloaded perl -e 'my %h; for my $i (1..100000) { $h{"k$i"} = "v" x ($i % 40); delete $h{"k" . ($i >> 1)} }
        my $s = 0; $s += length $h{$_} for keys %h; print $s') == \
        $(perl -e 'my %h; for my $i (1..100000) { $h{"k$i"} = "v" x ($i % 40); delete $h{"k" . ($i >> 1)} }
        my $s = 0; $s += length $h{$_} for keys %h; print $s') ]]
}

git_keeps() {
    (
        cd "$work" || exit 1
        export LD_PRELOAD=$library HOME=$work
        git init -q repository && cd repository || exit 1
        git config user.email a@b && git config user.name c
        for i in {1..20}; do
            seq "$i" 2000 >"file$i"
        done
        git add . && git commit -qm one && git gc -q && git fsck --strict && git diff --quiet HEAD
    )
}

sqlite_keeps() {
    local script='CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
        INSERT INTO t SELECT i, printf("%d-%s", i, hex(i * 7919)) FROM n;
        CREATE INDEX x ON t(b); DELETE FROM t WHERE a % 3 = 0; PRAGMA integrity_check;
        SELECT count(*), sum(length(b)) FROM t;'
    [[ $(preloaded sqlite3 "$work/db" "$script") == "$(sqlite3 :memory: "$script")" ]]
}

gcc_builds() {
    cat >"$work/p.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) { char *a = malloc(40); strcpy(a, "built"); a = realloc(a, 4000); puts(a); free(a); return 0; }
END
    preloaded gcc -O2 -g "$work/p.c" -o "$work/p" && [[ $(preloaded "$work/p") == built ]]
}

cxx_builds() {
    cat >"$work/q.cc" <<'END'
#include <cstdio>
#include <map>
#include <new>
#include <string>
#include <vector>
struct alignas(256) Wide { char room[300]; };
int main()
{
    std::map<std::string, std::vector<int>> m;
    for (int i = 0; i < 20000; i++) m[std::to_string(i % 977)].push_back(i);
    auto *w = new Wide[3];
    if (reinterpret_cast<unsigned long>(w) % 256 != 0) return 1;
    delete[] w;
    delete new Wide;
    if (::operator new(static_cast<std::size_t>(-1) / 4, std::nothrow) != nullptr) return 2;
    try { (void)!::operator new(static_cast<std::size_t>(-1) / 4); return 3; } catch (const std::bad_alloc &) { }
    static int calls = 0;
    std::set_new_handler([] { if (++calls == 3) std::set_new_handler(nullptr); });
    try { (void)!::operator new(static_cast<std::size_t>(-1) / 4); return 4; } catch (const std::bad_alloc &) { }
    return calls == 3 ? 0 : 5;
}
END
    preloaded g++ -O1 "$work/q.cc" -o "$work/q" && preloaded "$work/q"
}

node_runs() {
    [[ $(preloaded node -e 'let a=[];for(let i=0;i<200000;i++)a.push({i,s:"x".repeat(i%30)});
        console.log(JSON.parse(JSON.stringify(a)).length)') == 200000 ]]
}

# Its extensions look into libc before they look anywhere else.
php_agrees() {
    # shellcheck disable=SC2016 # for php
    local words='$a = []; for ($i = 0; $i < 100000; $i++) $a["k$i"] = str_repeat(chr(65 + $i % 26), $i % 100);
        ksort($a); echo extension_loaded("pdo") ? "pdo " : "", md5(serialize($a)), strlen(json_encode($a));'

    [[ $(USE_ZEND_ALLOC=0 preloaded php -r "$words") == "$(php -r "$words")" ]]
}

java_starts() {
    preloaded java -Xmx64m -Xshare:auto -version
}

redis_serves() {
    preloaded redis-server --port 0 --unixsocket "$work/s" --save '' --daemonize no >"$work/redis" 2>&1 &
    local server=$!
    for _ in {1..1000}; do # the socket is there before anybody listens
        redis-cli -s "$work/s" ping && break
        sleep 0.05
    done
    redis-benchmark -s "$work/s" -n 20000 -r 5000 -P 16 -q -t set,get,lpush,lrange_100 && redis-cli -s "$work/s" ping
    local status=$?
    redis-cli -s "$work/s" shutdown nosave
    wait "$server"
    return "$status"
}

jq_agrees() {
    local words='[range(30000) | {i: ., s: ("x" * (. % 40 + 1)), l: [range(. % 7)]}]
        | map(select(.i % 3 != 0)) | group_by(.i % 11) | map({n: length, t: (map(.l | length) | add), s: .[0].s})'

    [[ $(preloaded jq -cn "$words" | sha256sum) == "$(jq -cn "$words" | sha256sum)" ]]
}

awk_agrees() {
    # shellcheck disable=SC2016 # for awk
    local words='BEGIN { for (i = 0; i < 200000; i++) { k = "k" i % 5003; a[k] = a[k] i % 10; if (i % 17 == 0) delete a[k] }
        n = 0; for (k in a) n += length(a[k]); print n }'

    [[ $(preloaded awk "$words") == "$(awk "$words")" ]]
}

xz_and_zstd_keep() {
    seq 1 400000 >"$work/numbers"
    preloaded xz -T2 --block-size=256KiB -c "$work/numbers" | preloaded xz -dc -T2 | cmp - "$work/numbers" &&
        preloaded zstd -q -T2 -c "$work/numbers" | preloaded zstd -q -dc | cmp - "$work/numbers"
}

openssl_verifies() {
    preloaded openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key" -out "$work/certificate" -days 9 \
        -subj /CN=a && preloaded openssl verify -CAfile "$work/certificate" "$work/certificate"
}

memcached_serves() {
    # root has to say so
    preloaded memcached -u "$(id -un)" -s "$work/m" -t 4 -m 64 >"$work/memcached" 2>&1 &
    local server=$!
    # Four clients that know what they wrote; more than fits into the cache, so that it evicts.
    python3 - "$work/m" <<'END'
import random, socket, sys, threading, time
served, wrong = [], []
def connection():
    s = socket.socket(socket.AF_UNIX)
    for _ in range(1000): # the socket is there before anybody listens
        try:
            s.connect(sys.argv[1])
            return s
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.05)
def client(number):
    s = connection()
    f = s.makefile("rwb")
    r = random.Random(number)
    for turn in range(3000):
        key, length = f"{number}-{r.randrange(500)}", r.randrange(1, 60000)
        value = (str(turn) * length)[:length].encode()
        f.write(b"set %s 0 0 %d\r\n%s\r\n" % (key.encode(), length, value))
        f.write(b"get %s\r\n" % key.encode())
        f.flush()
        if f.readline() != b"STORED\r\n":
            continue
        head = f.readline()
        if head == b"END\r\n":
            continue
        if f.read(length + 2) != value + b"\r\n" or f.readline() != b"END\r\n":
            wrong.append(key)
            return
    served.append(number)
    s.close()
threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
sys.exit(bool(wrong) or len(served) != 4)
END
    local status=$?
    kill "$server"
    wait "$server"
    return "$status"
}

# The compiler says the same, whosever blocks it works in: object files are compared.
gcc_compiles_the_same() {
    local source with without

    for source in "$root"/src/malloc/{page_heap,page_place,central,stats}.c "$root"/src/check/*.c; do
        with=$(preloaded gcc -std=gnu17 -D_GNU_SOURCE -O2 -w -I"$root/include" -c "$source" -o "$work/o" && sha256sum <"$work/o")
        without=$(gcc -std=gnu17 -D_GNU_SOURCE -O2 -w -I"$root/include" -c "$source" -o "$work/o" && sha256sum <"$work/o")
        [[ $with == "$without" ]] || return 1
    done
}

javac_compiles() {
    cat >"$work/P.java" <<'END'
import java.util.*;
public class P {
    public static void main(String[] a) throws Exception {
        List<Thread> threads = new ArrayList<>();
        long[] sums = new long[4];
        for (int t = 0; t < 4; t++) {
            int n = t;
            Thread thread = new Thread(() -> {
                for (int i = 0; i < 200000; i++) sums[n] += (("" + i).hashCode() & 15);
            });
            threads.add(thread);
            thread.start();
        }
        for (Thread t : threads) t.join();
        System.out.println(Arrays.stream(sums).distinct().count());
    }
}
END
    preloaded javac -d "$work" "$work/P.java" && [[ $(preloaded java -Xmx64m -cp "$work" P) == 1 ]]
}

# Python's own tests of what allocates in all ways; those that fail without us as well are not ours.
python_tests_itself() {
    local module
    local -a modules=(test_array test_bytes test_bz2 test_collections test_copy test_csv test_ctypes test_deque
        test_dict test_exceptions test_fork1 test_functools test_gc test_generators test_hashlib test_heapq test_io
        test_itertools test_json test_list test_long test_lzma test_memoryview test_mmap test_multibytecodec
        test_ordered_dict test_pickle test_queue test_re test_set test_sort test_struct
        test_subprocess test_thread test_threading test_tuple test_unicode test_weakref test_xml_etree test_zlib)
    local failed_modules=0

    for module in "${modules[@]}"; do
        # Without Python's own pools in front of malloc.
        if ! (cd "$work" && PYTHONMALLOC=malloc LD_PRELOAD=$library timeout 300 /usr/bin/python3 -m test -q "$module") \
            >"$work/python" 2>&1 &&
            (cd "$work" && PYTHONMALLOC=malloc timeout 300 /usr/bin/python3 -m test -q "$module") >/dev/null 2>&1; then
            echo "$module:"
            tail -20 "$work/python"
            failed_modules=1
        fi
    done
    return "$failed_modules"
}

valgrind_runs() {
    preloaded valgrind -q --error-exitcode=9 /bin/echo fine
}

gdb_runs() {
    gdb -q -batch -ex "set environment LD_PRELOAD $library" -ex run -ex 'info inferiors' --args /bin/echo fine 2>&1 |
        grep -q 'exited normally'
}

limited_memory() { # refuses, does not crash
    (
        ulimit -v 400000
        # shellcheck disable=SC2016 # for perl
        preloaded perl -e 'my @a; eval { for (1..100000) { push @a, "x" x 100000 } }; exit 0'
        # perl ends itself when there is no memory; by status, not by a signal
        (($? < 128))
    )
}

a_profile_is_written() {
    # shellcheck disable=SC2016 # for perl
    PAWL_MALLOC=sample=16k PAWL_MALLOC_PROFILE=$work/heap.%p preloaded perl -e 'my @a = map { "x" x 1000 } 1..20000; exec "true" if 0'
    grep -q '^heap profile: .* heap_v2/16384$' "$work"/heap.* && grep -q MAPPED_LIBRARIES "$work"/heap.*
}

leaks_are_counted() {
    cat >"$work/l.c" <<'END'
#include <stdlib.h>
int main(void) { for (int i = 0; i < 777; i++) { volatile char *p = malloc(3000); p[0] = 1; } return 0; }
END
    gcc -O0 "$work/l.c" -o "$work/l" && PAWL_MALLOC=leaks preloaded "$work/l" 2>&1 | grep -q '777 blocks of *3072 bytes'
}

has_python_tests() {
    /usr/bin/python3 -c 'import test.test_dict' 2>/dev/null
}

promise 'the library is in the process' cat in_the_process
promise 'python3, with threads' /usr/bin/python3 python_counts
promise 'sqlite3: a database is sound' sqlite3 sqlite_keeps
promise 'gcc builds a program' gcc gcc_builds
promise 'jq says the same' jq jq_agrees
promise 'awk says the same' awk awk_agrees
if [[ $amount == short ]]; then
    echo "1..$number"
    exit "$failed"
fi
promise 'perl' perl perl_counts
promise 'git: a repository is packed and sound' git git_keeps
promise 'xz and zstd, with threads' zstd xz_and_zstd_keep
promise 'openssl makes a key and verifies' openssl openssl_verifies
promise 'memcached under four clients' memcached memcached_serves
promise 'gcc makes the same object files' gcc gcc_compiles_the_same
promise 'javac, and a program with threads' javac javac_compiles
if [[ ${PAWL_TEST_LONG-} == 1 ]] && has_python_tests; then
    promise 'the tests that python3 brings along' /usr/bin/python3 python_tests_itself
fi
promise 'g++ and the operators new and delete' g++ cxx_builds
promise 'node' node node_runs
promise 'php says the same' php php_agrees
promise 'a Java machine starts' java java_starts
promise 'redis-server under redis-benchmark' redis-server redis_serves
promise 'valgrind' valgrind valgrind_runs
promise 'gdb' gdb gdb_runs
promise 'a limit of address space is no crash' perl limited_memory
promise 'a heap profile is written' perl a_profile_is_written
promise 'leaks are counted at exit' gcc leaks_are_counted
echo "1..$number"
exit "$failed"
