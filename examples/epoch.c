/* SPDX-License-Identifier: MIT */
/* A lock-free stack: popped nodes are freed when no other thread can be looking at them. */
#include <pawl/epoch.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
    struct node *next;
    long value;
    struct pawl_retired
        retired; /* <pawl/reader.h>: anywhere in the object, so that retiring allocates nothing */
};

static PAWL_ATOMIC(struct node *) top;
static struct pawl_epoch *epoch;

static void free_node(struct pawl_retired *retired)
{
    free(pawl_retired_of(retired, struct node, retired));
}

static void push(long value)
{
    struct node *node = malloc(sizeof *node);

    if (node == NULL)
        abort();
    node->value = value;
    node->next = pawl_load_relaxed(&top);
    while (!pawl_cas_weak_release(&top, &node->next, node)) /* release: publishes the node to pop */
        continue;
}

static long pop(void)
{
    struct node *node;
    long value = 0;

    pawl_epoch_pin(epoch); /* nodes stay readable, and their addresses do not come back, until the unpin */
    node = pawl_load_acquire(&top); /* acquire: pairs with push */
    while (node != NULL && !pawl_cas_weak_acq_rel(&top, &node, node->next))
        continue; /* another thread pushed or popped */
    if (node != NULL) {
        value = node->value;
        pawl_epoch_retire(epoch, &node->retired, free_node);
    }
    pawl_epoch_unpin(epoch);
    return value;
}

static void *push_and_pop(void *unused)
{
    long sum = 0;

    (void)unused;
    for (long i = 1; i <= 100000; i++) {
        push(i);
        sum += pop();
    }
    return (void *)sum;
}

int main(void)
{
    pthread_t threads[3];
    long total = 0;

    epoch = pawl_epoch_open();
    if (epoch == NULL)
        return 1;
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, push_and_pop, NULL);
    for (int i = 0; i < 3; i++) {
        void *sum;

        pthread_join(threads[i], &sum);
        total += (long)sum;
    }
    pawl_epoch_close(epoch); /* frees what is still in bags */
    printf("popped %ld\n", total);
    return total == 3 * (100000L * 100001 / 2) ? 0 : 1;
}
