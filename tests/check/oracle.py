# SPDX-License-Identifier: MIT
"""Counts the consistent executions of a litmus test by brute force, straight from the axioms.

Every assignment of a write to each read, every coherence order of each location: compute the relations,
as sets of pairs written as rows of bits, and test the axioms of the model in the form in which they
are published. Shares nothing with the checker but the test's text (see litmus.c).
"""
import itertools

RELEASES = "lbsH"
ACQUIRES = "absH"
LIGHT, HEAVY = "L", "H"  # orders of fences: those that membarrier makes


class Event:
    def __init__(self, thread, kind, loc=None, order=None):
        self.thread, self.kind, self.loc, self.order = thread, kind, loc, order
        self.op = None
        self.half = None  # the other half of a read-modify-write


def parse(text):
    threads = []
    for part in text.split("|"):
        words, ops = iter(part.split()), []
        for kind in words:
            if kind == "f":
                ops.append((kind, None, next(words), None, None, None))
                continue
            if kind in "lh":
                ops.append(("f", None, kind.upper(), None, None, None))
                continue
            if kind in "sj": # starts a thread; waits for its end
                ops.append((kind, None, None, None, int(next(words)), None))
                continue
            if kind in "mu": # a mutex: taken when it is free; both are locked instructions
                ops.append(("x", "mutex", "a", None, 1, 0) if kind == "m" else ("x", "mutex", "l", None, 0, 1))
                continue
            if kind in "WR": # plain
                ops.append((kind.lower(), next(words), "p", None, int(next(words)) if kind == "W" else None, None))
                continue
            if kind == "v": # a load that is repeated until it reads the value
                ops.append(("r", next(words), next(words), None, None, int(next(words))))
                continue
            loc, order = next(words), next(words)
            fail = next(words) if kind == "c" else None
            value = int(next(words)) if kind in "wxac" else None
            desired = int(next(words)) if kind == "c" else None
            ops.append((kind, loc, order, fail, value, desired))
        threads.append(ops)
    return threads


class Relation:
    """rows[i]: bits of all j with (i, j) in the relation."""

    def __init__(self, n, rows=None):
        self.n, self.rows = n, rows or [0] * n

    def add(self, i, j):
        self.rows[i] |= 1 << j

    def has(self, i, j):
        return self.rows[i] >> j & 1

    def __or__(self, other):
        return Relation(self.n, [a | b for a, b in zip(self.rows, other.rows)])

    def __and__(self, other):
        return Relation(self.n, [a & b for a, b in zip(self.rows, other.rows)])

    def minus(self, other):
        return Relation(self.n, [a & ~b for a, b in zip(self.rows, other.rows)])

    def then(self, other):
        rows = []
        for a in self.rows:
            out, j = 0, 0
            while a:
                if a & 1:
                    out |= other.rows[j]
                a >>= 1
                j += 1
            rows.append(out)
        return Relation(self.n, rows)

    def maybe(self):
        return Relation(self.n, [a | 1 << i for i, a in enumerate(self.rows)])

    def closure(self):
        rows = list(self.rows)
        for k in range(self.n):
            for i in range(self.n):
                if rows[i] >> k & 1:
                    rows[i] |= rows[k]
        return Relation(self.n, rows)

    def inverse(self):
        out = Relation(self.n)
        for i in range(self.n):
            for j in range(self.n):
                if self.has(i, j):
                    out.add(j, i)
        return out

    def irreflexive(self):
        return not any(self.rows[i] >> i & 1 for i in range(self.n))

    def acyclic(self):
        return self.closure().irreflexive()


def only(n, test):
    r = Relation(n)
    for i in range(n):
        if test(i):
            r.add(i, i)
    return r


def between_threads(ev):
    """Creating a thread comes before its beginning, its end before what waits for that."""
    order = Relation(len(ev))
    for i, a in enumerate(ev):
        for j, b in enumerate(ev):
            if a.kind == "s" and b.kind == "S" and b.thread == a.op[4] or a.kind == "E" and b.kind == "j" and a.thread == b.op[4]:
                order.add(i, j)
    return order


