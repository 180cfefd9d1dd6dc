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

static void no_destructor(void *unused)
{
    (void)unused;
}

static void start(void)
{
    ck_epoch_init(&epoch);
    ck_hp_init(&hazard, 8, 256, no_destructor);
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
