/* SPDX-License-Identifier: MIT */
/* The turn of a worker: inbox, tasks, timers, engine; sleep. */
#include "worker.h"
#include "timer.h"

#include "../core/sync/fail.h"

#include <errno.h>
#include <pawl/clock.h>

enum {
    INBOX_BUDGET = 256, /* messages a turn */
    TIMER_BUDGET = 256, /* timers a turn */
    CLOCK_EVERY = 16,   /* tasks between two looks at the clock */
    SLICE_TASKS = 512,  /* the most a turn, however short they are */
    TURNS_A_POLL = 8,   /* that neither end with work nor wait, until the engine is asked */
    GRACE_NS = 1000000, /* between two looks at the grace period of a close */
};

/* initial-exec: a signal handler may ask, which must not allocate. */
static __thread struct pawl_worker *here __attribute__((tls_model("initial-exec")));

__attribute__((noinline)) struct pawl_worker *pawl_worker_here_(void)
{
    __asm__ volatile(""); /* not to be taken for a function of nothing */
    return here;
}

void pawl_worker_enter_(struct pawl_worker *worker)
{
    here = worker;
}

void pawl_worker_forked_(void)
{
    pawl_sync_fail("fork", "a child that a worker forked came back to the runtime: it must exec or _exit");
}

/* It has found something, or has other things to do, such as functions of the program, which may take long: who relied on it must not
 * wait. */
static void stop_searching(struct pawl_worker *worker)
{
    if (worker->searching) {
        worker->searching = false;
        if (pawl_idle_found_(&worker->rt->idle))
            pawl_rt_work_(worker->rt);
    }
}

/* ---- messages ---- */

void pawl_worker_call_(struct pawl_worker *worker)
{
    if (pawl_idle_call_(&worker->rt->idle, &worker->sleeper)) {
        int before = errno;

        worker->engine->class->notify(worker->engine);
        errno = before;
    }
}

void pawl_worker_send_(struct pawl_worker *worker, struct pawl_message *message)
{
    if (PAWL_UNLIKELY(worker->rt->generation != pawl_rt_generation_()))
        return; /* in a child of fork(): nobody is there */
    /* The message may be what the runtime waits for to end: pawl_rt_close() waits for this section. */
    pawl_rcu_read_lock();
    if (pawl_mpsc_push(&worker->inbox, &message->node) != 0)
        pawl_sync_fail("pawl_worker_send_", "the inbox is closed");
    pawl_worker_call_(worker);
    pawl_rcu_read_unlock();
}

void pawl_worker_later_(struct pawl_worker *worker, struct pawl_message *message)
{
    message->next = NULL;
    *worker->later_end = message;
    worker->later_end = &message->next;
}

static void run_message(struct pawl_worker *worker, struct pawl_message *message)
{
    pawl_count_(&worker->counts.messages, 1);
    stop_searching(worker);
    pawl_worker_out_(worker);
    message->run(message, worker);
    pawl_worker_back_(worker);
}

/* What was put off to this turn; what is put off meanwhile stays for the next. */
static void run_later(struct pawl_worker *worker)
{
    struct pawl_message *message = worker->later;

    worker->later = NULL;
    worker->later_end = &worker->later;
    while (message != NULL) {
        struct pawl_message *next = message->next;

        run_message(worker, message);
        message = next;
    }
}

static void run_inbox(struct pawl_worker *worker)
{
    struct pawl_mpsc_node *node;

    for (uint32_t n = 0; n < INBOX_BUDGET && pawl_mpsc_pop(&worker->inbox, &node) == 0; n++)
        run_message(worker, pawl_mpsc_of(node, struct pawl_message, node));
}

/* ---- the turn ---- */

static void run_tasks(struct pawl_worker *worker)
{
    struct pawl_task *task;

    worker->slice_end = pawl_clock_cycles() + worker->rt->cycles_a_slice;
    for (uint32_t n = 1; n <= SLICE_TASKS && (task = pawl_worker_next_(worker)) != NULL; n++) {
        if (n == 1) /* it had nothing of its own, but the turn of the oldest went to the shared queue */
            stop_searching(worker);
        pawl_task_run_(worker, task);
        if (n % CLOCK_EVERY == 0 && (int64_t)(pawl_clock_cycles() - worker->slice_end) >= 0)
            break;
    }
}

