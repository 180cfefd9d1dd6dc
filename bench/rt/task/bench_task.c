/* SPDX-License-Identifier: MIT */
/* What a task costs: to spawn and run, to wake, to let others go first; and to wake a worker that sleeps, beside a
 * bare thread that sleeps in epoll, and tokio. */
#include "peer_tokio.h"

#include <pawl/park.h>
#include <pawl/rt.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TASKS = 64, YIELDERS = 200, RING = 1024 };

struct shared {
    struct pawl_rt *rt;
    struct pawl_task driver, other;
    uint64_t left; /* the tasks' own: they run on one worker, or one after the other */
    struct pawl_task tasks[RING] PAWL_LINE_PAIR_ALIGNED; /* a line each, as <pawl/task.h> advises */
    PAWL_ATOMIC(int) over;
};

static struct shared *shared_of;

static enum pawl_task_next nothing(struct pawl_task *task)
{
    (void)task;
    return PAWL_TASK_DONE;
}

static int setup_workers(uint32_t workers, void **shared)
{
    struct pawl_rt_config config = {.workers = workers};
    int status;

    shared_of = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof *shared_of);
    if (shared_of == NULL)
        return -ENOMEM;
    memset(shared_of, 0, sizeof *shared_of);
    for (int i = 0; i < RING; i++)
        pawl_task_init(&shared_of->tasks[i], nothing, 0);
    status = pawl_rt_open(&shared_of->rt, &config);
    *shared = shared_of;
    return status;
}

static int setup_one(unsigned threads, void **shared)
{
    (void)threads;
    return setup_workers(1, shared);
}

static int setup_two(unsigned threads, void **shared)
{
    (void)threads;
    return setup_workers(2, shared);
}

/* What setup() starts runs on the last CPU that is allowed, and the benchmark's own thread on the first. Left to the kernel,
 * a thread that is woken is now here, now there, which is a factor of ten. */
static int set_up_elsewhere(int (*setup)(unsigned, void **), unsigned threads, void **shared)
{
    cpu_set_t allowed, last;
    int status, cpu = CPU_SETSIZE - 1;

    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return -errno;
    while (!CPU_ISSET(cpu, &allowed))
        cpu--;
    CPU_ZERO(&last);
    CPU_SET(cpu, &last);
    if (sched_setaffinity(0, sizeof last, &last) != 0)
        return -errno;
    status = setup(threads, shared);
    return sched_setaffinity(0, sizeof allowed, &allowed) != 0 ? -errno : status;
}

static void teardown(void *shared)
{
    struct shared *self = shared;

    pawl_store_relaxed(&self->over, 1); /* relaxed: the close cancels as well */
    if (pawl_rt_close(self->rt) != 0)
        abort();
    free(self);
}

static void run_driver(struct bench_thread *thread, enum pawl_task_next (*run)(struct pawl_task *),
                       uint64_t iterations)
{
    struct shared *self = shared_of = thread->shared;

    self->left = iterations;
    pawl_task_init(&self->driver, run, 0);
    if (pawl_task_spawn(self->rt, &self->driver) != 0 || pawl_task_join(&self->driver) != 0)
        abort();
}

/* ---- spawn and run: batches of empty tasks, each batch run before the next ---- */

static enum pawl_task_next spawn_batch(struct pawl_task *task)
{
    struct shared *self = shared_of;

    (void)task;
    for (int i = 0; i < TASKS && self->left > 0; i++) {
        int status = pawl_task_spawn(self->rt, &self->tasks[i]);

        if (status == 0)
            self->left--;
        else if (status != -EBUSY) /* of the batch before; a thief has it */
            abort();
    }
    return self->left == 0 ? PAWL_TASK_DONE : PAWL_TASK_AGAIN;
}

static void run_spawn(struct bench_thread *thread, uint64_t iterations)
{
    run_driver(thread, spawn_batch, iterations);
}

/* ---- chains: each task spawns the next ---- */

static enum pawl_task_next spawn_next(struct pawl_task *task)
{
    struct shared *self = shared_of;
    struct pawl_task *next = task == &self->tasks[0] ? &self->tasks[1] : &self->tasks[0];
    int status;

    if (self->left == 0) {
        pawl_task_wake(&self->driver);
        return PAWL_TASK_DONE;
    }
    self->left--;
    status = pawl_task_spawn(self->rt, next);
    if (status == -EBUSY) { /* it has spawned this one, and has not come to its end on its worker */
        self->left++;
        return PAWL_TASK_AGAIN;
    }
    return status == 0 ? PAWL_TASK_DONE : (abort(), PAWL_TASK_DONE);
}

static enum pawl_task_next begin_chain(struct pawl_task *task)
{
    struct shared *self = shared_of;

