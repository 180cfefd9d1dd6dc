/* SPDX-License-Identifier: MIT */
/* RCU: domains, quiescent states, waiting, polling, stalls. */
#include "rcu.h"

#include "../sync/fail.h"

#include <errno.h>
#include <stdlib.h>

extern inline void pawl_rcu_read_lock(void);
extern inline bool pawl_rcu_read_try_lock_(void);
extern inline void pawl_rcu_read_unlock(void);
extern inline void pawl_rcu_read_lock_in(struct pawl_rcu *rcu);
extern inline void pawl_rcu_read_unlock_in(struct pawl_rcu *rcu);
extern inline void pawl_rcu_quiescent(void);

static struct rcu_writers default_writers;

/* Ready before any constructor runs. */
struct pawl_rcu pawl_rcu_default = {
    .grace = {.entry = 1, .words = (char *)pawl_readers_, .period = &default_writers.period},
};

PAWL_STATIC_ASSERT(offsetof(struct pawl_reader, word) == 0, "words begin the records");
PAWL_STATIC_ASSERT(offsetof(struct pawl_reader, calls) == sizeof(uint64_t),
                   "rest_of_calls() finds them there");

static PAWL_ATOMIC(uint64_t) * rest_of_calls(const struct pawl_grace *grace, uint32_t number)
{
    return grace_word(grace, number) + 1;
}

/* ---- life ---- */

static struct rcu_writers *writers_of(struct reader_room *room)
{
    return (struct rcu_writers *)(void *)((char *)room - offsetof(struct rcu_writers, period.room));
}

static void thread_leaves(struct reader_room *room, uint32_t number)
{
    struct rcu_writers *writers = writers_of(room);

    pawl_rcu_calls_leave(&writers->calls, rest_of_calls(writers->period.grace, number));
    /* release R: a scan that sees this 0 has missed the one of the last unlock */
    pawl_store_release(grace_word(writers->period.grace, number), UINT64_C(0));
}

static void forked(struct reader_room *room)
{
    pawl_grace_forked(writers_of(room)->period.grace);
    pawl_rcu_calls_forked(&writers_of(room)->calls, writers_of(room)->period.grace);
}

/* As in other domains, but an online thread that exits goes offline. */
static bool inside_default(struct reader_room *room, uint32_t number)
{
    (void)room;
    (void)number;
    if (pawl_reader_known()->online != 0 && pawl_grace_depth(&pawl_rcu_default.grace) == 1)
        pawl_rcu_offline();
    return pawl_grace_depth(&pawl_rcu_default.grace) != 0;
}

static void init(struct pawl_rcu *rcu, struct rcu_writers *writers)
{
    pawl_grace_init(&rcu->grace, &writers->period, thread_leaves);
    writers->period.room.forked = forked;
    pawl_rcu_calls_init(&writers->calls);
}

__attribute__((constructor(101))) static void init_default(void)
{
    init(&pawl_rcu_default, &default_writers);
    default_writers.period.room.inside = inside_default;
}

/* One block: both halves of a domain, each on lines of its own. */
struct rcu_block {
    struct pawl_rcu rcu;
    struct rcu_writers writers;
};

struct pawl_rcu *pawl_rcu_open(void)
{
    struct rcu_block *block = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof *block);
    char *words = block == NULL ? NULL : pawl_grace_reserve(0);

    if (words == NULL) {
        free(block);
        errno = ENOMEM;
        return NULL;
    }
    block->rcu.grace.words = words;
    init(&block->rcu, &block->writers);
    return &block->rcu;
}

void pawl_rcu_close(struct pawl_rcu *rcu)
{
    bool online;

    if (rcu == NULL)
        return;
    if (rcu == &pawl_rcu_default)
        pawl_sync_fail("pawl_rcu_close", "the default domain stays open");
    online = pawl_rcu_start_waiting(rcu, "pawl_rcu_close");
    pawl_rcu_calls_finish(rcu);
    pawl_rcu_stop_waiting(online);
    pawl_grace_detach(&rcu->grace);
    pawl_rcu_calls_destroy(rcu_calls_of(rcu));
    pawl_grace_release(rcu->grace.words, 0);
    free(rcu);
}

/* ---- quiescent states ---- */

void pawl_rcu_online(void)
{
    if (pawl_grace_depth(&pawl_rcu_default.grace) != 0)
        pawl_sync_fail("pawl_rcu_online", "called inside a section, or twice");
    pawl_rcu_read_lock();
    pawl_reader_known()->online = 1;
}

void pawl_rcu_offline(void)
{
    struct pawl_reader *self = pawl_reader_known();

    if (self == NULL || self->online == 0 || pawl_grace_depth(&pawl_rcu_default.grace) != 1)
        pawl_sync_fail("pawl_rcu_offline", "this thread is not online, or inside a section");
    self->online = 0;
    pawl_rcu_read_unlock();
}

