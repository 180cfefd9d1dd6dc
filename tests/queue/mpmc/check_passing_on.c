/* SPDX-License-Identifier: MIT */
/* Closures for the model checker: two that wait to pop from the ring of stamped cells are both told. A push is inside when
 * they come, and nobody pushes after it: a wake-up that is not passed on is a popper that sleeps for ever, which the checker
 * reports as a deadlock.
 * -DCLOSED=1: it is the only push, and the ring was closed beside it. 2: it is closed by one of the threads.
 * -DCLOSED=0: the later elements are complete already, and a popper that does not wait takes one.
 * -DFLAGS=PAWL_SHARED: the form with ordinary fences.
 *
 * The sources of the ring are included, because the push is made here. */
#include "../../../src/core/queue/mpmc_ring.c"

#include <assert.h>
#include <pthread.h>

#ifndef FLAGS
#define FLAGS PAWL_PRIVATE
#endif
enum { CELLS = 4, POPPERS = 2, PUSHES = CLOSED ? 1 : 3 };

static char memory[sizeof(struct pawl_mpmc_ring) + PAWL_CACHELINE_PAIR] PAWL_LINE_PAIR_ALIGNED;
static struct pawl_mpmc_ring *const queue = (void *)memory;
static int popped[PUSHES];

static int take(int (*pop)(struct pawl_mpmc_ring *q, void *element))
{
    uint64_t element = PUSHES;
    int status = pop(queue, &element);

    if (status == 0) {
        assert(element < PUSHES && popped[element] == 0);
        popped[element] = 1;
    }
    return status;
}

static int pop_wait(struct pawl_mpmc_ring *q, void *element)
{
    return pawl_mpmc_ring_pop_wait(q, element, PAWL_FOREVER);
}

/* The second half of the push of a ticket. */
static void complete(uint64_t ticket)
{
    struct pawl_mpmc_ring_cell_ *cell = pawl_mpmc_ring_cell_at_(queue, 2 * ticket, queue->stride);

    memcpy(cell + 1, &ticket, sizeof ticket);
    pawl_store_release(&cell->stamp, 2 * ticket + 1);
}

static void *push_the_first(void *unused)
{
    (void)unused;
    complete(0);
    pawl_handover_pushed(&queue->handover, 1);
    return NULL;
}

static void *pop_waiting(void *unused)
{
    int status = take(pop_wait);

    (void)unused;
    assert(status == 0 || (CLOSED && status == -EPIPE));
    return NULL;
}

static void *other(void *unused)
{
    (void)unused;
    if (CLOSED)
        pawl_mpmc_ring_close(queue);
    else
        take(pawl_mpmc_ring_pop);
    return NULL;
}

int main(void)
{
    enum { THREADS = POPPERS + 2 };
    pthread_t thread[THREADS];
    int last = CLOSED == 1 ? THREADS - 1 : THREADS;

    assert(pawl_mpmc_ring_bytes(CELLS, sizeof(uint64_t)) <= sizeof memory);
    assert(pawl_mpmc_ring_init(queue, CELLS, sizeof(uint64_t), FLAGS) == 0);
    pawl_store_relaxed(&queue->tail, UINT64_C(2) * PUSHES);
    for (uint64_t ticket = 1; ticket < PUSHES; ticket++)
        complete(ticket);
    if (CLOSED == 1)
        other(NULL);
    for (int i = 0; i < last; i++)
        pthread_create(&thread[i], NULL,
                       i < POPPERS    ? pop_waiting
                       : i == POPPERS ? push_the_first
                                      : other,
                       NULL);
    for (int i = 0; i < last; i++)
        pthread_join(thread[i], NULL);
    while (take(pawl_mpmc_ring_pop) == 0) {
    }
    for (int i = 0; i < PUSHES; i++)
        assert(popped[i]);
    return 0;
}
