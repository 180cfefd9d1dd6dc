/* SPDX-License-Identifier: MIT */
/* Closures of the unbounded queue of nodes for the model checker.
 *
 *   -DPRODUCERS=n -DPUSHES=n   so many threads push so many nodes each, one by one; -DCHAIN=1: all of one at once
 *   -DCLOSE=1                  another thread closes the queue at any moment; the consumer pops until -EPIPE
 *   -DWAIT=1                   the waiting form
 *   -DREUSE=1                  a popped node is pushed again at once, by the consumer
 *
 * The nodes' payload is plain memory. That a pop which says "empty" is right is checked by the last pops: when all
 * producers have been joined, all is there. Mutants that survive, and why: docs/mpsc.md. */
#include <pawl/mpsc.h>

#include <assert.h>
#include <pthread.h>
#include <string.h>

#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef PUSHES
#define PUSHES 1
#endif
#ifndef CLOSE
#define CLOSE 0
#endif
#ifndef CHAIN
#define CHAIN 0
#endif
#ifndef WAIT
#define WAIT 0
#endif
#ifndef REUSE
#define REUSE 0
#endif

struct letter {
    int sender, number;
    struct pawl_mpsc_node node;
};

static struct pawl_mpsc q;
static struct letter letters[PRODUCERS][PUSHES];
static int sent[PRODUCERS], received[PRODUCERS];
static int sent_again; /* by the consumer, as producer 0 */

static void write_letter(int sender, int number)
{
    letters[sender][number].sender = sender;
    letters[sender][number].number = number;
}

static void *produce(void *argument)
{
    int self = (int)(intptr_t)argument;
#if CHAIN
    struct pawl_mpsc_node *nodes[PUSHES];

    for (int i = 0; i < PUSHES; i++) {
        write_letter(self, i);
        nodes[i] = &letters[self][i].node;
    }
    if (pawl_mpsc_push_n(&q, nodes, PUSHES) == 0)
        sent[self] = PUSHES;
#else
    for (int i = 0; i < PUSHES; i++) {
        write_letter(self, i);
        if (pawl_mpsc_push(&q, &letters[self][i].node) != 0)
            break;
        sent[self]++;
    }
#endif
    return NULL;
}

static void *end(void *unused)
{
    (void)unused;
    assert(pawl_mpsc_close(&q) == 0);
    return NULL;
}

static int pop(struct pawl_mpsc_node **node)
{
#if WAIT
    return pawl_mpsc_pop_wait(&q, node, PAWL_FOREVER);
#else
    return pawl_mpsc_pop(&q, node);
#endif
}

static int receive(void)
{
    struct pawl_mpsc_node *node;
    int status = pop(&node);

    if (status == 0) {
        struct letter *letter = pawl_mpsc_of(node, struct letter, node);

        assert(letter->number == received[letter->sender]); /* in the order of its sender, and whole */
        received[letter->sender]++;
        letter->number = -1; /* the consumer's own now */
        memset((void *)node, 0, sizeof *node);
#if REUSE
        if (letter->sender == 0 && received[0] == PUSHES) {
            letter->number = PUSHES;
            assert(pawl_mpsc_push(&q, node) == 0);
            sent_again++;
        }
#endif
    }
    return status;
}

int main(void)
{
    pthread_t producers[PRODUCERS], closer;
    int status;

    pawl_mpsc_init(&q);
    for (intptr_t i = 0; i < PRODUCERS; i++)
        pthread_create(&producers[i], NULL, produce, (void *)i);
#if CLOSE
    pthread_create(&closer, NULL, end, NULL);
    do
        status = receive();
    while (status != -EPIPE);
    pthread_join(closer, NULL);
    assert(pawl_mpsc_push(&q, &letters[0][0].node) == -EPIPE);
#else
    (void)closer;
    (void)end;
    for (int got = 0; got < PRODUCERS * PUSHES + REUSE;) {
        status = receive();
        assert(status == 0 || (!WAIT && (status == -EAGAIN || status == -EBUSY)));
        got += status == 0;
    }
#endif
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i], NULL);
        assert(received[i] == sent[i] + (i == 0 ? sent_again : 0));
    }
    assert(pawl_mpsc_empty(&q));
    return 0;
}