def happens_before(ev, sb, rf, rmw):
    n = len(ev)
    fence = only(n, lambda i: ev[i].kind == "F")
    write = only(n, lambda i: ev[i].kind == "W")
    release = only(n, lambda i: ev[i].order and ev[i].order in RELEASES and ev[i].kind in "WF")
    acquire = only(n, lambda i: ev[i].order and ev[i].order in ACQUIRES and ev[i].kind in "RF")
    rs = write.then(rf.then(rmw).closure().maybe())
    sw = release.then(fence.then(sb).maybe()).then(rs).then(rf).then(sb.then(fence).maybe()).then(acquire)
    return (sb | sw | between_threads(ev)).closure()


def races(ev, hb):
    """Two accesses of one location, one of them plain, one a write, that nothing orders."""
    return any(a.loc and a.loc == b.loc and a.thread != b.thread and "W" in a.kind + b.kind and "p" in (a.order, b.order) and
               min(a.thread, b.thread) >= 0 and not hb.has(i, j) and not hb.has(j, i)
               for i, a in enumerate(ev) for j, b in enumerate(ev))


def rc11(ev, sb, rf, mo, rmw, loc):
    n = len(ev)
    rb = rf.inverse().then(mo)
    rb = rb.minus(only(n, lambda i: True))
    eco = (rf | mo | rb).closure()
    hb = happens_before(ev, sb, rf, rmw)
    if not hb.irreflexive() or not hb.then(eco).irreflexive() or not (sb | rf | between_threads(ev)).acyclic():
        return False
    sc_access = only(n, lambda i: ev[i].kind in "RW" and ev[i].order == "s")
    sc_fence = only(n, lambda i: ev[i].kind == "F" and ev[i].order in "sLH")
    sb_other = sb.minus(loc)
    scb = sb | sb_other.then(hb).then(sb_other) | (hb & loc) | mo | rb
    left = sc_access | sc_fence.then(hb.maybe())
    right = sc_access | hb.maybe().then(sc_fence)
    psc = left.then(scb).then(right)
    psc = psc | sc_fence.then(hb | hb.then(eco).then(hb)).then(sc_fence)
    return asymmetric(ev, psc, psc)


def sc(ev, sb, rf, mo, rmw, loc):
    rb = rf.inverse().then(mo).minus(only(len(ev), lambda i: True))
    return (sb | rf | mo | rb | between_threads(ev)).acyclic()


def tso(ev, sb, rf, mo, rmw, loc):
    n = len(ev)
    rb = rf.inverse().then(mo).minus(only(n, lambda i: True))
    if not ((sb & loc) | rf | mo | rb).acyclic():
        return False
    read = only(n, lambda i: ev[i].kind == "R")
    write = only(n, lambda i: ev[i].kind == "W")
    # Locked instructions: every exchange, add and compare-exchange; a seq_cst store is an xchg.
    before = only(n, lambda i: ev[i].kind == "R" and ev[i].op[0] in "xac")
    behind = only(n, lambda i: (ev[i].kind == "R" and ev[i].op[0] in "xac") or
                  (ev[i].kind == "W" and ev[i].op and (ev[i].op[0] in "xac" or ev[i].order == "s")))
    fence = only(n, lambda i: ev[i].kind == "F" and ev[i].order in "sH")
    ppo = sb.minus(write.then(sb).then(read))
    ppo = ppo | write.then(sb).then(before) | behind.then(sb) | sb.then(fence).then(sb)
    # Weaker fences are no instructions.
    real = only(n, lambda i: ev[i].kind != "F" or ev[i].order in "sH")
    ppo = real.then(ppo).then(real)
    # Initial writes are in memory before anything runs.
    ppo = ppo | only(n, lambda i: ev[i].thread < 0).then(sb)
    same = Relation(n)
    for i in range(n):
        for j in range(n):
            if ev[i].thread == ev[j].thread:
                same.add(i, j)
    order = ppo | rf.minus(same) | mo | rb | between_threads(ev)
    events = only(n, lambda i: ev[i].kind != "F")
    return asymmetric(ev, events.then(sb) | sb.then(events), order)


