# SPDX-License-Identifier: MIT
"""Odd requests, one by one, whose answers differential.py compares: each number, key, length, shape and mode that clients get wrong.

Each is bytes, or a list of bytes that are sent one after the other. What docs/cache.md says to be different is not among them."""
import base64
import itertools

STORED = b"set a 0 0 1\r\n1\r\n"
KEY_MAX, ITEM_MAX = 250, 1 << 20
# Of what is behind the key of a set without flags: all that -I 1m leaves.
VALUE_MAX = ITEM_MAX - 48 - 8 - 1 - 1 - 2


def expiries():
    for text in b"-1", b"-2147483648", b"0", b"1", b"2592000", b"2592001", b"4102444800", b"2147483648", b"4294967296", \
            b"9999999999999999999999", b"+5", b"1.5", b"0x10", b"5abc", b"":
        for name in b"set", b"add", b"replace":
            yield STORED * (name == b"replace") + name + b" a 0 " + text + b" 1\r\n1\r\nget a\r\n"
        yield STORED + b"touch a " + text + b"\r\nget a\r\n"
        yield STORED + b"gat " + text + b" a b\r\nget a\r\n"
        yield b"ms a 1 T" + text + b"\r\n1\r\nmg a v\r\n"
        yield STORED + b"mg a T" + text + b" v\r\nmg a v\r\n"
        yield STORED + b"md a I T" + text + b"\r\nmg a v\r\n"
        yield b"mg a N" + text + b" v\r\nmg a v\r\n"
        yield b"ma a N" + text + b" J7 v\r\nmg a v\r\n"
    for delay in b"-1", b"0", b"1", b"100", b"abc", b"-2147483648", b"0 0", b"noreply noreply", b"2592001", b"1000000000":
        yield STORED + b"flush_all " + delay + b"\r\nget a\r\n"
        yield STORED + b"flush_all " + delay + b" noreply\r\nget a\r\n"
        yield STORED + b"flush_all " + delay + b"\r\nflush_all\r\n" + STORED + b"get a\r\n"


def numbers_of_cas():
    for number in b"0", b"-1", b"18446744073709551615", b"18446744073709551616", b"abc", b"", b"1 2", b"0 noreply", b"x noreply":
        yield STORED + b"cas a 0 0 1 " + number + b"\r\n2\r\nget a\r\n"
        yield b"cas none 0 0 1 " + number + b"\r\n2\r\nget none\r\n"
    for number in b"0", b"-1", b"18446744073709551615", b"abc", b"":
        yield b"set a 0 0 0\r\n\r\nma a C" + number + b"\r\n"
        for command in b"ms a 1 C%s\r\n2", b"ms a 1 I C%s\r\n2", b"md a C%s", b"md a I C%s", b"ma a C%s":
            yield STORED + command % number + b"\r\nmg a v\r\n"


def sums():
    for value in b"18446744073709551615", b"18446744073709551616", b"0", b"10", b"100", b"-1", b" 1", b"1 ", b"1x", b"", b"007", \
            b"99999999999999999999999", b"+1", b"1\0", b"12\t":
        stored = b"set n 7 0 %d\r\n%s\r\n" % (len(value), value)
        for delta in b"1", b"5", b"18446744073709551615", b"18446744073709551616", b"-1", b"x", b"", b"1 noreply":
            yield stored + b"incr n " + delta + b"\r\nget n\r\ndecr n " + delta + b"\r\nget n\r\n"
        yield stored + b"ma n v\r\nma n MD D5 v\r\nget n\r\nma n D18446744073709551615 v\r\nma n q\r\nma n Dx\r\nma n MQ\r\nget n\r\n"
    yield b"incr none 1\r\ndecr none 1\r\nma none q\r\nma none N0 J13 D5 MD v\r\nma none MD D5 v\r\nget none\r\n"


def joins_and_flags():
    for flags in b"0", b"5", b"65536", b"4294967295", b"4294967296", b"-1", b"1x", b"", b"+1", b"01":
        yield b"set a " + flags + b" 0 1\r\n1\r\nget a\r\n"
        yield b"ms a 1 F" + flags + b"\r\n1\r\nmg a f v\r\n"
        for name in b"append", b"prepend":
            for first in b"0", b"7":
                yield b"set a %s 100 3\r\nabc\r\n" % first + name + b" a " + flags + b" 5 2\r\nde\r\nget a\r\nmg a v f t s\r\n"
            yield name + b" none " + flags + b" 0 2\r\nde\r\nget none\r\n"
    for then in b"ms a 2 MA F9\r\nde", b"ms a 2 MP F9 T50\r\nde", b"incr a 1", b"md a I", b"ma a v", b"touch a 100", b"replace a 0 0 1\r\nx":
        for first in b"0", b"4000000000":
            yield b"set a %s 0 2\r\n12\r\n" % first + then + b"\r\nget a\r\nmg a f v\r\n"


