/* SPDX-License-Identifier: MIT */
/* Contenders whose relation is known beforehand: chains of 1, 2 and 4 dependent multiplications. A
 * harness that does not find about 1 : 2 : 4 here measures something else than the loop. Not
 * installed; test_harness.c runs it. */
#include "bench.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static void chain(struct bench_thread *thread, uint64_t iterations, unsigned length)
{
    uint64_t state = thread->random;

    for (uint64_t i = 0; i < iterations; ++i) {
        for (unsigned k = 0; k < length; ++k) {
            bench_random(&state);
            bench_keep(state); /* each step must be computed: two steps could be folded into one */
        }
    }
}

static void chain_of_1(struct bench_thread *thread, uint64_t iterations)
{
    chain(thread, iterations, 1);
}

static void chain_of_2(struct bench_thread *thread, uint64_t iterations)
{
    chain(thread, iterations, 2);
}

static void chain_of_4(struct bench_thread *thread, uint64_t iterations)
{
    chain(thread, iterations, 4);
}

static void empty_loop(struct bench_thread *thread, uint64_t iterations)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations; ++i)
        bench_keep(i);
}

/* ---- operations whose costs are known ---- */

static struct {
    uint64_t word __attribute__((aligned(BENCH_LINE_PAIR)));
} shared_line[4];

static __thread volatile uint64_t own_word;

static void one_rmw(struct bench_thread *thread, uint64_t iterations)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations; ++i)
        __atomic_fetch_add(&shared_line[0].word, 1, __ATOMIC_RELAXED);
}

static void fence_and_three_lines(struct bench_thread *thread, uint64_t iterations)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations; ++i) {
        for (unsigned k = 1; k < 4; ++k)
            __atomic_store_n(&shared_line[k].word, i, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

static pthread_mutex_t mutex __attribute__((aligned(BENCH_LINE_PAIR))) = PTHREAD_MUTEX_INITIALIZER;

static void lock_and_unlock(struct bench_thread *thread, uint64_t iterations)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations; ++i) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
}

static void two_calls(struct bench_thread *thread, uint64_t iterations)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations; ++i) {
        syscall(SYS_getppid);
        syscall(SYS_getppid);
    }
}

static void only_its_own(struct bench_thread *thread, uint64_t iterations)
{
    volatile uint64_t on_stack = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; ++i) {
        own_word = i;
        on_stack = own_word;
    }
    bench_keep(on_stack);
}

static void too_long(struct bench_thread *thread, uint64_t iterations)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations * 200000; ++i)
        bench_keep(i);
}

static const char *never_available(void)
{
    return "stands here to be left out";
}

static const struct bench_contender chains[] = {
    {.name = "one", .run = chain_of_1},
    {.name = "two", .run = chain_of_2},
    {.name = "four", .run = chain_of_4},
    {.name = "absent", .run = chain_of_1, .unavailable = never_available},
    {.name = "not built", .missing = "was left out when this was compiled"},
    {0},
};

static const struct bench_contender chains_net[] = {
    {.name = "empty loop", .run = empty_loop, .overhead = true},
    {.name = "one", .run = chain_of_1},
    {.name = "two", .run = chain_of_2},
    {0},
};

static const struct bench_contender known_costs[] = {
    {.name = "one rmw", .run = one_rmw},
    {.name = "three lines", .run = fence_and_three_lines},
    {.name = "a mutex", .run = lock_and_unlock},
    {.name = "two calls", .run = two_calls},
    {.name = "its own", .run = only_its_own},
    {.name = "too long", .run = too_long},
    {0},
};

static const struct bench_group groups[] = {
    {.name = "chain", .unit = "chain", .threads = {1, 2, 5}, .contenders = chains},
    {.name = "chain-net", .unit = "chain", .contenders = chains_net},
    {.name = "known-costs", .contenders = known_costs},
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .name = "selftest",
        .about = "The harness on loops of known length.",
        .groups = groups,
    };

    return bench_main(argc, argv, &program);
}
