/* SPDX-License-Identifier: MIT */
/* Contenders whose relation is known beforehand: chains of 1, 2 and 4 dependent multiplications. A
 * harness that does not find about 1 : 2 : 4 here measures something else than the loop. Not
 * installed; test_harness.c runs it. */
#include "bench.h"

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

static const struct bench_group groups[] = {
    {.name = "chain", .unit = "chain", .threads = {1, 2, 5}, .contenders = chains},
    {.name = "chain-net", .unit = "chain", .contenders = chains_net},
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
