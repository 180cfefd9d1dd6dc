# SPDX-License-Identifier: MIT
"""What the scripts of this folder share: servers that are started and ended, ports, and answers in TAP."""
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

PATIENCE = 60  # seconds, for what takes milliseconds on a machine that has nothing else to do


def longer():
    return os.environ.get("PAWL_TEST_LONG") == "1"


HELD = []


def free_ports(count):
    """Free ports, which stay ours: a socket is bound to each to the end, so that the system gives them to no other server
    and to no connection. Servers bind them all the same, as they set SO_REUSEADDR, too, and these do not listen."""
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
    HELD.extend(held)
    return [s.getsockname()[1] for s in held]


def eventually(what, condition, patience=PATIENCE):
    """Waits until the condition holds, and returns what it said."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"never came true: {what}")
        time.sleep(0.01)


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return False
    return True


def all_of(file):
    """What is in a file that a process writes, as text. Its place in the file is that process's place, too: read() would move it, and
    what the process says next would be written over what it has said."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")


class Process:
    """A server. What it says on stderr is kept."""

    def __init__(self, command, port, **more):
        self.port = port
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors,
                                        **more)

    def __enter__(self):
        try:
            eventually(f"port {self.port} accepts", lambda: self.gone() or accepts(self.port))
            assert not self.gone(), f"it ended at once: {self.said()}"
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        if error[0] is not None:
            print("# it said: " + self.said().replace("\n", "\n# "))

    def gone(self):
        return self.process.poll() is not None

    def said(self):
        return all_of(self.errors)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self):
        """As an operator ends it. Returns the seconds that it took; it must have ended well."""
        began = time.monotonic()
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        assert status == 0, f"ended with {status}: {self.said()}"
        return time.monotonic() - began

    def status_bytes(self, word):
        """VmRSS and the like, of /proc."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(word + ":"):
                    return int(line.split()[1]) * 1024
        raise KeyError(word)


def pawl_cache(program, *options, port=None, **more):
    port = port or free_ports(1)[0]
    return Process([*shlex.split(program), "-l", "127.0.0.1", "-p", str(port), *map(str, options)], port, **more)


def connect(server, **options):
    s = socket.create_connection(("127.0.0.1", server.port), timeout=options.pop("timeout", PATIENCE))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read_until(s, end):
    got = bytearray()
    while not got.endswith(end):
        piece = s.recv(1 << 16)
        assert piece, f"closed after {bytes(got[-100:])}"
        got += piece
    return bytes(got)


def ask(s, request, end=b"\r\n"):
    s.sendall(request)
    return read_until(s, end)


def stats(server):
    with connect(server) as s:
        lines = ask(s, b"stats\r\n", b"END\r\n").decode().split("\r\n")
    return {line.split(" ", 2)[1]: line.split(" ", 2)[2] for line in lines if line.startswith("STAT ")}


class Skip(Exception):
    pass


def run(promises):
    """Calls each function; its name is the promise. Exits as tests do."""
    print(f"1..{len(promises)}")
    wrong = 0
    for number, promise in enumerate(promises, 1):
        name = promise.__name__.replace("_", " ")
        began = time.monotonic()
        try:
            promise()
            print(f"ok {number} - {name}")
        except Skip as why:
            print(f"ok {number} - {name} # SKIP {why}")
        except Exception:  # each promise is judged, whatever became of the others
            wrong += 1
            print("# " + traceback.format_exc().replace("\n", "\n# "))
            print(f"not ok {number} - {name}")
        print(f"# {time.monotonic() - began:.2f} s")
        sys.stdout.flush()
    sys.exit(1 if wrong else 0)
