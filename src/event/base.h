/* SPDX-License-Identifier: MIT */
/* libpawl-event: the calls of libevent 2.1's core, on epoll or poll(2). The contract is libevent's, <event2/event.h> and
 * its neighbours; what is covered is in docs/event.md.
 *
 * A turn of event_base_loop():
 *
 *     wait (epoll or poll) -> what is ready is made active -> timeouts that passed
 *          -> callbacks of the first priority that has any, oldest first
 *
 * Why the loop is not a worker of libpawl-rt: a base is run by whichever thread calls, one turn at a time if it wants so, and
 * is often made by another thread than the one that runs it; its events are level-triggered and several may share a
 * descriptor; its timeouts are ordered to the microsecond; and `struct event` is the users', with room for an index of a
 * heap but not for a timer of the wheel. So a base has an epoll descriptor and a heap of its own, and links libc alone.
 *
 * Locking: with evthread_use_pthreads() before it was made, and without EVENT_BASE_FLAG_NOLOCK, all of a base is under its
 * recursive `lock`; it is let go while the loop waits and while callbacks run. Otherwise nothing is locked, and one thread at
 * a time may use the base. Functions named ..._ here are called with the lock held, unless they say otherwise. */
#ifndef PAWL_EVENT_BASE_H
#define PAWL_EVENT_BASE_H

/* Before event_struct.h, which has its own copy of these macros otherwise. */
#include <sys/queue.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <pawl/atomic.h>
#include <pawl/config.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Users embed `struct event`: this is what their compilers saw. */
PAWL_STATIC_ASSERT(sizeof(struct event) == 128, "the layout of libevent-2.1.so.7");
PAWL_STATIC_ASSERT(offsetof(struct event, ev_fd) == 56, "the layout of libevent-2.1.so.7");
PAWL_STATIC_ASSERT(offsetof(struct event, ev_events) == 104, "the layout of libevent-2.1.so.7");
PAWL_STATIC_ASSERT(offsetof(struct event, ev_timeout) == 112, "the layout of libevent-2.1.so.7");

TAILQ_HEAD(pawl_event_queue, event_callback);

/* What an event waits for on a descriptor. */
enum { PAWL_EVENT_IO = EV_READ | EV_WRITE | EV_CLOSED };

/* evcb_closure: how a callback is called. */
enum pawl_event_closure {
    PAWL_EVENT_ONCE,
    PAWL_EVENT_PERSIST,
    PAWL_EVENT_SIGNAL,
    PAWL_EVENT_SELF,          /* a struct event_callback that is no event */
    PAWL_EVENT_FINALIZE,      /* event_finalize() */
    PAWL_EVENT_FINALIZE_FREE, /* event_free_finalize() */
};

/* A descriptor's events. */
struct pawl_event_slot {
    struct event_dlist events;      /* the one that was added last comes first */
    uint16_t reads, writes, closes; /* how many of them wait for what */
    int poll;                       /* poll: its place in base->poll.set, from 1; 0: none */
};

struct pawl_event_method {
    const char *name;
    int features;
    int (*open)(struct event_base *base);
    void (*close)(struct event_base *base);
    /* The descriptor is waited for as `now` says, no longer as `before` does: of PAWL_EVENT_IO; EV_ET: edge-triggered.
     * 0, or -1 and errno. */
    int (*change)(struct event_base *base, int fd, struct pawl_event_slot *slot, int before, int now, int et);
    /* Waits for so many microseconds, -1: for ever; makes active what is ready. 0, or -1. */
    int (*wait)(struct event_base *base, int64_t us);
};

extern const struct pawl_event_method pawl_event_epoll_, pawl_event_poll_;

struct pawl_event_timer {
    int64_t due;     /* microseconds of CLOCK_MONOTONIC */
    uint64_t serial; /* of equal ones the one that was added first */
    struct event *event;
};

/* Events with the same timeout, in the order in which they pass. The heap knows the first only, as `first`. */
struct pawl_event_common {
    struct event_list events;
    struct timeval duration; /* marked: see timeout.c */
    struct event first;
};

/* An event that event_base_once() made. */
struct pawl_event_once {
    struct event event;
    LIST_ENTRY(pawl_event_once) next;
    event_callback_fn callback;
    void *argument;
};

