#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What pawl-cache promises to those who operate it, through the real server: TAP on stdout.

    operate.py [--no-signals] SERVER [PAWL]

SERVER is the program, PAWL the command `pawl` for its tap. With PAWL_TEST_LONG=1 and chromium the page is looked at, too.
--no-signals: the server is ended by `shutdown`, as ThreadSanitizer holds signals back while a thread sleeps.
"""
import collections
import fcntl
import json
import os
import pwd
import random
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import served

SIGNALS = sys.argv[1] != "--no-signals"
SERVER, PAWL = (sys.argv[1 if SIGNALS else 2:] + [None])[:2]
SEED = int(os.environ.get("PAWL_TEST_SEED") or time.time_ns() % 1000000)
PATIENCE = 30  # seconds: as long as a busy machine may take


def free_port():
    return served.free_ports(1)[0]


def until(what, why):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        got = what()
        if got:
            return got
        time.sleep(0.01)
    raise AssertionError("never: " + why)


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def send(self, text):
        self.socket.sendall(text)

    def ask(self, text, end=b"\n"):
        """Sends, and returns what comes up to a line that ends so."""
        self.send(text)
        got = b""
        while not got.endswith(end):
            line = self.file.readline()
            assert line, "closed after " + repr(got)
            got += line
        return got

    def stats(self, what=""):
        lines = self.ask(("stats " + what).strip().encode() + b"\r\n", b"END\r\n").decode().split("\r\n")
        return dict(line.split(" ", 2)[1:] for line in lines if line.startswith("STAT "))

    def close(self):
        self.file.close()
        self.socket.close()


class Server:
    def __init__(self, *options):
        self.port = free_port()
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([SERVER, "-l", "127.0.0.1", "-p", str(self.port), "-t", "2", "-v", "-A", *options],
                                        stdout=subprocess.DEVNULL, stderr=self.errors)
        try:
            until(self.is_up, "the server starts")
        except BaseException:
            self.process.kill()
            raise

    def is_up(self):
        if self.process.poll() is not None:
            return True
        try:
            self.client().close()
            return True
        except OSError:
            return False

    def client(self):
        return Client(self.port)

    def said(self):
        return served.all_of(self.errors)

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None and (SIGNALS or number == signal.SIGKILL):
            self.process.send_signal(number)
        elif self.process.poll() is None:
            self.client().send(b"shutdown\r\n")
        return self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        status = self.stop()
        if kind is None:
            assert status in (0, -signal.SIGKILL), (status, self.said())
        self.errors.close()


def web(port, path, **more):
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", **more), timeout=PATIENCE) as a:
        return a.read().decode(), a.headers


def raw_http(port, request):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as s:
        try:
            s.sendall(request)
            got = b""
            while piece := s.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
    return got


def folder():
    return tempfile.TemporaryDirectory(prefix="pawl-cache-")


# ---- metrics ----

def prometheus_reads_counters_gauges_and_a_histogram():
    web_port = free_port()
    with Server("--metrics", str(web_port)) as server:
        client = server.client()
        client.ask(b"set a 0 0 1\r\nx\r\n")
        client.ask(b"get a b\r\n", b"END\r\n")
        text, headers = web(web_port, "/metrics")
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4"), headers
        series, typed = {}, set()
        for line in text.splitlines():
            if line.startswith("#"):
                assert re.match(r"# (HELP|TYPE) [a-z_]+ \S", line), line
                typed.add(line.split()[2])
                continue
            match = re.match(r'([a-z_]+)(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? ([0-9.e+-]+)$', line)
            assert match, line
            name = re.sub("_(bucket|sum|count)$", "", match[1])
            assert name in typed or match[1] in typed, line
            key = match[1] + (match[2] or "")
            assert key not in series, line
            series[key] = float(match[4])
        assert series['pawl_cache_commands_total{command="get",result="hit"}'] == 1
        assert series['pawl_cache_commands_total{command="get",result="miss"}'] == 1
        assert series["pawl_cache_items"] == 1 and series["pawl_cache_connections"] >= 1
        buckets = [n for key, n in series.items() if key.startswith("pawl_cache_turn_seconds_bucket")]
        assert buckets == sorted(buckets) and buckets[-1] == series["pawl_cache_turn_seconds_count"] > 0
        client.ask(b"stats reset\r\n")
        text, _ = web(web_port, "/metrics")
        assert 'command="get",result="hit"} 1' in text, "a counter went back"


def the_page_has_all_it_needs_and_its_figures_are_json():
    web_port = free_port()
    with Server("--metrics", str(web_port)) as server:
        server.client().ask(b"set a 0 0 1\r\nx\r\n")
        page, headers = web(web_port, "/")
        assert headers["Content-Type"].startswith("text/html") and "default-src 'none'" in headers["Content-Security-Policy"]
        assert not re.search(r"(src|href)=[\"']?(https?:)?//", page), "something from outside"
        figures = json.loads(web(web_port, "/stats.json")[0])
        for name in re.findall(r"now\.([a-z_]+)", page):
            assert name in figures, name
        names = re.search(r"const commands = (\[.*?\]\]);", page, re.S)[1]
        for name in re.findall(r'"([a-z_]+_[a-z_]+)"', names):
            assert name in figures["counters"], name
        assert figures["counters"]["cmd_set"] == 1 and sum(n for _, n in figures["latency"]) > 0
        assert figures["workers"] and all(w["cpu_ns"] > 0 for w in figures["workers"] if w["turns"] > 0)
        if os.environ.get("PAWL_TEST_LONG") == "1" and shutil.which("chromium"):
            look_with_chromium(web_port)


def look_with_chromium(web_port):
    with folder() as home:
        shown = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + home,
                                "--virtual-time-budget=5000", "--dump-dom", f"http://127.0.0.1:{web_port}/"],
                               capture_output=True, text=True, timeout=120).stdout
    looks = re.search(r'data-looks="(\d+)"', shown)
    assert looks and int(looks[1]) >= 2, shown[-2000:]
    assert re.search(r'id="memory">[0-9.]+ (KiB|MiB)<', shown) and 'id="lost"></small>' in shown, shown[-2000:]


def what_is_no_good_request_is_answered_and_ended():
    web_port = free_port()
    with Server("--metrics", str(web_port)) as server:
        for request, status in [
                (b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
                (b"GET /../../etc/passwd HTTP/1.0\r\n\r\n", b"404"),
                (b"GET /" + b"m" * 4000 + b" HTTP/1.0\r\n\r\n", b"404"),
                (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", b"405"),
                (b"\x80\x00nonsense\r\n\r\n", b"400"),
                (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 9000, b"431"),
                (b"HEAD / HTTP/1.0\r\n\r\n", b"200")]:
            got = raw_http(web_port, request)
            assert got.startswith(b"HTTP/1.1 " + status), (request[:40], got[:200])
        assert not got.split(b"\r\n\r\n", 1)[1], "a body for HEAD"
        two = raw_http(web_port, b"GET /stats.json HTTP/1.1\r\nHost: x\r\n\r\nGET /stats.json HTTP/1.0\r\n\r\n")
        assert two.count(b"HTTP/1.1 200") == 2
        greedy = raw_http(web_port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1500)
        assert 10 < greedy.count(b"HTTP/1.1 200") < 200 and b"Connection: close" in greedy, "who takes nothing gets all"
        held = [socket.create_connection(("127.0.0.1", web_port), timeout=PATIENCE) for _ in range(40)]
        refused = until(lambda: len(r := select.select(held, [], [], 0)[0]) >= 8 and r, "some are refused")
        # 8, and as many more as connections of before it has not closed yet
        assert len(refused) <= 10 and all(s.recv(100).startswith(b"HTTP/1.1 503") for s in refused), len(refused)
        for s in held:
            s.close()
        if served.longer():
            assert raw_http(web_port, b"GET / HTTP/1.1\r\nHost: x\r\n").startswith(b"HTTP/1.1 408"), "silent in its middle"
        until(lambda: raw_http(web_port, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200"), "served again")
        assert server.client().ask(b"version\r\n").startswith(b"VERSION")


# ---- restarts ----

def fill(client):
    client.send(b"".join(b"set k%d %d %d 5 noreply\r\nv%04d\r\n" % (i, i, 1000 if i % 2 else 0, i) for i in range(2000)))
    assert client.ask(b"set big 1 0 300000\r\n" + b"B" * 300000 + b"\r\n") == b"STORED\r\n"
    client.ask(b"set short 0 1 1\r\nx\r\n")
    client.ask(b"set stale 0 0 1\r\nx\r\n")
    client.ask(b"md stale I T300\r\n")
    return client.ask(b"gets k1 k2\r\n", b"END\r\n")


def a_graceful_restart_keeps_items_their_times_and_their_numbers():
    with folder() as where:
        path = where + "/items"
        with Server("-e", path) as server:
            numbers = fill(server.client())
        assert os.stat(path).st_mode & 0o077 == 0, "others may read it"
        time.sleep(1.1)
        with Server("-e", path, "-m", "32") as server:
            client = server.client()
            assert not os.path.exists(path)
            assert client.ask(b"gets k1 k2\r\n", b"END\r\n") == numbers
            assert client.ask(b"get short\r\n", b"END\r\n") == b"END\r\n"
            assert client.ask(b"get big\r\n", b"END\r\n") == b"VALUE big 1 300000\r\n" + b"B" * 300000 + b"\r\nEND\r\n"
            assert client.ask(b"mg stale\r\n") == b"HD X W\r\n"
            assert 900 < int(client.ask(b"mg k1 t\r\n").split(b"t")[1]) < 1000
            assert client.ask(b"mg k2 t\r\n") == b"HD t-1\r\n"
            highest = int(numbers.split(b"\r\n")[2].split()[4])
            client.ask(b"set new 0 0 1\r\nx\r\n")
            assert int(client.ask(b"gets new\r\n", b"END\r\n").split(b"\r\n")[0].split()[4]) > highest
            assert client.stats()["curr_items"] == "2003"


def an_end_while_it_starts_loses_nothing():
    with folder() as where:
        path = where + "/items"
        with Server("-e", path) as server:
            fill(server.client())
        for _ in range(3):
            process = subprocess.Popen([SERVER, "-l", "127.0.0.1", "-p", str(free_port()), "-e", path, "-v"],
                                       stderr=subprocess.PIPE, text=True)
            line = ""
            while "items loaded" not in line:
                line = process.stderr.readline()
                assert line, "it ended"
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0 and re.search("200[23] items kept", said), said


def a_killed_server_starts_empty_and_never_old():
    with folder() as where:
        path = where + "/items"
        with Server("-e", path) as server:
            fill(server.client())
        with Server("-e", path) as server:
            server.client().ask(b"set k1 0 0 1\r\nx\r\n")
            server.stop(signal.SIGKILL)
        with Server("-e", path) as server:
            assert server.client().ask(b"get k1 k2\r\n", b"END\r\n") == b"END\r\n"


def damaged_files_are_refused_with_one_clear_line():
    with folder() as where:
        path = where + "/items"
        with Server("-e", path) as server:
            fill(server.client())
        whole = open(path, "rb").read()
        other = bytearray(whole)
        other[12] += 1
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 64
        for bytes_, word in [(whole[:-9], "truncated"), (flipped, "damaged"), (other, "version"), (whole + b"x", "damaged")]:
            with open(path, "wb") as out:
                out.write(bytes_)
            with Server("-e", path) as server:
                assert f"{path} was not loaded: " in server.said() and word in server.said(), server.said()
                client = server.client()
                assert client.ask(b"get k1 k2 k1999\r\n", b"END\r\n") == b"END\r\n"
                assert client.stats()["curr_items"] == "0"


def a_folder_that_cannot_be_synced_is_said_and_no_more():
    """One that may be written, but not opened; root may do everything, so the server is somebody else then."""
    with folder() as where:
        path = where + "/items"
        options = ["-e", path]
        if os.geteuid() == 0:
            options += ["-u", "nobody"]
            os.chown(where, pwd.getpwnam("nobody").pw_uid, -1)
        os.chmod(where, 0o300)
        for word in "written", "removed":
            with Server(*options) as server:
                if word == "written":
                    fill(server.client())
                    assert server.stop() == 0
                else:
                    assert server.client().ask(b"get k1\r\n", b"END\r\n").startswith(b"VALUE k1 ")
                assert f"{path} was {word}, but its folder was not synced: Permission denied" in server.said(), server.said()
        os.chmod(where, 0o700)


def who_is_connected_is_told():
    with Server() as server:
        clients = [server.client() for _ in range(4)]
        clients[0].ask(b"mn\r\n")
        clients[1].send(b"set a 0 0 100\r\nabc")
        clients[2].send(b"set a 0 0 2000000\r\nabc")  # too large: it is swallowed
        clients[3].ask(b"watch\r\n")
        other = server.client()

        def states():
            told = other.stats("conns")
            by_address = {told[name]: name.split(":")[0] for name in told if name.endswith(":addr")}
            if len(by_address) != len(clients) + 1:
                return False  # some are not accepted yet
            fds = [by_address["tcp:%s:%d" % client.socket.getsockname()] for client in clients + [other]]
            assert all(told[fd + ":listen_addr"] == f"tcp:127.0.0.1:{server.port}" for fd in fds), told
            assert all(int(told[fd + ":secs_since_last_cmd"]) <= PATIENCE for fd in fds), told
            return [told[fd + ":state"] for fd in fds] == [
                "conn_read", "conn_nread", "conn_swallow", "conn_watch", "conn_parse_cmd"]
        until(states, "all five in their states")
        for client in clients:
            client.close()
        until(lambda: len(other.stats("conns")) == 4, "only who asks is left")
        names = [line.split()[1] for line in other.ask(b"stats settings\r\n", b"END\r\n").split(b"\r\n") if line.startswith(b"STAT")]
        assert len(names) == len(set(names)), names


def a_file_of_somebody_else_is_not_overwritten():
    with folder() as where:
        path = where + "/letter"
        with open(path, "w") as out:
            out.write("dear cache\n" * 10)
        done = subprocess.run([SERVER, "-l", "127.0.0.1", "-p", str(free_port()), "-e", path], capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.returncode == 1 and "no snapshot" in done.stderr, done
        assert open(path).read() == "dear cache\n" * 10


def a_snapshot_is_written_while_it_serves_and_loads_again():
    with folder() as where:
        path = where + "/snapshot"
        with Server("-o", "snapshot=" + path) as server:
            client = server.client()
            numbers = fill(client)
            server.process.send_signal(signal.SIGUSR1)
            until(lambda: os.path.exists(path), "a snapshot")
            assert client.ask(b"gets k1 k2\r\n", b"END\r\n") == numbers
            until(lambda: "items" in server.said(), "it says so")
            assert os.listdir(where) == ["snapshot"]
        with Server("-o", "load=" + path) as server:
            assert server.client().ask(b"gets k1 k2\r\n", b"END\r\n") == numbers
            server.process.send_signal(signal.SIGUSR1)
            until(lambda: "no snapshot without" in server.said(), "it says what is missing")
        assert os.path.exists(path)
        with Server("-o", f"load={where}/none") as server:
            assert "No such file" in server.said(), server.said()


# ---- cut off, and without room ----

FILES = {"items", "items.writing"}


def each_value_is_of_its_key(client):
    keys = re.findall(rb"key=(k\d+) ", client.ask(b"lru_crawler metadump all\r\n", b"END\r\n"))
    for at in range(0, len(keys), 50):
        got = client.ask(b"get " + b" ".join(keys[at:at + 50]) + b"\r\n", b"END\r\n").split(b"\r\n")[:-2]
        for line, value in zip(got[::2], got[1::2]):
            assert value == line.split()[1] + VALUE, (line, value[:50])


VALUE = b":" + b"x" * 3000


def sets(first):
    """1,500 items, some 4.5 MiB."""
    return b"".join(b"set k%d 0 0 %d noreply\r\nk%d%s\r\n" % (i, len(b"k%d" % i) + len(VALUE), i, VALUE)
                    for i in range(first, first + 1500))


def churn(client, first):
    client.send(sets(first))
    assert client.ask(b"version\r\n").startswith(b"VERSION")


def begins(path, before):
    """Somebody is writing the file, or has written it since it was `before`. With -e it is there all the time, and empty."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            if os.stat(path + ".writing").st_size > 0:
                return True
        except FileNotFoundError:
            pass
        if os.path.exists(path) and os.stat(path).st_ino != before:
            return True
        time.sleep(0.0002)
    return False


