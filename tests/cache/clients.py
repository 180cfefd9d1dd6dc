#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clients as Debian has them, each with the same script to memcached and to pawl-cache: what they return must be the same.

    clients.py SERVER

A client that is not installed is skipped, and says so; so are all of them without memcached.
"""
import importlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile

import served

HERE = os.path.dirname(os.path.abspath(__file__))
FEW, MANY, TOO_MANY = 100, 600_000, 1_200_000  # bytes of values: the last is above -I
RANDOM = random.Random(1).randbytes(3000)  # all bytes, \r\n among them


def wanted(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        raise served.Skip(f"python3-{name} is not installed") from None


def program(name, package):
    path = shutil.which(name)
    if path is None:
        raise served.Skip(f"{name} ({package}) is not installed")
    return path


def outcome(call, *arguments, **named):
    """What a call returned, or what it raised."""
    try:
        return repr(call(*arguments, **named))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


# ---- scripts: a list of lines for a port ----

def pymemcache_script(port):
    wanted("pymemcache")
    from pymemcache.client.base import Client

    client = Client(("127.0.0.1", port), timeout=served.PATIENCE, default_noreply=False)
    said = [outcome(call, *arguments) for call, *arguments in [
        (client.set, "a", "1"), (client.get, "a"), (client.get, "none"), (client.add, "a", "2"), (client.add, "b", "2"),
        (client.replace, "none", "x"), (client.replace, "b", "10"), (client.append, "b", "0"), (client.prepend, "b", "5"),
        (client.append, "none", "x"), (client.get_many, ["a", "b", "none"]), (client.incr, "b", 7), (client.decr, "b", 9999999),
        (client.incr, "none", 1), (client.set, "text", "abc"), (client.incr, "text", 1), (client.delete, "text"),
        (client.delete, "text"), (client.touch, "a", 100), (client.touch, "none", 100), (client.set, "gone", "x", -1),
        (client.get, "gone"), (client.set, "random", RANDOM), (client.get, "random"), (client.set, "large", b"l" * MANY),
        (client.get, "large"), (client.set, "huge", b"h" * TOO_MANY), (client.get, "huge"), (client.set, "k" * 250, "long"),
        (client.get, "k" * 250), (client.set, "k" * 251, "x"), (client.set_many, {"m1": "1", "m2": "2"}),
        (client.get_many, ["m1", "m2"]), (client.delete_many, ["m1", "m2"]), (client.get_many, ["m1", "m2"]),
        (client.cache_memlimit, 64)]]
    value, cas = client.gets("a")
    said += [repr(value), outcome(client.cas, "a", "3", cas), outcome(client.cas, "a", "4", cas), outcome(client.gets, "none"),
             outcome(client.cas, "none", "4", cas), repr(client.get("a")), outcome(client.gat, "a", 50)
             if hasattr(client, "gat") else ""]
    client.set("quiet", "1", noreply=True)
    said += [repr(client.get("quiet")), outcome(client.flush_all), repr(client.get("quiet"))]
    client.quit()
    return said


def python_memcached_script(port):
    memcache = wanted("memcache")
    client = memcache.Client([f"127.0.0.1:{port}"], cache_cas=True, socket_timeout=served.PATIENCE)
    said = [outcome(call, *arguments) for call, *arguments in [
        (client.set, "a", "1"), (client.get, "a"), (client.add, "a", 1), (client.set, "n", 41), (client.incr, "n"),
        (client.get, "n"), (client.decr, "n", 50), (client.set, "list", [1, {"two": (3, None)}]), (client.get, "list"),
        (client.set_multi, {"x": 1, "y": "two", "z": 3.5}, 0, "pre:"), (client.get_multi, ["x", "y", "z", "none"], "pre:"),
        (client.append, "a", "2"), (client.prepend, "a", "0"), (client.get, "a"), (client.replace, "none", "x"),
        (client.touch, "a", 100), (client.gets, "a"), (client.cas, "a", "mine"), (client.get, "a"),
        (client.delete_multi, ["x", "y"], 0, "pre:"), (client.get_multi, ["x", "y", "z"], "pre:"),
        (client.set, "packed", "p" * MANY, 0, 1000), (client.get, "packed"), (client.delete, "a"), (client.get, "a"),
        (client.set, "huge", os.urandom(0) + b"h" * TOO_MANY), (client.flush_all,), (client.get, "n")]]
    client.disconnect_all()
    return said


def pylibmc_script(port, binary):
    pylibmc = wanted("pylibmc")
    client = pylibmc.Client([f"127.0.0.1:{port}"], binary=binary, behaviors={"cas": True, "tcp_nodelay": True})
    said = [outcome(call, *arguments) for call, *arguments in [
        (client.set, "a", "1"), (client.get, "a"), (client.get, "none"), (client.add, "a", 1), (client.add, "b", 1),
        (client.set, "n", 41), (client.incr, "n"), (client.incr, "n", 10), (client.decr, "n", 100), (client.incr, "none"),
        (client.set, "text", "abc"), (client.incr, "text"), (client.append, "text", "def"), (client.prepend, "text", "_"),
        (client.get, "text"), (client.replace, "none", "x"), (client.set_multi, {"x": 1, "y": "two"}, 0, "pre:"),
        (client.get_multi, ["x", "y", "none"], "pre:"), (client.touch, "a", 100), (client.delete, "a"), (client.delete, "a"),
        (client.set, "random", RANDOM), (client.get, "random"), (client.set, "large", b"l" * MANY), (client.get, "large"),
        (client.set, "huge", b"h" * TOO_MANY), (client.get, "huge"), (client.delete_multi, ["x", "y"], None, "pre:")]]
    client.set("a", "first")
    value, cas = client.gets("a")
    said += [repr(value), outcome(client.cas, "a", "second", cas), outcome(client.cas, "a", "third", cas),
             repr(client.get("a")), outcome(client.flush_all), repr(client.get("a"))]
    return said


def run_lines(*command):
    """What a program prints, and how it ended."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=served.PATIENCE, check=False)
    return done.stdout.decode(errors="backslashreplace").split("\n") + [f"status {done.returncode}"]


