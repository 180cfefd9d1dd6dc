#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the examples as a user would. Speaks TAP.

serve.py ECHO CHAT PROXY FIBER_ECHO UDP_ECHO FIBER_UDP_ECHO CAT FILTER READY LAYER [HTTP]"""
import codecs
import signal
import socket
import subprocess
import sys
import tempfile
import threading


HELD = []


def free_port():
    """It stays ours: a socket is bound to it to the end, so that nobody else is given it. Servers bind it all the same, as they
    set SO_REUSEADDR, too, and this one does not listen."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    HELD.append(held)
    return held.getsockname()[1]


class Server:
    def __init__(self, *command):
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # it listens

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def exactly(peer, count):
    heard = b""
    while len(heard) < count:
        part = peer.recv(count - len(heard))
        if not part:
            break
        heard += part
    return heard


def conversation(port, much):
    """Sends it all while it listens, half-closes, and hears the end."""
    with connect(port) as peer:
        speaker = threading.Thread(target=lambda: (peer.sendall(much), peer.shutdown(socket.SHUT_WR)))
        speaker.start()
        heard = exactly(peer, len(much) + 1)
        speaker.join()
    return heard == much


def check_echo(program):
    port = free_port()
    server = Server(program, port)
    return conversation(port, bytes(range(256)) * 4000) and server.stop() == 0


def check_chat(program):
    port = free_port()
    server = Server(program, port)
    with connect(port) as one, connect(port) as two:
        greeted = exactly(one, 9) == exactly(two, 9) == b"Welcome.\n"
        one.sendall(b"hel")
        one.sendall(b"lo\nhow are you?\nI")
        heard = exactly(two, 19) == b"hello\nhow are you?\n"
        two.sendall(b"x" * 5000)  # no end: thrown out
        try:
            thrown_out = two.recv(1) == b""
        except ConnectionResetError:
            thrown_out = True
    return greeted and heard and thrown_out and server.stop() == 0


def check_proxy(proxy, echo):
    ports = free_port(), free_port()
    servers = Server(echo, ports[1]), Server(proxy, ports[0], ports[1])
    passed = conversation(ports[0], bytes(range(256)) * 8000)
    ended = servers[0].stop() == 0
    try:  # nobody behind it: closed, and the proxy lives
        with connect(ports[0]) as peer:
            refused = peer.recv(1) == b""
    except ConnectionError:
        refused = True
    return passed and ended and refused and servers[1].stop() == 0


def check_http(program):
    port = free_port()
    server = Server(program, port)
    one = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    with connect(port) as peer:
        peer.sendall(one + one + last)
        answers = exactly(peer, 100000).count(b"200 OK")
    with connect(port) as peer:
        peer.sendall(b"nonsense\r\n\r\n")
        refused = exactly(peer, 100000).startswith(b"HTTP/1.1 400 ")
    return answers == 3 and refused and server.stop() == 0


def check_udp(program):
    port = free_port()
    server = Server(program, port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(60)
        peer.connect(("127.0.0.1", port))
        heard = True
        for number in range(100):
            peer.send(bytes([number]) * (10 * number))
            heard = heard and peer.recv(2048) == bytes([number]) * (10 * number)
    return heard and server.stop() == 0


def check_layer(program):
    """What the program writes down is clear; what goes over the wire is not, both ways."""
    port = free_port()
    server = Server(program, port)
    clear = "".join(chr(32 + i % 95) for i in range(40000))
    heard = conversation(port, codecs.encode(clear, "rot13").encode())
    stopped = server.stop() == 0
    return heard and stopped and server.process.stdout.read() == clear


def check_cat(program):
    """A pipe to a pipe, and a file to a file: the program itself."""
    much = bytes(range(256)) * 4000
    piped = subprocess.run([program], input=much, stdout=subprocess.PIPE, check=False, timeout=60)
    with open(program, "rb") as source, tempfile.TemporaryFile() as copy:
        filed = subprocess.run([program], stdin=source, stdout=copy, check=False, timeout=60)
        source.seek(0)
        copy.seek(0)
        same = source.read() == copy.read()
    return piped.returncode == filed.returncode == 0 and piped.stdout == much and same


def check_filter(program):
    ran = subprocess.run([program, "100", "3", "20"], stdout=subprocess.PIPE, check=False, timeout=60)
    return ran.returncode == 0 and ran.stdout == b"3\n20\n100\n"


def check_ready(program):
    """Something is there, something comes, nothing comes, a file."""
    with subprocess.Popen([program, "60000"], stdin=subprocess.PIPE) as waits:
        waits.stdin.write(b"x")
        waits.stdin.flush()
        heard = waits.wait(timeout=60) == 0
    with subprocess.Popen([program, "20"], stdin=subprocess.PIPE) as in_vain:
        silent = in_vain.wait(timeout=60) == 1
    with open(program, "rb") as source:
        return heard and silent and subprocess.run([program, "60000"], stdin=source, check=False).returncode == 0


def main():
    echo, chat, proxy, fiber_echo, udp_echo, fiber_udp_echo, cat, sort, ready, layer, *http = sys.argv[1:]
    checks = [
        ("the echo server returns what it hears", lambda: check_echo(echo)),
        ("the chat passes lines on, and throws out who never ends one", lambda: check_chat(chat)),
        ("the proxy passes all on, both ways, and the end", lambda: check_proxy(proxy, echo)),
        ("the echo server of fibers returns what it hears", lambda: check_echo(fiber_echo)),
        ("datagrams come back as they were sent", lambda: check_udp(udp_echo)),
        ("so they do from a fiber", lambda: check_udp(fiber_udp_echo)),
        ("cat copies pipes and files whole", lambda: check_cat(cat)),
        ("lines go through a child and come back", lambda: check_filter(sort)),
        ("a layer turns what comes and what goes", lambda: check_layer(layer)),
        ("an operation on a descriptor ends with what comes, or in time", lambda: check_ready(ready)),
    ]
    if http:
        checks.append(("the web server answers a pipeline, and nonsense", lambda: check_http(http[0])))
    print(f"1..{len(checks)}")
    for number, (name, check) in enumerate(checks, 1):
        print(f"{'ok' if check() else 'not ok'} {number} - {name}", flush=True)


if __name__ == "__main__":
    main()