def a_snapshot_cut_off_anywhere_leaves_the_old_one_or_the_new_one():
    seen = collections.Counter()
    r = random.Random(SEED)
    print(f"# PAWL_TEST_SEED={SEED}")
    with folder() as where:
        path, generation, first, cut = where + "/items", 0, 0, False
        for number in range(60 if served.longer() else 4):
            with Server("-m", "8", "-I", "1m", "-o", f"snapshot={path},load={path}") as server:
                assert number == 0 or "was not loaded" not in server.said(), server.said()
                assert not os.path.exists(path + ".writing") and ("while it wrote a new one" in server.said()) == cut, server.said()
                client = server.client()
                if number > 0:
                    found = int(client.ask(b"get generation\r\n", b"END\r\n").split(b"\r\n")[1])
                    assert found in (generation, generation + 1), (found, generation)
                    generation = found
                    each_value_is_of_its_key(client)
                churn(client, first)
                first += 1500
                client.ask(b"set generation 0 0 3\r\n%3d\r\n" % (generation + 1))
                [client.ask(b"get generation\r\n", b"END\r\n") for _ in range(3)]  # so that it is not evicted
                before = os.stat(path).st_ino if number > 0 else 0
                server.process.send_signal(signal.SIGUSR1)
                if number == 0:
                    until(lambda: os.path.exists(path), "the first one")
                    generation = 1
                    continue
                assert begins(path, before), "it is asked for, and does not begin"
                client.send(sets(first)[:r.randrange(1 << 20)])  # evicts meanwhile
                time.sleep(r.random() * r.random() / 20)
                ending = signal.SIGTERM if number % 2 else signal.SIGKILL
                server.stop(ending)
                whole = "bytes written in" in server.said()
                seen[(ending.name, whole)] += 1
                left = set(os.listdir(where))
                cut = "items.writing" in left
                assert left <= FILES and (ending == signal.SIGKILL or left == {"items"}), left
                assert ending == signal.SIGKILL or whole or "Operation canceled" in server.said(), server.said()
    print("#", dict(seen))


