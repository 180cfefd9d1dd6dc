#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server over UDP (-U): udp.py PAWL-CACHE

Every request is asked again when its answer does not come, as a datagram may be lost: those here may be done twice."""
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile

import served

SERVER = sys.argv[1]
HEADER = struct.Struct(">HHHH")
ATTEMPTS, WAIT = 10, 6  # seconds: so long may a busy machine take


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server(served.Process):
    """Two workers; ended by a command, which a server under ThreadSanitizer hears, too."""

    def __init__(self, *options):
        port = served.free_ports(1)[0]
        self.udp_port = free_udp_port()
        super().__init__([SERVER, "-l", "127.0.0.1", "-p", str(port), "-U", str(self.udp_port), "-t", "2", "-A", *options], port)

    def __exit__(self, *error):
        if not self.gone():
            with served.connect(self) as s:
                s.sendall(b"shutdown\r\n")
        assert self.process.wait(served.PATIENCE) == 0, self.said()


class Client:
    def __init__(self, server, port=0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.connect(("127.0.0.1", server.udp_port))
        self.number = 0

    def send(self, payload, number=0, count=1):
        self.number += 1
        self.socket.send(HEADER.pack(self.number, number, count, 0) + payload)

    def answer(self, wait):
        """The pieces of the answer to the last request; None: one is missing."""
        pieces, count = {}, None
        self.socket.settimeout(wait)
        while count is None or len(pieces) < count:
            try:
                datagram = self.socket.recv(65536)
            except TimeoutError:
                return None
            request, number, count, reserved = HEADER.unpack_from(datagram)
            if request != self.number:
                count = None  # of an earlier attempt
                continue
            assert number < count and reserved == 0 and len(datagram) <= 1400
            pieces[number] = datagram[HEADER.size:]
        return [pieces[i] for i in range(count)]

    def pieces(self, payload, **header):
        for _ in range(ATTEMPTS):
            self.send(payload, **header)
            got = self.answer(WAIT)
            if got is not None:
                return got
        raise AssertionError(f"never answered: {payload[:60]}")

    def ask(self, payload, **header):
        return b"".join(self.pieces(payload, **header))


def what_is_set_by_datagrams_is_got_by_them_and_by_tcp():
    with Server() as server:
        udp = Client(server)
        assert udp.ask(b"set a 5 0 3\r\none\r\n") == b"STORED\r\n"
        assert udp.ask(b"get a\r\n") == b"VALUE a 5 3\r\none\r\nEND\r\n"
        assert udp.ask(b"gets a b\r\n").startswith(b"VALUE a 5 3 ")
        assert udp.ask(b"mg a v\r\n") == b"VA 3\r\none\r\n"
        assert udp.ask(b"get b\r\n") == b"END\r\n"
        with served.connect(server) as tcp:
            assert served.ask(tcp, b"get a\r\n", b"END\r\n") == b"VALUE a 5 3\r\none\r\nEND\r\n"
            assert f"STAT udpport {server.udp_port}\r\n".encode() in served.ask(tcp, b"stats settings\r\n", b"END\r\n")


def all_requests_of_a_datagram_are_answered_with_its_number():
    with Server() as server:
        assert Client(server).ask(b"set a 0 0 1\r\nx\r\nget a\r\nget b\r\n") == b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nEND\r\n"


def a_large_value_comes_in_numbered_pieces():
    value = os.urandom(60000)
    with Server() as server, served.connect(server) as tcp:
        served.ask(tcp, b"set large 0 0 %d\r\n" % len(value) + value + b"\r\n")
        got = Client(server).pieces(b"get large\r\n")
        assert b"".join(got) == b"VALUE large 0 %d\r\n" % len(value) + value + b"\r\nEND\r\n"
        assert [len(piece) for piece in got[:-1]] == [1392] * (len(got) - 1)


def what_is_too_much_for_datagrams_is_refused():
    with Server("-I", "4m") as server, served.connect(server) as tcp:
        served.ask(tcp, b"set large 0 0 3000000\r\n" + bytes(3000000) + b"\r\n")
        assert Client(server).ask(b"get large\r\n") == b"SERVER_ERROR too much for datagrams\r\n"


def a_request_must_be_whole_in_its_datagram():
    refused = b"CLIENT_ERROR a request must be whole in its datagram\r\n"
    with Server() as server:
        udp = Client(server)
        for part in b"get a", b"set a 0 0 10\r\nabc", b"set a 0 0 100000\r\n", b"set a 0 0 1\r\nx\r\nget":
            assert udp.ask(part) == refused, part
        for header in {"count": 2}, {"number": 1, "count": 2}, {"count": 0}:
            assert udp.ask(b"get a\r\n", **header) == b"SERVER_ERROR multi-packet request not supported\r\n"
        assert udp.ask(b"watch\r\n") == b"CLIENT_ERROR watch wants a connection\r\n"


def the_binary_protocol_goes_through_datagrams():
    noop = struct.pack(">BBHBBHIIQ", 0x80, 0x0a, 0, 0, 0, 0, 0, 7, 0)
    with Server() as server:
        assert Client(server).ask(noop) == struct.pack(">BBHBBHIIQ", 0x81, 0x0a, 0, 0, 0, 0, 0, 7, 0)


def rubbish_is_not_answered_and_harms_nothing():
    with Server() as server:
        udp = Client(server)
        for rubbish in b"", b"x", bytes(8):
            udp.socket.send(rubbish)
        assert udp.answer(0.1) is None
        assert udp.ask(b"mn\r\n") == b"MN\r\n"


def an_answer_of_another_server_is_not_answered():
    """Two servers could be made to answer each other for ever. Theirs come from our port number, at another address."""
    with Server() as server:
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind(("127.0.0.2", server.udp_port))
        other.settimeout(0.1)
        other.sendto(HEADER.pack(1, 0, 1, 0) + b"ERROR\r\n", ("127.0.0.1", server.udp_port))
        assert Client(server).ask(b"mn\r\n") == b"MN\r\n"  # it has looked at what came before
        try:
            raise AssertionError(other.recv(100))
        except TimeoutError:
            pass


def what_says_error_is_not_answered():
    """So an answer that is echoed, or sent to a server at another port, ends there."""
    with Server() as server:
        udp, other = Client(server), Client(server)
        assert udp.ask(b"STORED\r\n") == b"ERROR\r\n"
        for error in b"ERROR\r\n", b"CLIENT_ERROR bad\r\n", b"SERVER_ERROR too much for datagrams\r\n":
            other.send(error)
            other.send(error, number=1, count=2)
        assert udp.ask(b"mn\r\n") == b"MN\r\n"  # it has looked at what came before
        other.socket.settimeout(0.1)
        try:
            raise AssertionError(other.socket.recv(100))
        except TimeoutError:
            pass


class Memcached(served.Process):
    def __init__(self):
        self.udp_port = free_udp_port()
        port = served.free_ports(1)[0]
        super().__init__(["memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(port), "-U", str(self.udp_port), "-t", "1"], port)


def answers_are_memcacheds_datagram_by_datagram():
    """But that it numbers each key's answer from 0, so that nobody can put several together: docs/cache.md."""
    if shutil.which("memcached") is None:
        raise served.Skip("memcached is not installed")
    get = struct.pack(">BBHBBHIIQ", 0x80, 0, 2, 0, 0, 0, 2, 7, 0)
    requests = [b"set a 0 0 1\r\nx\r\n", b"get a\r\n", b"get none\r\n", b"mg a v\r\n", b"incr a 1\r\n", b"bogus\r\n", b"\r\n", b"\0\1\r\n",
                b"get " + b"k" * 251 + b"\r\n", b"stats reset\r\n", b"verbosity 0\r\n", get + b"zz"]
    for size in 1, 1364, 1365, 1366, 1400, 5000, 60000:  # of 1365 bytes, the answer fills a datagram
        requests += [b"set v%d 0 0 %d\r\n" % (size, size) + b"v" * size + b"\r\n", b"get v%d\r\n" % size]
    with Memcached() as memcached, Server() as server:
        theirs, ours = Client(memcached), Client(server)
        for request in requests:
            assert ours.pieces(request) == theirs.pieces(request), request
        for request in b"get v1 none v1400 v5000\r\n", b"get v1\r\nget v1400\r\n", b"mg v1 v q\r\nmn\r\n", b"set a 0 0 1\r\nx\r\nget a\r\n":
            answer, got = ours.ask(request), b""
            theirs.send(request)
            theirs.socket.settimeout(WAIT)
            while len(got) < len(answer):
                got += theirs.socket.recv(65536)[HEADER.size:]
            assert got == answer, request


