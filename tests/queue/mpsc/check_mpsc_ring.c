/* SPDX-License-Identifier: MIT */
/* Closures of the bounded queue of many producers and one consumer for the model checker.
 *
 *   -DPRODUCERS=n -DPUSHES=n   so many threads push so many elements each; -DBATCH=1: all of one at once
 *   -DWORDS=n                  an element has so many words
 *   -DCAPACITY=n               built with -DPAWL_MPSC_RING_AT_ONCE=0, so that pushes find no place although they looked
 *   -DSTART=position           positions wrap
 *   -DCLOSE=n                  n other threads close the queue at any moment; the consumer pops until -EPIPE
 *   -DWAIT=1                   the waiting forms
 *
 * Mutants that survive, and why: docs/mpsc.md. */
#include <pawl/mpsc_ring.h>

#include <assert.h>
#include <pthread.h>

#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef PUSHES
#define PUSHES 1
#endif
#ifndef CAPACITY
#define CAPACITY 1
#endif
#ifndef START
#define START 0
#endif
#ifndef CLOSE
#define CLOSE 0
#endif
#ifndef WAIT
#define WAIT 0
#endif
#ifndef BATCH
#define BATCH 0
#endif

#ifndef WORDS
#define WORDS 1
#endif

enum { MEMORY = 1024 };

struct element {
    uint64_t word[WORDS];
};

static struct {
    struct pawl_mpsc_ring q;
    unsigned char places[MEMORY];
} room;

static int pushed[PRODUCERS], popped[PRODUCERS];
static PAWL_ATOMIC(int) closed;

static struct element element_of(int producer, int number)
{
    struct element element;

    for (int i = 0; i < WORDS; i++)
        element.word[i] = (uint64_t)producer << 32 | (uint32_t)number;
    return element;
}

static int push(const struct element *elements)
{
#if WAIT
    return pawl_mpsc_ring_push_wait(&room.q, elements, PAWL_FOREVER);
#else
    int status;

    do
        status = BATCH ? pawl_mpsc_ring_push_n(&room.q, elements, PUSHES)
                       : pawl_mpsc_ring_push(&room.q, elements);
    while (status == -EAGAIN);
    return status;
#endif
}

static void *produce(void *argument)
{
    int self = (int)(intptr_t)argument;
    struct element elements[PUSHES];

    for (int i = 0; i < PUSHES; i++)
        elements[i] = element_of(self, i);
    while (pushed[self] < PUSHES && push(&elements[pushed[self]]) == 0)
        pushed[self] += BATCH ? PUSHES : 1;
    return NULL;
}

static void *end(void *unused)
{
    int status = pawl_mpsc_ring_close(&room.q);

    (void)unused;
    assert(status == 0 || status == -EALREADY);
    pawl_fetch_add_relaxed(&closed, status == 0);
    return NULL;
}

static void take(const struct element *element)
{
    int producer = (int)(element->word[0] >> 32);

    assert(producer < PRODUCERS && (int)(uint32_t)element->word[0] == popped[producer]);
    assert(element->word[WORDS - 1] == element->word[0]);
    popped[producer]++;
}

static int receive(void)
{
    struct element element;
#if WAIT
    int status = pawl_mpsc_ring_pop_wait(&room.q, &element, PAWL_FOREVER);
#else
    int status = pawl_mpsc_ring_pop(&room.q, &element);
#endif

    if (status == 0)
        take(&element);
    return status;
}

int main(void)
{
    pthread_t producers[PRODUCERS], closers[CLOSE + 1];

    assert(pawl_mpsc_ring_bytes(CAPACITY, sizeof(struct element)) <= sizeof room);
    assert(pawl_mpsc_ring_init(&room.q, CAPACITY, sizeof(struct element), PAWL_PRIVATE) == 0);
    pawl_mpsc_ring_start_at_(&room.q, (uint64_t)START);
    for (intptr_t i = 0; i < PRODUCERS; i++)
        pthread_create(&producers[i], NULL, produce, (void *)i);
    if (CLOSE) {
        struct element element = element_of(0, 0);

        for (int i = 0; i < CLOSE; i++)
            pthread_create(&closers[i], NULL, end, NULL);
        while (receive() != -EPIPE)
            continue; /* until nothing will come */
        for (int i = 0; i < CLOSE; i++)
            pthread_join(closers[i], NULL);
        assert(pawl_load_relaxed(&closed) == 1);
        assert(pawl_mpsc_ring_push(&room.q, &element) == -EPIPE);
    } else {
        for (int got = 0; got < PRODUCERS * PUSHES;)
            got += receive() == 0;
    }
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i], NULL);
        assert(popped[i] == pushed[i]);
    }
    assert(pawl_mpsc_ring_size(&room.q) == 0);
    return 0;
}