def who_is_killed_while_it_writes_its_items_starts_empty_and_says_why():
    with folder() as where:
        path = where + "/items"
        with Server("-e", path, "-m", "16") as server:
            churn(server.client(), 0)
            churn(server.client(), 1500)
            server.process.send_signal(signal.SIGTERM)
            caught = begins(path, 0)
            server.process.kill()
            server.process.wait()
        cut = caught and os.path.exists(path + ".writing")
        assert cut or os.path.exists(path), os.listdir(where)
        if not cut:  # it was faster
            print("# it was written before it was killed")
            os.rename(path, path + ".writing")
        with Server("-e", path) as server:
            assert "stopped while it wrote it; starts empty" in server.said(), server.said()
            assert os.listdir(where) == ["items.writing"] and server.client().stats()["curr_items"] == "0"
        assert os.listdir(where) == ["items"]
        for _ in range(100 if served.longer() else 3):  # killed while it loads: the file is there, until all of it was
            process = subprocess.Popen([SERVER, "-l", "127.0.0.1", "-p", str(free_port()), "-e", path], stderr=subprocess.DEVNULL)
            time.sleep(random.random() / 20)
            process.kill()
            process.wait()
            with Server("-e", path) as server:
                assert "not loaded" not in server.said(), server.said()
        os.rename(path, path + ".writing")
        with open(path + ".writing", "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            done = subprocess.run([SERVER, "-l", "127.0.0.1", "-p", str(free_port()), "-e", path], capture_output=True, text=True,
                                  timeout=PATIENCE)
            assert done.returncode == 1 and "is being ended and writes it" in done.stderr, done