bool pawl_worker_has_work_(const struct pawl_worker *worker)
{
    return worker->lifo != NULL || worker->again != NULL || worker->later != NULL ||
           worker->engine->io.dirty != NULL || !pawl_deque_empty(&worker->deque[0]) ||
           !pawl_deque_empty(&worker->deque[1]);
}

static void poll_engine(struct pawl_worker *worker, uint64_t deadline)
{
    int events;

    /* A turn that may wait is inside until pawl_worker_woke_(): a wake by a signal handler must not come to rest
     * in the worker's own structures when it has already looked at them. */
    if (deadline == 0) {
        worker->now = pawl_deadline(0); /* what has come meanwhile did not come before the tasks */
        pawl_worker_out_(worker);
    }
    events = worker->engine->class->turn(worker->engine, deadline);
    pawl_worker_back_(worker);
    pawl_count_(&worker->counts.polls, 1);
    if (events > 0)
        pawl_count_(&worker->counts.events, (uint64_t)events);
    else if (PAWL_UNLIKELY(events < 0))
        pawl_sync_fail("the engine of a worker", "cannot wait for events any more");
}

/* Up again: once a sleep, whoever comes first. Inside. */
static void get_up(struct pawl_worker *worker)
{
    enum pawl_sleep word;

    if (pawl_load_relaxed(&worker->sleeper.word) ==
        PAWL_AWAKE_) /* relaxed: no other thread sets it to that */
        return;
    word = pawl_idle_up_(&worker->rt->idle, &worker->sleeper);
    worker->searching = word == PAWL_SENT_;
    if (word != PAWL_ASLEEP_)
        pawl_count_(&worker->counts.wakes, 1);
}

void pawl_worker_woke_(struct pawl_worker *worker)
{
    if (pawl_worker_is_in_(worker)) {
        get_up(worker);
        stop_searching(worker);
        /* Quiet, it has no functions to run, and the runtime may be ending: a handler's spawn must not come to rest here. */
        if (!worker->quiet)
            pawl_worker_out_(worker);
    }
}

/* Sleeps, unless there is something to do after all: true, and the engine was asked. */
static bool sleep_now(struct pawl_worker *worker, bool (*until)(const struct pawl_rt *rt))
{
    struct pawl_rt *rt = worker->rt;
    uint64_t deadline = pawl_wheel_next_(&worker->wheel);
    bool look = pawl_idle_down_(&rt->idle, &worker->sleeper, worker->searching);
    bool something = look && pawl_worker_anything_(worker);

    worker->searching = false;
    if (something || !pawl_mpsc_empty(&worker->inbox) || until(rt) ||
        pawl_rt_closing_(rt) != worker->closing) {
        deadline = 0;
    } else if (worker->closing && pawl_engine_idle_(worker->engine)) {
        worker->quiet = true;
        pawl_rt_quiet_(rt);
        if (until(rt))
            deadline = 0;
    }
    if (PAWL_UNLIKELY(worker->awaits_grace) && deadline > worker->now + GRACE_NS)
        deadline = worker->now + GRACE_NS;
    if (deadline != 0) {
        pawl_count_(&worker->counts.parks, 1);
        poll_engine(worker, deadline);
    }
    get_up(worker);
    /* However many search: what it has seen, it takes, or sees that it is gone. */
    if (something && !worker->searching)
        worker->searching = pawl_idle_search_(&rt->idle, UINT64_MAX);
    if (worker->quiet) {
        worker->quiet = false;
        pawl_ending_loud_(&rt->ending);
    }
    return deadline != 0;
}

/* The runtime closes: everything that this worker has is told. */
static void begin_closing(struct pawl_worker *worker)
{
    worker->closing = true;
    stop_searching(worker);
    pawl_worker_cancel_all_(worker);
    pawl_worker_out_(worker);
    pawl_engine_stop_(worker->engine);
    pawl_timers_close_(worker);
    pawl_worker_in_(worker);
}

