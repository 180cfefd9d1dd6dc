/* SPDX-License-Identifier: MIT */
/* One flavour of liburcu, inlined as it is meant to be: compiled with PEER_FLAVOUR (memb, mb, qsbr, bp) and
 * PEER_HEADER. */
#define _LGPL_SOURCE
#include PEER_HEADER

#include "peers.h"

#include <stdlib.h>

#define JOIN_(flavour, loop) peer_urcu_##flavour##_##loop
#define JOIN(flavour, loop) JOIN_(flavour, loop)
#define LOOP(loop) JOIN(PEER_FLAVOUR, loop)

struct garbage {
    struct rcu_head head;
    uint64_t payload[2];
};

static void drop(struct rcu_head *head)
{
    free(head);
}

void LOOP(enter)(struct bench_thread *thread)
{
    (void)thread;
    rcu_register_thread();
}

void LOOP(leave)(struct bench_thread *thread)
{
    (void)thread;
    rcu_barrier();
    rcu_unregister_thread();
}

void LOOP(read)(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++) {
        rcu_read_lock();
        __asm__ volatile("" : : : "memory"); /* a section that is not empty to the compiler */
        rcu_read_unlock();
    }
}

void LOOP(traverse)(struct bench_thread *thread, uint64_t n)
{
    struct bench_node **head = thread->shared;

    for (uint64_t i = 0; i < n; i++) {
        uint64_t sum = 0;

        rcu_read_lock();
        for (struct bench_node *node = rcu_dereference(*head); node != NULL;
             node = rcu_dereference(node->next))
            sum += node->value;
        rcu_read_unlock();
        bench_keep(sum);
    }
}

void LOOP(synchronize)(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++)
        synchronize_rcu();
}

void LOOP(retire)(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++) {
        struct garbage *garbage = malloc(sizeof *garbage);

        if (garbage == NULL)
            abort();
        call_rcu(&garbage->head, drop);
    }
}

#if PEER_GARBAGE
static __thread bool registered;
static uint64_t reclaimed;

static void hold(void)
{
    rcu_register_thread();
    rcu_read_lock();
}

static void let_go(void)
{
    rcu_read_unlock();
    rcu_unregister_thread();
}

static void drop_counted(struct rcu_head *head)
{
    free(head);
    uatomic_inc(&reclaimed);
}

static int retire(void)
{
    struct garbage *garbage = malloc(sizeof *garbage);

    if (garbage == NULL)
        abort();
    if (!registered)
        rcu_register_thread();
    registered = true;
    call_rcu(&garbage->head, drop_counted);
    return 0;
}

static uint64_t count_reclaimed(void)
{
    return uatomic_read(&reclaimed);
}

const struct garbage_scheme peer_urcu_memb_garbage = {
    "liburcu-memb, call_rcu", NULL, hold, let_go, retire, count_reclaimed, rcu_barrier};
#endif
