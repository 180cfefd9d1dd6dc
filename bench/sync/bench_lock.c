/* SPDX-License-Identifier: MIT */
/* Locks: uncontended, and contended with sections of 0, 50 and 200 ns.
 *
 * Contended: each thread computes for 100 ns between two sections. What one thread does alone is the ceiling where to
 * hand a line to another CPU takes longer than a section. More threads than CPUs are the point
 * of the groups with 4 and 16. Locks that serve in the order of arrival (ticket, MCS, tbb queuing) fall by
 * a factor of hundreds there; they have a group of their own, whose slices last 20 ms whatever --slice-ms says. */
#include "clock.h"
#include "peer_locks.h"

#include <pawl/lock.h>

#include <pthread.h>
#if BENCH_HAVE_CK
#include <ck_spinlock.h>
#endif

#define LINE __attribute__((aligned(BENCH_LINE_PAIR)))
/* Not every lock is run with every length of section. */
#define LOCAL static __attribute__((unused))

static struct pawl_mutex the_mutex LINE;
static struct pawl_spin the_spin LINE;
static struct pawl_ticket the_ticket LINE;
static struct pawl_mcs the_mcs LINE;
static pthread_mutex_t normal LINE = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t adaptive LINE = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static pthread_spinlock_t spinlock LINE;

double lock_work_links_a_ns;

/* The fastest of several runs: what disturbs makes them longer. */
static void measure_links(void)
{
    enum { LINKS = 20000, RUNS = 50 };
    uint64_t x = 1, best = UINT64_MAX;

    for (int i = 0; i < RUNS; i++) {
        uint64_t start = bench_now_ns(), took;

        x = lock_work_chain(x, LINKS);
        took = bench_now_ns() - start;
        best = took < best ? took : best;
    }
    bench_keep(x);
    lock_work_links_a_ns = (double)LINKS / (double)best;
}

static int open_spinlock(unsigned threads, void **shared)
{
    (void)threads;
    (void)shared;
    return -pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE);
}

LOCK_LOOPS(LOCAL, mutex, pawl_mutex_lock(&the_mutex), pawl_mutex_unlock(&the_mutex))
LOCK_LOOPS(LOCAL, spin, pawl_spin_lock(&the_spin), pawl_spin_unlock(&the_spin))
LOCK_LOOPS(LOCAL, ticket, pawl_ticket_lock(&the_ticket), pawl_ticket_unlock(&the_ticket))
LOCK_LOOPS(LOCAL, mcs, struct pawl_mcs_node node;
           pawl_mcs_lock(&the_mcs, &node), pawl_mcs_unlock(&the_mcs, &node))
LOCK_LOOPS(LOCAL, pthread, pthread_mutex_lock(&normal), pthread_mutex_unlock(&normal))
LOCK_LOOPS(LOCAL, pthread_adaptive, pthread_mutex_lock(&adaptive), pthread_mutex_unlock(&adaptive))
LOCK_LOOPS(LOCAL, pthread_spin, pthread_spin_lock(&spinlock), pthread_spin_unlock(&spinlock))

#if BENCH_HAVE_CK
static ck_spinlock_fas_t ck_fas LINE = CK_SPINLOCK_FAS_INITIALIZER;
static ck_spinlock_ticket_t ck_ticket LINE = CK_SPINLOCK_TICKET_INITIALIZER;

LOCK_LOOPS(LOCAL, ck_fas_eb, ck_spinlock_fas_lock_eb(&ck_fas), ck_spinlock_fas_unlock(&ck_fas))
LOCK_LOOPS(LOCAL, ck_ticket, ck_spinlock_ticket_lock(&ck_ticket), ck_spinlock_ticket_unlock(&ck_ticket))
#define PEER_CK(title, loop, counted)                      \
    {                                                      \
        .name = "ck " title, .run = loop, .alone = counted \
    }