def store_two(client):
    assert client.ask(b"set a 0 0 1 noreply\r\n1\r\nset b 0 0 1\r\n2\r\n") == b"STORED\r\n"


def holds_two(server):
    return server.client().ask(b"get a b\r\n", b"END\r\n") == b"VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n"


def of_two_servers_with_one_file_the_second_does_not_start():
    with folder() as where:
        path = where + "/items"

        def refused(*more):
            done = subprocess.run([SERVER, "-l", "127.0.0.1", "-p", str(free_port()), "-e", path, *more], capture_output=True,
                                  text=True, timeout=PATIENCE)
            return done.returncode == 1 and f"{path}: another server has it (-e)" in done.stderr and "Sanitizer" not in done.stderr
        with Server("-e", path) as server:
            client = server.client()
            assert os.listdir(where) == ["items.writing"] and refused(), os.listdir(where)
            store_two(client)
            with open(path, "wb") as other:  # whatever is there: it is not read, nor removed
                other.write(b"a copy")
            assert refused() and open(path, "rb").read() == b"a copy"
        assert os.listdir(where) == ["items"]
        with Server("-e", path) as server:  # who has it may lose the name, and still writes
            assert holds_two(server)
            os.unlink(path + ".writing")
        assert os.listdir(where) == ["items"]
        with Server("-e", path) as server:
            assert holds_two(server)
            server.stop(signal.SIGKILL)
        assert os.listdir(where) == ["items.writing"]
        with Server("-e", path) as server:  # nobody's now, and nothing was written
            assert "stopped while it wrote" not in server.said() and refused()
        done = subprocess.run([SERVER, "-e", path, "-o", f"snapshot={path}"], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode != 0 and "want different files" in done.stderr, done


def what_another_users_server_left_does_not_hold_up_the_next():
    """Its mark is nobody's when it was killed, whoever it was: root, who may do everything, takes it for his own."""
    if os.geteuid() != 0:
        print("# not root: nobody else's file can be opened")
        return
    with folder() as where:
        path = where + "/items"
        os.chown(where, pwd.getpwnam("nobody").pw_uid, -1)
        with Server("-e", path, "-u", "nobody") as server:
            assert os.stat(path + ".writing").st_uid == pwd.getpwnam("nobody").pw_uid
            done = subprocess.run([SERVER, "-l", "127.0.0.1", "-p", str(free_port()), "-e", path, "-u", "root"], capture_output=True,
                                  text=True, timeout=PATIENCE)
            assert done.returncode == 1 and "another server has it (-e)" in done.stderr, done
            server.stop(signal.SIGKILL)
        assert os.listdir(where) == ["items.writing"]
        with Server("-e", path, "-u", "root") as server:
            assert server.said() == "" and os.stat(path + ".writing").st_uid == 0, server.said()
            store_two(server.client())
        assert os.listdir(where) == ["items"]
        with Server("-e", path, "-u", "root") as server:
            assert holds_two(server)


def a_start_that_fails_keeps_the_items():
    with folder() as where, socket.create_server(("127.0.0.1", 0)) as taken:
        path = where + "/items"
        fails = [SERVER, "-l", "127.0.0.1", "-p", str(taken.getsockname()[1]), "-e", path]
        assert subprocess.run(fails, capture_output=True, timeout=PATIENCE).returncode == 1
        assert os.listdir(where) == [], "nothing was there, nothing is left"
        with Server("-e", path) as server:
            store_two(server.client())
        done = subprocess.run(fails, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 1 and "Address already in use" in done.stderr, done
        assert os.listdir(where) == ["items"], os.listdir(where)
        with Server("-e", path) as server:
            assert holds_two(server)


def without_room_the_old_snapshot_stays_and_the_server_serves():
    with folder() as where:
        path = where + "/items"
        tmpfs = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", where],
                                                     capture_output=True).returncode == 0
        try:
            with Server("-m", "16", "-o", "snapshot=" + path) as server:
                client = server.client()

                def snapshot(says, times=1):
                    server.process.send_signal(signal.SIGUSR1)
                    until(lambda: server.said().count(says) == times, says)
                    assert os.listdir(where) == ["items"] and client.ask(b"get a\r\n", b"END\r\n").startswith(b"VALUE"), os.listdir(where)
                client.ask(b"set a 0 0 1\r\nx\r\n")
                snapshot("1 items")
                old = open(path, "rb").read()
                churn(client, 0)
                resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
                snapshot("was not written: File too large")
                resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
                if tmpfs:
                    snapshot("was not written: No space left on device")
                assert open(path, "rb").read() == old
                client.ask(b"flush_all\r\n")
                client.ask(b"set a 0 0 1\r\ny\r\n")
                until(lambda: client.stats()["curr_items"] == "1", "flushed")
                os.symlink("/dev/null", path + ".writing")
                server.process.send_signal(signal.SIGUSR1)
                until(lambda: ".writing behind it is not ours" in server.said(), "a link is refused")
                os.unlink(path + ".writing")
                with open(path + ".writing", "w") as letter:
                    letter.write("dear cache\n")
                server.process.send_signal(signal.SIGUSR1)
                until(lambda: server.said().count(".writing behind it is not ours") == 2, "a letter is refused")
                assert open(path + ".writing").read() == "dear cache\n"
                with Server("-e", path + "none", "-o", f"snapshot={path}") as other:
                    assert "a new one" not in other.said() and os.path.exists(path + ".writing")
                    other.process.kill()
                os.unlink(path + "none.writing")
                os.unlink(path + ".writing")
                snapshot(": 1 items", 2)
            if tmpfs:
                with Server("-m", "16", "-e", where + "/kept") as server:
                    churn(server.client(), 0)
                    assert server.stop() == 1 and "kept was not written: No space left on device" in server.said(), server.said()
                    server.process.returncode = 0  # as it should be here
                assert os.listdir(where) == ["items"]
        finally:
            if tmpfs:
                subprocess.run(["umount", where], check=True)


# ---- who listens ----

def a_watcher_is_told_as_memcached_tells():
    with Server() as server:
        watcher, client = server.client(), server.client()
        assert watcher.ask(b"watch nonsense\r\n") == b"ERROR\r\n"
        assert watcher.ask(b"version\r\nwatch\r\n", b"watch\r\n") .endswith(b"pipeline other commands before watch\r\n")
        assert watcher.ask(b"watch fetchers mutations deletions\r\n") == b"OK\r\n"
        assert client.stats()["log_watchers"] == "1"
        client.ask(b"set a%b 0 100 3\r\nabc\r\n")
        client.ask(b"get a%b none\r\n", b"END\r\n")
        client.ask(b"add a%b 0 0 1\r\nx\r\n")
        client.ask(b"delete a%b\r\n")
        for number, wanted in enumerate([
                "type=item_store key=a%25b status=stored cmd=set ttl=100 clsid=1 cfd=N size=3",
                "type=item_get key=a%25b status=found clsid=1 cfd=N size=3",
                "type=item_get key=none status=not_found clsid=0 cfd=N size=0",
                "type=item_store key=a%25b status=not_stored cmd=add ttl=0 clsid=1 cfd=N size=1",
                "type=deleted key=a%25b cmd=delete clsid=1 size=0"]):
            line = watcher.file.readline().decode()
            match = re.match(r"ts=(\d+)\.\d{6} gid=(\d+) (.*)\n$", line)
            assert match and int(match[2]) == number + 1 and abs(int(match[1]) - time.time()) < 60, line
            assert re.sub(r"cfd=\d+", "cfd=N", match[3]) == wanted, line
        watcher.send(b"get a\r\n")  # nobody looks at it
        watcher.close()
        until(lambda: client.stats()["log_watchers"] == "0", "the watcher has gone")
    with Server("-W") as server:
        assert server.client().ask(b"watch\r\n") == b"CLIENT_ERROR watch commands not allowed\r\n"


def watchers_hear_why_a_connection_ended():
    with Server() as server:
        watcher = server.client()
        assert watcher.ask(b"watch connevents\r\n") == b"OK\r\n"
        for request, reason in [(b"quit\r\n", "normal"), (b"", "normal"), (b"GET / HTTP/1.1\r\n", "error"), (b"\x80\x07" + bytes(22), "normal")]:
            client = server.client()
            port = client.socket.getsockname()[1]
            client.send(request)
            if not request:
                client.close()
            line = ""  # others are those that asked whether it is there yet
            while f"type=conn_close rip=127.0.0.1 rport={port} " not in line:
                line = watcher.file.readline().decode()
            assert f" transport=tcp reason={reason} " in line, line


def a_watcher_that_is_late_is_told_how_much_it_missed():
    with Server() as server:
        watcher, client = server.client(), server.client()
        assert watcher.ask(b"watch fetchers\r\n") == b"OK\r\n"
        count, told, missed, last = 60000, 0, 0, b""
        for first in range(0, count, 1000):
            client.ask(b"".join(b"get k%d%s\r\n" % (i, b"x" * 240) for i in range(first, first + 1000)), b"END\r\n" * 1000)
        client.ask(b"get last\r\n")
        while b"key=last" not in last:
            last = watcher.file.readline()
            if last.startswith(b"skipped="):
                missed += int(last[8:])
            else:
                assert re.match(rb"ts=\d+\.\d{6} gid=%d type=item_get" % (told + 1), last), last
                told += 1
        assert missed > 0 and told + missed == count + 1, (told, missed)
        assert client.stats()["log_watcher_skipped"] == str(missed)


def watchers_hear_of_evictions_and_connections_and_there_are_twenty():
    with Server("-m", "4", "-I", "64k") as server:
        watchers = [server.client() for _ in range(21)]
        assert all(w.ask(b"watch evictions connevents\r\n") == b"OK\r\n" for w in watchers[:20])
        assert watchers[20].ask(b"watch\r\n") == b"WATCHER_TOO_MANY log watcher limit reached\r\n"
        assert watchers[20].ask(b"version\r\n").startswith(b"VERSION")
        watchers[20].send(b"watch\r\nset a 0 0 1\r\n1\r\nget a\r\nmn\r\n")  # who is refused goes on with what stands behind it
        told = [watchers[20].file.readline() for _ in range(6)]
        assert told == [b"WATCHER_TOO_MANY log watcher limit reached\r\n", b"STORED\r\n", b"VALUE a 0 1\r\n", b"1\r\n", b"END\r\n",
                        b"MN\r\n"], told
        client = server.client()
        client.send(b"".join(b"set k%d 0 0 9000 noreply\r\n%s\r\n" % (i, b"x" * 9000) for i in range(1000)))
        client.ask(b"version\r\n")
        lines = b""
        while b"type=conn_new rip=127.0.0.1 rport=" not in lines or b"type=eviction" not in lines:
            lines += watchers[0].file.readline()
        assert re.search(rb"type=eviction key=k\d+ fetch=no ttl=-1 la=\d+ clsid=1 size=9000\n", lines), lines[-500:]
        client.close()
        while b"type=conn_close rip=127.0.0.1" not in lines:
            lines += watchers[0].file.readline()


def a_watcher_may_hear_nothing_for_longer_than_others_may_be_silent():
    with Server("-o", "idle_timeout=1") as server:
        watcher, silent = server.client(), server.client()
        assert watcher.ask(b"watch mutations\r\n") == b"OK\r\n"
        time.sleep(2.5)
        assert silent.file.readline() == b""
        assert server.client().ask(b"set a 0 0 1\r\n1\r\n") == b"STORED\r\n"
        assert b"type=item_store key=a " in watcher.file.readline()


def a_tap_from_outside_sees_and_a_killed_one_harms_nothing():
    if PAWL is None:
        return
    with Server() as server, subprocess.Popen(
            [PAWL, "tap", "--json", "--pid", str(server.process.pid), "--kind", "get,store"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as tap:
        try:
            tap_sees(server, tap)
        finally:
            tap.kill()
        assert server.client().ask(b"version\r\n").startswith(b"VERSION")


def tap_sees(server, tap):
    client = server.client()
    os.set_blocking(tap.stdout.fileno(), False)

    def sees():
        client.ask(b"set a 0 0 3\r\nabc\r\n")
        client.ask(b"get a\r\n", b"END\r\n")
        return [json.loads(line) for line in (tap.stdout.read() or b"").splitlines()]
    seen = until(sees, "the tap sees something")
    got = until(lambda: [e for e in seen + sees() if e["event"] == "get"], "a get")[0]
    assert got["key"] == "a" and got["status"] == "found" and got["value_bytes"] == 3 and got["client"] == "127.0.0.1"
    assert got["port"] == client.socket.getsockname()[1] and got["latency_ns"] > 0
    tap.kill()
    tap.wait()
    assert client.ask(b"get a\r\n", b"END\r\n").startswith(b"VALUE")


# ---- statistics ----

def slow_turns_are_kept_with_their_client():
    with Server("-o", "slow_log=1") as server:
        client = server.client()
        client.ask(b"get " + b" ".join(b"key%d" % i for i in range(2000)) + b"\r\n", b"END\r\n")
        slow = client.stats("slow")
        number = [k for k in slow if k.endswith(":request") and slow[k].startswith("get key0 key1")]
        assert number, slow
        first = number[0].rsplit(":", 1)[0]
        assert slow[first + ":client"] == "127.0.0.1:%d" % client.socket.getsockname()[1], slow
        assert int(slow[first + ":us"]) > 0 and int(client.stats()["slow_turns"]) > 0
    with Server("-o", "slow_log=0") as server:
        client = server.client()
        client.ask(b"get " + b"k " * 2000 + b"\r\n", b"END\r\n")
        assert client.stats("slow") == {}


def packet(opcode, key=b"", value=b""):
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), 0, 0, 0, len(key + value), 0, 0) + key + value


def either_kind_of_client_gives_its_password_which_is_told_to_nobody():
    with folder() as where:
        with open(where + "/users", "w") as out:
            out.write("user:secret\n")
        with Server("-S", "-Y", where + "/users", "-o", "slow_log=1") as server:
            client = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            file = client.makefile("rb")

            def ask(*pieces):
                for piece in pieces:
                    time.sleep(0.005)
                    client.sendall(piece)
                return answer()

            def answer():
                head = file.read(24)
                return head[6:8], file.read(struct.unpack(">I", head[8:12])[0])
            # Neither a password nor a user: nothing stands behind them.
            for data in b"\0user\0", b"\0\0", b"\0\0secret", b"\0user\0secre", b"\0user\0secrets":
                auth = packet(0x21, b"PLAIN", data)
                assert ask(auth) == ask(auth[:-1], auth[-1:]) == (b"\0\x20", b"Auth failure."), data
            auth = packet(0x21, b"PLAIN", b"\0user\0secret")
            for pieces in [(auth,), (auth[:10], auth[10:]), (auth[:26], auth[26:]), (auth[:29], auth[29:]), (auth[:35], auth[35:])]:
                assert ask(*pieces) == (b"\0\0", b"Authenticated")
            get = packet(0x00, b"some key")
            assert ask(get) == (b"\0\1", b"Not found")
            for first in auth, get: # with so many behind it, a turn takes longer than a microsecond
                assert ask(first + 500 * get)[0] in (b"\0\0", b"\0\1")
                assert [answer() for _ in range(500)] == 500 * [(b"\0\1", b"Not found")]
            client.sendall(packet(0x10, b"slow"))
            told = b""
            while not told.endswith(struct.pack(">BBHBBHIIQ", 0x81, 0x10, 0, 0, 0, 0, 0, 0, 0)):
                told += file.read1()
            assert b"0x21 PLAIN" in told and b"0x00 some key" in told and b"user" not in told and b"secret" not in told, told
            client.close()
            client = server.client()
            assert client.ask(b"get a\r\n") == b"CLIENT_ERROR unauthenticated\r\n"
            assert client.ask(b"set x 0 0 11\r\nuser secret\r\n") == b"STORED\r\n"
            assert client.ask(b"get a\r\n") == b"END\r\n"
            if not SIGNALS:
                client.send(b"shutdown\r\n")
                server.process.wait(PATIENCE)
        for options in ["-Y", where + "/users"], ["-Y", where + "/users", "-S", "-B", "ascii"]:
            with Server(*options) as server, socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as client:
                client.sendall(packet(0x0b) + b"\n")
                assert client.recv(100) == b"CLIENT_ERROR unauthenticated\r\n"
                if not SIGNALS:
                    server.process.kill()
        done = subprocess.run([SERVER, "-S"], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 64 and "-Y FILE" in done.stderr, done


def sizes_are_counted_while_they_are_wanted():
    with Server() as server:
        client = server.client()
        client.ask(b"set small 0 0 1\r\nx\r\n")
        client.ask(b"set large 0 0 500\r\n" + b"x" * 500 + b"\r\n")
        assert client.stats("sizes") == {"sizes_status": "disabled"}
        assert client.stats("sizes_enable") == {"sizes_status": "enabled"}
        assert until(lambda: client.stats("sizes"), "counted") == {"32": "1", "544": "1"}
        client.ask(b"delete large\r\n")
        until(lambda: client.stats("sizes") == {"32": "1"}, "counted again")
        assert client.stats("sizes_disable") == {"sizes_status": "disabled"}


# ---- systemd ----

def sockets_of_systemd_are_served_and_it_is_told():
    with folder() as where, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, socket.socket() as tcp, \
            socket.socket(socket.AF_UNIX) as unix:
        told.bind(where + "/notify")
        told.settimeout(PATIENCE)
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        unix.bind(where + "/socket")
        unix.listen()
        pid = os.fork()
        if pid == 0:
            first, second = os.dup(tcp.fileno()), os.dup(unix.fileno())
            os.dup2(first, 3)
            os.dup2(second, 4)
            os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", NOTIFY_SOCKET=where + "/notify")
            os.execv(SERVER, [SERVER, "-t", "2", "-l", "127.0.0.1", "-p", "1", "-A"])
        assert told.recv(100) == b"READY=1"
        for family, address in [(socket.AF_INET, tcp.getsockname()), (socket.AF_UNIX, where + "/socket")]:
            with socket.socket(family) as client:
                client.settimeout(PATIENCE)
                client.connect(address)
                client.sendall(b"version\r\n")
                assert client.recv(100).startswith(b"VERSION")
                if family == socket.AF_UNIX and not SIGNALS:
                    client.sendall(b"shutdown\r\n")
        if SIGNALS:
            os.kill(pid, signal.SIGTERM)
        assert told.recv(100) == b"STOPPING=1"
        assert os.waitpid(pid, 0)[1] == 0
        assert os.path.exists(where + "/socket"), "it is systemd's"


def what_is_no_listening_socket_is_refused():
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 2)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 3)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
        os.execv(SERVER, [SERVER])
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 1 and "no stream socket that listens" in text, text


