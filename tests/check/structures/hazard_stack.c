/* SPDX-License-Identifier: MIT */
/* Treiber's stack with hazard pointers: nodes from malloc, freed when nobody can hold them.
 *
 * executions, brute force too: POPPERS=2 PUSHERS=0: 26
 * executions: POPPERS=2 PUSHERS=1: 552
 * executions: POPPERS=3 PUSHERS=0: 7947
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = POPPERS + PUSHERS, NODES = 2 };

struct node {
    struct node *next;
    int value;
};
static _Atomic(struct node *) top;
static _Atomic(struct node *) hazard[POPPERS];
static struct node *retired[POPPERS];
static int taken[POPPERS];

static void push(int value)
{
    struct node *n = malloc(sizeof *n);
    n->value = value;
    n->next = atomic_load_explicit(&top, memory_order_relaxed);
    while (!atomic_compare_exchange_strong_explicit(&top, &n->next, n, memory_order_release,
                                                    memory_order_relaxed))
        ;
}

static struct node *protect(long me)
{
    struct node *n = atomic_load_explicit(&top, memory_order_relaxed);
    for (;;) {
        /* Release: what this thread read in the node protected before comes before its being freed. */
        atomic_store_explicit(&hazard[me], n, memory_order_release);
        atomic_thread_fence(memory_order_seq_cst); /* the hazard before the second look */
        struct node *again = atomic_load_explicit(&top, memory_order_acquire);
        if (again == n)
            return n;
        n = again;
    }
}

/* Frees the node if no other thread protects it; else it stays retired. */
static void retire(long me, struct node *n)
{
    atomic_thread_fence(memory_order_seq_cst); /* the removal before the look at the hazards */
    for (long i = 0; i < POPPERS; i++)
        if (i != me && atomic_load_explicit(&hazard[i], memory_order_acquire) == n) {
            retired[me] = n;
            return;
        }
    free(n);
}

static void *popper(void *number)
{
    long me = (long)number;
    struct node *n;
    do
        n = protect(me);
    while (n && !atomic_compare_exchange_strong_explicit(&top, &(struct node *){n}, n->next,
                                                         memory_order_acquire, memory_order_relaxed));
    atomic_store_explicit(&hazard[me], NULL, memory_order_release);
    taken[me] = n ? n->value : -1;
    if (n)
        retire(me, n);
    return NULL;
}

static void *pusher(void *number)
{
    push(10 + (int)(long)number);
    return NULL;
}

int main(void)
{
    pthread_t t[THREADS];
    for (int i = 0; i < NODES; i++)
        push(i);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, i < POPPERS ? popper : pusher, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < POPPERS; i++) {
        printf("%d ", taken[i]);
        free(retired[i]);
    }
    for (struct node *n = atomic_load(&top), *next; n; n = next) {
        next = n->next;
        free(n);
    }
    return 0;
}
