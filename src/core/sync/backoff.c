/* SPDX-License-Identifier: MIT */
#include <pawl/backoff.h>

#include <pawl/cpu.h>

#include <errno.h>
#include <sched.h>
#include <time.h>

enum {
    SHORTEST_NS = 40,
    LONGEST_SHIFT = 4,      /* 40 ns << 4: 640 ns */
    ROUNDS = 11,            /* 40 + 80 + 160 + 320 + 7 * 640 ns: 5 us */
    CONTEND_SHIFT = 5,      /* the first round of a contender: 1.3 us */
    CONTEND_LAST_SHIFT = 8, /* 40 ns << 8: 10 us */
    CONTEND_ROUNDS = 4,     /* 1.3 + 2.6 + 5.1 + 10.2 us: 19 us */
    TRIALS = 5,
    PAUSES_A_TRIAL = 64,
};

/* Pauses in SHORTEST_NS, at least 1; 0: do not spin; NOT_ASKED before the first use. */
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
        pauses = (uint32_t)((uint64_t)SHORTEST_NS * PAUSES_A_TRIAL / pauses_ns());
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

static void spin(uint32_t pauses, uint32_t shift, uint32_t last_shift)
{
    for (uint32_t i = pauses << (shift < last_shift ? shift : last_shift); i > 0; i--)
        pawl_relax();
}

bool pawl_backoff_spins(void)
{
    return get_unit() != 0;
}

void pawl_backoff_pause(struct pawl_backoff *backoff)
{
    spin(get_unit(), backoff->round, LONGEST_SHIFT);
    if (backoff->round < LONGEST_SHIFT)
        backoff->round++;
}

bool pawl_backoff_again(struct pawl_backoff *backoff)
{
    uint32_t pauses = get_unit();

    if (pauses == 0 || backoff->round >= ROUNDS)
        return false;
    spin(pauses, backoff->round++, LONGEST_SHIFT);
    return true;
}

bool pawl_backoff_contend(struct pawl_backoff *backoff)
{
    uint32_t pauses = get_unit();

    if (pauses == 0 || backoff->round >= CONTEND_ROUNDS)
        return false;
    spin(pauses, CONTEND_SHIFT + backoff->round++, CONTEND_LAST_SHIFT);
    return true;
}

void pawl_backoff_wait(struct pawl_backoff *backoff)
{
    if (!pawl_backoff_again(backoff))
        sched_yield();
}
