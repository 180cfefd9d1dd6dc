/* SPDX-License-Identifier: MIT */
/* A closure of the end of a fiber for the model checker: it parks, and its end meets a cancel and an unpark.
 *
 *   -DDEADLINE=1   its deadline passes at once; else it waits for the others
 *   -DCANCEL=1     a thread cancels it
 *   -DUNPARK=1     a thread unparks it
 *
 * Three threads are the machine: the owner, whose loop takes messages; another worker, which runs the task when it is woken;
 * and who cancels or unparks. There are no stacks: a fiber that is resumed returns from its function at once.
 * When its task is done the fiber's memory is overwritten, which races with whatever still looks at it.
 * Mutants that survive, and why: docs/fiber.md. */
#define PAWL_FIBER_TSAN_ 0
#include "../../../src/rt/fiber.c"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#ifndef DEADLINE
#define DEADLINE 0
#endif
#ifndef CANCEL
#define CANCEL 0
#endif
#ifndef UNPARK
#define UNPARK 0
#endif

static struct pawl_fiber fiber;
static struct pawl_worker owner;
static struct pawl_rt rt;
static PAWL_ATOMIC(struct pawl_message *) inbox[2]; /* of cancels, of unparks: there is one of each */
static PAWL_ATOMIC(uint32_t) wakes, asked, done;
static int noted, handed; /* plain: before the cancel, and the unpark */
static int resumed;

/* ---- what fiber.c calls ---- */

struct pawl_worker *pawl_worker_here_(void)
{
    return &owner;
}

void pawl_worker_send_(struct pawl_worker *worker, struct pawl_message *message)
{
    struct pawl_message *none = NULL;

    assert(worker == &owner);
    assert(pawl_cas_release(&inbox[message == &fiber.message], &none, message));
}

void pawl_task_wake(struct pawl_task *task)
{
    assert(task == &fiber.task);
    pawl_fetch_add_release(&wakes, 1u);
}

int pawl_task_cancelled(const struct pawl_task *task)
{
    (void)task;
    return pawl_load_acquire(&asked) != 0 ? -ECANCELED : 0;
}

void pawl_timer_start(struct pawl_timer *timer, uint64_t deadline)
{
    (void)deadline;
    timer->link.next = &timer->link;
}

int pawl_timer_cancel(struct pawl_timer *timer)
{
    timer->link.next = NULL;
    return 0;
}

void pawl_worker_later_(struct pawl_worker *worker, struct pawl_message *message)
{
    (void)worker;
    (void)message;
    assert(0);
}

void *pawl_switch_prepare_(void *top, void (*entry)(void *value))
{
    (void)top;
    (void)entry;
    assert(0);
    return NULL;
}

static void take_messages(void)
{
    for (int i = 0; i < 2; i++) {
        struct pawl_message *message = pawl_load_acquire(&inbox[i]);

        if (message != NULL) {
            pawl_store_relaxed(&inbox[i], NULL);
            message->run(message, &owner);
        }
    }
}

void *pawl_switch_(void **save, void *to, void *value)
{
    (void)to;
    if (save == &owner.fibers.sp) { /* resumed: the function returns */
        resumed++;
        assert(fiber.result != -ECANCELED || noted == 1);
        assert(fiber.result != 0 || handed == 1);
        fiber.returned = true;
        return value;
    }
    /* it has left its stack: the owner's loop, until nothing can come any more */
    owner.fibers.current = NULL;
    if (DEADLINE)
        park_deadline(&fiber.timer);
    while (pawl_load_acquire(&done) == 0)
        take_messages();
    pthread_exit(NULL);
}

/* ---- the machine ---- */

static void *run_owner(void *unused)
{
    (void)unused;
    owner.fibers.current = &fiber;
    assert(pawl_fiber_park(DEADLINE ? 5 : PAWL_FOREVER) == 0);
    assert(handed == 1); /* the token was there already: it returns at once */
    resumed++;
    end(&fiber);
    while (pawl_load_acquire(&done) == 0)
        take_messages();
    return NULL;
}

static void *run_other(void *unused)
{
    enum pawl_task_next next = PAWL_TASK_WAIT;

    (void)unused;
    while (next != PAWL_TASK_DONE) {
        if (next == PAWL_TASK_WAIT) {
            while (pawl_load_acquire(&wakes) == 0)
                pawl_relax();
            pawl_exchange_acquire(&wakes, 0u);
        }
        next = run_task(&fiber.task);
    }
    if (!UNPARK)
        memset((void *)&fiber, 0xff, sizeof fiber);
    pawl_store_release(&done, 1u);
    return NULL;
}

static void *cancel(void *unused)
{
    (void)unused;
    noted = 1;
    pawl_store_release(&asked, 1u);
    pawl_fetch_add_release(&wakes, 1u);
    return NULL;
}

static void *unpark(void *unused)
{
    (void)unused;
    handed = 1;
    pawl_fiber_unpark(&fiber);
    return NULL;
}

int main(void)
{
    pthread_t threads[4];
    int n = 0;

    owner.rt = &rt;
    fiber.owner = &owner;
    fiber.task.run = run_task;
    pawl_store_relaxed(&fiber.touches, 1u); /* as begin() leaves it */
    fiber.message.run = token_arrived;
    pthread_create(&threads[n++], NULL, run_other, NULL);
    if (UNPARK)
        pthread_create(&threads[n++], NULL, unpark, NULL);
    if (CANCEL)
        pthread_create(&threads[n++], NULL, cancel, NULL);
    pthread_create(&threads[n++], NULL, run_owner, NULL);
    while (n > 0)
        pthread_join(threads[--n], NULL);
    assert(resumed == 1);
    return 0;
}