def keys():
    for key in b"k" * (KEY_MAX - 1), b"k" * KEY_MAX, b"k" * (KEY_MAX + 1), b"k" * 2000, b"a\0b", b"\x01", b"\x80\xff":
        for command in b"get %s", b"gets a %s", b"gat 0 %s", b"set %s 0 0 1\r\n1", b"set %s 0 0 1 noreply\r\n1", b"cas %s 0 0 1 5\r\n1", \
                b"append %s 0 0 1\r\n1", b"delete %s", b"delete %s noreply", b"incr %s 1", b"touch %s 0", b"mg %s v k", b"ms %s 1\r\n1", \
                b"md %s", b"ma %s", b"mg %s v k O1 q":
            yield b"mn\r\n" + command % key + b"\r\nmn\r\n"
    for count in 1, 100, 187, 188, KEY_MAX:
        key = base64.b64encode(b"z" * count)
        yield b"ms %s 1 b\r\n1\r\nmg %s b v k\r\nmg %s v\r\nmd %s b\r\nmg %s b v k\r\n" % (key, key, b"z" * count, key, key)
    for key in b"Zm9v", b"Zm9", b"Zm9vYg==", b"Zm9vYg=", b"===", b"!!!!", b"Z":
        yield b"mg %s b v k\r\nms %s 1 b\r\n1\r\nmd %s b k\r\nma %s b k\r\n" % (key, key, key, key)


def forms():
    """An item remembers how its key came with its value: that is how it is printed."""
    plain, coded = (b"foo", b""), (b"Zm9v", b" b")
    looks = b"\r\nmg foo k v\r\nmg Zm9v b k v\r\n"
    for first, then in itertools.product((plain, coded), repeat=2):
        put = b"ms %s 1%s k\r\n5\r\n" % first
        for change in b"ms %s 1%s k\r\n4", b"ms %s 1%s MA k\r\n4", b"ms %s 1%s ME k\r\n4", b"ms %s 1%s k C999999999\r\n4", b"ma %s%s D0 k", \
                b"ma %s%s D99 k", b"ma %s%s T90 k", b"md %s%s I k", b"md %s%s k", b"mg %s%s T90 k", b"mg %s%s R90 k":
            yield put + change % then + looks
        yield b"mg %s%s N0 k" % first + b"\r\nmg %s%s N0 k" % then + looks
        yield b"ma %s%s N0 k v" % first + b"\r\nma %s%s N0 k v" % then + looks
    for change in b"set foo 0 0 1\r\n4", b"append foo 0 0 1\r\n4", b"prepend foo 0 0 1\r\n4", b"cas foo 0 0 1 999999999\r\n4", b"incr foo 1", \
            b"incr foo 9", b"decr foo 9", b"touch foo 0", b"gat 0 foo", b"delete foo", b"replace foo 0 0 1\r\n4":
        yield b"ms %s 1%s k\r\n5\r\n" % coded + change + looks


def lengths():
    for count in b"-1", b"0", b"2", b"3", b"x", b"", b"+1", b"1.0":
        yield b"set a 0 0 " + count + b"\r\n12\r\nmn\r\n\r\n\r\n\r\n"
        yield b"ms a " + count + b"\r\n12\r\nmn\r\n"
    for size in VALUE_MAX - 4, VALUE_MAX - 3, VALUE_MAX, VALUE_MAX + 1, ITEM_MAX + 1, 2000000:
        for command in b"set a 0 0 %d\r\n", b"set a 5 0 %d\r\n", b"set a 0 0 %d noreply\r\n", b"ms a %d\r\n", b"append a 0 0 %d\r\n":
            yield [STORED, command % size + b"x" * size + b"\r\n", b"mn\r\nmg a s\r\n"]
    for more in VALUE_MAX - 600000, VALUE_MAX - 600000 + 1:
        yield [b"set a 0 0 600000\r\n" + b"x" * 600000, b"\r\nappend a 0 0 %d\r\n" % more + b"y" * more, b"\r\nmg a s\r\n"]


