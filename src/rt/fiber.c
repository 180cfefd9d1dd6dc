/* SPDX-License-Identifier: MIT */
/* Fibers: a stack, a task, and a worker.
 *
 * A fiber is a task of the runtime, which stands for its whole life: spawned, cancelled, joined and counted as others. The
 * first run of the task, on whatever worker, makes that worker the fiber's owner and begins its function. From then on the
 * function runs on the owner only, resumed by what it waited for: a timer, an operation, a message. The task's
 * other runs may take place anywhere. They carry a cancel to the owner, as a message, and end the task when the function
 * has returned.
 *
 *     task     spawn . begin ......... cancelled: message ...................... ended: done
 *     owner            `-- function -- wait -- resumed -- withdrawn -- returns --'  wakes the task
 *
 * `touches` counts what of the owner's may still look at the fiber: the function, until the task has been woken, and the
 * message. The task is not done before it is 0; in the few instructions between the wake and the last touch it lets
 * others run first. */
#include "fiber.h"

#include "../core/sync/fail.h"
#include "fiber_switch.h"
#include "stack.h"
#include "switch.h"
#include "timer.h"
#include "worker.h"

#include <pawl/fiber.h>
#include <pawl/park.h>

#include <errno.h>
#include <stdlib.h>

enum { RUN_AT_ONCE = 64 }; /* ready fibers, before the worker looks at other things */

/* `token` */
enum { NO_TOKEN, TOKEN, PARKED };

struct pawl_fiber {
    struct pawl_task task;
    void (*fn)(void *arg);
    void *arg;
    struct pawl_worker *owner; /* since its first run */
    struct pawl_stack *stack;  /* this stands at its top */
    void *sp;                  /* while it does not run */
    struct pawl_fiber *next;   /* in the owner's queue */
    void (*withdraw)(struct pawl_fiber *fiber, void *object);
    void *object;
    int64_t result; /* of the present wait */
    struct pawl_timer timer;
    struct pawl_message message; /* of an unpark, or of a join's end */
    struct pawl_message cancel_message;
    struct pawl_task_waiter waiter;
    void *fake; /* the sanitizers' */
    void *thread;
    PAWL_ATOMIC(uint32_t) token;   /* T */
    PAWL_ATOMIC(uint32_t) ended;   /* the function has returned, and the task may know */
    PAWL_ATOMIC(uint32_t) touches; /* L: see above */
    bool returned;                 /* the function has, for the owner */
    bool yields;
    bool cancelled; /* the owner knows */
    bool told;      /* the task has sent cancel_message */
};

PAWL_STATIC_ASSERT(offsetof(struct pawl_fiber, task) == 0, "a task leads to its fiber");

/* ---- switching ---- */

/* From the worker to the fiber, and back. */
static void enter(struct pawl_fiber *fiber)
{
    struct pawl_fiber_queue *queue = &fiber->owner->fibers;
    void *fake = NULL;

    queue->current = fiber;
    queue->thread = pawl_switch_thread_();
    pawl_switch_begins_(&fake, fiber->stack->low, (size_t)(fiber->stack->top - fiber->stack->low));
    pawl_switch_thread_to_(fiber->thread);
    pawl_switch_(&queue->sp, fiber->sp, fiber);
    pawl_switch_ends_(fake, NULL, NULL);
    queue->current = NULL;
}

/* From the fiber to its worker; returns when it is entered again. */
static void leave(struct pawl_fiber *fiber)
{
    struct pawl_fiber_queue *queue = &fiber->owner->fibers;
    int before = errno;

    pawl_switch_begins_(fiber->returned ? NULL : &fiber->fake, queue->stack_low, queue->stack_bytes);
    pawl_switch_thread_to_(queue->thread);
    pawl_switch_(&fiber->sp, queue->sp, NULL);
    pawl_switch_ends_(fiber->fake, &queue->stack_low, &queue->stack_bytes);
    errno = before;
}

