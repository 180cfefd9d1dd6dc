/* SPDX-License-Identifier: MIT */
/* Fibers: what it costs to change stacks, to let another fiber run, and to have one run a function.
 *
 * swapcontext() asks the kernel for the signal mask; Boost.Context and ours do not, and preserve the same. */
#include "../../../src/rt/switch.h"
#include "fiber_peers.h"

#include <pawl/fiber.h>
#include <pawl/task.h>

#include <errno.h>
#include <stdlib.h>
#include <ucontext.h>

enum { STACK = 65536 };

/* ---- the switch alone: there and back ---- */

struct ours {
    void *back, *there;
};

static struct ours ours_now;
static char stacks[2][STACK] __attribute__((aligned(4096)));

static void return_always(void *value)
{
    for (;;)
        value = pawl_switch_(&ours_now.there, ours_now.back, value);
}

static int open_ours(unsigned threads, void **shared)
{
    (void)threads;
    ours_now.there = pawl_switch_prepare_(stacks[0] + STACK, return_always);
    *shared = &ours_now;
    return 0;
}

static void switch_ours(struct bench_thread *thread, uint64_t iterations)
{
    struct ours *ours = thread->shared;

    for (uint64_t i = 0; i < iterations; i++)
        bench_keep_pointer(pawl_switch_(&ours->back, ours->there, ours));
}

struct contexts {
    ucontext_t back, there;
};

static struct contexts contexts_now;

static void swap_always(void)
{
    for (;;)
        swapcontext(&contexts_now.there, &contexts_now.back);
}

static int open_contexts(unsigned threads, void **shared)
{
    (void)threads;
    if (getcontext(&contexts_now.there) != 0)
        return -errno;
    contexts_now.there.uc_stack.ss_sp = stacks[1];
    contexts_now.there.uc_stack.ss_size = STACK;
    makecontext(&contexts_now.there, swap_always, 0);
    *shared = &contexts_now;
    return 0;
}

static void switch_contexts(struct bench_thread *thread, uint64_t iterations)
{
    struct contexts *contexts = thread->shared;

    for (uint64_t i = 0; i < iterations; i++)
        swapcontext(&contexts->back, &contexts->there);
}

/* ---- on a runtime of one worker, which is this thread ---- */

struct work {
    struct pawl_rt *rt;
    uint64_t left;
};

static int open_runtime(unsigned threads, void **shared)
{
    struct pawl_rt_config config = {.workers = 1};
    struct work *work = calloc(1, sizeof *work);

    (void)threads;
    if (work == NULL)
        return -ENOMEM;
    *shared = work;
    return pawl_rt_open(&work->rt, &config);
}

static void close_runtime(void *shared)
{
    (void)pawl_rt_close(((struct work *)shared)->rt);
    free(shared);
}

static void yield_always(void *argument)
{
    struct work *work = argument;

    while (work->left > 0) {
        work->left--;
        pawl_yield();
    }
}

/* Two fibers that let each other run. */
static void start_yielding(void *argument)
{
    struct work *work = argument;
    struct pawl_fiber *other;

    if (pawl_fiber_open(&other, work->rt, yield_always, work) != 0)
        abort();
    yield_always(work);
    if (pawl_fiber_join(other) != 0)
        abort();
}

static void run_fiber(struct work *work, void (*fn)(void *argument))
{
    struct pawl_fiber *fiber;

    if (pawl_fiber_open(&fiber, work->rt, fn, work) != 0 || pawl_fiber_join(fiber) != 0)
        abort();
}

static void yields(struct bench_thread *thread, uint64_t iterations)
{
    struct work *work = thread->shared;

    work->left = iterations;
    run_fiber(work, start_yielding);
}

static void nothing(void *unused)
{
    (void)unused;
}

static void start_fibers(void *argument)
{
    struct work *work = argument;

    for (; work->left > 0; work->left--) {
        struct pawl_fiber *fiber;

        if (pawl_fiber_open(&fiber, work->rt, nothing, NULL) != 0 || pawl_fiber_join(fiber) != 0)
            abort();
    }
}

static void fibers(struct bench_thread *thread, uint64_t iterations)
{
    struct work *work = thread->shared;

    work->left = iterations;
    run_fiber(work, start_fibers);
}

static const struct bench_contender switches[] = {
    {.name = "pawl", .setup = open_ours, .run = switch_ours},
#if BENCH_HAVE_BOOST_CONTEXT
    {.name = "Boost.Context",
     .setup = bench_boost_open,
     .run = bench_boost_switch,
     .teardown = bench_boost_close},
#else
    {.name = "Boost.Context", .missing = "built without libboost-context-dev"},
#endif
    {.name = "swapcontext", .setup = open_contexts, .run = switch_contexts},
    {0},
};

static const struct bench_contender yielding[] = {
    {.name = "pawl_yield", .setup = open_runtime, .run = yields, .teardown = close_runtime},
    {0},
};

static const struct bench_contender spawning[] = {
    {.name = "pawl_fiber_open+join", .setup = open_runtime, .run = fibers, .teardown = close_runtime},
    {0},
};

static const struct bench_group groups[] = {
    {.name = "switch",
     .about = "to another stack and back",
     .unit = "two switches",
     .threads_fixed = true,
     .contenders = switches},
    {.name = "yield",
     .about = "two fibers of a worker let each other run",
     .unit = "yield",
     .threads_fixed = true,
     .contenders = yielding},
    {.name = "spawn",
     .about = "a fiber starts one that does nothing, and joins it",
     .unit = "fiber",
     .threads_fixed = true,
     .contenders = spawning},
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_program program = {"fiber", "Fibers: switches, turns, lives.", groups};

    return bench_main(argc, argv, &program);
}