def asymmetric(ev, around, order):
    """Of each light and each heavy fence, all before the one comes before all behind the other; one way or the other.

    around: what comes before and behind light fences; order: must be acyclic among everything else.
    """
    n = len(ev)
    light, heavy = ([i for i in range(n) if ev[i].kind == "F" and ev[i].order == kind] for kind in (LIGHT, HEAVY))
    # A fence as two nodes: what comes before it, and what comes behind it.
    wide = Relation(2 * n)
    for i, j in itertools.product(range(n), repeat=2):
        if (around if i in light or j in light else order).has(i, j):
            wide.add(n + i if i in light or i in heavy else i, j)
    for h in heavy:
        wide.add(h, n + h)
    if not wide.acyclic():
        return False
    pairs = list(itertools.product(light, heavy))
    for choice in itertools.product((False, True), repeat=len(pairs)):
        chosen = Relation(2 * n, list(wide.rows))
        for (l, h), heavy_first in zip(pairs, choice):
            chosen.add(*((h, n + l) if heavy_first else (l, n + h)))
        if chosen.acyclic():
            return True
    return False


MODELS = {"rc11": rc11, "sc": sc, "tso": tso}


def build(threads):
    """All events that may exist; a read-modify-write has a write that may not (compare-exchange)."""
    ev = []
    for loc in sorted({op[1] for ops in threads for op in ops if op[1]}):
        ev.append(Event(-1, "W", loc))
    started = {op[4] for ops in threads for op in ops if op[0] == "s"}
    for t, ops in enumerate(threads):
        if t in started:
            ev.append(Event(t, "S"))
        for op in ops:
            kind, loc, order = op[0], op[1], op[2]
            if kind in "rxac":
                e = Event(t, "R", loc, order)
                e.op = op
                ev.append(e)
            if kind in "wxac":
                w = Event(t, "W", loc, order)
                w.op = op
                if kind != "w":
                    w.half, ev[-1].half = len(ev) - 1, len(ev)
                ev.append(w)
            if kind in "fsj":
                e = Event(t, "F" if kind == "f" else kind, None, order)
                e.op = op
                ev.append(e)
        if t in started:
            ev.append(Event(t, "E"))
    return ev


def values(ev, source):
    """Values of all events; None when they depend on themselves or on a write that does not exist."""
    value = {}

    def of_read(r, seen):
        if r in seen:
            return None
        w = source[r]
        if ev[w].thread < 0:
            return 0
        return of_write(w, seen | {r})

    def of_write(w, seen):
        op = ev[w].op
        if op[0] in "wx":
            return op[4]
        old = of_read(ev[w].half, seen)
        if old is None:
            return None
        if op[0] == "a":
            return old + op[4]
        return op[5] if old == op[4] else None

    for i, e in enumerate(ev):
        if e.kind == "R":
            value[i] = of_read(i, frozenset())
            if value[i] is None or e.op[0] in "rx" and e.op[5] not in (None, value[i]):
                return None # or it is not what was waited for
    return value


def orbits(text, model):
    """Consistent executions, where those that differ by a permutation of equal neighbouring threads are one."""
    threads = parse(text)
    group = list(itertools.accumulate(range(len(threads)), lambda g, t: g if threads[t] == threads[g] else t))
    members = [[t for t in range(len(threads)) if group[t] == g] for g in sorted(set(group))]
    names = []
    for chosen in itertools.product(*[itertools.permutations(m) for m in members]):
        names.append(dict(zip(itertools.chain(*members), itertools.chain(*chosen))))
    seen = set()
    for _, edges in executions(text, model, graphs=True):
        seen.add(min(tuple(sorted((kind, a and (n[a[0]], *a[1:]), (n[b[0]], *b[1:])) for kind, a, b in edges))
                     for n in names))
    return len(seen)


