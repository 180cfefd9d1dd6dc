/* SPDX-License-Identifier: MIT */
/* A mailbox: threads send letters, which carry the queue's node, to one that answers for them all. */
#include <pawl/mpsc.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { SENDERS = 4, LETTERS = 10000 };

struct letter {
    struct pawl_mpsc_node node;
    long amount;
};

static void *send_letters(void *argument)
{
    struct pawl_mpsc *mailbox = argument;

    for (long i = 1; i <= LETTERS; i++) {
        struct letter *letter = malloc(sizeof *letter);

        if (letter == NULL)
            abort();
        letter->amount = i;
        pawl_mpsc_push(mailbox, &letter->node); /* one exchange; never waits */
    }
    return NULL;
}

int main(void)
{
    static struct pawl_mpsc mailbox;
    struct pawl_mpsc_node *node;
    pthread_t senders[SENDERS];
    long sum = 0;

    pawl_mpsc_init(&mailbox);
    for (int i = 0; i < SENDERS; i++)
        if (pthread_create(&senders[i], NULL, send_letters, &mailbox) != 0)
            return 1;
    for (int i = 0; i < SENDERS * LETTERS; i++) {
        pawl_mpsc_pop_wait(&mailbox, &node, PAWL_FOREVER);
        struct letter *letter = pawl_mpsc_of(node, struct letter, node);
        sum += letter->amount;
        free(letter);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i], NULL);
    printf("sum of %d letters: %ld\n", SENDERS * LETTERS, sum);
    return 0;
}
