/* SPDX-License-Identifier: MIT */
/* Where a worker's tasks come from: its own deques and slots, the shared queues, the others. */
#include "worker.h"

#include <errno.h>

enum {
    TAKE_MOST = 64,    /* from a shared queue at once */
    AGAIN_MOST = 64,   /* of those that let others go first, made visible at once */
    OLDEST_EVERY = 64, /* every so many tasks it is not the newest's turn */
    STREAK_MOST = 16,  /* runs out of the slot in a row, as long as others wait */
    ROUNDS = 2,        /* through all the others */
};

/* ---- putting ---- */

static struct pawl_sleeper *nth_sleeper(void *context, uint32_t i)
{
    struct pawl_rt *rt = context;

    return i < rt->workers ? &rt->worker[i].sleeper : NULL;
}

static struct pawl_sleeper *nth_victim(void *context, uint32_t i)
{
    struct pawl_worker *worker = context;

    return i + 1 < worker->rt->workers ? &worker->rt->worker[worker->victims[i]].sleeper : NULL;
}

void pawl_rt_work_(struct pawl_rt *rt)
{
    struct pawl_worker *self = pawl_worker_here_();
    struct pawl_sleeper *sleeper;
    struct pawl_worker *worker;
    int before;

    /* a worker that publishes is awake; but a signal handler may have interrupted it on its way to sleep */
    if (self != NULL && self->rt == rt && pawl_load_relaxed(&self->sleeper.word) == PAWL_AWAKE_)
        sleeper = pawl_idle_publish_(&rt->idle, nth_victim, self);
    else
        sleeper = pawl_idle_publish_(&rt->idle, nth_sleeper, rt);
    if (PAWL_LIKELY(sleeper == NULL))
        return;
    worker = (struct pawl_worker *)(void *)((char *)sleeper - offsetof(struct pawl_worker, sleeper));
    before = errno;
    worker->engine->class->notify(worker->engine);
    errno = before;
}

void pawl_rt_inject_(struct pawl_rt *rt, struct pawl_task *task)
{
    const struct pawl_worker *self = pawl_worker_here_();
    uint32_t node = self != NULL && self->rt == rt ? self->node : 0;

    pawl_inject_push_(&rt->inject[node].half[(task->flags & PAWL_TASK_URGENT) == 0], task);
    pawl_rt_work_(rt);
}

/* Into the deque, or where there is room. */
static void put(struct pawl_worker *worker, struct pawl_task *task, int which)
{
    struct pawl_deque *deque = &worker->deque[which];

    /* The size can only be overrated: a push that this lets through finds room, and does not allocate. */
    if (PAWL_LIKELY(pawl_deque_size(deque) < PAWL_WORKER_DEQUE_) && pawl_deque_push(deque, task) == 0) {
        if (worker->rt->workers > 1)
            pawl_rt_work_(worker->rt);
    } else {
        pawl_inject_push_(&worker->rt->inject[worker->node].half[which], task);
        pawl_rt_work_(worker->rt);
    }
}

void pawl_worker_ready_(struct pawl_worker *worker, struct pawl_task *task)
{
    if (PAWL_UNLIKELY((task->flags & PAWL_TASK_URGENT) != 0)) {
        put(worker, task, 0);
    } else {
        struct pawl_task *before = worker->lifo;

        worker->lifo = task;
        if (before != NULL)
            put(worker, before, 1);
    }
}

/* ---- taking ---- */

/* Up to `max` tasks of a shared queue: the first is the answer, the others are put into the deque. */
static struct pawl_task *take(struct pawl_worker *worker, uint32_t node, int which, uint32_t max)
{
    struct pawl_inject_half *half = &worker->rt->inject[node].half[which];
    struct pawl_task *tasks[TAKE_MOST];
    size_t room = PAWL_WORKER_DEQUE_ - pawl_deque_size(&worker->deque[which]);
    uint32_t n;
    bool left;

    if (pawl_inject_empty_(half))
        return NULL;
    if (max > room + 1)
        max = (uint32_t)room + 1;
    n = pawl_inject_take_(half, tasks, max, worker->rt->workers, &left);
    if (n == 0)
        return NULL;
    pawl_count_(&worker->counts.injected, n);
    for (uint32_t i = n; i-- > 1;)                              /* the oldest is to be popped first */
        (void)pawl_deque_push(&worker->deque[which], tasks[i]); /* cannot fail: there is room */
    if ((n > 1 || left) && worker->rt->workers > 1)
        pawl_rt_work_(worker->rt);
    return tasks[0];
}

static struct pawl_task *again_first(struct pawl_worker *worker)
{
    struct pawl_task *task = worker->again;

    if (task != NULL) {
        worker->again = task->next;
        if (worker->again == NULL)
            worker->again_end = &worker->again;
    }
    return task;
}

/* Some of those that let the others go first become visible to thieves. */
static struct pawl_task *next_again(struct pawl_worker *worker)
{
    struct pawl_task *first = again_first(worker);

    if (worker->again != NULL && worker->rt->workers > 1) {
        void *tasks[AGAIN_MOST];
        size_t at = AGAIN_MOST;

        while (at > 0 && worker->again != NULL)
            tasks[--at] = again_first(worker); /* from behind: the oldest is to be popped first */
        (void)pawl_deque_push_n(&worker->deque[1], tasks + at,
                                AGAIN_MOST - at); /* cannot fail: it is empty */
        pawl_rt_work_(worker->rt);
    }
    return first;
}

/* There are some that let the others go first, and none of the worker's own is left. Before each of them comes one batch of what
 * other threads made ready: they wait for it, and no flood of it starves them. */