SHAPES = b"""
| |  get a|get|get |gat|gat 0|gat a|gats|GET a|set|set a|set a 0|set a 0 0|delete|delete a 0|delete a 1|delete a noreply|delete a 0 noreply
|delete a 1 noreply|delete a b c d|touch|touch a|touch a x|touch a 0 noreply|touch a x noreply|touch a 0 0 0|verbosity|verbosity x
|verbosity 0 2|verbosity 0 noreply|verbosity noreply|verbosity 0|mn x|mn|mg|mg |mg a b c d e|mg a v v|mg a k k|mg a q|mg a v q k|mg a Z|mg a O
|mg a v t f k O1 s h l q N1 R1 T1|md|md a Z|md a q|md a q k O1|ms|ms a|ma|ma a Z|ma a|ma a q|ma a N|ma a N0|ma a N0 q k O5|me
|stats x|stats detail|stats detail x|stats noreply|slabs|slabs x|slabs reassign|slabs reassign 1 1|slabs reassign x y
|slabs automove|slabs automove 1|slabs automove 3|slabs automove x|slabs automove ratio|slabs automove ratio 0.5|slabs automove 1 noreply
|lru|lru x|lru mode|lru mode flat|lru mode segmented|lru mode x|lru tune 1 2 3|lru tune 10 25 0.1 2.0|lru tune 90 90 0.1 2.0|lru tune x y z w
|lru tune 1 2 0 1|lru tune 1 2 0.5 1x|lru tune 80 0 .5 1e1|lru temp_ttl 5|lru temp_ttl x|lru temp_ttl -1|lru_crawler|lru_crawler x
|lru_crawler sleep 5|lru_crawler sleep 2000000|lru_crawler sleep x|lru_crawler tocrawl 5|lru_crawler tocrawl x
|lru_crawler crawl 64|lru_crawler crawl 0|lru_crawler crawl 1,x|lru_crawler crawl|lru_crawler metadump|lru_crawler metadump all noreply
|stats cachedump|stats cachedump 1|stats cachedump 1 x
|stats cachedump x 1|stats cachedump 64 1|stats cachedump 63 1|stats cachedump 0 1|stats cachedump -1 1|lru_crawler mgdump all
|cache_memlimit|cache_memlimit 7|cache_memlimit x|cache_memlimit -1|cache_memlimit 64 noreply|cache_memlimit 2000000000|shutdown x
|misbehave|extstore|debugitem|bget a|quit x|incr|incr a|incr a 1 x|cas a 0 0 1|get a noreply
|flush_all 0 noreply|gat 0 a noreply|decr a x noreply|delete a x noreply|prepend|config"""
VALUES = b"""
set a 0 0 1 noreply x|set a 0 0 1 x|ms a 1 Z|ms a S1|ms a 1 MX|ms a 1 M|ms a 1 Mset|ms a 1 q k O9|ms a 1 mE|ms a 1 MR|ms a 1 MR q|ms a 1 s t f v h
|ms a 1 ME q|ms a 1 I|ms a 1 I C1|cas a 0 0 1 1 noreply x|cas a 0 0 1 1 x|replace a 0 0 1 noreply|set a x 0 1 noreply|set a 0 0 x noreply
|set a 0 0 -1 noreply|add a 0 0 1 noreply|cas a 0 0 1 x noreply|set a 0 0 2 noreply"""


def shapes():
    for line in SHAPES.replace(b"\n", b"").split(b"|"):
        yield line + b"\r\n"
        yield STORED + line + b"\r\nget a\r\n"
    for line in VALUES.replace(b"\n", b"").split(b"|"):
        yield line + b"\r\n1\r\nmn\r\n"
        yield STORED + line + b"\r\n2\r\nget a\r\n"


def stale_and_won():
    yield STORED + b"md a I T30\r\nmg a v t s\r\nmg a v t\r\nms a 1\r\n2\r\nmg a v\r\n"
    yield b"mg a N30 v t\r\nmg a N30 v t\r\nms a 1\r\n2\r\nmg a v\r\n"
    yield b"set a 0 20 1\r\n1\r\nmg a R30 v t\r\nmg a R30 v\r\nmg a R10 v\r\n"
    yield b"set a 0 20 1\r\n1\r\nmg a R0 v\r\nmg a Rx v\r\nmg a R-1 v\r\n"
    # mn has memcached send what it has: it writes a number over another only when no answer holds that one.
    for change in b"ma a", b"incr a 5", b"decr a 1", b"incr a 9", b"ma a D9", b"append a 0 0 1\r\n5", b"touch a 90":
        change = b"mn\r\n" + change + b"\r\nmn\r\n"
        yield STORED + b"md a I T30\r\nmg a v\r\n" + change + b"mg a v\r\nmg a v\r\n"
        yield b"set a 0 20 1\r\n1\r\nmg a R30 v\r\n" + change + b"mg a R30 v\r\n"
    yield STORED + b"mg a h t q k\r\nmg none h t q k\r\nmg none\r\nmg a h\r\n"
    yield STORED + b"md a q\r\nmd a q\r\nmd a\r\nmd a k O5\r\n"


def all_of_them():
    for kind in expiries, numbers_of_cas, sums, joins_and_flags, keys, forms, lengths, shapes, stale_and_won:
        yield from kind()