def who_has_gone_before_the_answer_harms_nothing():
    """The network says so; what is asked next is answered all the same."""
    with Server() as server:
        for _ in range(20):
            gone = Client(server)
            gone.send(b"mn\r\n")
            gone.socket.close()
        assert Client(server).ask(b"mn\r\n") == b"MN\r\n"
        value = b"v" * 65000
        client = Client(server)
        assert client.ask(b"set largest 0 0 65000\r\n" + value + b"\r\n") == b"STORED\r\n"
        assert client.ask(b"get largest\r\n") == b"VALUE largest 0 65000\r\n" + value + b"\r\nEND\r\n"


def whoever_may_end_it_may_so_by_a_datagram():
    """-A with -U, as memcached: docs/cache.md warns."""
    with Server() as server:
        client = Client(server)

        def ends():
            try:
                client.send(b"shutdown\r\n")
            except ConnectionRefusedError:
                pass  # its socket is closed already
            return server.gone()
        served.eventually("the server ends", ends)


def without_an_option_there_is_no_udp():
    with served.pawl_cache(SERVER, "-A") as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", server.port))
        with served.connect(server) as s:
            assert b"STAT udpport 0\r\n" in served.ask(s, b"stats settings\r\n", b"END\r\n")
            s.sendall(b"shutdown\r\n")
        server.process.wait(served.PATIENCE)


