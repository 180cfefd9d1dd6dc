/* SPDX-License-Identifier: MIT */
/* Lock elision: a table under one lock, of which each section uses a few entries; sections that all collide; and what
 * it costs where it cannot work. With PAWL_ELIDE=off in the environment: without transactions. */
#include "elide_work.h"

#include <pawl/elide.h>

#include <pthread.h>
#include <unistd.h>

#define LINE __attribute__((aligned(BENCH_LINE_PAIR)))

struct table_entry bench_table[TABLE_ENTRIES] LINE;

static struct pawl_elide elided LINE;
static struct pawl_elide_spin elided_spin LINE;
static struct pawl_mutex mutex LINE;
static struct pawl_spin spin LINE;
static pthread_mutex_t normal LINE = PTHREAD_MUTEX_INITIALIZER;

ELIDE_LOOPS(static, elide, pawl_elide_lock(&elided), pawl_elide_unlock(&elided))
ELIDE_LOOPS(static, elide_spin, pawl_elide_spin_lock(&elided_spin), pawl_elide_spin_unlock(&elided_spin))
ELIDE_LOOPS(static, mutex, pawl_mutex_lock(&mutex), pawl_mutex_unlock(&mutex))
ELIDE_LOOPS(static, spin, pawl_spin_lock(&spin), pawl_spin_unlock(&spin))
ELIDE_LOOPS(static, pthread, pthread_mutex_lock(&normal), pthread_mutex_unlock(&normal))

/* No transaction survives it. */
static uint64_t call_section(uint64_t *random)
{
    (void)random;
    return (uint64_t)getppid();
}

ELIDE_LOOP(static, elide, call, pawl_elide_lock(&elided), pawl_elide_unlock(&elided))
ELIDE_LOOP(static, mutex, call, pawl_mutex_lock(&mutex), pawl_mutex_unlock(&mutex))

#if BENCH_HAVE_TBB
#define PEER_TBB(loop)                                \
    {                                                 \
        .name = "tbb speculative_spin", .run = (loop) \
    }
#else
#define PEER_TBB(loop)                                                                         \
    {                                                                                          \
        .name = "tbb speculative_spin", .missing = "built without oneTBB (Debian: libtbb-dev)" \
    }
#endif

#define CONTENDERS(which)                                                                                   \
    {                                                                                                       \
        {.name = "pawl_elide", .run = elide_##which},                                                       \
            {.name = "pawl_elide_spin", .run = elide_spin_##which},                                         \
            {.name = "pawl_mutex", .run = mutex_##which}, {.name = "pawl_spin", .run = spin_##which},       \
            {.name = "pthread_mutex", .run = pthread_##which}, PEER_TBB(peer_tbb_speculative_##which), {0}, \
    }

static const struct bench_contender bare[] = CONTENDERS(bare);
static const struct bench_contender table[] = CONTENDERS(table);
static const struct bench_contender hot[] = CONTENDERS(hot);
static const struct bench_contender call[] = {
    {.name = "pawl_elide", .run = elide_call},
    {.name = "pawl_mutex", .run = mutex_call},
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "uncontended",
         .about = "Lock and unlock, back to back, one thread.",
         .unit = "lock+unlock",
         .contenders = bare},
        {.name = "table",
         .about = "Sections that read 8 of 4096 entries and change another.",
         .unit = "section",
         .threads = {1, 2, 4, 16},
         .contenders = table},
        {.name = "hot",
         .about = "Sections that all change the same entry.",
         .unit = "section",
         .threads = {2, 4},
         .contenders = hot},
        {.name = "call",
         .about = "Sections that make a system call: elision learns that it is no use.",
         .unit = "section",
         .threads = {1},
         .contenders = call},
        {0},
    };
    static const struct bench_program program = {"elide", "Lock elision.", groups};

    return bench_main(argc, argv, &program);
}