static struct pawl_task *next_of_the_patient(struct pawl_worker *worker)
{
    struct pawl_task *task = NULL;

    if (!worker->gave_way) {
        task = take(worker, worker->node, 0, TAKE_MOST);
        if (task == NULL)
            task = take(worker, worker->node, 1, TAKE_MOST);
    }
    worker->gave_way = task != NULL;
    return task != NULL ? task : next_again(worker);
}

/* The oldest of its own. One worker alone has deques whose pops are spared a fence that steals pay for by interrupting all
 * processors (PAWL_DEQUE_RARELY_STOLEN): a thread that spawns tasks from outside would feel it. So it takes all out. */
static struct pawl_task *own_oldest(struct pawl_worker *worker)
{
    void *tasks[PAWL_WORKER_DEQUE_];
    size_t first = PAWL_WORKER_DEQUE_;

    if (worker->rt->workers > 1)
        return pawl_deque_steal(&worker->deque[1], &tasks[0]) == 0 ? tasks[0] : NULL;
    while (first > 0 && pawl_deque_pop(&worker->deque[1], &tasks[first - 1]) == 0)
        first--;
    if (first == PAWL_WORKER_DEQUE_)
        return NULL;
    (void)pawl_deque_push_n(&worker->deque[1], tasks + first + 1,
                            PAWL_WORKER_DEQUE_ - first - 1); /* cannot fail: they were there */
    return tasks[first];
}

/* For those that are never the newest. */
static struct pawl_task *next_oldest(struct pawl_worker *worker)
{
    switch (worker->picks / OLDEST_EVERY % 4) {
    case 0:
        return take(worker, worker->node, 1, 1);
    case 1:
        return take(worker, worker->node, 0, 1);
    case 2:
        return own_oldest(worker);
    default:
        return again_first(worker);
    }
}

struct pawl_task *pawl_worker_next_(struct pawl_worker *worker)
{
    struct pawl_task *task;
    void *popped;

    if (PAWL_UNLIKELY(++worker->picks % OLDEST_EVERY == 0) && (task = next_oldest(worker)) != NULL)
        return task;
    if (pawl_deque_pop(&worker->deque[0], &popped) == 0)
        return popped;
    if (worker->lifo != NULL && PAWL_LIKELY(worker->lifo_streak < STREAK_MOST)) {
        worker->lifo_streak++;
        task = worker->lifo;
        worker->lifo = NULL;
        return task;
    }
    worker->lifo_streak = 0;
    if (pawl_deque_pop(&worker->deque[1], &popped) == 0)
        return popped;
    if (worker->again != NULL)
        return next_of_the_patient(worker);
    task = worker->lifo;
    worker->lifo = NULL;
    return task;
}

/* ---- searching ---- */

static bool search_shared(struct pawl_worker *worker)
{
    uint32_t nodes = worker->rt->nodes;

    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t node = worker->node + i < nodes ? worker->node + i : worker->node + i - nodes;

        for (int which = 0; which < 2; which++) {
            struct pawl_task *task = take(worker, node, which, TAKE_MOST);

            if (task != NULL) {
                worker->lifo = task; /* it was empty: this worker has nothing */
                return true;
            }
        }
    }
    return false;
}

static bool steal_from(struct pawl_worker *worker, struct pawl_worker *victim)
{
    for (int which = 0; which < 2; which++) {
        size_t before = pawl_deque_size(&worker->deque[which]);
        void *task;

        if (pawl_deque_empty(&victim->deque[which]) ||
            pawl_deque_steal_into(&victim->deque[which], &worker->deque[which], &task) != 0)
            continue;
        pawl_count_(&worker->counts.steals, 1);
        pawl_count_(&worker->counts.stolen, pawl_deque_size(&worker->deque[which]) - before + 1);
        worker->lifo = task;
        return true;
    }
    return false;
}

/* Each circle of equally near ones from another beginning, so that thieves do not all go to the same. */
static bool steal(struct pawl_worker *worker)
{
    uint32_t from = 0, others = worker->rt->workers - 1;

    for (const uint32_t *ring = worker->rings; from < others; from = *ring++) {
        uint32_t n = *ring - from;

        worker->random = worker->random * 1664525u + 1013904223u;
        for (uint32_t i = 0, at = n > 0 ? (worker->random >> 16) % n : 0; i < n;
             i++, at = at + 1 < n ? at + 1 : 0)
            if (steal_from(worker, &worker->rt->worker[worker->victims[from + at]]))
                return true;
    }
    return false;
}

bool pawl_worker_search_(struct pawl_worker *worker)
{
    uint32_t workers = worker->rt->workers;

    if (search_shared(worker))
        return true;
    if (workers == 1)
        return false;
    if (!worker->searching && !pawl_idle_search_(&worker->rt->idle, (workers + 1) / 2))
        return false;
    worker->searching = true;
    pawl_count_(&worker->counts.searches, 1);
    for (int round = 0; round < ROUNDS; round++)
        if (steal(worker))
            return true;
    return search_shared(worker);
}

bool pawl_worker_anything_(const struct pawl_worker *worker)
{
    const struct pawl_rt *rt = worker->rt;

    for (uint32_t i = 0; i < rt->nodes; i++)
        if (!pawl_inject_empty_(&rt->inject[i].half[0]) || !pawl_inject_empty_(&rt->inject[i].half[1]))
            return true;
    for (uint32_t i = 0; i < rt->workers; i++)
        if (i != worker->index &&
            (!pawl_deque_empty(&rt->worker[i].deque[0]) || !pawl_deque_empty(&rt->worker[i].deque[1])))
            return true;
    return false;
}