/* The thread that closes the runtime is this worker. */
static void look_for_grace(struct pawl_worker *worker)
{
    if (!pawl_rcu_poll(worker->rt->grace))
        return;
    worker->awaits_grace = false;
    pawl_rt_release_(worker->rt);
}

static void run_timers(struct pawl_worker *worker)
{
    unsigned fired;

    if (worker->wheel.armed == 0)
        return;
    if (worker->searching && (worker->closing || pawl_wheel_next_(&worker->wheel) <= worker->now))
        stop_searching(worker);
    pawl_worker_out_(worker);
    if (PAWL_UNLIKELY(worker->closing))
        pawl_timers_close_(worker); /* what was armed since */
    fired = pawl_wheel_advance_(&worker->wheel, worker->now, TIMER_BUDGET);
    pawl_worker_back_(worker);
    pawl_count_(&worker->counts.timers, fired);
}

/* It is not to wait: it has stolen something, or there are messages or timers. Not in every turn, as the question is a system call,
 * but what the kernel has to say is heard, however long this goes on. */
static void poll_now_and_then(struct pawl_worker *worker)
{
    if (++worker->unpolled < TURNS_A_POLL)
        return;
    stop_searching(worker);
    poll_engine(worker, 0);
    worker->unpolled = 0;
}

static void turn(struct pawl_worker *worker, bool (*until)(const struct pawl_rt *rt))
{
    pawl_count_(&worker->counts.turns, 1);
    if (worker->searching && (pawl_worker_has_work_(worker) || pawl_worker_search_(worker)))
        stop_searching(worker);
    worker->now = pawl_deadline(0);
    run_later(worker);
    run_inbox(worker);
    if (worker->searching && pawl_worker_has_work_(worker))
        stop_searching(worker);
    run_tasks(worker);
    run_timers(worker);
    if (pawl_worker_has_work_(worker)) {
        poll_engine(worker, 0);
        worker->unpolled = 0;
    } else if (pawl_worker_search_(worker)) {
        stop_searching(worker);
        poll_now_and_then(worker);
    } else if (sleep_now(worker, until)) {
        worker->unpolled = 0;
    } else if (!pawl_ending_over_(&worker->rt->ending)) { /* else a handler's spawn would come to rest here */
        poll_now_and_then(worker);
    }
}

void pawl_worker_loop_(struct pawl_worker *worker, bool (*until)(const struct pawl_rt *rt))
{
    pawl_worker_in_(worker);
    pawl_worker_enter_(worker);
    while (!until(worker->rt)) {
        if (PAWL_UNLIKELY(pawl_rt_closing_(worker->rt)) && !worker->closing)
            begin_closing(worker);
        if (PAWL_UNLIKELY(worker->awaits_grace))
            look_for_grace(worker);
        turn(worker, until);
    }
    stop_searching(worker);
    pawl_worker_enter_(NULL);
    pawl_worker_out_(worker);
}

int pawl_worker_init_(struct pawl_worker *worker, struct pawl_rt *rt, uint32_t index)
{
    int status, flags;

    worker->rt = rt;
    worker->index = index;
    worker->again_end = &worker->again;
    worker->later_end = &worker->later;
    worker->random = index * 2654435761u + 1;
    worker->now = pawl_deadline(0);
    pawl_mpsc_init(&worker->inbox);
    pawl_mutex_init(&worker->live_lock, PAWL_PRIVATE);
    pawl_wheel_init_(&worker->wheel, worker->now);
    /* One worker alone: nobody steals from it, nor it from itself. */
    flags = rt->workers == 1 ? PAWL_DEQUE_RARELY_STOLEN : 0;
    status = pawl_deque_init(&worker->deque[0], PAWL_WORKER_DEQUE_, flags);
    if (status != 0)
        return status;
    status = pawl_deque_init(&worker->deque[1], PAWL_WORKER_DEQUE_, flags);
    if (status != 0)
        pawl_deque_destroy(&worker->deque[0]);
    return status;
}

void pawl_worker_destroy_(struct pawl_worker *worker)
{
    while (pawl_wheel_drain_(&worker->wheel) != NULL) /* what is still armed is idle again, and never fires */
        ;
    pawl_deque_destroy(&worker->deque[0]);
    pawl_deque_destroy(&worker->deque[1]);
}
