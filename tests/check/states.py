# SPDX-License-Identifier: MIT
"""What a program of blocking calls (see blocking.c) can do, by visiting every state that it can reach.

Sequentially consistent, one operation one step, or two where a thread sleeps in the middle. Shares nothing with the
checker but the program's text.
"""
import itertools
import typing

PARTIES = 2
EAGAIN, EBUSY, ETIMEDOUT = 11, 16, 110
SLEEPS, EXPIRED, INSIDE, BEHIND = "sleeps", "expired", "inside", "behind"
HOLDS, FOUND, MISSED = "holds", "found", "missed"


class State(typing.NamedTuple):
    at: tuple  # each thread's next operation
    middle: tuple  # where in it the thread stands; None: it has not begun
    results: tuple
    mutexes: tuple  # that a thread holds: a pair of truth values each
    shares: tuple  # how often it holds the rwlock
    value: tuple
    taken: tuple  # mutexes
    sleepers: tuple  # of the conditions: sets of threads
    waiters: tuple  # of the futexes
    semaphore: int
    arrived: int
    rwlock: int  # readers, or -1
    once: str
    running: tuple


def replaced(values, index, value):
    return (*values[:index], value, *values[index + 1:])


def done(s, t, result=0, **changes):
    """t's operation has ended with this result."""
    return s._replace(at=replaced(s.at, t, s.at[t] + 1), middle=replaced(s.middle, t, None),
                      results=replaced(s.results, t, (*s.results[t], result)), **changes)


def stopped(s, t, where, **changes):
    """t is in the middle of its operation."""
    return s._replace(middle=replaced(s.middle, t, where), **changes)


def written(s, loc, value):
    return {"value": replaced(s.value, loc, value)}


def with_mutex(s, t, i, taken):
    return {"taken": replaced(s.taken, i, taken), "mutexes": replaced(s.mutexes, t, replaced(s.mutexes[t], i, taken))}


def asleep(sets, i, t, sleeps):
    return replaced(sets, i, sets[i] | {t} if sleeps else sets[i] - {t})


# Variables.

def store(s, t, loc, value):
    return [done(s, t, 0, **written(s, loc, value))]


def load(s, t, loc, _):
    return [done(s, t, s.value[loc])]


def exchange(s, t, loc, value):
    return [done(s, t, s.value[loc], **written(s, loc, value))]


def fetch_add(s, t, loc, value):
    return [done(s, t, s.value[loc], **written(s, loc, s.value[loc] + value))]


def wait_for_value(s, t, loc, value):
    return [done(s, t, value)] if s.value[loc] == value else []


# Mutexes and conditions.

def lock(s, t, i, _):
    return [] if s.taken[i] else [done(s, t, 0, **with_mutex(s, t, i, True))]


def trylock(s, t, i, _):
    return [done(s, t, EBUSY)] if s.taken[i] else lock(s, t, i, _)


def unlock(s, t, i, _):
    return [done(s, t, 0, **with_mutex(s, t, i, False))] if s.mutexes[t][i] else [done(s, t)]


def cond_wait(s, t, i, timed):
    released = with_mutex(s, t, i, False)
    if s.middle[t] is None:
        expires = [stopped(s, t, EXPIRED, **released)] if timed else []
        return [stopped(s, t, SLEEPS, sleepers=asleep(s.sleepers, i, t, True), **released), *expires]
    if s.middle[t] == SLEEPS and t in s.sleepers[i]:
        return [stopped(s, t, EXPIRED, sleepers=asleep(s.sleepers, i, t, False))] if timed else []
    result = ETIMEDOUT if s.middle[t] == EXPIRED else 0
    return [] if s.taken[i] else [done(s, t, result, **with_mutex(s, t, i, True))]


def signal(s, t, i, _):
    return [done(s, t, 0, sleepers=asleep(s.sleepers, i, who, False)) for who in s.sleepers[i]] or [done(s, t)]


def broadcast(s, t, i, _):
    return [done(s, t, 0, sleepers=replaced(s.sleepers, i, frozenset()))]


# The semaphore and the barrier.

def sem_wait(s, t, *_):
    return [done(s, t, 0, semaphore=s.semaphore - 1)] if s.semaphore else []


def sem_try(s, t, *_):
    return sem_wait(s, t) or [done(s, t, -1)]


def sem_post(s, t, *_):
    return [done(s, t, 0, semaphore=s.semaphore + 1)]


def sem_value(s, t, *_):
    return [done(s, t, s.semaphore)]