def what_is_no_address_is_refused_with_what_is_wrong():
    for text, wrong in [("[127.0.0.1:80", "']' is missing"), ("[127.0.0.1", "']' is missing"),
                        ("[127.0.0.1]80", "behind ']'"), ("127.0.0.1:", "no port"), ("[127.0.0.1]:", "no port"),
                        ("n" * 300, "too long")]:
        done = subprocess.run([SERVER, "-l", text], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 1 and "cannot listen on " + text in done.stderr and wrong in done.stderr, done


def what_it_is_asked_to_print_is_printed_whole_or_it_says_so():
    for option, least in [("--help", 40), ("-h", 40), ("--version", 1), ("-V", 1)]:
        said = subprocess.run([SERVER, option], capture_output=True, text=True, timeout=PATIENCE)
        assert said.returncode == 0 and said.stderr == "" and said.stdout.count("\n") >= least, said
        assert all(len(line) <= 100 for line in said.stdout.splitlines()), max(said.stdout.splitlines(), key=len)
        with open("/dev/full", "w") as full:
            lost = subprocess.run([SERVER, option], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
        assert lost.returncode == 1, lost
        assert lost.stderr == "pawl-cache: the output is incomplete: No space left on device\n", lost


PROMISES = [
    prometheus_reads_counters_gauges_and_a_histogram,
    the_page_has_all_it_needs_and_its_figures_are_json,
    what_is_no_good_request_is_answered_and_ended,
    a_graceful_restart_keeps_items_their_times_and_their_numbers,
    an_end_while_it_starts_loses_nothing,
    a_killed_server_starts_empty_and_never_old,
    damaged_files_are_refused_with_one_clear_line,
    a_folder_that_cannot_be_synced_is_said_and_no_more,
    who_is_connected_is_told,
    a_file_of_somebody_else_is_not_overwritten,
    a_snapshot_is_written_while_it_serves_and_loads_again,
    a_snapshot_cut_off_anywhere_leaves_the_old_one_or_the_new_one,
    who_is_killed_while_it_writes_its_items_starts_empty_and_says_why,
    of_two_servers_with_one_file_the_second_does_not_start,
    what_another_users_server_left_does_not_hold_up_the_next,
    a_start_that_fails_keeps_the_items,
    without_room_the_old_snapshot_stays_and_the_server_serves,
    a_watcher_is_told_as_memcached_tells,
    a_watcher_that_is_late_is_told_how_much_it_missed,
    watchers_hear_why_a_connection_ended,
    watchers_hear_of_evictions_and_connections_and_there_are_twenty,
    a_watcher_may_hear_nothing_for_longer_than_others_may_be_silent,
    a_tap_from_outside_sees_and_a_killed_one_harms_nothing,
    slow_turns_are_kept_with_their_client,
    either_kind_of_client_gives_its_password_which_is_told_to_nobody,
    sizes_are_counted_while_they_are_wanted,
    sockets_of_systemd_are_served_and_it_is_told,
    what_is_no_listening_socket_is_refused,
    what_is_no_address_is_refused_with_what_is_wrong,
    what_it_is_asked_to_print_is_printed_whole_or_it_says_so,
]


def main():
    no_metrics = "no --metrics" in subprocess.run([SERVER, "--metrics", "1", "-V"], capture_output=True, text=True).stderr
    print(f"1..{len(PROMISES)}", flush=True)
    for number, promise in enumerate(PROMISES, 1):
        began = time.monotonic()
        name = promise.__name__
        if no_metrics and number <= 3:
            print(f"ok {number} - {name} # SKIP built without libhttp-parser", flush=True)
            continue
        if not SIGNALS and promise in (an_end_while_it_starts_loses_nothing,
                                       a_snapshot_is_written_while_it_serves_and_loads_again,
                                       a_snapshot_cut_off_anywhere_leaves_the_old_one_or_the_new_one,
                                       who_is_killed_while_it_writes_its_items_starts_empty_and_says_why,
                                       without_room_the_old_snapshot_stays_and_the_server_serves):
            print(f"ok {number} - {name} # SKIP without signals", flush=True)
            continue
        try:
            promise()
            print(f"ok {number} - {name}", flush=True)
        except Exception as error:  # whatever it is, the next promise is looked at
            print(f"not ok {number} - {name}\n# {error!r:.2000}", flush=True)
        print(f"# {time.monotonic() - began:.2f} s", flush=True)


main()
