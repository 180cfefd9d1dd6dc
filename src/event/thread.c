/* SPDX-License-Identifier: MIT */
/* Threads: what evthread_use_pthreads() turns on, and waking a loop that another thread runs. */
#include "buffer.h"

#include <errno.h>
#include <event2/thread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool pawl_event_locks_, pawl_event_ids_;

/* Callbacks of the program: they say that it has threads. Bases lock with pthread mutexes all the same, which do what the
 * callbacks have to do. */
static struct evthread_lock_callbacks lock_callbacks;
static struct evthread_condition_callbacks condition_callbacks;
static bool pthreads;

int evthread_set_lock_callbacks(const struct evthread_lock_callbacks *cbs)
{
    if (cbs == NULL) {
        memset(&lock_callbacks, 0, sizeof lock_callbacks);
        pawl_event_locks_ = pthreads = false;
        return 0;
    }
    if (pthreads || lock_callbacks.alloc != NULL) {
        if (memcmp(cbs, &lock_callbacks, sizeof lock_callbacks) == 0)
            return 0;
        pawl_event_warnx_("Can't change lock callbacks once they have been initialized.");
        return -1;
    }
    if (cbs->alloc == NULL || cbs->free == NULL || cbs->lock == NULL || cbs->unlock == NULL)
        return -1;
    lock_callbacks = *cbs;
    pawl_event_locks_ = true;
    return 0;
}

int evthread_set_condition_callbacks(const struct evthread_condition_callbacks *cbs)
{
    if (cbs == NULL) {
        memset(&condition_callbacks, 0, sizeof condition_callbacks);
        return 0;
    }
    if (condition_callbacks.alloc_condition != NULL) {
        if (cbs->alloc_condition == condition_callbacks.alloc_condition &&
            cbs->free_condition == condition_callbacks.free_condition &&
            cbs->signal_condition == condition_callbacks.signal_condition &&
            cbs->wait_condition == condition_callbacks.wait_condition)
            return 0;
        pawl_event_warnx_("Can't change condition callbacks once they have been initialized.");
        return -1;
    }
    if (cbs->alloc_condition != NULL && cbs->free_condition != NULL && cbs->signal_condition != NULL &&
        cbs->wait_condition != NULL)
        condition_callbacks = *cbs;
    return 0;
}

void evthread_set_id_callback(unsigned long (*id_fn)(void))
{
    pawl_event_ids_ = id_fn != NULL;
}

int evthread_use_pthreads(void)
{
    if (lock_callbacks.alloc != NULL) {
        pawl_event_warnx_("Can't change lock callbacks once they have been initialized.");
        return -1;
    }
    pthreads = pawl_event_locks_ = pawl_event_ids_ = true;
    return 0;
}

/* Misuse of the locks that the library makes for itself cannot happen: there is nothing to look for. */
void evthread_enable_lock_debugging(void)
{
}

void evthread_enable_lock_debuging(void)
{
    evthread_enable_lock_debugging();
}

/* ---- locks ---- */

/* Recursive: a callback of event_base_foreach_event() may ask about events, one of a buffer may change the buffer. */
static int recursive(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    int status;

    if (pthread_mutexattr_init(&attributes) != 0)
        return -1;
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    status = pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return status == 0 ? 0 : -1;
}

int pawl_event_locks_init_(struct event_base *base)
{
    base->owner = pthread_self();
    if (!base->locking)
        return 0;
    if (recursive(&base->lock) != 0)
        return -1;
    if (pthread_cond_init(&base->idle, NULL) != 0) {
        pthread_mutex_destroy(&base->lock);
        return -1;
    }
    return 0;
}

void pawl_event_locks_fini_(struct event_base *base)
{
    if (base->locking) {
        pthread_cond_destroy(&base->idle);
        pthread_mutex_destroy(&base->lock);
    }
}

pthread_mutex_t *pawl_event_mutex_new_(void)
{
    pthread_mutex_t *mutex = pawl_event_malloc_(sizeof(pthread_mutex_t));

    if (mutex != NULL && recursive(mutex) != 0) {
        pawl_event_free_(mutex);
        return NULL;
    }
    return mutex;
}

void pawl_event_mutex_free_(pthread_mutex_t *mutex)
{
    pthread_mutex_destroy(mutex);
    pawl_event_free_(mutex);
}

/* ---- waking the loop ---- */

int pawl_event_wake_open_(struct event_base *base)
{
    struct pawl_event_slot *slot;

    if (base->wake_fd >= 0)
        return 0;
    base->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (base->wake_fd < 0) {
        pawl_event_warn_("eventfd");
        return -1;
    }
    slot = pawl_event_slot_(base, base->wake_fd);
    if (slot != NULL && base->method->change(base, base->wake_fd, slot, 0, EV_READ, 0) == 0)
        return 0;
    close(base->wake_fd);
    base->wake_fd = -1;
    return -1;
}

int evthread_make_base_notifiable(struct event_base *base)
{
    int status;

    if (base == NULL)
        return -1;
    pawl_event_lock_(base);
    status = pawl_event_wake_open_(base);
    pawl_event_unlock_(base);
    return status;
}

void pawl_event_notify_(struct event_base *base)
{
    static const uint64_t one = 1;

    if (!base->running || pawl_event_here_(base) || base->wake_fd < 0 || base->wake_pending)
        return;
    base->wake_pending = true;
    if (write(base->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN) /* EAGAIN: it is readable as it is */
        pawl_event_warn_("waking the loop of base %p", (void *)base);
}

void pawl_event_woken_(struct event_base *base)
{
    uint64_t count;

    base->wake_pending = false;
    if (read(base->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR)
        pawl_event_warn_("reading what wakes base %p", (void *)base);
    pawl_event_signals_(base);
}