def barrier(s, t, *_):
    if s.middle[t] is not None:
        return [done(s, t)] if s.arrived // PARTIES > s.middle[t] else []
    if (s.arrived + 1) % PARTIES == 0:
        return [done(s, t, -1, arrived=s.arrived + 1)]
    return [stopped(s, t, s.arrived // PARTIES, arrived=s.arrived + 1)]


# Futexes.

def futex_wait(s, t, loc, value, timed=False):
    if s.middle[t] is None:
        if s.value[loc] != value:
            return [done(s, t, -EAGAIN)]
        return [stopped(s, t, SLEEPS, waiters=asleep(s.waiters, loc, t, True))]
    if t not in s.waiters[loc]:
        return [done(s, t)]
    return [done(s, t, -ETIMEDOUT, waiters=asleep(s.waiters, loc, t, False))] if timed else []


def futex_wait_timed(s, t, loc, value):
    return futex_wait(s, t, loc, value, True)


def futex_wake(s, t, loc, most):
    count = min(most, len(s.waiters[loc]))
    return [done(s, t, count, waiters=replaced(s.waiters, loc, s.waiters[loc] - set(woken)))
            for woken in itertools.combinations(sorted(s.waiters[loc]), count)]


# The rwlock, once, threads.

def with_rwlock(s, t, rwlock, more):
    return {"rwlock": rwlock, "shares": replaced(s.shares, t, s.shares[t] + more)}


def rdlock(s, t, *_):
    return [done(s, t, 0, **with_rwlock(s, t, s.rwlock + 1, 1))] if s.rwlock >= 0 else []


def tryrdlock(s, t, *_):
    return rdlock(s, t) or [done(s, t, EBUSY)]


def wrlock(s, t, *_):
    return [done(s, t, 0, **with_rwlock(s, t, -1, 1))] if s.rwlock == 0 else []


def trywrlock(s, t, *_):
    return wrlock(s, t) or [done(s, t, EBUSY)]


def unlock_rwlock(s, t, *_):
    return [done(s, t, 0, **with_rwlock(s, t, max(s.rwlock - 1, 0), -1))] if s.shares[t] else [done(s, t)]


def once(s, t, *_):
    if s.middle[t] == INSIDE:
        return [stopped(s, t, BEHIND, **written(s, 2, s.value[2] + 1))]
    if s.middle[t] == BEHIND:
        return [done(s, t, 0, once=BEHIND)]
    if s.once == BEHIND:
        return [done(s, t)]
    return [] if s.once == INSIDE else [stopped(s, t, INSIDE, once=INSIDE)]


# Loops.

def poll(s, t, i, value):
    if s.middle[t] is None:
        return [] if s.taken[i] else [stopped(s, t, HOLDS, **with_mutex(s, t, i, True))]
    if s.middle[t] == HOLDS:
        return [stopped(s, t, FOUND if s.value[0] == value else MISSED)]
    released = with_mutex(s, t, i, False)
    return [done(s, t, **released) if s.middle[t] == FOUND else stopped(s, t, None, **released)]


def try_until_taken(s, t, i, _):
    if s.middle[t] is None:
        return [done(s, t)] if s.taken[i] else [stopped(s, t, HOLDS, **with_mutex(s, t, i, True))]
    return [stopped(s, t, None, **with_mutex(s, t, i, False))]


def look_while_holding(s, t, writes, value):
    if s.middle[t] is None:
        free = s.rwlock == 0 if writes else s.rwlock >= 0
        return [stopped(s, t, HOLDS, **with_rwlock(s, t, -1 if writes else s.rwlock + 1, 1))] if free else []
    if s.middle[t] == HOLDS:
        return [stopped(s, t, FOUND if s.value[0] == value else MISSED)]
    released = with_rwlock(s, t, max(s.rwlock - 1, 0), -1)
    return [done(s, t, **released) if s.middle[t] == FOUND else stopped(s, t, None, **released)]


def lock_both(s, t, i, _):
    if s.middle[t] is None:
        return [] if s.taken[i] else [stopped(s, t, HOLDS, **with_mutex(s, t, i, True))]
    if s.middle[t] == HOLDS:
        return [stopped(s, t, MISSED)] if s.taken[1 - i] else [stopped(s, t, FOUND, **with_mutex(s, t, 1 - i, True))]
    if s.middle[t] == FOUND:
        return [stopped(s, t, BEHIND, **with_mutex(s, t, 1 - i, False))]
    released = with_mutex(s, t, i, False)
    return [done(s, t, **released) if s.middle[t] == BEHIND else stopped(s, t, None, **released)]


def look_while_reading(s, t, i, value):
    if s.middle[t] is None:
        return [] if s.taken[i] else [stopped(s, t, HOLDS, **with_mutex(s, t, i, True))]
    if s.middle[t] == HOLDS:
        return [stopped(s, t, INSIDE, **with_rwlock(s, t, s.rwlock + 1, 1))] if s.rwlock >= 0 else []
    if s.middle[t] == INSIDE:
        return [stopped(s, t, BEHIND, **with_mutex(s, t, i, False))]
    if s.middle[t] == BEHIND:
        return [stopped(s, t, FOUND if s.value[0] == value else MISSED)]
    released = with_rwlock(s, t, max(s.rwlock - 1, 0), -1)
    return [done(s, t, **released) if s.middle[t] == FOUND else stopped(s, t, None, **released)]


def again(s, t, following):
    """What the thread has done is a round of a loop: its operation is the same as before."""
    return [f if f.at[t] == s.at[t] else f._replace(at=s.at, results=s.results) for f in following]


def wait_by_condition(s, t, i, value):
    if s.middle[t] is None:
        return [done(s, t)] if s.value[0] == value else [stopped(s, t, MISSED)]
    if s.middle[t] == MISSED:
        return cond_wait(stopped(s, t, None), t, i, True)
    return again(s, t, cond_wait(s, t, i, True))


def wait_by_futex(s, t, loc, value):
    if s.middle[t] is None:
        return [done(s, t)] if s.value[loc] == value else [stopped(s, t, s.value[loc])]
    if s.middle[t] != SLEEPS:
        return again(s, t, futex_wait(stopped(s, t, None), t, loc, s.middle[t], True))
    return again(s, t, futex_wait(s, t, loc, None, True))


def start(s, t, child, _):
    return [done(s, t, 0, running=replaced(s.running, child, True))]


STEPS = {
    "w": store, "r": load, "x": exchange, "a": fetch_add, "v": wait_for_value,
    "m": lock, "t": trylock, "u": unlock, "S": signal, "B": broadcast,
    "C": lambda s, t, i, _: cond_wait(s, t, i, False), "D": lambda s, t, i, _: cond_wait(s, t, i, True),
    "P": sem_wait, "T": sem_try, "O": sem_try, "V": sem_post, "G": sem_value, "b": barrier,
    "F": futex_wait, "H": futex_wait_timed, "K": futex_wake,
    "d": rdlock, "y": tryrdlock, "e": wrlock, "z": trywrlock, "n": unlock_rwlock, "o": once, "s": start,
    "l": poll, "L": poll, "E": wait_by_condition, "Z": wait_by_futex, "Q": sem_wait, "Y": sem_wait,
    "A": lock_both, "c": look_while_reading, "W": try_until_taken, "R": look_while_holding,
}


def parse(text):
    """The threads' operations, and which threads are detached."""
    words = [part.split() for part in text.split("|")]
    threads = [[(word[0], *([int(c) for c in word[1:]] + [0, 0])[:2]) for word in part if word != "~"] for part in words]
    return threads, {t for t, part in enumerate(words) if "~" in part}


def explore(text, most):
    """Outcomes as the program prints them, and whether it may come to where it can never end; None: more states than most."""
    threads, detached = parse(text)
    count = len(threads)
    named = {kind: {op[1] for ops in threads for op in ops if op[0] == kind} for kind in "sj"}
    awaited = [t for t in range(count) if t not in named["j"] and t not in detached]
    first = State(at=(0,) * count, middle=(None,) * count, results=((),) * count, mutexes=((False, False),) * count,
                  shares=(0,) * count, value=(0, 0, 0), taken=(False, False), sleepers=(frozenset(),) * 2,
                  waiters=(frozenset(),) * 3, semaphore=0, arrived=0, rwlock=0, once="",
                  running=tuple(t not in named["s"] for t in range(count)))
    outcomes, before, ends, todo = set(), {first: []}, [], [first]

    def has_ended(s, t):
        return s.running[t] and s.at[t] == len(threads[t])

    def step(s, t):
        if not s.running[t] or s.at[t] == len(threads[t]):
            return []
        kind, a, b = threads[t][s.at[t]]
        if kind == "j":
            return [done(s, t)] if has_ended(s, a) else []
        return STEPS[kind](s, t, a, b)

    while todo:
        s = todo.pop()
        if all(has_ended(s, t) for t in awaited): # main ends; what the detached ones still do changes no result
            outcomes.add(" ".join(str(r) for t in range(count) if t not in detached for r in s.results[t]))
            ends.append(s)
            continue
        for successor in {successor for t in range(count) for successor in step(s, t)}:
            if successor not in before:
                before[successor] = []
                todo.append(successor)
            before[successor].append(s)
        if len(before) > most:
            return None
    return outcomes, len(reaching(ends, before)) < len(before)


def reaching(ends, before):
    """The states from which one of the ends can be reached."""
    found, todo = set(ends), list(ends)
    while todo:
        new = set(before[todo.pop()]) - found
        found |= new
        todo += new
    return found