#else
#define PEER_CK(title, loop, counted)                                                       \
    {                                                                                       \
        .name = "ck " title, .missing = "built without Concurrency Kit (Debian: libck-dev)" \
    }
#endif

#if BENCH_HAVE_TBB
#define PEER_TBB(title, loop, counted)                      \
    {                                                       \
        .name = "tbb " title, .run = loop, .alone = counted \
    }
#else
#define PEER_TBB(title, loop, counted)                                               \
    {                                                                                \
        .name = "tbb " title, .missing = "built without oneTBB (Debian: libtbb-dev)" \
    }
#endif

#if BENCH_HAVE_ABSL
#define PEER_ABSL(loop)                   \
    {                                     \
        .name = "absl Mutex", .run = loop \
    }
#else
#define PEER_ABSL(loop)                                                               \
    {                                                                                 \
        .name = "absl Mutex", .missing = "built without Abseil (Debian: libabsl-dev)" \
    }
#endif

#define CONTENDERS(which)                                                                                \
    {                                                                                                    \
        {.name = "pawl_mutex", .run = mutex_##which}, {.name = "pthread_mutex", .run = pthread_##which}, \
            {.name = "pthread adaptive", .run = pthread_adaptive_##which}, PEER_ABSL(peer_absl_##which), \
            {.name = "pawl_spin", .run = spin_##which},                                                  \
            {.name = "pthread_spin", .setup = open_spinlock, .run = pthread_spin_##which},               \
            PEER_TBB("spin_mutex", peer_tbb_spin_##which, peer_tbb_spin_##which),                        \
            PEER_CK("fas_eb", ck_fas_eb_##which, ck_fas_eb_##which), {0},                                \
    }
#define IN_ORDER(which, counted)                                                             \
    {                                                                                        \
        {.name = "pawl_mutex", .run = mutex_##which, .alone = mutex_##counted},              \
            {.name = "pawl_ticket", .run = ticket_##which, .alone = ticket_##counted},       \
            {.name = "pawl_mcs", .run = mcs_##which, .alone = mcs_##counted},                \
            PEER_TBB("queuing_mutex", peer_tbb_queuing_##which, peer_tbb_queuing_##counted), \
            PEER_CK("ticket", ck_ticket_##which, ck_ticket_##counted), {0},                  \
    }

static const struct bench_contender bare[] = CONTENDERS(bare);
static const struct bench_contender no_section[] = CONTENDERS(0);
static const struct bench_contender short_section[] = CONTENDERS(50);
static const struct bench_contender long_section[] = CONTENDERS(200);
static const struct bench_contender bare_in_order[] = IN_ORDER(bare, bare);
static const struct bench_contender in_order[] = IN_ORDER(timed, 50);

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "uncontended",
         .about = "Lock and unlock, back to back, one thread.",
         .unit = "lock+unlock",
         .contenders = bare},
        {.name = "section-0",
         .about = "An empty section, 100 ns outside.",
         .unit = "section",
         .threads = {1, 2, 4, 16},
         .contenders = no_section},
        {.name = "section-50",
         .about = "Sections of 50 ns, 100 ns outside.",
         .unit = "section",
         .threads = {1, 2, 4, 16},
         .contenders = short_section},
        {.name = "section-200",
         .about = "Sections of 200 ns, 100 ns outside.",
         .unit = "section",
         .threads = {1, 2, 4, 16},
         .contenders = long_section},
        {.name = "in-order-uncontended",
         .about = "Locks that serve in the order of arrival: back to back, one thread.",
         .unit = "lock+unlock",
         .contenders = bare_in_order},
        {.name = "in-order",
         .about = "Locks that serve in the order of arrival: sections of 50 ns, 100 ns outside.",
         .unit = "section",
         .threads = {2, 4},
         .contenders = in_order},
        {0},
    };
    static const struct bench_program program = {"lock", "Locks: uncontended and contended.", groups};

    measure_links();
    return bench_main(argc, argv, &program);
}