/* The first function on the stack. */
static void first(void *value)
{
    struct pawl_fiber *fiber = value;
    struct pawl_fiber_queue *queue = &fiber->owner->fibers;

    pawl_switch_ends_(NULL, &queue->stack_low, &queue->stack_bytes);
    errno = 0;
    fiber->fn(fiber->arg);
    fiber->returned = true;
    leave(fiber);
    pawl_sync_fail("a fiber", "was resumed after its end");
}

/* ---- the owner ---- */

static void run_ready(struct pawl_message *message, struct pawl_worker *worker);

static void make_ready(struct pawl_fiber *fiber)
{
    struct pawl_fiber_queue *queue = &fiber->owner->fibers;

    fiber->next = NULL;
    if (queue->ready == NULL)
        queue->ready = fiber;
    else
        queue->ready_end->next = fiber;
    queue->ready_end = fiber;
    if (!queue->scheduled) {
        queue->scheduled = true;
        queue->message.run = run_ready;
        pawl_worker_later_(fiber->owner, &queue->message);
    }
}

/* The function has returned: the task is to end, on whatever worker. */
static void end(struct pawl_fiber *fiber)
{
    pawl_switch_thread_free_(fiber->thread);
    /* relaxed: the wake makes it known, and L orders */
    pawl_store_relaxed(&fiber->ended, 1u);
    pawl_task_wake(&fiber->task);
    /* release L: pairs with the acquire in run_task(); the fiber may be gone behind this */
    pawl_fetch_sub_release(&fiber->touches, 1u);
}

static void run(struct pawl_fiber *fiber)
{
    enter(fiber);
    if (fiber->returned) {
        end(fiber);
    } else if (fiber->yields) {
        fiber->yields = false;
        make_ready(fiber);
    }
}

static void run_ready(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_fiber_queue *queue = &worker->fibers;

    for (int n = 0; n < RUN_AT_ONCE && queue->ready != NULL; n++) {
        struct pawl_fiber *fiber = queue->ready;

        queue->ready = fiber->next;
        run(fiber);
    }
    queue->scheduled = queue->ready != NULL;
    if (queue->scheduled)
        pawl_worker_later_(worker, message);
}

void pawl_fiber_resume_(struct pawl_fiber *fiber, int64_t result)
{
    fiber->result = result;
    fiber->withdraw = NULL;
    /* on the worker's own stack: at once. From another fiber: when that waits. */
    if (fiber->owner->fibers.current == NULL)
        run(fiber);
    else
        make_ready(fiber);
}

int64_t pawl_fiber_wait_(struct pawl_fiber *fiber, void (*withdraw)(struct pawl_fiber *fiber, void *object),
                         void *object)
{
    fiber->withdraw = withdraw;
    fiber->object = object;
    leave(fiber);
    return fiber->result;
}

static void cancel_arrived(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_fiber *fiber = pawl_mpsc_of(message, struct pawl_fiber, cancel_message);

    (void)worker;
    fiber->cancelled = true;
    if (fiber->withdraw != NULL)
        fiber->withdraw(fiber, fiber->object);
    /* release L: pairs with the acquire in run_task() */
    pawl_fetch_sub_release(&fiber->touches, 1u);
}

/* ---- the task ---- */

static enum pawl_task_next begin(struct pawl_fiber *fiber)
{
    fiber->owner = pawl_worker_here_();
    fiber->cancelled = fiber->told = pawl_task_cancelled(&fiber->task) != 0;
    fiber->thread = pawl_switch_thread_new_();
    fiber->sp = pawl_switch_prepare_(fiber, first);
    /* relaxed: the owner's alone, until the task has been run again */
    pawl_store_relaxed(&fiber->touches, 1u);
    enter(fiber);
    if (fiber->returned) {
        pawl_switch_thread_free_(fiber->thread);
        return PAWL_TASK_DONE;
    }
    if (fiber->yields) {
        fiber->yields = false;
        make_ready(fiber);
    }
    return PAWL_TASK_WAIT;
}

