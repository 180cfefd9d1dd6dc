#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Several servers: behind twemproxy, as docs/cache-cluster.md configures it, and by clients that hash consistently. One is
killed, the others serve on.

    cluster.py SERVER
"""
import contextlib
import os
import shutil
import sys
import tempfile

import clients
import served

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "cache-cluster.md")
KEYS = [f"key:{i}" for i in range(300)]


def configuration():
    """The page's own."""
    with open(PAGE, encoding="utf-8") as page:
        return page.read().split("```yaml\n")[1].split("```")[0]


@contextlib.contextmanager
def three_servers():
    """A list of three, of which the test may kill and replace some."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(served.pawl_cache(sys.argv[1], "-m", 16, "-t", 1)) for _ in range(3)]
        yield servers


def items_of(server):
    return int(served.stats(server)["curr_items"])


def all_have_a_share(servers):
    shares = [items_of(server) for server in servers]
    assert sum(shares) == len(KEYS) and min(shares) > len(KEYS) // 20, shares
    return shares


# ---- twemproxy ----

@contextlib.contextmanager
def proxy(servers):
    nutcracker = shutil.which("nutcracker", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if nutcracker is None:
        raise served.Skip("nutcracker is not installed")
    text = configuration()
    port, statistics = served.free_ports(2)
    for old, new in [("22121", port), ("server_retry_timeout: 30000", "server_retry_timeout: 300"), ("timeout: 400", "timeout: 30000"),
                     *((str(11211 + i), servers[i].port) for i in range(3))]:
        assert old in text, f"the page's configuration says nothing of {old}"
        text = text.replace(old, str(new))
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        file.write(text)
        file.flush()
        with served.Process([nutcracker, "-c", file.name, "-s", str(statistics)], port) as process:
            yield process


def through(front, request):
    """An answer, or None for an error of the proxy's, which may have closed."""
    with contextlib.suppress(OSError, AssertionError):
        with served.connect(front) as s:
            s.sendall(request)
            got = b""
            while not got.endswith((b"END\r\n", b"STORED\r\n")) and b"ERROR" not in got:
                piece = s.recv(1 << 16)
                if not piece:
                    return None
                got += piece
            return None if b"ERROR" in got else got
    return None


def put(front, key):
    return through(front, b"set %s 0 0 %d\r\n%s\r\n" % (key.encode(), len(key), key.encode())) == b"STORED\r\n"


def found(front, key):
    """True, False, or None for an error."""
    got = through(front, b"get %s\r\n" % key.encode())
    return None if got is None else key.encode() + b"\r\n" in got


def again_until(call):
    """The first answer that is none of the proxy's errors."""
    answer = []
    served.eventually("an answer", lambda: [answer.append(call()), answer[-1] is not None][1])
    return answer[-1]


def behind_twemproxy_the_others_serve_when_one_is_killed():
    with three_servers() as servers, proxy(servers) as front:
        assert all(put(front, key) for key in KEYS)
        shares = all_have_a_share(servers)
        assert all(found(front, key) for key in KEYS)
        servers[1].kill()
        # Requests to it fail until it is ejected, and now and then one that tries it again: a client asks once more.
        there = [again_until(lambda key=key: found(front, key)) for key in KEYS]
        assert there.count(True) == shares[0] + shares[2], (there.count(True), shares)
        for key in KEYS:
            assert again_until(lambda key=key: put(front, key) or None)
        assert all(again_until(lambda key=key: found(front, key)) for key in KEYS)
        # It comes back, empty, and gets its keys again.
        with served.pawl_cache(sys.argv[1], "-m", 16, "-t", 1, port=servers[1].port) as again:
            served.eventually("it serves again", lambda: [put(front, key) for key in KEYS] and items_of(again) == shares[1])


# ---- clients ----

def libmemcached_with_ketama_goes_on_without_a_server():
    pylibmc = clients.wanted("pylibmc")
    with three_servers() as servers:
        client = pylibmc.Client([f"127.0.0.1:{server.port}" for server in servers], behaviors={
            "ketama": True, "auto_eject": True, "failure_limit": 1, "retry_timeout": 1, "dead_timeout": 60})
        goes_on(client, servers, pylibmc.Error)


def pymemcache_with_a_hash_client_goes_on_without_a_server():
    clients.wanted("pymemcache")
    from pymemcache.client.hash import HashClient

    with three_servers() as servers:
        client = HashClient([("127.0.0.1", server.port) for server in servers], ignore_exc=True, retry_attempts=0,
                            dead_timeout=60, default_noreply=False)
        goes_on(client, servers, OSError)


def goes_on(client, servers, error):
    def value(key):
        got = client.get(key)
        return got.decode() if isinstance(got, bytes) else got

    def tried(call):
        with contextlib.suppress(error):
            return call()
        return None

    assert all(client.set(key, key) for key in KEYS)
    shares = all_have_a_share(servers)
    assert [value(key) for key in KEYS] == KEYS
    servers[2].kill()
    for key in KEYS:
        served.eventually(f"{key} can be written", lambda key=key: tried(lambda: client.set(key, key)))
    assert [value(key) for key in KEYS] == KEYS
    # None of the others' keys has moved: what they have is what they had, and what was the dead one's.
    assert items_of(servers[0]) + items_of(servers[1]) == sum(shares), shares


if __name__ == "__main__":
    served.run([behind_twemproxy_the_others_serve_when_one_is_killed, libmemcached_with_ketama_goes_on_without_a_server,
                pymemcache_with_a_hash_client_goes_on_without_a_server])