def what_cannot_be_is_said():
    for options in ["-S"], ["-s", "/tmp/never"], ["-Y", "/dev/null"]:
        ended = subprocess.run([SERVER, "-U", "11211", *options], capture_output=True, text=True)
        assert ended.returncode == 64 and "UDP" in ended.stderr, ended
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken, tempfile.TemporaryDirectory() as folder:
        taken.bind(("127.0.0.1", 0))
        pid_file = os.path.join(folder, "pid")
        ended = subprocess.run([SERVER, "-l", "127.0.0.1", "-p", str(served.free_ports(1)[0]), "-U", str(taken.getsockname()[1]),
                                "-P", pid_file], capture_output=True, text=True)
        assert ended.returncode == 1 and "by UDP: Address already in use" in ended.stderr, ended
        assert not os.path.exists(pid_file)


served.run([
    what_is_set_by_datagrams_is_got_by_them_and_by_tcp,
    all_requests_of_a_datagram_are_answered_with_its_number,
    a_large_value_comes_in_numbered_pieces,
    what_is_too_much_for_datagrams_is_refused,
    a_request_must_be_whole_in_its_datagram,
    the_binary_protocol_goes_through_datagrams,
    rubbish_is_not_answered_and_harms_nothing,
    an_answer_of_another_server_is_not_answered,
    what_says_error_is_not_answered,
    answers_are_memcacheds_datagram_by_datagram,
    who_has_gone_before_the_answer_harms_nothing,
    whoever_may_end_it_may_so_by_a_datagram,
    without_an_option_there_is_no_udp,
    what_cannot_be_is_said,
])
