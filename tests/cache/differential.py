#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same commands to memcached and to pawl-cache: their answers are compared byte for byte.

    differential.py SERVER [--rounds N] [--seed S]

SERVER is a command line in which {port} stands for the port. Streams of commands are random but seeded, and cut at
random bytes. What may differ is made alike before: numbers of cas, seconds since the last access, the server's version. Then the
requests of oddities.py, each on a connection of its own. Exits with 77 (skipped) where that memcached is not
installed.
"""
import argparse
import random
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import time

import oddities
import served

SKIPPED = 77
MODEL = "1.6.18"


def connect(port):
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def converse(port, pieces, end):
    """Sends the pieces; returns what comes until `end`, or until the server closes."""
    got = b""
    with connect(port) as s:
        s.settimeout(served.PATIENCE)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                s.sendall(piece)
            while not got.endswith(end):
                piece = s.recv(1 << 16)
                if not piece:
                    return got + b"<closed>"
                got += piece
        except (ConnectionResetError, BrokenPipeError):
            return got + b"<closed>"
        except socket.timeout:
            return got + b"<silent>"
    return got


KEYS = [b"a", b"bb", b"key", b"k:1", b"k:2", b"n", b"x" * 250, b"y" * 251, b"Zm9v", b"num", b"\xff\xfe"]
NUMBERS = [b"0", b"1", b"5", b"10", b"99", b"100", b"-1", b"+3", b"abc", b"1x", b"4294967295", b"4294967296",
           b"18446744073709551615", b"18446744073709551616", b"-18446744073709551615", b"", b"2147483647",
           b"2147483648", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"1\t", b"\t7", b"00012"]
EXPIRIES = [b"0", b"0", b"0", b"100", b"1000", b"-1", b"2592000", b"zz", b"4102444800", b"999999999999"]
VALUES = [b"", b"1", b"12", b"99", b"abc", b"18446744073709551615", b"10 ", b"hello world", b"v" * 100, b"-1", b"007"]
# memcached closes where it finds no line's end in 2048 bytes: these stand only where they are taken for values.
LARGE = [b"w" * 2047, b"x" * 2048, b"y" * 5000, b"\r\n" * 40000]
SPACE = [b" "] * 12 + [b"  "]


def glue(r, words):
    line = words[0]
    for word in words[1:]:
        line += r.choice(SPACE) + word
    return line


def key(r):
    return r.choice(KEYS[:7]) if r.random() < 0.9 else r.choice(KEYS)


def noreply(r):
    return [b"noreply"] if r.random() < 0.15 else []


def storing(r):
    name = r.choice([b"set", b"set", b"set", b"add", b"replace", b"append", b"prepend", b"cas"])
    if r.random() < 0.05:
        value = r.choice(LARGE)
        if name == b"cas":
            return b"ms " + r.choice(KEYS[:7]) + b" %d T0 c\r\n%s\r\n" % (len(value), value)
        return b"%s %s 5 0 %d\r\n%s\r\n" % (name, r.choice(KEYS[:7]), len(value), value)
    value = r.choice(VALUES)
    count = str(len(value)).encode() if r.random() < 0.93 else r.choice(NUMBERS)
    flags = r.choice([b"0", b"0", b"7"]) if r.random() < 0.9 else r.choice(NUMBERS)
    words = [name, key(r), flags, r.choice(EXPIRIES), count]
    if name == b"cas":
        words.append(r.choice([b"0", b"999999999", b"x"]))
    if r.random() < 0.02:
        words.pop()
    # Without a value of the announced size the rest of the stream means something else: that is tried as well.
    end = b"\r\n" if r.random() < 0.97 else b"xx"
    return glue(r, words + noreply(r)) + b"\r\n" + value + end


def getting(r):
    name = r.choice([b"get", b"get", b"get", b"gets", b"gat", b"gats", b"bget"])
    words = [name]
    if name in (b"gat", b"gats"):
        words.append(r.choice(EXPIRIES))
    # Of more than 2048 bytes without an end, memcached waits only for the rest of get and gets.
    many = [17, 40] if name in (b"get", b"gets") else [4]
    words += [key(r) for _ in range(r.choice([0, 1, 1, 1, 2, 3] + many))]
    # For a key that is too long memcached forgets the answers that it has not sent: mn has it send them.
    before = b"\r\nmn\r\n" if KEYS[7] in words else b""
    return before + glue(r, words) + r.choice([b"\r\n"] * 9 + [b"\n"])


def other(r):
    number = r.choice(NUMBERS)
    return glue(r, r.choice([
        [b"incr", key(r), number], [b"decr", key(r), number], [b"incr", b"num", b"1"], [b"decr", b"num", b"3"],
        [b"delete", key(r)], [b"delete", key(r), b"0"], [b"delete", key(r), b"5"],
        [b"touch", key(r), r.choice(EXPIRIES)], [b"verbosity", b"1"], [b"verbosity"], [b"version"], [b"nonsense"],
        [b""], [b"x"], [b"get"], [b"mn"], [b"stats", b"nonsense"], [b"shutdown"], [b"set", b"a"], [b"delete"],
        [b"gat"], [b"gat", b"0"], [b"touch", b"a"], [b"incr", b"a"], [b"cas", b"a", b"0"], [b"flush_all", b"x"],
        [b"cache_memlimit"], [b"cache_memlimit", b"1"], [b"cache_memlimit", b"x"], [b"stats", b"detail"],
        [b"mx", b"a"], [b"GETX", b"a"], [b"lru"], [b"slabs"], [b"verbosity", b"x"], [b"shutdown", b"x"],
        [b"stats", b"detail", b"on"], [b"stats", b"detail", b"off"], [b"stats", b"reset"],
    ]) + noreply(r)) + b"\r\n"


def meta_flags(r, some):
    flags = []
    for flag in r.sample(some, min(len(some), r.choice([0, 1, 2, 3, 4]))):
        if flag == b"O":
            # With N, memcached makes an item that never expires before it finds that an opaque is too long.
            flag += r.choice([b"1", b"opaque", b"o" * 31, b"o" * 31 if b"N" in some else b"o" * 32])
        elif flag in (b"T", b"N", b"R"):
            flag += r.choice([b"30", b"100", b"0", b"60", b"x"] if r.random() < 0.2 else [b"30", b"60"])
        elif flag == b"C":
            flag += r.choice([b"0", b"999999999", b"x"])
        elif flag == b"F":
            flag += r.choice([b"1", b"77", b"x", b"4294967295"])
        elif flag in (b"J", b"D"):
            flag += r.choice([b"1", b"13", b"x", b"18446744073709551615"])
        flags.append(flag)
    if r.random() < 0.02:
        flags.append(r.choice([b"!", b"k", b"\xff", b"Z", b"b"]))
    return flags


def meta(r):
    name = r.choice([b"mg", b"mg", b"ms", b"ms", b"md", b"ma", b"me"])
    words = [name, key(r)]
    if r.random() < 0.02:
        return glue(r, words[:r.choice([1, 2])]) + b"\r\n"
    if name == b"mg":
        words += meta_flags(r, [b"c", b"f", b"h", b"k", b"O", b"q", b"s", b"t", b"v", b"v", b"u", b"T", b"R", b"N"])
    elif name == b"md":
        words += meta_flags(r, [b"q", b"k", b"O", b"I", b"T", b"C"])
    elif name == b"ma":
        words += meta_flags(r, [b"k", b"O", b"v", b"t", b"c", b"D", b"J", b"M+", b"C", b"T"])
        if r.random() < 0.3:
            words.append(r.choice([b"MD", b"M-", b"MI", b"Mx", b"M"]))
        elif r.random() < 0.3:
            words = [word[:32] for word in words] + [b"N60"]  # as in meta_flags()
    elif name == b"ms":
        value = r.choice(VALUES)
        words.append(str(len(value)).encode() if r.random() < 0.95 else r.choice(NUMBERS))
        words += meta_flags(r, [b"q", b"k", b"O", b"c", b"F", b"T", b"C", b"I"])
        if r.random() < 0.4:
            words.append(r.choice([b"ME", b"MA", b"MP", b"MR", b"MS", b"Mx", b"M"]))
        return glue(r, words) + b"\r\n" + value + b"\r\n"
    if name == b"me":
        words = words[:2]
    return glue(r, words) + b"\r\n"


# ---- binary ----

VERSION = 0x0b


def packet(opcode, key_=b"", extras=b"", value=b"", cas=0, opaque=0):
    body = extras + key_ + value
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key_), len(extras), 0, 0, len(body), opaque, cas) + body


def binary(r):
    name = r.choice([b"a", b"bb", b"k:1", b"num", b"x" * 250])
    opaque = r.getrandbits(32)
    value = r.choice(VALUES + LARGE)
    some = r.random()
    if some < 0.35:
        return packet(r.choice([1, 2, 3, 0x11, 0x12, 0x13]), name, struct.pack(">II", 7, r.choice([0, 100])), value,
                      r.choice([0, 0, 0, 999999999]), opaque)
    if some < 0.65:
        return packet(r.choice([0x00, 0x09, 0x0c, 0x0d]), name, opaque=opaque)
    if some < 0.75:
        return packet(r.choice([5, 6, 0x15, 0x16]), r.choice([name, b"num"]),
                      struct.pack(">QQI", 3, 10, r.choice([0, 100, 0xffffffff])), opaque=opaque)
    if some < 0.82:
        return packet(r.choice([0x0e, 0x0f, 0x19, 0x1a]), name, value=value, opaque=opaque)
    if some < 0.88:
        return packet(r.choice([4, 0x14]), name, opaque=opaque)
    if some < 0.95:
        return packet(r.choice([0x1c, 0x1d, 0x1e, 0x23, 0x24]), name, struct.pack(">I", 100), opaque=opaque)
    return packet(r.choice([0x0a, 0x0b, 0x60]), opaque=opaque)


def binary_alike(answers):
    """Each packet without its cas, if it has one, and without the server's version."""
    out, at = [], 0
    while at + 24 <= len(answers):
        magic, opcode, keys, extras, _, status, body, opaque, cas = struct.unpack(">BBHBBHIIQ", answers[at:at + 24])
        text = b"" if opcode == VERSION else answers[at + 24:at + 24 + body]
        out.append((magic, opcode, keys, extras, status, opaque, cas != 0, text.rstrip(b" ")))
        at += 24 + body
    out.append(answers[at:])
    return out


