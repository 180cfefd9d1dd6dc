/* SPDX-License-Identifier: MIT */
#include "decay.h"

#include "cache.h"
#include "central.h"
#include "hardened.h"
#include "page_heap.h"
#include "settings.h"
#include "system.h"

#include <errno.h>
#include <pawl/mutex.h>
#include <pthread.h>
#include <signal.h>

#define TICK_NS UINT64_C(200000000)
#ifndef QUIET_TICKS
#define QUIET_TICKS 5u /* a cache is emptied after a second without a slow path */
#endif

static PAWL_ATOMIC(uint64_t) next_tick;

static void tick(void)
{
    size_t unwanted;
    size_t idle;

    pawl_cache_drain_(QUIET_TICKS);
    pawl_central_age_(false);
    /* Half of what was idle all the time: a demand that comes back meets the other half. */
    unwanted = pawl_pages_unwanted_() / 2;
    idle = pawl_pages_count_().idle;
    if (unwanted > 0 && idle > unwanted) /* else it was wanted just now */
        pawl_pages_release_(idle - unwanted);
}

void pawl_decay_poll_(void)
{
    uint64_t now = pawl_system_now_();
    uint64_t due = pawl_load_relaxed(&next_tick); /* relaxed: the CAS elects one, and publishes nothing */

    if (PAWL_LIKELY((int64_t)(now - due) < 0) || !pawl_cas_relaxed(&next_tick, &due, now + TICK_NS))
        return;
    if (due != 0)
        tick();
}

void pawl_decay_gather_(void)
{
    if (pawl_settings_.hardened)
        pawl_hardened_flush_();
    pawl_cache_drain_(0);
    pawl_central_age_(true);
}

/* ---- the thread ---- */

static struct {
    struct pawl_mutex lock;
    pthread_t thread;
    bool running;
    PAWL_ATOMIC(uint32_t) stop; /* futex */
} decay;

static void *keep_ticking(void *unused)
{
    (void)unused;
    /* acquire: pairs with the release in stop; nothing but the word is communicated */
    while (pawl_load_acquire(&decay.stop) == 0) {
        (void)pawl_futex_wait(&decay.stop, 0, pawl_deadline(TICK_NS), 0);
        pawl_decay_poll_();
    }
    return NULL;
}

int pawl_decay_start_(void)
{
    sigset_t all, before;
    int error = 0;

    pawl_mutex_lock(&decay.lock);
    if (!decay.running) {
        pawl_store_relaxed(&decay.stop, 0u); /* relaxed: the thread begins after it */
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &before); /* the program's signals are for its own threads */
        error = pthread_create(&decay.thread, NULL, keep_ticking, NULL);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        decay.running = error == 0;
    }
    pawl_mutex_unlock(&decay.lock);
    return -error;
}

void pawl_decay_stop_(void)
{
    pawl_mutex_lock(&decay.lock);
    if (decay.running) {
        pawl_store_release(&decay.stop, 1u); /* release: see keep_ticking */
        pawl_futex_wake(&decay.stop, 1, 0);
        pthread_join(decay.thread, NULL);
        decay.running = false;
    }
    pawl_mutex_unlock(&decay.lock);
}

void pawl_decay_forget_(void)
{
    pawl_mutex_init(&decay.lock, 0); /* held perhaps by a thread that the child does not have */
    decay.running = false;
}
