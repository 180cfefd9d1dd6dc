#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server and those who treat it badly: thousands of connections, clients that are slow, that go in the middle of a
request, that send and do not read; no descriptors, no memory; and its end in the middle of all that.

    endure.py SERVER ENGINE [--sanitized]

With PAWL_TEST_LONG=1: 20,000 connections, 200 starts. --sanitized: what the memory is used for is not looked at.
"""
import base64
import contextlib
import os
import random
import resource
import select
import signal
import socket
import struct
import sys
import threading
import time

import served
from served import ask, connect, eventually, read_until

ENGINE = sys.argv[2]
SANITIZED = "--sanitized" in sys.argv
SEED = int(os.environ.get("PAWL_TEST_SEED", time.time()))
OVERHEAD = 48 + 8 + 1 + 2  # of an item, as memcached counts it for -I: header, cas, the key's zero, the value's \r\n
MIB = 1 << 20


def start(*options, **more):
    return served.pawl_cache(sys.argv[1], "-o", f"engine={ENGINE}", *options, **more)


def is_well(server):
    """It serves a new client, and the data is right."""
    with connect(server) as s:
        assert ask(s, b"set well 0 0 5\r\nhello\r\n") == b"STORED\r\n"
        assert ask(s, b"get well\r\n", b"END\r\n") == b"VALUE well 0 5\r\nhello\r\nEND\r\n"


def is_alone(server):
    """All connections but that of the one who asks have ended."""
    eventually("all connections have ended", lambda: served.stats(server)["curr_connections"] == "1")
    is_well(server)


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def put(s, key, value):
    assert ask(s, b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value)) == b"STORED\r\n"


# ---- many ----

def many():
    """As many connections as the form and the system allow, here and in the server."""
    wanted = 20000 if served.longer() else 1000 if SANITIZED else 2000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if os.geteuid() == 0:
        hard = max(hard, wanted + 200)
    hard = wanted + 200 if hard == resource.RLIM_INFINITY else hard
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, wanted + 200), hard))
    return min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)


def thousands_of_idle_connections_all_speak_at_last():
    count = many()
    print(f"# {count} connections")
    with start("-c", count + 100, "-m", 64, "-t", 2, "-b", 4096) as server, contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(server)) for _ in range(count)]
        eventually("all are accepted", lambda: int(served.stats(server)["curr_connections"]) == count + 1)
        before = server.status_bytes("VmRSS")
        for number, s in enumerate(sockets):
            s.sendall(b"set key:%d 0 0 8\r\n%08d\r\nget key:%d\r\n" % (number, number, number))
        for number, s in enumerate(sockets):
            assert read_until(s, b"END\r\n") == b"STORED\r\nVALUE key:%d 0 8\r\n%08d\r\nEND\r\n" % (number, number)
        grown = server.status_bytes("VmRSS") - before
        assert SANITIZED or grown < 16 * MIB + count * 1024, f"{grown} bytes more for {count} connections that spoke once"
        for s in sockets[::2]:
            reset(s)
        stack.pop_all().close()
        is_alone(server)


# ---- slow, half, gone ----

def a_client_that_reads_byte_by_byte_gets_all_and_holds_up_nobody():
    value = bytes(random.Random(SEED).randbytes(20000))
    with start("-t", 1) as server, connect(server) as slow:
        put(slow, b"value", value)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        slow.sendall(b"get value\r\n" * 20)
        whole = (b"VALUE value 0 20000\r\n" + value + b"\r\nEND\r\n") * 20
        for at in range(3000):
            assert slow.recv(1) == whole[at:at + 1]
            if at % 300 == 0:
                is_well(server)
        got = bytearray(whole[:3000])
        while len(got) < len(whole):
            got += slow.recv(1 << 16)
        assert got == whole


CONVERSATION = (b"set a 0 0 10\r\n0123456789\r\nget a\r\ngets a b c\r\nms m 5 c\r\nhello\r\nmg m v\r\nincr a 1\r\n"
                b"set large 0 0 100000\r\n" + b"l" * 100000 + b"\r\nget large\r\nstats\r\nget " + b"k " * 2000 + b"\r\ndelete a\r\n")
BINARY = (struct.pack(">BBHBBHIIQ", 0x80, 1, 1, 8, 0, 0, 19, 7, 0) + bytes(8) + b"a" + b"0123456789" +
          struct.pack(">BBHBBHIIQ", 0x80, 0, 1, 0, 0, 0, 1, 7, 0) + b"a" + struct.pack(">BBHBBHIIQ", 0x80, 0x10, 0, 0, 0, 0, 0, 7, 0))


def requests_that_are_cut_anywhere_leave_nothing_behind():
    with start("-t", 2) as server:
        for talk in (CONVERSATION, BINARY):
            cuts = sorted({*range(0, min(len(talk), 120), 1 if served.longer() else 7), *range(0, len(talk), 9973)})
            for number, cut in enumerate(cuts):
                s = connect(server)
                s.sendall(talk[:cut])
                if number % 3 == 0:
                    s.close()  # with answers unread that is a reset as well
                elif number % 3 == 1:
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(1 << 16):
                        pass
                    s.close()
                else:
                    reset(s)
        is_alone(server)


def a_client_that_is_gone_while_a_large_value_is_sent_holds_no_memory():
    with start("-m", 16, "-I", "4m", "-t", 2) as server:
        with connect(server) as s:
            put(s, b"large", b"l" * (3 * MIB))
        for _ in range(20):
            s = connect(server)
            s.sendall(b"get large\r\n" * 10)
            s.recv(100)
            reset(s)
        is_alone(server)
        with connect(server) as s:  # the memory can be used again, several times over
            for number in range(20):
                put(s, b"other:%d" % number, b"o" * (3 * MIB))


def who_sends_and_does_not_read_costs_little_memory():
    with start("-m", 64, "-t", 2) as server, contextlib.ExitStack() as stack:
        with connect(server) as s:
            put(s, b"v", b"v" * 1000)
        before = server.status_bytes("VmRSS")
        request = b"get v\r\n" * (MIB // 7)
        unread = []
        for _ in range(4):
            s = stack.enter_context(connect(server))
            s.setblocking(False)
            sent = 0
            while sent < len(request) and select.select([], [s], [], 1)[1]:
                with contextlib.suppress(BlockingIOError):
                    sent += s.send(request[sent:])
            unread.append((s, sent))
        is_well(server)
        grown = server.status_bytes("VmRSS") - before
        # A piece of 64 KiB of such requests is answered by some 9 MiB; then the server reads no more.
        assert SANITIZED or grown < 4 * 24 * MIB, f"{grown} bytes for 4 connections"
        answer = b"VALUE v 0 1000\r\n" + b"v" * 1000 + b"\r\nEND\r\n"
        for s, sent in unread[:1]:
            s.settimeout(served.PATIENCE)
            writer = threading.Thread(target=s.sendall, args=(request[sent:],))
            writer.start()
            got = bytearray()
            while len(got) < len(answer) * (MIB // 7):
                piece = s.recv(1 << 20)
                assert piece, f"closed after {len(got)} bytes"
                got += piece
            writer.join()
            assert got == answer * (MIB // 7)


# ---- limits ----

def who_does_not_read_large_values_does_not_stop_others_from_storing():
    value, keys = b"v" * 4096, 3000
    with start("-m", 16, "-t", 2) as server, connect(server) as s, connect(server) as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        for number in range(keys):
            s.sendall(b"set key:%d 0 0 4096 noreply\r\n%s\r\n" % (number, value))
        ask(s, b"mn\r\n")
        silent.sendall(b"".join(b"get key:%d\r\n" % number for number in range(keys)))
        time.sleep(0.05)  # the more of it is answered before the others come, the better
        for number in range(keys):
            assert ask(s, b"set new:%d 0 0 4096\r\n%s\r\n" % (number, value)) == b"STORED\r\n", number
        ends, last = 0, b""  # and what it asked for is answered when it reads
        while ends < keys:
            got = silent.recv(1 << 20)
            assert got, ends
            ends += (last + got).count(b"END\r\n")
            last = got[-4:]
        is_well(server)


def a_dump_that_takes_many_turns_lets_others_have_theirs():
    """Of items that were all flushed there is nothing to tell, but thousands of buckets to walk through."""
    with start("-t", 1, "-m", 64) as server:
        for number in range(3):
            with connect(server) as s, connect(server) as other:
                s.sendall(b"".join(b"set %d 0 0 1 noreply\r\n1\r\n" % i for i in range(30000)))
                assert ask(s, b"mn\r\n") == b"MN\r\n"
                s.sendall(b"flush_all noreply\r\nlru_crawler metadump all\r\nmn\r\n" * (1 + number % 2))
                assert ask(other, b"mn\r\n") == b"MN\r\n"
                if number == 2:
                    reset(s)
                    continue
                assert read_until(s, b"END\r\nMN\r\n" * (1 + number)) == b"END\r\nMN\r\n" * (1 + number)
        is_alone(server)


def who_is_gone_is_not_dumped_for():
    """Of keys with a blank `stats cachedump` has nothing to tell, so nothing that is sent shows that nobody is there."""
    dump, soon = b"stats cachedump 1 0\r\n", 0
    with start("-t", 1, "-m", 256) as server, connect(server) as other:
        for first in range(0, 1000000, 50000):
            other.sendall(b"".join(b"ms %s 1 b q\r\n1\r\n" % base64.b64encode(b"a %d" % (first + i)) for i in range(50000)))
            assert ask(other, b"mn\r\n") == b"MN\r\n"
        began = time.monotonic()
        assert ask(other, dump, b"END\r\n") == b"END\r\n"
        took = time.monotonic() - began
        for _ in range(5):
            s = connect(server)
            s.sendall(dump)
            eventually("it walks", lambda: b":state conn_mwrite\r\n" in ask(other, b"stats conns\r\n", b"END\r\n"))
            began = time.monotonic()
            reset(s)
            eventually("who is gone is let go", lambda: b"STAT curr_connections 1\r\n" in ask(other, b"stats\r\n", b"END\r\n"))
            soon += time.monotonic() - began < took / 4
        assert soon >= 2, f"of 5 that had gone {soon} were let go soon, and a walk takes {took:.3f} s"
        with connect(server) as s:  # who only has nothing more to ask is answered
            s.sendall(dump)
            s.shutdown(socket.SHUT_WR)
            assert read_until(s, b"END\r\n") == b"END\r\n"


def who_closed_is_not_dumped_for_but_who_still_reads_is():
    """Both have sent their FIN. What is said next tells them apart, as nobody takes it who closed."""
    dump, keys, soon = b"lru_crawler metadump all\r\n", 300000, 0
    with start("-t", 1, "-m", 256) as server, connect(server) as other:
        for first in range(0, keys, 10000):
            other.sendall(b"".join(b"set %d 0 0 1 noreply\r\n1\r\n" % (first + i) for i in range(10000)))
        assert ask(other, b"mn\r\n") == b"MN\r\n"
        with connect(server) as s:
            began = time.monotonic()
            s.sendall(dump)
            s.shutdown(socket.SHUT_WR)
            said = read_until(s, b"END\r\n")
            took = time.monotonic() - began
            assert said.endswith(b"END\r\n") and said.count(b"key=") == keys, said[-100:]
        for _ in range(5):
            s = connect(server)
            s.sendall(dump)
            s.close()
            began = time.monotonic()
            eventually("who closed is let go", lambda: b"STAT curr_connections 1\r\n" in ask(other, b"stats\r\n", b"END\r\n"))
            soon += time.monotonic() - began < took / 4
        assert soon >= 3, f"of 5 that had closed {soon} were let go soon, and a dump takes {took:.3f} s"


def a_value_may_have_as_many_bytes_as_the_limit_says_and_no_more():
    for limit, option in ((MIB, "1m"), (16 * 1024, "16k"), (8 * MIB, "8m")):
        with start("-I", option, "-m", 64) as server, connect(server) as s:
            most = limit - OVERHEAD - 1
            put(s, b"k", b"m" * most)
            assert ask(s, b"get k\r\n", b"END\r\n") == b"VALUE k 0 %d\r\n" % most + b"m" * most + b"\r\nEND\r\n"
            assert ask(s, b"set k 0 0 %d\r\n%s\r\n" % (most + 1, b"n" * (most + 1))) == b"SERVER_ERROR object too large for cache\r\n"
            assert ask(s, b"get k\r\n", b"END\r\n") == b"END\r\n"  # the old value must not be taken for the new one


def without_descriptors_who_is_connected_is_served_and_who_waits_comes_later():
    with start("-c", 500, "-t", 2) as server, connect(server) as first, contextlib.ExitStack() as stack:
        # The connection that saw the server start has ended, so that the number of descriptors stays.
        eventually("only the first is there", lambda: b"STAT curr_connections 1\r\n" in ask(first, b"stats\r\n", b"END\r\n"))
        used = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
        sockets = [stack.enter_context(connect(server)) for _ in range(60)]
        for number, s in enumerate(sockets):
            s.sendall(b"set fd:%d 0 0 1\r\nx\r\n" % number)
        eventually("some are served", lambda: len(select.select(sockets, [], [], 0)[0]) >= 10)
        assert ask(first, b"mn\r\n") == b"MN\r\n"
        served_now = select.select(sockets, [], [], 0)[0]
        # With io_uring what counts is the limit at the time when accept was submitted.
        assert len(served_now) <= 20 or ENGINE == "uring", len(served_now)
        while sockets:  # those who were served leave, and others come in their place
            ready = eventually("more are served", lambda: select.select(sockets, [], [], 0.1)[0])
            for s in ready:
                assert read_until(s, b"\r\n") == b"STORED\r\n"
                s.close()
                sockets.remove(s)
        assert ask(first, b"get fd:59\r\n", b"END\r\n") == b"VALUE fd:59 0 1\r\nx\r\nEND\r\n"


def above_the_limit_of_connections_one_is_told_so():
    with start("-c", 10, "-t", 2) as server, contextlib.ExitStack() as stack:
        sockets = []

        def one_more_is_served():
            """The connection that saw the server start may not have ended."""
            s = connect(server)
            with contextlib.suppress(AssertionError, OSError):
                if ask(s, b"mn\r\n") == b"MN\r\n":
                    sockets.append(stack.enter_context(s))
                    return True
            s.close()
            return False

        for _ in range(10):
            eventually("one of ten is served", one_more_is_served)
        for _ in range(5):
            with connect(server) as s:
                assert s.recv(100) == b"ERROR Too many open connections\r\n" and s.recv(1) == b""
        sockets[0].close()

        def another_is_served():
            with contextlib.suppress(AssertionError, OSError), connect(server) as s:
                return ask(s, b"mn\r\n") == b"MN\r\n"
            return False

        eventually("when one has left another is served", another_is_served)


def without_memory_it_says_so_and_goes_on():
    if SANITIZED:
        raise served.Skip("sanitizers map all addresses at once")
    value = b"v" * 500000
    with start("-m", 512, "-t", 2) as server, contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(server)) for _ in range(40)]
        for s in sockets:
            put(s, b"before", b"1")
        limit = server.status_bytes("VmSize") + 8 * MIB
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        answers, late = [], []
        for number, s in enumerate(sockets):
            # Not long for each: there may be no memory even to receive it. But so far there is.
            s.settimeout(0.2 if b"STORED\r\n" in answers else 10)
            try:
                answers.append(ask(s, b"set key:%d 0 0 500000\r\n%s\r\n" % (number, value)))
            except socket.timeout:
                late.append(s)
            except (AssertionError, OSError):
                answers.append(b"closed")
        assert b"STORED\r\n" in answers, set(answers)
        assert set(answers) <= {b"STORED\r\n", b"closed", b"SERVER_ERROR out of memory storing object\r\n"}, set(answers)
        print(f"# {({a: answers.count(a) for a in set(answers)})}, {len(late)} wait")
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for s in sockets:
            s.close()
        with connect(server) as s:
            # It was refused memory far below -m: then it uses again what it has.
            assert late or set(answers) != {b"STORED\r\n"} or int(served.stats(server)["evictions"]) > 0
            for number in range(100):
                put(s, b"key:%d" % number, value)
                assert ask(s, b"get key:%d\r\n" % number, b"END\r\n").endswith(b"v\r\nEND\r\n")
        is_alone(server)


def the_memory_limit_holds_whatever_size_the_items_have():
    if SANITIZED:
        raise served.Skip("a sanitizer's own memory is counted too")
    if ENGINE == "uring" and not served.longer():
        raise served.Skip("the engine has no part in it")
    megabytes = 256 if served.longer() else 16
    limit = megabytes * MIB
    with start("-m", megabytes, "-t", 2) as server, connect(server) as s:
        number, most = 0, 0
        # The last rounds are of the first size: what was taken for other sizes must serve for it again.
        for size in (100, 10000, 100, 500000, 100):
            value = b"v" * size
            sent = 0
            while sent < 1.5 * limit:
                batch = b"".join(b"set key:%d 0 0 %d noreply\r\n%s\r\n" % (number + i, size, value)
                                 for i in range(max(1, MIB // (size + 40))))
                number += max(1, MIB // (size + 40))
                ask(s, batch + b"mn\r\n")
                sent += len(batch)
            now = server.status_bytes("VmRSS")
            most = max(most, now)
            held = int(served.stats(server)["bytes"])
            print(f"# {size} bytes: {now / MIB:.1f} MiB resident, {held / MIB:.1f} MiB of items")
            assert held > limit * 0.6, f"only {held} bytes of items of {size} bytes"
        assert most < limit * 1.05 + 16 * MIB, f"{most} bytes for a limit of {limit}"


def without_eviction_what_is_deleted_or_flushed_is_room_again():
    value = b"v" * 1000
    with start("-m", 16, "-M", "-t", 2) as server, connect(server) as s:
        def fill(name):
            count = 0
            while ask(s, b"set %s:%d 0 0 1000\r\n%s\r\n" % (name, count, value)) == b"STORED\r\n":
                count += 1
            return count

        first = fill(b"first")
        for number in range(0, first, 2):
            assert ask(s, b"delete first:%d\r\n" % number) == b"DELETED\r\n"
        second = fill(b"second")
        assert ask(s, b"flush_all\r\n") == b"OK\r\n"
        third = fill(b"third")
        print(f"# {first} items, {second} where half was deleted, {third} after a flush")
        assert second > first * 0.35 and third > first * 0.8
        assert served.stats(server)["evictions"] == "0"


# ---- the end ----

def hammer(port, stop, number):
    """A client that never stops asking, until the server has gone."""
    r = random.Random(number)
    with contextlib.suppress(OSError):
        while not stop.is_set():
            with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                for _ in range(r.randrange(1, 20)):
                    s.sendall(r.choice([b"get a\r\n" * r.randrange(1, 50), b"set a 0 0 5\r\nhello\r\n", CONVERSATION,
                                        CONVERSATION[:r.randrange(len(CONVERSATION))], BINARY]))
                    s.recv(r.randrange(1, 1 << 16))


def it_ends_in_the_middle_of_everything():
    for round_ in range(20 if served.longer() else 3):
        stop = threading.Event()
        with start("-t", 3, "-m", 8) as server:
            clients = [threading.Thread(target=hammer, args=(server.port, stop, SEED + i)) for i in range(6)]
            for client in clients:
                client.start()
            time.sleep(random.Random(SEED + round_).random() / 10)
            took = server.end()
            stop.set()
            for client in clients:
                client.join()
            print(f"# ended after {took * 1000:.0f} ms")


def asked_to_end_again_and_again_it_ends_once():
    for _ in range(30 if served.longer() else 5):
        with start("-t", 2, "-m", 8) as server, connect(server) as s:
            s.sendall(b"get a\r\n")
            while not server.gone():
                server.process.send_signal(signal.SIGTERM)
                server.process.send_signal(signal.SIGINT)
            assert server.process.wait() == 0, server.said()


def it_starts_and_ends_at_any_moment():
    r = random.Random(SEED)
    statuses = {}
    for _ in range(200 if served.longer() else 12):
        server = start("-t", r.randrange(1, 5), "-m", r.choice([2, 64, 1024]), "-I", "512k")
        time.sleep(r.random() * r.random() / 3)
        server.process.terminate()
        status = server.process.wait(served.PATIENCE)
        # Before it is there to be ended the system ends it.
        assert status in (0, -signal.SIGTERM), f"{status}: {server.said()}"
        statuses[status] = statuses.get(status, 0) + 1
    print(f"# how they ended: {statuses}")


if __name__ == "__main__":
    print(f"# PAWL_TEST_SEED={SEED}")
    served.run([
        thousands_of_idle_connections_all_speak_at_last,
        a_client_that_reads_byte_by_byte_gets_all_and_holds_up_nobody,
        requests_that_are_cut_anywhere_leave_nothing_behind,
        a_client_that_is_gone_while_a_large_value_is_sent_holds_no_memory,
        who_sends_and_does_not_read_costs_little_memory,
        who_does_not_read_large_values_does_not_stop_others_from_storing,
        a_dump_that_takes_many_turns_lets_others_have_theirs,
        who_is_gone_is_not_dumped_for,
        who_closed_is_not_dumped_for_but_who_still_reads_is,
        a_value_may_have_as_many_bytes_as_the_limit_says_and_no_more,
        without_descriptors_who_is_connected_is_served_and_who_waits_comes_later,
        above_the_limit_of_connections_one_is_told_so,
        without_memory_it_says_so_and_goes_on,
        the_memory_limit_holds_whatever_size_the_items_have,
        without_eviction_what_is_deleted_or_flushed_is_room_again,
        it_ends_in_the_middle_of_everything,
        asked_to_end_again_and_again_it_ends_once,
        it_starts_and_ends_at_any_moment,
    ])