static enum pawl_task_next run_task(struct pawl_task *task)
{
    struct pawl_fiber *fiber = (struct pawl_fiber *)(void *)task;

    if (fiber->owner == NULL)
        return begin(fiber);
    if (pawl_load_relaxed(&fiber->ended) != 0) /* relaxed: see end() */
        /* L: pairs with the releases of the last touches */
        return pawl_load_acquire(&fiber->touches) == 0 ? PAWL_TASK_DONE : PAWL_TASK_AGAIN;
    if (!fiber->told && pawl_task_cancelled(task) != 0) {
        fiber->told = true;
        pawl_fetch_add_relaxed(&fiber->touches, 1u); /* relaxed: only counts; the message publishes */
        fiber->cancel_message.run = cancel_arrived;
        pawl_worker_send_(fiber->owner, &fiber->cancel_message);
    }
    return PAWL_TASK_WAIT;
}

/* ---- making and freeing ---- */

static struct pawl_stacks *stacks_of(struct pawl_rt *rt)
{
    /* acquire K: pairs with the release below */
    struct pawl_stacks *stacks = pawl_load_acquire(&rt->stacks), *others = NULL;

    if (PAWL_LIKELY(stacks != NULL))
        return stacks;
    stacks = malloc(sizeof *stacks);
    if (stacks == NULL)
        return NULL;
    if (pawl_stacks_init_(stacks, rt->stack_bytes, rt->workers) != 0) {
        free(stacks);
        return NULL;
    }
    /* release K: publishes them; acquire K, if somebody else was quicker */
    if (pawl_cas_acq_rel(&rt->stacks, &others, stacks))
        return stacks;
    pawl_stacks_fini_(stacks);
    free(stacks);
    return others;
}

void pawl_fibers_close_(struct pawl_rt *rt)
{
    struct pawl_stacks *stacks = pawl_load_acquire(&rt->stacks); /* K: as above */

    if (stacks != NULL) {
        pawl_stacks_fini_(stacks);
        free(stacks);
    }
}

static int worker_index(const struct pawl_rt *rt)
{
    const struct pawl_worker *worker = pawl_worker_here_();

    return worker != NULL && worker->rt == rt ? (int)worker->index : -1;
}

/* At the top of a stack. NULL: no memory. */
static struct pawl_fiber *make(struct pawl_rt *rt, void (*fn)(void *arg), void *arg)
{
    struct pawl_stacks *stacks = stacks_of(rt);
    struct pawl_stack *stack = stacks == NULL ? NULL : pawl_stacks_get_(stacks, worker_index(rt));
    struct pawl_fiber *fiber;

    if (stack == NULL)
        return NULL;
    fiber = (struct pawl_fiber *)(void *)(stack->top - (sizeof *fiber + 63) / 64 * 64);
    *fiber = (struct pawl_fiber){.fn = fn, .arg = arg, .stack = stack};
    pawl_task_init(&fiber->task, run_task, 0);
    return fiber;
}

static void drop(struct pawl_rt *rt, struct pawl_fiber *fiber)
{
    pawl_stacks_put_(stacks_of(rt), fiber->stack, worker_index(rt));
}

static void detached_done(struct pawl_task *task)
{
    drop(task->rt, (struct pawl_fiber *)(void *)task);
}

int pawl_go(struct pawl_rt *rt, void (*fn)(void *arg), void *arg)
{
    struct pawl_fiber *fiber;
    int status;

    if (rt->generation != pawl_rt_generation_())
        return -ECHILD; /* now: whoever had the lock of the stacks is not there to give it back */
    fiber = make(rt, fn, arg);
    if (fiber == NULL)
        return -ENOMEM;
    pawl_task_on_done(&fiber->task, detached_done);
    status = pawl_task_spawn(rt, &fiber->task);
    if (status != 0)
        drop(rt, fiber);
    return status;
}

