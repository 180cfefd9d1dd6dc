/* SPDX-License-Identifier: MIT */
/* Signals: one handler for all, which raises the events of those who listen.
 *
 * For each number a list. Handlers walk it in a section of RCU, on any thread; who starts and stops changes it under a
 * lock. A listener that stops goes through four hands: its event ends on its worker; there it leaves the list;
 * a grace period later no handler has it; a message brings it back to its worker, which calls stopped(). The runtime
 * is held from the second to the last. */
#include "signal_inside.h"

#include "event_inside.h"
#include "worker.h"

#include <errno.h>
#include <pawl/mutex.h>
#include <pawl/rcu.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

PAWL_STATIC_ASSERT(sizeof(struct pawl_message) <= sizeof(((struct pawl_signal *)NULL)->message),
                   "room for the message");
PAWL_STATIC_ASSERT(sizeof(struct pawl_signal) == 184, "as the header says");

enum { NUMBERS = 65 }; /* 1 to 64, on every Linux that this runs on */

static struct {
    PAWL_ATOMIC(struct pawl_signal *) first; /* N; NULL: the handler is not ours */
    struct sigaction before;                 /* what was there before ours */
} listeners[NUMBERS];
static struct pawl_mutex lock = PAWL_MUTEX_INIT;
static pthread_once_t watch_forks_once = PTHREAD_ONCE_INIT;

static void handle(int number)
{
    int before = errno;

    pawl_rcu_read_lock();
    /* acquire N, both: pair with the release in enter() and leave(), a listener is seen as it was started */
    for (struct pawl_signal *signal = pawl_load_acquire(&listeners[number].first); signal != NULL;
         signal = pawl_load_acquire(&signal->next))
        (void)pawl_event_raise(&signal->event); /* one that is being stopped is told nothing */
    pawl_rcu_read_unlock();
    errno = before;
}

/* ---- fork ---- */

/* What was there before our handler is there again; unless the program has put another one into its place. */
static void restore(int number)
{
    struct sigaction now;

    if (sigaction(number, NULL, &now) == 0 && now.sa_handler == handle)
        (void)sigaction(number, &listeners[number].before, NULL); /* cannot fail: it has been there before */
}

static void before_fork(void)
{
    pawl_mutex_lock(&lock);
}

static void in_the_parent(void)
{
    pawl_mutex_unlock(&lock);
}

/* The listeners are the parent's, and nobody else uses the list here. */
static void in_the_child(void)
{
    for (int number = 1; number < NUMBERS; number++)
        if (pawl_load_relaxed(&listeners[number].first) !=
            NULL) { /* relaxed, both: there is no other thread */
            pawl_store_relaxed(&listeners[number].first, NULL);
            restore(number);
        }
    pawl_mutex_init(&lock, PAWL_PRIVATE);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, in_the_parent, in_the_child);
}

/* ---- the lists ---- */

static void enter(struct pawl_signal *signal)
{
    const struct sigaction ours = {.sa_handler = handle, .sa_flags = SA_RESTART | SA_ONSTACK};
    int number = signal->number;
    struct pawl_signal *first;

    pawl_mutex_lock(&lock);
    first = pawl_load_relaxed(&listeners[number].first); /* relaxed: under the lock */
    pawl_store_relaxed(&signal->next, first);            /* relaxed: published by the next */
    /* release N: pairs with the acquires in handle(), publishes the listener and its event */
    pawl_store_release(&listeners[number].first, signal);
    if (first == NULL)
        (void)sigaction(number, &ours, &listeners[number].before); /* cannot fail: the number is a good one */
    pawl_mutex_unlock(&lock);
}

static void leave(struct pawl_signal *signal)
{
    int number = signal->number;
    PAWL_ATOMIC(struct pawl_signal *) *place = &listeners[number].first;

    pawl_mutex_lock(&lock);
    /* relaxed: under the lock */
    while (pawl_load_relaxed(place) != signal)
        place = &pawl_load_relaxed(place)->next;
    /* release N: pairs with the acquires in handle(), for what follows in the list. Its own link stays: a handler that is
     * at it goes on from there. */
    pawl_store_release(place, pawl_load_relaxed(&signal->next));
    if (pawl_load_relaxed(&listeners[number].first) == NULL)
        restore(number);
    pawl_mutex_unlock(&lock);
}

/* ---- the life of a listener ---- */

static struct pawl_message *message_of(struct pawl_signal *signal)
{
    return (struct pawl_message *)(void *)signal->message;
}

static void caught(struct pawl_event *event, uint64_t count)
{
    struct pawl_signal *signal = pawl_event_of(event, struct pawl_signal, event);

    signal->caught(signal, count);
}

static void is_back(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_signal *signal = pawl_signal_of((void *)message, struct pawl_signal, message);

    signal->number = 0;
    if (signal->stopped != NULL)
        signal->stopped(signal);
    pawl_rt_release_(worker->rt);
}

/* By the thread that runs the callbacks of RCU. */
static void nobody_has_it(struct pawl_retired *retired)
{
    struct pawl_signal *signal = pawl_signal_of((void *)retired, struct pawl_signal, retired);

    pawl_worker_send_(signal->worker, message_of(signal));
}

static void event_stopped(struct pawl_event *event)
{
    struct pawl_signal *signal = pawl_event_of(event, struct pawl_signal, event);

    (void)pawl_rt_hold_(signal->worker->rt); /* cannot fail: on a worker, in its process */
    leave(signal);
    message_of(signal)->run = is_back;
    pawl_rcu_call(&signal->retired, nobody_has_it);
}

bool pawl_signal_acceptable_(int number)
{
    switch (number) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
    case SIGABRT:
        return false;
    default:
        /* below SIGRTMIN, the C library keeps some for itself */
        return number >= 1 && number < NUMBERS && (number <= SIGSYS || number >= SIGRTMIN);
    }
}

int pawl_signal_start_on_(struct pawl_signal *signal, int number, struct pawl_worker *worker)
{
    int status;

    if (!pawl_signal_acceptable_(number))
        return -EINVAL;
    if (signal->number != 0)
        return -EBUSY;
    (void)pthread_once(&watch_forks_once, watch_forks);
    signal->event.raised = caught;
    signal->event.stopped = event_stopped;
    status = pawl_event_start_on_(&signal->event, worker);
    if (status != 0)
        return status;
    signal->number = number;
    signal->worker = worker;
    enter(signal);
    return 0;
}

void pawl_signal_forget_(struct pawl_signal *signal)
{
    if (signal->number == 0)
        return;
    leave(signal);
    pawl_rcu_synchronize(); /* no handler has it any more */
}

int pawl_signal_start(struct pawl_signal *signal, int number)
{
    struct pawl_worker *worker = pawl_worker_here_();

    return worker != NULL ? pawl_signal_start_on_(signal, number, worker) : -EPERM;
}

void pawl_signal_stop(struct pawl_signal *signal)
{
    pawl_event_stop(&signal->event);
}
