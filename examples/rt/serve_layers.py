#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the examples with TLS and with files as a user would: serve_layers.py [--tls PROGRAM] [--files PROGRAM]. The clients are
openssl, curl (if they are there) and Python's own. Speaks TAP."""
import http.client
import os
import shutil
import ssl
import subprocess
import sys
import tempfile

from serve import Server, connect, exactly, free_port

TIMEOUT = 60


def make_certificate(folder):
    """Returns the paths of a certificate for localhost and its key."""
    chain, key = os.path.join(folder, "chain.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", chain, "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"],
                   check=True, stderr=subprocess.DEVNULL)
    return chain, key


def check_python_tls(port, chain):
    much = bytes(range(256)) * 2000
    with ssl.create_default_context(cafile=chain).wrap_socket(connect(port), server_hostname="localhost") as peer:
        heard = b""
        for at in range(0, len(much), 50000):
            peer.sendall(much[at:at + 50000])
            heard += exactly(peer, len(much[at:at + 50000]))
        peer.unwrap()  # close_notify both ways
    return heard == much


def check_s_client(port, chain, version):
    """Sends a line, which comes back, and ends when it has; verified."""
    client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-CAfile",
                               chain, "-verify_return_error", "-quiet", "-" + version],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    client.stdin.write(b"hello\n")
    client.stdin.flush()
    heard = client.stdout.readline()
    client.stdin.close()
    client.kill()  # -quiet stays at the end of its input
    client.wait(timeout=TIMEOUT)
    client.stdout.close()
    return heard == b"hello\n"


def checks_of_tls(program):
    with tempfile.TemporaryDirectory() as folder:
        chain, key = make_certificate(folder)
        port = free_port()
        server = Server(program, port, chain, key)
        yield "Python's TLS hears what it said", check_python_tls(port, chain)
        yield "so does openssl s_client with TLS 1.2", check_s_client(port, chain, "tls1_2")
        yield "and with TLS 1.3", check_s_client(port, chain, "tls1_3")
        yield "the server ends when it is told to", server.stop() == 0


def ask(port, method, path, **headers):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    link.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = link.getresponse()
    body = answer.read()
    link.close()
    return answer.status, body, answer


def raw(port, request):
    with connect(port) as peer:
        peer.sendall(request)
        return exactly(peer, 1 << 24)


def check_ranges(port, much):
    cases = {"bytes=0-0": much[:1], "bytes=100-199": much[100:200], "bytes=-10": much[-10:],
             "bytes=999990-": much[999990:], "bytes=5-99999999": much[5:]}
    good = all(ask(port, "GET", "/much.txt", Range=text)[:2] == (206, part) for text, part in cases.items())
    return good and ask(port, "GET", "/much.txt", Range="bytes=99999999-")[0] == 416


def check_outside(port):
    paths = [b"/../secret.txt", b"/%2e%2e/secret.txt", b"/sub/../../secret.txt", b"//etc/passwd", b"/leads/out.txt"]
    answers = [raw(port, b"GET " + path + b" HTTP/1.1\r\nConnection: close\r\n\r\n") for path in paths]
    return all(b"secret" not in answer and answer[:12] in (b"HTTP/1.1 403", b"HTTP/1.1 404") for answer in answers)


def check_pipeline(port, much):
    one, last = b"GET /much.txt HTTP/1.1\r\n\r\n", b"GET /a.txt HTTP/1.1\r\nConnection: close\r\n\r\n"
    heard = raw(port, one + b"HEAD /much.txt HTTP/1.1\r\n\r\n" + one + b"GET /none HTTP/1.1\r\n\r\n" + last)
    return heard.count(much) == 2 and heard.count(b"HTTP/1.1 200") == 4 and heard.count(b"HTTP/1.1 404") == 1


def check_refusals(port):
    long_path = b"GET /" + b"x" * 2000 + b" HTTP/1.1\r\nConnection: close\r\n\r\n"
    return (raw(port, long_path).startswith(b"HTTP/1.1 414") and ask(port, "POST", "/a.txt")[0] == 405
            and raw(port, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400") and ask(port, "GET", "/%zz")[0] == 400
            and ask(port, "GET", "/sub")[0] == 403)


def check_curl(port, much):
    if shutil.which("curl") is None:
        return True
    url = f"http://127.0.0.1:{port}/much.txt"
    heard = subprocess.run(["curl", "-sS", "-r", "500-", url, url], check=True, stdout=subprocess.PIPE, timeout=TIMEOUT)
    return heard.stdout == much[500:] * 2


def checks_of_files(program):
    much = bytes(range(33, 126)) * 12000
    with tempfile.TemporaryDirectory() as outer:
        folder = os.path.join(outer, "served")
        os.makedirs(os.path.join(folder, "sub"))
        os.symlink(outer, os.path.join(folder, "leads"))
        for path, content in (("secret.txt", b"secret"), ("out.txt", b"secret"), ("served/a.txt", b"small"),
                              ("served/much.txt", much), ("served/sub/index.html", b"<p>"), ("served/empty", b"")):
            with open(os.path.join(outer, path), "wb") as file:
                file.write(content)
        port = free_port()
        server = Server(program, port, folder)
        yield "a file comes whole", ask(port, "GET", "/much.txt")[:2] == (200, much)
        yield "so does an empty one", ask(port, "GET", "/empty")[:2] == (200, b"")
        yield "one in a folder has its type", ask(port, "GET", "/sub/index.html")[2].getheader("Content-Type").startswith("text/html")
        yield "HEAD tells of it only", ask(port, "HEAD", "/a.txt")[:2] == (200, b"")
        yield "what is not there is not found", ask(port, "GET", "/none")[0] == 404
        yield "parts come as they were asked for", check_ranges(port, much)
        yield "nothing outside of the folder is shown", check_outside(port)
        yield "a pipeline is answered in its order", check_pipeline(port, much)
        yield "nonsense is refused", check_refusals(port)
        yield "curl is content, with a part and with a second request", check_curl(port, much)
        yield "the server ends when it is told to", server.stop() == 0


def main():
    number = 0
    for kind, program in zip(sys.argv[1::2], sys.argv[2::2]):
        for name, good in checks_of_tls(program) if kind == "--tls" else checks_of_files(program):
            number += 1
            print(f"{'ok' if good else 'not ok'} {number} - {name}", flush=True)
    print(f"1..{number}")


main()