int pawl_fiber_open(struct pawl_fiber **out, struct pawl_rt *rt, void (*fn)(void *arg), void *arg)
{
    struct pawl_fiber *fiber;
    int status;

    if (rt->generation != pawl_rt_generation_())
        return -ECHILD; /* now: whoever had the lock of the stacks is not there to give it back */
    fiber = make(rt, fn, arg);
    if (fiber == NULL)
        return -ENOMEM;
    status = pawl_task_spawn(rt, &fiber->task);
    if (status != 0)
        drop(rt, fiber);
    else
        *out = fiber;
    return status;
}

static void detached_wake(struct pawl_task_waiter *waiter)
{
    struct pawl_fiber *fiber = pawl_mpsc_of(waiter, struct pawl_fiber, waiter);

    drop(fiber->task.rt, fiber);
}

void pawl_fiber_detach(struct pawl_fiber *fiber)
{
    fiber->waiter.wake = detached_wake;
    if (pawl_task_notify(&fiber->task, &fiber->waiter) == -EALREADY)
        drop(fiber->task.rt, fiber);
}

int pawl_fiber_cancel(struct pawl_fiber *fiber)
{
    return pawl_task_cancel(&fiber->task);
}

/* ---- waits ---- */

struct pawl_fiber *pawl_fiber_self(void)
{
    struct pawl_worker *worker = pawl_worker_here_();

    return worker == NULL ? NULL : worker->fibers.current;
}

struct pawl_fiber *pawl_fiber_here_(const char *function)
{
    struct pawl_fiber *fiber = pawl_fiber_self();

    if (PAWL_UNLIKELY(fiber == NULL))
        pawl_sync_fail(function, "not in a fiber");
    return fiber;
}

struct pawl_worker *pawl_fiber_owner_(const struct pawl_fiber *fiber)
{
    return fiber->owner;
}

int pawl_fiber_cancelled(void)
{
    struct pawl_fiber *fiber = pawl_fiber_here_(__func__);

    /* the task's answer too: the message may be waiting for this fiber to let its worker go */
    return fiber->cancelled || pawl_task_cancelled(&fiber->task) != 0 ? -ECANCELED : 0;
}

void pawl_yield(void)
{
    struct pawl_fiber *fiber = pawl_fiber_here_(__func__);

    fiber->yields = true;
    leave(fiber);
}

static void await_withdraw(struct pawl_fiber *fiber, void *op)
{
    (void)fiber;
    (void)pawl_op_cancel(op); /* its completion ends the wait */
}

void pawl_fiber_or_task_wake_(struct pawl_task *task, const struct pawl_op *op, int64_t result)
{
    struct pawl_fiber *fiber = (struct pawl_fiber *)(void *)task;

    if (task->run == run_task && fiber->withdraw == await_withdraw && fiber->object == op)
        pawl_fiber_resume_(fiber, result);
    else
        pawl_task_wake(task);
}

int64_t pawl_await(struct pawl_op *op)
{
    struct pawl_fiber *fiber = pawl_fiber_here_(__func__);

    if (!pawl_op_pending(op))
        return op->result;
    if (PAWL_UNLIKELY(op->engine->worker != fiber->owner))
        pawl_sync_fail(__func__, "the operation is another worker's");
    op->task = &fiber->task;
    if (fiber->cancelled)
        (void)pawl_op_cancel(op);
    return pawl_fiber_wait_(fiber, await_withdraw, op);
}

static void sleep_over(struct pawl_timer *timer)
{
    pawl_fiber_resume_(pawl_timer_of(timer, struct pawl_fiber, timer), 0);
}

static void sleep_withdraw(struct pawl_fiber *fiber, void *unused)
{
    (void)unused;
    (void)pawl_timer_cancel(&fiber->timer); /* idle: the runtime closes, and has taken all timers */
    pawl_fiber_resume_(fiber, -ECANCELED);
}

int pawl_sleep_until(uint64_t deadline)
{
    struct pawl_fiber *fiber = pawl_fiber_here_(__func__);

    if (fiber->cancelled)
        return -ECANCELED;
    fiber->timer.fire = sleep_over;
    pawl_timer_start(&fiber->timer, deadline);
    return (int)pawl_fiber_wait_(fiber, sleep_withdraw, NULL);
}