# ---- all ----

def text_alike(answers):
    answers = re.sub(rb"(?m)^VERSION \S+", b"VERSION", answers)
    answers = re.sub(rb"(VALUE \S+ \d+ \d+) \d+\r\n", rb"\1 CAS\r\n", answers)
    answers = re.sub(rb"(?m)^((?:HD|VA \d+)\b.*) c[1-9]\d*", rb"\1 cCAS", answers)
    answers = re.sub(rb"(?m)^((?:HD|VA \d+)\b.*) h[01]", rb"\1 h", answers)
    # A number keeps its length when it becomes shorter, but not while memcached still sends the item.
    answers = re.sub(rb"(VALUE \S+ \d+ )\d+((?: CAS)?\r\n\d+) *\r\n", rb"\1N\2\r\n", answers)
    answers = re.sub(rb"(?m)^VA \d+(.*\r\n\d+) *\r\n", rb"VA N\1\r\n", answers)
    answers = re.sub(rb"(?m)^((?:HD|VA \w+)\b.*) s\d+", rb"\1 s", answers)
    return re.sub(rb"(?m)^(ME \S+ exp=\S+).*", rb"\1", answers)


def cut(r, stream):
    if r.random() < 0.3:
        return [stream]
    pieces, at = [], 0
    while at < len(stream):
        count = r.choice([1, 2, 3, 10, 50, 400, 3000, 100000])
        pieces.append(stream[at:at + count])
        at += count
        if len(pieces) > 60:
            pieces.append(stream[at:])
            break
    return pieces