struct event_base {
    const struct pawl_event_method *method;
    struct {
        int fd;
        struct epoll_event *ready;
        int size;
    } epoll;
    struct {
        struct pollfd *set, *copy; /* the copy is what poll(2) sees while others change the set */
        int count, size, copy_size;
    } poll;

    struct pawl_event_slot *slots; /* by descriptor */
    int slot_count;

    struct pawl_event_timer *heap; /* 4-ary; ev_timeout_pos.min_heap_idx is an event's place */
    int heap_count, heap_size;
    uint64_t serial;
    struct pawl_event_common **commons;
    int common_count, common_size;

    int64_t now; /* of this turn, in microseconds of CLOCK_MONOTONIC; 0: to be looked up */
    int64_t real_minus_now, real_at; /* CLOCK_REALTIME's lead, and when it was looked up */
    bool no_cache, precise;

    struct pawl_event_queue *active; /* one a priority */
    struct pawl_event_queue later;   /* active from the next turn on: see pawl_event_defer_() */
    int deferred_count;              /* in this turn */
    int priorities;
    int active_count, event_count; /* an event that waits for several things counts as often in the second */
    int active_max, event_max;
    LIST_HEAD(pawl_event_onces, pawl_event_once) once;

    /* event_config_set_max_dispatch_interval() */
    int64_t interval; /* microseconds; -1: none */
    int max_callbacks, limit_after;

    /* the loop */
    bool running;
    bool exiting;            /* event_base_loopexit() */
    PAWL_ATOMIC(int) broken; /* event_base_loopbreak() and ..continue(): from signal handlers too */
    PAWL_ATOMIC(int) again;
    int running_priority; /* -1: none */
    struct event_callback *current;
    int current_waiters; /* threads that wait until it has returned */
    uint64_t returned;   /* callbacks that somebody waited for */

    /* eventfd: wakes the loop for another thread, or for a signal; -1: none so far */
    int wake_fd;
    bool wake_pending;
    struct event_dlist signals[NSIG];
    struct sigaction *before[NSIG]; /* what was there; NULL: not ours */
    int signal_count;
    struct event_callback telling; /* makes active the events of signals that came */

    bool locking;
    pthread_t owner; /* who runs the loop, or ran it last */
    pthread_mutex_t lock;
    pthread_cond_t idle; /* the callback that others wait for has returned */
};

/* ---- thread.c ---- */

extern bool pawl_event_locks_, pawl_event_ids_; /* written before bases are made, as libevent demands */

static inline void pawl_event_lock_(struct event_base *base)
{
    if (base->locking)
        pthread_mutex_lock(&base->lock);
}

static inline void pawl_event_unlock_(struct event_base *base)
{
    if (base->locking)
        pthread_mutex_unlock(&base->lock);
}

/* The calling thread is the one that runs the loop, as far as is known. */
static inline bool pawl_event_here_(const struct event_base *base)
{
    return !pawl_event_ids_ || pthread_equal(base->owner, pthread_self());
}

int pawl_event_locks_init_(struct event_base *base);
void pawl_event_locks_fini_(struct event_base *base);
/* Another thread runs the loop: it is to look again. */
void pawl_event_notify_(struct event_base *base);
/* Makes base->wake_fd and has the method wait for it. 0 or -1. */
int pawl_event_wake_open_(struct event_base *base);
/* The eventfd is readable: takes it back. */
void pawl_event_woken_(struct event_base *base);

/* ---- log.c ---- */

/* What events and buffers are made of: event_set_mem_functions(). */
void *pawl_event_malloc_(size_t bytes);
void *pawl_event_zalloc_(size_t bytes);
void *pawl_event_realloc_(void *memory, size_t bytes);
void pawl_event_free_(void *memory);