def php_script(port, binary):
    php = program("php", "php-cli")
    if "memcached" not in run_lines(php, "-m"):
        raise served.Skip("php-memcached is not installed")
    return run_lines(php, os.path.join(HERE, "client.php"), str(port), "binary" if binary else "ascii")


def perl_script(port):
    perl = program("perl", "perl")
    if run_lines(perl, "-MCache::Memcached", "-e", "1")[-1] != "status 0":
        raise served.Skip("libcache-memcached-perl is not installed")
    return run_lines(perl, os.path.join(HERE, "client.pl"), str(port))


def tools_script(port, *binary):
    """The programs of libmemcached."""
    server = [f"--servers=127.0.0.1:{port}", *binary]
    copy, cat, remove, touch, exist, ping, flush = [
        program(name, "libmemcached-tools") for name in
        ("memccp", "memccat", "memcrm", "memctouch", "memcexist", "memcping", "memcflush")]
    said = []
    with tempfile.TemporaryDirectory() as folder:
        for name, count in (("small", FEW), ("large", MANY), ("huge", TOO_MANY)):
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(b"%07d\n" * (count // 8) % tuple(range(count // 8)))
            # Its message names the file's folder, which is another one each time.
            said += [line.replace(folder, "") for line in run_lines(copy, *server, path)]
        for command in ([cat, "small"], [cat, "large"], [cat, "huge"], [cat, "none"], [exist, "small"], [exist, "none"],
                        [touch, "--expire=100", "small"], [touch, "--expire=100", "none"], [remove, "small"], [remove, "small"],
                        [exist, "small"], [ping], [flush], [exist, "large"]):
            said += run_lines(command[0], *server, *command[1:])
    return [line.replace(f":{port}", ":PORT") for line in said]


def own_tool_script(port):
    """memcached-tool, which reads statistics and keys."""
    tool = "/usr/share/memcached/scripts/memcached-tool"
    if not os.path.exists(tool):
        raise served.Skip("memcached-tool (memcached) is not installed")
    if any("Can't locate" in line for line in run_lines(tool, f"127.0.0.1:{port}", "stats")):
        raise served.Skip("memcached-tool lacks a module of Perl")
    with socket.create_connection(("127.0.0.1", port), timeout=served.PATIENCE) as s:
        for number in range(20):
            served.ask(s, b"set key%%%d/ %d 0 %d\r\n%s\r\n" % (number, number, number, b"v" * number))
    said = sorted(run_lines(tool, f"127.0.0.1:{port}", "dump"))
    keys = [line.split()[0] for line in run_lines(tool, f"127.0.0.1:{port}", "keys") if line.startswith("key=")]
    return said + sorted(keys)


# ---- the promises ----

def same(script, *arguments):
    memcached = program("memcached", "memcached")
    port = served.free_ports(1)[0]
    with served.pawl_cache(sys.argv[1], "-m", 64) as ours:
        mine = script(ours.port, *arguments)
    with served.Process([memcached, "-u", "nobody", "-l", "127.0.0.1", "-p", str(port), "-t", "1"], port) as theirs:
        other = script(theirs.port, *arguments)
        theirs.kill()  # asked to end, it takes a second
    assert len(mine) > 10, mine  # a script that fails at once says little, and everywhere the same
    different = [(ours, them) for ours, them in zip(mine, other) if ours != them]
    assert not different and len(mine) == len(other), "\n".join(f"ours: {a[:300]}\nmemcached: {b[:300]}" for a, b in different)


def pymemcache_sees_no_difference():
    same(pymemcache_script)


def python_memcached_sees_no_difference():
    same(python_memcached_script)


def pylibmc_sees_no_difference():
    same(pylibmc_script, False)


def pylibmc_in_binary_sees_no_difference():
    same(pylibmc_script, True)


def php_sees_no_difference():
    same(php_script, False)


def php_in_binary_sees_no_difference():
    same(php_script, True)


def perl_sees_no_difference():
    same(perl_script)


def memcached_s_own_tool_sees_no_difference():
    same(own_tool_script)


def the_tools_of_libmemcached_see_no_difference():
    same(tools_script)


def the_tools_of_libmemcached_in_binary_see_no_difference():
    same(tools_script, "--binary")


def memccapable_passes():
    capable = program("memccapable", "libmemcached-tools")
    if not served.longer():
        raise served.Skip("it takes 5 s: PAWL_TEST_LONG=1")
    with served.pawl_cache(sys.argv[1], "-m", 64) as ours:
        said = run_lines(capable, "-h", "127.0.0.1", "-p", str(ours.port), "-t", "10")
    assert said[-1] == "status 0" and "All tests passed" in said, "\n".join(said)


if __name__ == "__main__":
    served.run([pymemcache_sees_no_difference, python_memcached_sees_no_difference, pylibmc_sees_no_difference,
                pylibmc_in_binary_sees_no_difference, php_sees_no_difference, php_in_binary_sees_no_difference,
                perl_sees_no_difference, memcached_s_own_tool_sees_no_difference, the_tools_of_libmemcached_see_no_difference,
                the_tools_of_libmemcached_in_binary_see_no_difference, memccapable_passes])