def compare(r, ports, commands, end, alike):
    stream = b"".join(commands)
    pieces = cut(r, stream)
    return [alike(converse(port, pieces, end)) for port in ports]


def short(thing):
    text = repr(thing)
    return text if len(text) <= 160 else text[:110] + f" ... ({len(text)})"


def show(commands, first, second):
    for command in commands:
        print("  ", short(command))
    one, other_one = lines(first), lines(second)
    at = next((i for i, pair in enumerate(zip(one, other_one)) if pair[0] != pair[1]), min(len(one), len(other_one)))
    print(f"  answer {at}: memcached, then pawl-cache")
    for answers in (one, other_one):
        print("  ", short(answers[max(at - 2, 0):at + 2]))


def shrink(commands, pair, differ):
    """Fewer commands that differ as well."""
    step = max(len(commands) // 2, 1)
    while True:
        at = 0
        while at < len(commands):
            fewer = commands[:at] + commands[at + step:]
            other_pair = differ(fewer) if fewer else None
            if other_pair is None:
                at += step
            else:
                commands, pair = fewer, other_pair
        if step == 1:
            return commands, *pair
        step //= 2


def run(ports, rounds, seed):
    wrong = 0
    for i in range(rounds):
        r = random.Random(seed * 1000003 + i)
        if i % 4 == 3:
            clear, last, alike = packet(8), packet(0x0a, opaque=0xabcdef), binary_alike
            commands = [binary(r) for _ in range(r.choice([1, 5, 30]))]
            end = struct.pack(">BBHBBHIIQ", 0x81, 0x0a, 0, 0, 0, 0, 0, 0xabcdef, 0)
        else:
            clear, last, alike, end = b"flush_all\r\n", b"mg last Oend\r\n", text_alike, b"EN Oend\r\n"
            some = [storing, storing, getting, getting, other, meta, meta]
            commands = [r.choice(some)(r) for _ in range(r.choice([1, 5, 30, 100]))]
        # Behind a value that was cut off some bytes are still swallowed: they are these.
        tail = b"\r\n" * 3000 + last if alike is text_alike else last

        def differ(some):
            for port in ports:
                converse(port, [clear + last], end)
            first, second = compare(random.Random(i), ports, some + [tail], end, alike)
            return None if first == second else (first, second)

        # memcached changes a number in its place or beside it, by whether it is still sending it: what differs must do so again.
        pair = differ(commands) and differ(commands) and differ(commands)
        if pair is None:
            continue
        wrong += 1
        print(f"differential.py: round {i} of seed {seed}")
        if wrong <= 5:
            show(*shrink(commands, pair, differ))
    return wrong


def compare_oddities(ports):
    """Each with a new cache; returns how many there are, and how many were answered differently."""
    wrong, count, end = 0, 0, b"EN Oend\r\n"
    for odd in oddities.all_of_them():
        pieces = [b"flush_all\r\n", *(odd if isinstance(odd, list) else [odd]), b"\r\nmg last Oend\r\n"]
        for _ in range(3):  # a second may have gone by on one side
            first, second = (text_alike(converse(port, pieces, end)) for port in ports)
            if first == second:
                break
        count += 1
        if first != second:
            wrong += 1
            print(f"differential.py: {short(odd)}: memcached, then pawl-cache")
            print("  ", short(first))
            print("  ", short(second))
    return count, wrong


def dump_of(port):
    """What it tells of its keys, without classes and sizes; times to some seconds."""
    stored = b"flush_all\r\nset a%b/c-d_e.~ 5 100 3\r\nabc\r\nset fetched 0 0 200\r\n" + b"x" * 200 + \
        b"\r\nget fetched\r\nms w7Y= 2 b\r\nhi\r\nset gone 0 -1 1\r\n1\r\nmn\r\n"
    converse(port, [stored], b"MN\r\n")
    told = converse(port, [b"lru_crawler metadump all\r\n"], b"END\r\n")
    told = re.sub(rb"cas=\d+ (.*) cls=\d+ size=\d+", rb"\1", told)
    return sorted(re.sub(rb"(exp|la)=(\d+)\d\b", rb"\1=\2?", told).split(b"\n"))


def compare_dumps(ports):
    for _ in range(3):
        first, second = (dump_of(port) for port in ports)
        if first == second:
            return 0
        time.sleep(1.5)  # one server's clock may have begun another ten seconds before the other's
    print("differential.py: dumps: memcached, then pawl-cache")
    print("  ", first)
    print("  ", second)
    return 1


def lines(answers):
    return answers.split(b"\r\n") if isinstance(answers, bytes) else answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    memcached = shutil.which("memcached")
    if memcached is None:
        print("differential.py: memcached is not installed")
        return SKIPPED
    version = subprocess.run([memcached, "-V"], stdout=subprocess.PIPE, text=True, check=False).stdout.split()[-1:]
    if version != [MODEL]:  # later ones answer otherwise here and there: sizes from ms, signs of me
        print(f"differential.py: compares with memcached {MODEL}; this one is {' '.join(version)}")
        return SKIPPED
    ports = served.free_ports(2)
    commands = [[memcached, "-u", "nobody", "-l", "127.0.0.1", "-p", str(ports[0]), "-m", "64", "-t", "1"],
                shlex.split(options.server.format(port=ports[1]))]
    servers = [subprocess.Popen(command) for command in commands]
    try:
        wrong = run(ports, options.rounds, options.seed)
        odd, odd_wrong = compare_oddities(ports)
        odd_wrong += compare_dumps(ports)
    finally:
        for server in servers:
            server.terminate()
            server.wait()
    print(f"differential.py: {options.rounds} rounds of seed {options.seed}, {wrong} differ; {odd} odd requests, {odd_wrong} differ")
    return 1 if wrong + odd_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
