/* SPDX-License-Identifier: MIT */
/* Closures of the queue of lanes for the model checker: lanes are made while the consumer goes round, and while the queue
 * is closed. What happens inside a lane is the matter of check_spsc.c.
 *
 *   -DPRODUCERS=n -DPUSHES=n   so many threads push so many elements each
 *   -DCLOSE=1                  another thread closes the queue at any moment; the consumer pops until -EPIPE
 *
 * Mutants that survive, and why: docs/mpsc.md. */
#include <pawl/mpsc_lanes.h>

#include <assert.h>
#include <pthread.h>

#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef PUSHES
#define PUSHES 1
#endif
#ifndef CLOSE
#define CLOSE 0
#endif

static struct pawl_mpsc_lanes *q;
static int pushed[PRODUCERS], popped[PRODUCERS];

static void *produce(void *argument)
{
    uint64_t self = (uint64_t)(intptr_t)argument;

    for (uint64_t i = 0; i < PUSHES; i++) {
        uint64_t element = self << 32 | i;
        int status = pawl_mpsc_lanes_push(q, &element);

        if (status == -EPIPE)
            break;
        assert(status == 0);
        pushed[self]++;
    }
    return NULL;
}

static void *end(void *unused)
{
    (void)unused;
    assert(pawl_mpsc_lanes_close(q) == 0);
    return NULL;
}

static int receive(void)
{
    uint64_t element;
    int status = pawl_mpsc_lanes_pop(q, &element);

    if (status == 0) {
        assert((int)(uint32_t)element == popped[element >> 32]);
        popped[element >> 32]++;
    }
    return status;
}

int main(void)
{
    pthread_t producers[PRODUCERS], closer;

    /* A thread that begins when another has ended may get its number, and push into its lane. */
    q = pawl_mpsc_lanes_open(PRODUCERS * PUSHES, sizeof(uint64_t));
    assert(q != NULL);
    for (intptr_t i = 0; i < PRODUCERS; i++)
        pthread_create(&producers[i], NULL, produce, (void *)i);
    if (CLOSE) {
        pthread_create(&closer, NULL, end, NULL);
        while (receive() != -EPIPE)
            continue; /* until nothing will come */
        pthread_join(closer, NULL);
    } else {
        for (int got = 0; got < PRODUCERS * PUSHES;)
            got += receive() == 0;
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i], NULL);
        assert(popped[i] == pushed[i]);
    }
    assert(receive() == (CLOSE ? -EPIPE : -EAGAIN));
    pawl_mpsc_lanes_free(q);
    return 0;
}