    (void)task;
    if (self->left == 0)
        return PAWL_TASK_DONE;
    pawl_task_init(&self->tasks[0], spawn_next, 0);
    pawl_task_init(&self->tasks[1], spawn_next, 0);
    if (pawl_task_spawn(self->rt, &self->tasks[0]) != 0)
        abort();
    return PAWL_TASK_WAIT;
}

static void run_chain(struct bench_thread *thread, uint64_t iterations)
{
    run_driver(thread, begin_chain, iterations);
}

/* ---- ping-pong: two tasks wake each other ---- */

static enum pawl_task_next pong(struct pawl_task *task)
{
    struct shared *self = shared_of;

    (void)task;
    pawl_task_wake(&self->driver);
    return self->left == 0 ? PAWL_TASK_DONE : PAWL_TASK_WAIT;
}

static enum pawl_task_next ping(struct pawl_task *task)
{
    struct shared *self = shared_of;

    (void)task;
    if (self->left == 0)
        return pawl_task_done(&self->other) ? PAWL_TASK_DONE : (pawl_task_wake(&self->other), PAWL_TASK_WAIT);
    self->left--;
    pawl_task_wake(&self->other);
    return PAWL_TASK_WAIT;
}

static void run_ping_pong(struct bench_thread *thread, uint64_t iterations)
{
    struct shared *self = thread->shared;

    self->left = iterations;
    shared_of = self;
    pawl_task_init(&self->other, pong, 0);
    pawl_task_init(&self->driver, ping, 0);
    if (pawl_task_spawn(self->rt, &self->other) != 0 || pawl_task_spawn(self->rt, &self->driver) != 0 ||
        pawl_task_join(&self->other) != 0)
        abort();
    pawl_task_wake(&self->driver);
    if (pawl_task_join(&self->driver) != 0)
        abort();
}

/* ---- yields ---- */

struct yielder {
    struct pawl_task task;
    uint64_t left;
};

static enum pawl_task_next yield(struct pawl_task *task)
{
    struct yielder *self = pawl_task_of(task, struct yielder, task);

    return self->left-- == 0 ? PAWL_TASK_DONE : PAWL_TASK_AGAIN;
}

static void run_yield(struct bench_thread *thread, uint64_t iterations)
{
    static struct yielder yielders[YIELDERS];
    struct shared *self = thread->shared;

    for (unsigned i = 0; i < YIELDERS; i++) {
        yielders[i].left = iterations / YIELDERS + (i < iterations % YIELDERS);
        pawl_task_init(&yielders[i].task, yield, 0);
        if (pawl_task_spawn(self->rt, &yielders[i].task) != 0)
            abort();
    }
    for (unsigned i = 0; i < YIELDERS; i++)
        if (pawl_task_join(&yielders[i].task) != 0)
            abort();
}

/* ---- from another thread to a worker that is awake ---- */

static enum pawl_task_next stay_awake(struct pawl_task *task)
{
    (void)task;
    return pawl_load_relaxed(&shared_of->over) != 0 || pawl_task_cancelled(task) != 0 ? PAWL_TASK_DONE
                                                                                      : PAWL_TASK_AGAIN;
}

static int setup_awake(unsigned threads, void **shared)
{
    int status = set_up_elsewhere(setup_one, threads, shared);

    if (status != 0)
        return status;
    pawl_task_init(&shared_of->other, stay_awake, 0);
    return pawl_task_spawn(shared_of->rt, &shared_of->other);
}

/* Waits only if the worker is a whole ring behind. */
static void run_push(struct bench_thread *thread, uint64_t iterations)
{
    struct shared *self = thread->shared;

    for (uint64_t i = 0; i < iterations; i++)
        while (pawl_task_spawn(self->rt, &self->tasks[i % RING]) == -EBUSY)
            usleep(1);
}

/* ---- there and back, with one that sleeps ---- */

static PAWL_ATOMIC(uint32_t) answer;

static void await_answer(uint32_t wanted)
{
    while (pawl_load_acquire(&answer) != wanted)
        (void)pawl_futex_wait(&answer, wanted - 1, PAWL_FOREVER, PAWL_PRIVATE);
}

void give_answer(void)
{
    pawl_fetch_add_release(&answer, 1u);
    pawl_futex_wake(&answer, 1, PAWL_PRIVATE);
}

void await_next_answer(void (*wake)(void *), void *argument, uint64_t times)
{
    uint32_t wanted = pawl_load_relaxed(&answer); /* relaxed: nobody answers now */

    for (uint64_t i = 0; i < times; i++) {
        wake(argument);
        await_answer(++wanted);
    }
}

static enum pawl_task_next reply(struct pawl_task *task)
{
    give_answer();
    return pawl_task_cancelled(task) != 0 ? PAWL_TASK_DONE : PAWL_TASK_WAIT;
}

static int setup_asleep(unsigned threads, void **shared)
{
    int status = set_up_elsewhere(setup_one, threads, shared);

    if (status != 0)
        return status;
    pawl_task_init(&shared_of->driver, reply, 0);
    status = pawl_task_spawn(shared_of->rt, &shared_of->driver);
    usleep(10000);
    return status;
}

