/* SPDX-License-Identifier: MIT */
#include <pawl/backoff.h>

#include "look.h"

#include <pawl/cpu.h>

#include <errno.h>
#include <sched.h>
#include <time.h>

enum {
    SHORTEST_NS = 40,
    LONGEST_SHIFT = 4,       /* 40 ns << 4: 640 ns */
    ROUNDS = 11,             /* 40 + 80 + 160 + 320 + 7 * 640 ns: 5 us */
    CONTEND_LAST_NS = 10240, /* of a contender: 1.3 + 2.6 + 5.1 + 10.2 us: 19 us */
    UNIT_NS = 1280,          /* long enough to tell a pause of 25 ns from one of 40 */
    TRIALS = 5,
    PAUSES_A_TRIAL = 64,
};

/* Pauses in UNIT_NS, at least 1; 0: do not spin; NOT_ASKED before the first use. */
#define NOT_ASKED UINT32_MAX
static PAWL_ATOMIC(uint32_t) unit = NOT_ASKED;

#if !PAWL_INSTRUMENTED
/* How many CPUs the process might use when it was loaded. Who asks later may be a thread that was pinned to one of
 * several, and pinned threads are those that gain most by spinning. */
static uint32_t allowed_at_load;

__attribute__((constructor)) static void count_cpus(void)
{
    allowed_at_load = pawl_cpu_allowed();
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The least of a few trials: the others were interrupted. */
static uint64_t pauses_ns(void)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < TRIALS; i++) {
        uint64_t start = now_ns();
        uint64_t ns;

        for (int k = 0; k < PAUSES_A_TRIAL; k++)
            pawl_relax();
        ns = now_ns() - start;
        least = ns < least ? ns : least;
    }
    return least > 0 ? least : 1;
}
#endif

/* Several threads may ask at once, and come to nearly the same answer. */
static PAWL_COLD uint32_t ask_unit(void)
{
    uint32_t pauses = 0;
#if !PAWL_INSTRUMENTED
    int before = errno;

    if (allowed_at_load > 1 || pawl_cpu_allowed() > 1) {
        pauses = (uint32_t)((uint64_t)UNIT_NS * PAUSES_A_TRIAL / pauses_ns());
        pauses = pauses > 0 ? pauses : 1;
    }
    errno = before;
#endif
    pawl_store_relaxed(&unit, pauses); /* relaxed: the number is all that is published */
    return pauses;
}

static uint32_t get_unit(void)
{
    uint32_t pauses = pawl_load_relaxed(&unit); /* relaxed: who sees NOT_ASKED asks again */

    return PAWL_LIKELY(pauses != NOT_ASKED) ? pauses : ask_unit();
}

static void spin(uint32_t pauses_a_unit, uint32_t ns)
{
    uint64_t pauses = (uint64_t)pauses_a_unit * ns / UNIT_NS;

    do
        pawl_relax();
    while (pauses-- > 1);
}

static uint32_t round_ns(const struct pawl_backoff *backoff)
{
    return (uint32_t)SHORTEST_NS << (backoff->round < LONGEST_SHIFT ? backoff->round : LONGEST_SHIFT);
}

bool pawl_backoff_spins(void)
{
    return get_unit() != 0;
}

void pawl_backoff_pause(struct pawl_backoff *backoff)
{
    spin(get_unit(), round_ns(backoff));
    if (backoff->round < LONGEST_SHIFT)
        backoff->round++;
}

bool pawl_backoff_again(struct pawl_backoff *backoff)
{
    uint32_t pauses = get_unit();

    if (pauses == 0 || backoff->round >= ROUNDS)
        return false;
    spin(pauses, round_ns(backoff));
    backoff->round++;
    return true;
}

void pawl_backoff_wait(struct pawl_backoff *backoff)
{
    if (!pawl_backoff_again(backoff))
        sched_yield();
}

/* ---- contenders: the slower lines are, the longer the first round ----
 *
 * A look takes the line of the lock from the thread that works with it, which has to fetch it back. Where that is dear,
 * rounds are so long that the holder does several sections meanwhile, and the lock changes CPUs seldom; where it is cheap,
 * the next section may as well be another thread's. Which of the two holds is not the processor's property alone: on
 * virtual CPUs it changes from one second to the next. So it is measured, for all threads and locks together. Threads
 * that store their means at the same time lose samples, no more. */

enum { LOOKS_A_SAMPLE = 16 };

#if !PAWL_INSTRUMENTED
static PAWL_ATOMIC(uint32_t) look_sum = LOOK_SUM_INIT;
static __thread uint32_t looks __attribute__((tls_model("initial-exec")));

/* Where the clock does not wait for the load, as it may not on aarch64, looks seem to take no time and do not count: rounds
 * stay long. */
static PAWL_COLD uint32_t timed_look(const PAWL_ATOMIC(uint32_t) * word)
{
    uint64_t before = now_ns(); /* so that what the clock itself takes is known */
    uint64_t start = now_ns();
    uint32_t value = pawl_load_relaxed(word); /* relaxed: see pawl_backoff_look() */
    uint64_t end = now_ns();
    uint32_t sum = pawl_load_relaxed(&look_sum); /* relaxed, both: the number is all that is published */

    pawl_store_relaxed(&look_sum, look_sum_after(sum, (int64_t)(end - start) - (int64_t)(start - before)));
    return value;
}

static uint32_t first_ns(void)
{
    return look_round_ns(pawl_load_relaxed(&look_sum)); /* relaxed: an older mean does as well */
}
#else
static uint32_t first_ns(void)
{
    return LOOK_MOST_ROUND_NS;
}
#endif

uint32_t pawl_backoff_look(const PAWL_ATOMIC(uint32_t) * word)
{
#if !PAWL_INSTRUMENTED
    if (PAWL_UNLIKELY(++looks % LOOKS_A_SAMPLE == 0))
        return timed_look(word);
#endif
    return pawl_load_relaxed(word); /* relaxed: the caller's CAS validates it */
}

/* The last round is the first that is not shorter than CONTEND_LAST_NS. The mean may change between two rounds. */
bool pawl_backoff_contend(struct pawl_backoff *backoff)
{
    uint32_t pauses = get_unit();
    uint32_t ns = first_ns() << backoff->round;

    if (pauses == 0 || ns / 2 >= CONTEND_LAST_NS)
        return false;
    spin(pauses, ns < CONTEND_LAST_NS ? ns : CONTEND_LAST_NS);
    backoff->round++;
    return true;
}
