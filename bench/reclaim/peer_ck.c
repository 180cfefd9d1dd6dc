/* SPDX-License-Identifier: MIT */
/* Concurrency Kit: epochs and hazard pointers. */
#include <ck_epoch.h>
#include <ck_hp.h>

#include "peers.h"

#include <pthread.h>
#include <stdlib.h>

struct own {
    ck_epoch_record_t epoch __attribute__((aligned(128)));
    ck_hp_record_t hazard;
    void *slots[8];
};

struct garbage {
    ck_epoch_entry_t entry;
    uint64_t payload[2];
};

static ck_epoch_t epoch;
static ck_hp_t hazard;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    ck_epoch_init(&epoch);
    ck_hp_init(&hazard, 8, 256, free);
}

void peer_ck_enter(struct bench_thread *thread)
{
    struct own *own = aligned_alloc(128, (sizeof *own + 127) / 128 * 128);

    if (own == NULL)
        abort();
    pthread_once(&once, start);
    ck_epoch_register(&epoch, &own->epoch, NULL);
    ck_hp_register(&hazard, &own->hazard, own->slots);
    thread->own = own;
}

/* Records stay on their lists for good: unregistered, and leaked as such programs do. */
void peer_ck_leave(struct bench_thread *thread)
{
    struct own *own = thread->own;

    ck_epoch_barrier(&own->epoch);
    ck_epoch_unregister(&own->epoch);
    ck_hp_reclaim(&own->hazard);
    ck_hp_unregister(&own->hazard);
}

void peer_ck_pin(struct bench_thread *thread, uint64_t n)
{
    struct own *own = thread->own;

    for (uint64_t i = 0; i < n; i++) {
        ck_epoch_begin(&own->epoch, NULL);
        __asm__ volatile("" : : : "memory");
        ck_epoch_end(&own->epoch, NULL);
    }
}

static void drop(ck_epoch_entry_t *entry)
{
    free(entry);
}

void peer_ck_retire(struct bench_thread *thread, uint64_t n)
{
    struct own *own = thread->own;

    for (uint64_t i = 0; i < n; i++) {
        struct garbage *garbage = malloc(sizeof *garbage);

        if (garbage == NULL)
            abort();
        ck_epoch_begin(&own->epoch, NULL);
        ck_epoch_call(&own->epoch, &garbage->entry, drop);
        ck_epoch_end(&own->epoch, NULL);
        if (i % 128 == 127)
            ck_epoch_poll(&own->epoch);
    }
}

struct hazard_garbage {
    ck_hp_hazard_t hazard;
    uint64_t payload[1];
};

static void retire_to(ck_hp_record_t *record)
{
    struct hazard_garbage *garbage = malloc(sizeof *garbage);

    if (garbage == NULL)
        abort();
    ck_hp_free(record, &garbage->hazard, garbage, garbage);
}

void peer_ck_retire_hp(struct bench_thread *thread, uint64_t n)
{
    struct own *own = thread->own;

    for (uint64_t i = 0; i < n; i++)
        retire_to(&own->hazard);
}

void peer_ck_protect(struct bench_thread *thread, uint64_t n)
{
    struct own *own = thread->own;
    struct bench_node **head = thread->shared;

    for (uint64_t i = 0; i < n; i++) {
        struct bench_node *node;

        do {
            node = ck_pr_load_ptr(head);
            ck_hp_set_fence(&own->hazard, 0, node);
        } while (ck_pr_load_ptr(head) != node);
        bench_keep_pointer(node);
        ck_hp_set(&own->hazard, 0, NULL);
    }
}

/* ---- what is held ---- */

static __thread struct own *self;
static uint64_t reclaimed;
static struct bench_node *protected_node;
static ck_hp_t hazard_counted;

static uint64_t count_reclaimed(void)
{
    return ck_pr_load_64(&reclaimed);
}

static void drop_counted(ck_epoch_entry_t *entry)
{
    free(entry);
    ck_pr_inc_64(&reclaimed);
}

static void drop_hazard(void *object)
{
    free(object);
    ck_pr_inc_64(&reclaimed);
}

static void start_counted(void)
{
    ck_epoch_init(&epoch);
    ck_hp_init(&hazard_counted, 8, 256, drop_hazard);
}

static struct own *registered(void)
{
    if (self == NULL) {
        self = aligned_alloc(128, (sizeof *self + 127) / 128 * 128);
        if (self == NULL)
            abort();
        pthread_once(&once, start_counted);
        ck_epoch_register(&epoch, &self->epoch, NULL);
        ck_hp_register(&hazard_counted, &self->hazard, self->slots);
    }
    return self;
}

static void hold_epoch(void)
{
    ck_epoch_begin(&registered()->epoch, NULL);
}

static void let_go_epoch(void)
{
    ck_epoch_end(&self->epoch, NULL);
}

static int retire_epoch(void)
{
    static __thread unsigned count;
    struct own *own = registered();
    struct garbage *garbage = malloc(sizeof *garbage);

    if (garbage == NULL)
        abort();
    ck_epoch_begin(&own->epoch, NULL);
    ck_epoch_call(&own->epoch, &garbage->entry, drop_counted);
    ck_epoch_end(&own->epoch, NULL);
    if (count++ % 128 == 127)
        ck_epoch_poll(&own->epoch);
    return 0;
}

static void flush_epoch(void)
{
    ck_epoch_barrier(&registered()->epoch);
}

static void hold_hazard(void)
{
    protected_node = malloc(sizeof *protected_node);
    ck_hp_set_fence(&registered()->hazard, 0, protected_node);
}

static void let_go_hazard(void)
{
    ck_hp_set(&self->hazard, 0, NULL);
}

static int retire_hazard(void)
{
    retire_to(&registered()->hazard);
    return 0;
}

static void flush_hazard(void)
{
    ck_hp_reclaim(&registered()->hazard);
}

const struct garbage_scheme peer_ck_epoch_garbage = {
    "ck_epoch, poll every 128", NULL, hold_epoch, let_go_epoch, retire_epoch, count_reclaimed, flush_epoch};
const struct garbage_scheme peer_ck_hp_garbage = {
    "ck_hp, threshold 256", NULL, hold_hazard, let_go_hazard, retire_hazard, count_reclaimed, flush_hazard};