int pawl_sleep(uint64_t ns)
{
    return pawl_sleep_until(pawl_deadline(ns));
}

static void token_arrived(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_fiber *fiber = pawl_mpsc_of(message, struct pawl_fiber, message);

    (void)worker;
    (void)pawl_timer_cancel(&fiber->timer); /* idle: no deadline, or it came too late */
    /* acquire T: pairs with the release in unpark: of those too that found the token there */
    (void)pawl_exchange_acquire(&fiber->token, (uint32_t)NO_TOKEN);
    pawl_fiber_resume_(fiber, 0);
}

/* Ends a park without the token, unless that is under way: then it ends the park. */
static void park_ends(struct pawl_fiber *fiber, int status)
{
    uint32_t token = PARKED;

    if (pawl_cas_relaxed(&fiber->token, &token, (uint32_t)NO_TOKEN)) { /* relaxed: publishes nothing */
        (void)pawl_timer_cancel(&fiber->timer);                        /* idle, if this is its doing */
        pawl_fiber_resume_(fiber, status);
    }
}

static void park_deadline(struct pawl_timer *timer)
{
    park_ends(pawl_timer_of(timer, struct pawl_fiber, timer), -ETIMEDOUT);
}

static void park_withdraw(struct pawl_fiber *fiber, void *unused)
{
    (void)unused;
    park_ends(fiber, -ECANCELED);
}

int pawl_fiber_park(uint64_t deadline)
{
    struct pawl_fiber *fiber = pawl_fiber_here_(__func__);
    uint32_t token = NO_TOKEN;

    fiber->message.run = token_arrived;
    /* release T: pairs with the acquire in unpark, which sends the message: the worker has read it, and what it runs is
     * set. A failure is looked at again below. */
    if (fiber->cancelled || !pawl_cas_release(&fiber->token, &token, (uint32_t)PARKED)) {
        token = TOKEN;
        /* acquire T: pairs with the release in unpark */
        return pawl_cas_acquire(&fiber->token, &token, (uint32_t)NO_TOKEN) ? 0 : -ECANCELED;
    }
    if (deadline != PAWL_FOREVER) {
        fiber->timer.fire = park_deadline;
        pawl_timer_start(&fiber->timer, deadline);
    }
    return (int)pawl_fiber_wait_(fiber, park_withdraw, NULL);
}

void pawl_fiber_unpark(struct pawl_fiber *fiber)
{
    /* release T: pairs with the acquires in park. acquire T: of PARKED, see there. */
    if (pawl_exchange_acq_rel(&fiber->token, (uint32_t)TOKEN) == PARKED)
        pawl_worker_send_(fiber->owner, &fiber->message);
}

static void join_arrived(struct pawl_message *message, struct pawl_worker *worker)
{
    (void)worker;
    pawl_fiber_resume_(pawl_mpsc_of(message, struct pawl_fiber, message), 0);
}

static void join_wake(struct pawl_task_waiter *waiter)
{
    struct pawl_fiber *fiber = pawl_mpsc_of(waiter, struct pawl_fiber, waiter);

    pawl_worker_send_(fiber->owner, &fiber->message);
}

int pawl_fiber_join(struct pawl_fiber *fiber)
{
    struct pawl_fiber *self = pawl_fiber_self();
    struct pawl_rt *rt = fiber->task.rt;
    int status = 0;

    if (fiber == self)
        return -EDEADLK;
    if (self == NULL) {
        status = pawl_task_join(&fiber->task);
    } else {
        /* nobody unparks with the message meanwhile: the token is not PARKED */
        self->message.run = join_arrived;
        self->waiter.wake = join_wake;
        if (pawl_task_notify(&fiber->task, &self->waiter) == 0)
            (void)pawl_fiber_wait_(self, NULL, NULL);
    }
    if (status == 0)
        drop(rt, fiber);
    return status;
}