static void wake_driver(void *shared)
{
    pawl_task_wake(&((struct shared *)shared)->driver);
}

static void run_wake(struct bench_thread *thread, uint64_t iterations)
{
    await_next_answer(wake_driver, thread->shared, iterations);
}

struct floor {
    pthread_t thread;
    int event, epoll;
    PAWL_ATOMIC(int) over;
};

static void *floor_main(void *argument)
{
    struct floor *self = argument;
    struct epoll_event event;

    while (pawl_load_acquire(&self->over) == 0)
        if (epoll_wait(self->epoll, &event, 1, -1) == 1)
            give_answer();
    return NULL;
}

static int start_floor(unsigned threads, void **shared)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    struct floor *self = calloc(1, sizeof *self);

    (void)threads;
    if (self == NULL)
        return -ENOMEM;
    *shared = self;
    self->event = eventfd(0, EFD_CLOEXEC);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->event, &event) != 0)
        return -errno; /* ends the program */
    return -pthread_create(&self->thread, NULL, floor_main, self);
}

static void ring(void *floor)
{
    struct floor *self = floor;
    uint64_t one = 1;

    if (write(self->event, &one, sizeof one) != sizeof one)
        abort();
}

static int setup_floor(unsigned threads, void **shared)
{
    return set_up_elsewhere(start_floor, threads, shared);
}

static void run_floor(struct bench_thread *thread, uint64_t iterations)
{
    await_next_answer(ring, thread->shared, iterations);
}

static void teardown_floor(void *shared)
{
    struct floor *self = shared;

    pawl_store_release(&self->over, 1);
    ring(self);
    pthread_join(self->thread, NULL);
    close(self->event);
    close(self->epoll);
    free(self);
}

#if BENCH_HAVE_TOKIO
static int setup_tokio_awake(unsigned threads, void **shared)
{
    return set_up_elsewhere(tokio_setup_awake, threads, shared);
}

static int setup_tokio_asleep(unsigned threads, void **shared)
{
    return set_up_elsewhere(tokio_setup_asleep, threads, shared);
}

#define TOKIO(name_, setup_, shape)                                              \
    {                                                                            \
        .name = name_, .setup = setup_, .run = shape, .teardown = tokio_teardown \
    }
#else
#define TOKIO(name_, setup_, shape)                                                      \
    {                                                                                    \
        .name = name_, .missing = "built without the Rust peers (bench/peers/README.md)" \
    }
#endif

#define ONE_AND_TWO(function)                                                                             \
    (const struct bench_contender[])                                                                      \
    {                                                                                                     \
        {.name = "pawl, 1 worker", .setup = setup_one, .run = run_##function, .teardown = teardown},      \
            TOKIO("tokio, 1 worker", tokio_setup_one, tokio_##function),                                  \
            {.name = "pawl, 2 workers", .setup = setup_two, .run = run_##function, .teardown = teardown}, \
            TOKIO("tokio, 2 workers", tokio_setup_two, tokio_##function),                                 \
        {                                                                                                 \
            0                                                                                             \
        }                                                                                                 \
    }

int main(int argc, char **argv)
{
    const struct bench_group groups[] = {
        {.name = "spawn",
         .about = "An empty task, spawned by a task, run, completed; batches of 64",
         .contenders = ONE_AND_TWO(spawn)},
        {.name = "chain", .about = "Each task spawns the next", .contenders = ONE_AND_TWO(chain)},
        {.name = "ping-pong",
         .about = "Two tasks wake each other; there and back",
         .contenders = ONE_AND_TWO(ping_pong)},
        {.name = "yield",
         .about = "200 tasks that let each other go first",
         .contenders = ONE_AND_TWO(yield)},
        {.name = "push",
         .about = "A task spawned from outside, on a worker that is awake",
         .contenders = (const struct bench_contender[]){{.name = "pawl",
                                                         .setup = setup_awake,
                                                         .run = run_push,
                                                         .teardown = teardown},
                                                        TOKIO("tokio", setup_tokio_awake, tokio_push),
                                                        {0}}},
        {.name = "wake",
         .about = "A thread that sleeps is woken and answers by a futex; there and back",
         .contenders = (const struct bench_contender[]){{.name = "eventfd, epoll, futex",
                                                         .setup = setup_floor,
                                                         .run = run_floor,
                                                         .teardown = teardown_floor},
                                                        {.name = "pawl",
                                                         .setup = setup_asleep,
                                                         .run = run_wake,
                                                         .teardown = teardown},
                                                        TOKIO("tokio", setup_tokio_asleep, tokio_wake),
                                                        {0}}},
        {0},
    };

    return bench_main(argc, argv,
                      &(const struct bench_program){.name = "task",
                                                    .about = "tasks of the runtime",
                                                    .groups = groups});
}