/* To the log callback, or stderr. warn: with what errno says. */
PAWL_COLD void pawl_event_warn_(const char *format, ...) __attribute__((format(printf, 1, 2)));
PAWL_COLD void pawl_event_warnx_(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, then the fatal callback, or exit(1). */
PAWL_COLD void pawl_event_die_(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Room for one more element. 0 or -1; *size elements of `bytes` are at *array. */
int pawl_event_room_(void *array, int *size, int wanted, size_t bytes);

/* ---- base.c ---- */

/* The one of event_init(). */
extern struct event_base *pawl_event_current_;

/* ---- time.c ---- */

int64_t pawl_event_micros_(const struct timeval *tv);
struct timeval pawl_event_timeval_(int64_t us);
/* Now: the turn's time if it is known. */
int64_t pawl_event_now_(struct event_base *base);
void pawl_event_now_keep_(struct event_base *base);

/* ---- timeout.c ---- */

/* Room for one timeout more. 0 or -1. */
int pawl_event_timeout_reserve_(struct event_base *base);
/* The event gets a timeout, at `due`, instead of the one that it has. `tv`: what the caller gave, which says whether it is a
 * common one. Returns whether it is the earliest now. */
bool pawl_event_timeout_set_(struct event_base *base, struct event *ev, int64_t due,
                             const struct timeval *tv);
void pawl_event_timeout_unset_(struct event_base *base, struct event *ev);
/* When the event's timeout passes. */
int64_t pawl_event_timeout_due_(const struct event *ev);
bool pawl_event_is_common_(const struct event_base *base, const struct timeval *tv);
/* A duration without the mark. */
int64_t pawl_event_duration_(const struct event_base *base, const struct timeval *tv);
/* How long the loop may wait: microseconds, -1: for ever. */
int64_t pawl_event_timeout_left_(struct event_base *base);
/* Makes active what has passed. */
void pawl_event_timeouts_(struct event_base *base);
void pawl_event_timeouts_fini_(struct event_base *base);

/* ---- io.c ---- */

/* 0, 1 (the method was told), or -1. */
int pawl_event_io_add_(struct event_base *base, struct event *ev);
int pawl_event_io_del_(struct event_base *base, struct event *ev);
/* The descriptor is ready for `what`: of PAWL_EVENT_IO, and EV_ET. */
void pawl_event_io_ready_(struct event_base *base, int fd, int what);
/* The descriptor's slot, made if it is not there; NULL: no memory, or no number of a descriptor. */
struct pawl_event_slot *pawl_event_slot_(struct event_base *base, int fd);
/* Everything anew, after a fork. 0 or -1. */
int pawl_event_io_reinit_(struct event_base *base);

/* ---- signal.c ---- */

int pawl_event_signal_add_(struct event_base *base, struct event *ev);
int pawl_event_signal_del_(struct event_base *base, struct event *ev);
/* The loop was woken, perhaps by a signal. */
void pawl_event_signals_(struct event_base *base);
void pawl_event_signal_active_(struct event_base *base, int number, int calls);
/* This base is the one that is told of signals from now on. */
void pawl_event_signal_take_(struct event_base *base);
void pawl_event_signal_reinit_(struct event_base *base);
/* The base goes. */
void pawl_event_signal_fini_(struct event_base *base);

/* ---- event.c, add.c ---- */

enum pawl_event_wait {
    PAWL_EVENT_WAIT,    /* event_del_block() */
    PAWL_EVENT_NO_WAIT, /* event_del_noblock() */
    PAWL_EVENT_AUTO,    /* waits unless the event has EV_FINALIZE */
    PAWL_EVENT_FORCE,   /* does not wait; also if it is being finalized */
};

int pawl_event_add_(struct event *ev, const struct timeval *tv);
/* Its timeout passes at `due`. tv: as above. */
int pawl_event_add_at_(struct event *ev, int64_t due, const struct timeval *tv);
int pawl_event_del_(struct event *ev, enum pawl_event_wait wait);
void pawl_event_activate_(struct event *ev, int what, short calls);
/* Into its queue; out of it. */
void pawl_event_queue_(struct event_base *base, struct event_callback *callback);
void pawl_event_unqueue_(struct event_base *base, struct event_callback *callback);
/* As pawl_event_queue_(), but when many were deferred in this turn, in the next one: callbacks that defer each other do not keep
 * the loop from looking at descriptors and timeouts. */
void pawl_event_defer_(struct event_base *base, struct event_callback *callback);
/* A turn begins: what was put off to it is active. */
void pawl_event_deferred_(struct event_base *base);

static inline struct event *pawl_event_of_(struct event_callback *callback)
{
    return (struct event *)(void *)((char *)callback - offsetof(struct event, ev_evcallback));
}

static inline void pawl_event_count_(struct event_base *base, int by)
{
    base->event_count += by;
    if (base->event_count > base->event_max)
        base->event_max = base->event_count;
}

#endif