void pawl_rcu_quiescent_slow_(void)
{
    struct pawl_reader *self = pawl_reader_known();
    uint64_t w;

    if (self == NULL || self->online == 0)
        pawl_sync_fail("pawl_rcu_quiescent", "this thread is not online");
    w = pawl_load_relaxed(&self->word); /* orders as in pawl_grace_enter_() */
    if ((w & PAWL_READER_NESTING) != 1)
        pawl_sync_fail("pawl_rcu_quiescent", "called inside a section");
    /* release R: what this thread read so far, it read before it moved on */
    pawl_store_release(&self->word, pawl_load_relaxed(&pawl_rcu_default.grace.entry));
    pawl_fence_light();
    if ((w & PAWL_READER_WAITED) != 0)
        pawl_eventcount_notify(&pawl_rcu_default.grace.period->left);
}

/* ---- waiting ---- */

static bool only_online(const struct pawl_rcu *rcu)
{
    return rcu == &pawl_rcu_default && pawl_reader_known() != NULL && pawl_reader_known()->online != 0 &&
           pawl_grace_depth(&rcu->grace) == 1;
}

bool pawl_rcu_may_wait(const struct pawl_rcu *rcu)
{
    return pawl_grace_depth(&rcu->grace) == 0 || only_online(rcu);
}

bool pawl_rcu_start_waiting(struct pawl_rcu *rcu, const char *function)
{
    bool online = only_online(rcu);

    if (online)
        pawl_rcu_offline();
    else if (pawl_grace_depth(&rcu->grace) != 0)
        pawl_sync_fail(function, "called inside a section, for whose end it would wait");
    return online;
}

void pawl_rcu_stop_waiting(bool was_online)
{
    if (was_online)
        pawl_rcu_online();
}

void pawl_rcu_synchronize_in(struct pawl_rcu *rcu)
{
    bool online = pawl_rcu_start_waiting(rcu, "pawl_rcu_synchronize");

    pawl_grace_wait(&rcu->grace, pawl_grace_target(&rcu->grace));
    pawl_rcu_stop_waiting(online);
}

void pawl_rcu_synchronize(void)
{
    pawl_rcu_synchronize_in(&pawl_rcu_default);
}

uint64_t pawl_rcu_start_poll_in(struct pawl_rcu *rcu)
{
    return pawl_grace_target(&rcu->grace);
}

uint64_t pawl_rcu_start_poll(void)
{
    return pawl_grace_target(&pawl_rcu_default.grace);
}

bool pawl_rcu_poll_in(struct pawl_rcu *rcu, uint64_t ticket)
{
    return pawl_grace_step(&rcu->grace, ticket);
}

bool pawl_rcu_poll(uint64_t ticket)
{
    return pawl_grace_step(&pawl_rcu_default.grace, ticket);
}

bool pawl_rcu_read_held_in(const struct pawl_rcu *rcu)
{
    return pawl_grace_depth(&rcu->grace) != 0;
}

bool pawl_rcu_read_held(void)
{
    return pawl_grace_depth(&pawl_rcu_default.grace) != 0;
}

/* ---- stalls ---- */

static pthread_mutex_t stall_lock = PTHREAD_MUTEX_INITIALIZER; /* of the three below */
static uint64_t stall_after;
static void (*stall_report)(const struct pawl_rcu_stall *stall, void *argument);
static void *stall_argument;

static void lock_stall(void)
{
    pthread_mutex_lock(&stall_lock);
}

static void unlock_stall(void)
{
    pthread_mutex_unlock(&stall_lock);
}

/* A child that was forked while another thread had the lock would wait for it in its first long grace period. */
__attribute__((constructor)) static void keep_stall_whole(void)
{
    pthread_atfork(lock_stall, unlock_stall, unlock_stall);
}

int pawl_rcu_set_stall(uint64_t after_ns, void (*report)(const struct pawl_rcu_stall *stall, void *argument),
                       void *argument)
{
    if (report != NULL && after_ns == 0)
        return -EINVAL;
    pthread_mutex_lock(&stall_lock);
    stall_after = after_ns;
    stall_report = report;
    stall_argument = argument;
    pthread_mutex_unlock(&stall_lock);
    return 0;
}

void pawl_grace_stalled(const struct pawl_grace *grace, uint32_t number, uint64_t waited, uint64_t *next)
{
    void (*report)(const struct pawl_rcu_stall *stall, void *argument);
    void *argument;

    pthread_mutex_lock(&stall_lock);
    report = stall_report;
    argument = stall_argument;
    if (*next < stall_after)
        *next = stall_after;
    pthread_mutex_unlock(&stall_lock);
    if (report != NULL && waited >= *next) {
        /* relaxed, both: a snapshot for the eye */
        struct pawl_rcu_stall stall = {
            .rcu = (const struct pawl_rcu *)grace,
            .tid = pawl_load_relaxed(&pawl_readers_[number].tid),
            .depth = (uint32_t)(pawl_load_relaxed(grace_word(grace, number)) & PAWL_READER_NESTING),
            .waited_ns = waited,
        };

        *next = 2 * waited;
        report(&stall, argument);
    }
}