RACE = "race"


def executions(text, model, graphs=False):
    """Yields the values of all reads that are printed, in program order, once for each consistent execution; or RACE.

    graphs: and its edges, as (kind, event or () for an initial write, event), where an event is thread, place, kind.
    """
    threads = parse(text)
    everything = build(threads)
    reads = [i for i, e in enumerate(everything) if e.kind == "R"]
    choices = [[w for w, e in enumerate(everything) if e.kind == "W" and e.loc == everything[r].loc] for r in reads]
    for assignment in itertools.product(*choices):
        source = dict(zip(reads, assignment))
        if any(everything[w].half == r and everything[w].kind == "W" for r, w in source.items()):
            continue
        value = values(everything, source)
        if value is None:
            continue
        exists = [not (e.kind == "W" and e.op and e.op[0] == "c" and value[e.half] != e.op[4]) for e in everything]
        if any(not exists[w] for w in source.values()):
            continue
        kept = [i for i in range(len(everything)) if exists[i]]
        name = {old: new for new, old in enumerate(kept)}
        ev = [everything[i] for i in kept]
        n = len(ev)
        order = {i: ev[i].order for i in range(n)}
        for i in range(n):
            e = ev[i]
            if e.kind == "R" and e.op[0] == "c" and value[kept[i]] != e.op[4]:
                order[i] = e.op[3]
        view = []
        for i in range(n):
            e = Event(ev[i].thread, ev[i].kind, ev[i].loc, order[i])
            e.op = ev[i].op
            view.append(e)
        sb, rf, rmw, loc = Relation(n), Relation(n), Relation(n), Relation(n)
        for i in range(n):
            for j in range(n):
                if i < j and (view[i].thread == view[j].thread or view[i].thread < 0) and view[j].thread >= 0:
                    sb.add(i, j)
                if view[i].loc and view[i].loc == view[j].loc:
                    loc.add(i, j)
        for r, w in source.items():
            rf.add(name[w], name[r])
        for i in range(n):
            if ev[i].kind == "R" and ev[i].half is not None and exists[ev[i].half]:
                rmw.add(i, name[ev[i].half])
        places = {}
        for i in range(n):
            if view[i].kind == "W":
                places.setdefault(view[i].loc, []).append(i)
        for orders in itertools.product(*[itertools.permutations(w[1:]) for w in places.values()]):
            mo = Relation(n)
            atomic = True
            for first, rest in zip((w[0] for w in places.values()), orders):
                chain = [first, *rest]
                for a, b in itertools.combinations(chain, 2):
                    mo.add(a, b)
                for before, w in zip(chain, chain[1:]):
                    r = ev[w].half
                    if r is not None and name[source[r]] != before:
                        atomic = False
            if not (atomic and MODELS[model](view, sb, rf, mo, rmw, loc)):
                continue
            # where stores and loads need no orders, every load is ordered behind what it reads
            if races(view, happens_before(view, sb, rf, rmw) if model == "rc11" else (sb | rf | between_threads(view)).closure()):
                yield RACE
                continue
            outcome = tuple(value[r] for r in reads if everything[r].loc != "mutex")
            if not graphs:
                yield outcome
                continue
            names = [(e.thread, i, e.kind) if e.thread >= 0 else () for i, e in enumerate(everything)]
            first = {}
            for i, e in enumerate(everything):
                first.setdefault(e.thread, i)
            names = [(n[0], n[1] - first[n[0]], n[2]) if n else () for n in names]
            edges = [("rf", names[w], names[r]) for r, w in source.items()]
            for rest in orders:
                chain = [(), *(names[kept[w]] for w in rest)]
                edges += [("mo", a, b) for a, b in zip(chain, chain[1:])]
            yield outcome, edges
