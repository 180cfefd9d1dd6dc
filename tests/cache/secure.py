#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pawl-cache with -Z: secure.py PAWL_CACHE. The client is Python's TLS, certificates are made by openssl. Speaks TAP."""
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

import served

TIMEOUT = 60


def make_certificate(folder, name, subject):
    chain, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", chain, "-days", "2", "-subj", "/CN=" + subject,
                    "-addext", "subjectAltName=DNS:localhost"],
                   check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return chain, key


class Server:
    def __init__(self, program, *words):
        self.port, self.plain = served.free_ports(2)
        self.process = subprocess.Popen([program, "-t", "2", "-l",
                                         f"127.0.0.1:{self.port},notls:127.0.0.1:{self.plain}", *words])
        for _ in range(TIMEOUT * 100):
            try:
                socket.create_connection(("127.0.0.1", self.plain), timeout=TIMEOUT).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise TimeoutError("it does not listen")

    def connect(self, authority, session=None, **certificate):
        context = ssl.create_default_context(cafile=authority)
        if certificate:
            context.load_cert_chain(**certificate)
        if session is not None:
            context = session[0]
        link = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
        return context.wrap_socket(link, server_hostname="localhost", session=session[1] if session else None)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=TIMEOUT)


def ask(peer, request, end=b"\r\n"):
    peer.sendall(request)
    heard = b""
    while not heard.endswith(end):
        part = peer.recv(65536)
        if not part:
            break
        heard += part
    return heard


def subject(peer):
    return dict(entry[0] for entry in peer.getpeercert()["subject"])["commonName"]


def check_commands(server, chain):
    value = bytes(range(256)) * 3000
    with server.connect(chain) as peer:
        stored = ask(peer, b"set big 0 0 %d\r\n" % len(value) + value + b"\r\n")
        got = ask(peer, b"get big\r\n", b"\r\nEND\r\n")
        many = ask(peer, b"mn\r\n" * 2000, b"MN\r\n" * 2000)
    return stored == b"STORED\r\n" and value in got and many == b"MN\r\n" * 2000


def check_plain(server):
    with socket.create_connection(("127.0.0.1", server.plain), timeout=TIMEOUT) as peer:
        good = ask(peer, b"mn\r\n") == b"MN\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as peer:
        peer.sendall(b"version\r\n")  # no TLS: refused
        try:
            heard = peer.recv(100)
        except ConnectionResetError:
            heard = b""
    return good and b"VERSION" not in heard


def check_counts(server, chain):
    """Handshakes that fail leave no connection behind."""
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as peer:
            peer.sendall(b"nonsense\r\n")
    with server.connect(chain) as peer:
        for _ in range(TIMEOUT * 100):
            if b"STAT curr_connections 1\r\n" in ask(peer, b"stats\r\n", b"END\r\n"):
                break
            time.sleep(0.01)
        else:
            return False
        settings = ask(peer, b"stats settings\r\n", b"END\r\n")
        return (b"STAT ssl_enabled yes\r\n" in settings
                and b"STAT time_since_server_cert_refresh " in ask(peer, b"stats\r\n", b"END\r\n"))


def check_refresh(server, folder, chain, key):
    other = make_certificate(folder, "other", "second")
    with server.connect(chain) as old:
        before = subject(old) == "first"
        os.replace(other[0], chain)  # the key is not its: nothing changes
        wrong = ask(old, b"refresh_certs\r\n").startswith(b"SERVER_ERROR ")
        os.replace(other[1], key)
        right = ask(old, b"refresh_certs\r\n") == b"OK\r\n"
        with server.connect(chain) as new:
            after = subject(new) == "second"
        lives = ask(old, b"mn\r\n") == b"MN\r\n"
    third = make_certificate(folder, "third", "third")
    os.replace(third[1], key)
    os.replace(third[0], chain)
    server.process.send_signal(signal.SIGHUP)
    for _ in range(TIMEOUT * 20):
        try:
            with server.connect(chain) as peer:
                return before and wrong and right and after and lives and subject(peer) == "third"
        except ssl.SSLError:  # still the second
            time.sleep(0.05)
    return False


def check_clients(program, folder):
    chain, key = make_certificate(folder, "required", "required")
    stranger = make_certificate(folder, "stranger", "stranger")
    server = Server(program, "-Z", "-o", f"ssl_chain_cert={chain},ssl_key={key},ssl_verify_mode=2,ssl_ca_cert={chain}")
    with server.connect(chain, certfile=chain, keyfile=key) as peer:
        good = ask(peer, b"mn\r\n") == b"MN\r\n"
    for certificate in ({}, {"certfile": stranger[0], "keyfile": stranger[1]}):
        try:
            with server.connect(chain, **certificate) as peer:
                good = good and ask(peer, b"mn\r\n") == b""
        except (ssl.SSLError, ConnectionError):
            pass
    return good and server.stop() == 0


def check_sessions(program, folder, chain, key):
    resumed = []
    for words in ("", ",ssl_session_cache"):
        server = Server(program, "-Z", "-o", f"ssl_chain_cert={chain},ssl_key={key},ssl_min_version=tlsv1.3{words}")
        with server.connect(chain) as peer:
            ask(peer, b"mn\r\n")
            session = peer.context, peer.session
        with server.connect(chain, session=session if session[1] and session[1].has_ticket else None) as peer:
            resumed.append(peer.session_reused)
        server.stop()
    return resumed == [False, True]


def check_options(program, chain, key):
    wrong = [["-Z"], ["-Z", "-o", "ssl_key=" + key], ["-o", "ssl_nonsense"], ["-o", "ssl_verify_mode=4"],
             ["-o", "ssl_min_version=1"], ["-o", "ssl_wbuf_size=0"], ["-o", "ssl_keyformat=ENGINE"], ["-o", "ssl_chain_cert"]]
    said = [subprocess.run([program, *words], stderr=subprocess.PIPE, check=False, timeout=TIMEOUT) for words in wrong]
    absent = subprocess.run([program, "-p", str(served.free_ports(1)[0]), "-Z", "-o", f"ssl_chain_cert=/nowhere.pem,ssl_key={key}"],
                            stderr=subprocess.PIPE, check=False, timeout=TIMEOUT)
    return (all(run.returncode == 64 and run.stderr.startswith(b"pawl-cache: ") for run in said)
            and absent.returncode == 1 and b"/nowhere.pem" in absent.stderr)


def main():
    program, number = sys.argv[1], 0
    with tempfile.TemporaryDirectory() as folder:
        chain, key = make_certificate(folder, "server", "first")
        server = Server(program, "-Z", "-o", f"ssl_chain_cert={chain},ssl_key={key}")
        for name, check in (
                ("commands are answered in TLS", lambda: check_commands(server, chain)),
                ("notls: is plain, and the other is not", lambda: check_plain(server)),
                ("handshakes that fail are no connections", lambda: check_counts(server, chain)),
                ("certificates change by refresh_certs and by SIGHUP", lambda: check_refresh(server, folder, chain, key)),
                ("it ends when it is told to", lambda: server.stop() == 0),
                ("clients without a good certificate stay outside", lambda: check_clients(program, folder)),
                ("sessions are resumed if that is wanted", lambda: check_sessions(program, folder, chain, key)),
                ("what is wrong with options is said", lambda: check_options(program, chain, key))):
            number += 1
            print(f"{'ok' if check() else 'not ok'} {number} - {name}", flush=True)
    print(f"1..{number}")


main()
