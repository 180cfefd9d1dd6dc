/* SPDX-License-Identifier: MIT */
/* A buffer of events a CPU: any thread appends, one thread reads them all. A record is there or is not;
 * nobody sees half of one, and nobody waits. */
#include <pawl/clock.h>
#include <pawl/restartable.h>

#include <pthread.h>
#include <stdio.h>

enum { EVENTS = 4096, THREADS = 3, APPENDS = 1000 }; /* EVENTS: a power of two */

struct event {
    long when;
    long what;
};

struct buffer {
    PAWL_ATOMIC(unsigned long) written;                     /* W */
    PAWL_ATOMIC(unsigned long) read PAWL_LINE_PAIR_ALIGNED; /* R, the reader's */
    struct event event[EVENTS] PAWL_LINE_PAIR_ALIGNED;
};

PAWL_RESTARTABLE(long, append, (struct pawl_percpu * pc, long when, long what), (pc, when, what))
{
    struct buffer *buffer = PAWL_RS_BEGIN(pc, struct buffer);
    unsigned long written = PAWL_RS_LOAD(buffer->written);
    struct event *event = &buffer->event[written % EVENTS];

    if (written - PAWL_RS_LOAD_ACQUIRE(buffer->read) == EVENTS) /* acquire R: the reader is done with it */
        return -EAGAIN;
    PAWL_RS_SCRATCH(event->when, when); /* beyond `written`: nobody reads it yet */
    PAWL_RS_SCRATCH(event->what, what);
    PAWL_RS_COMMIT(buffer->written, written + 1); /* release W: pairs with the acquire in drain */
    return 0;
}

static long drain(struct buffer *buffer)
{
    unsigned long read = pawl_load_relaxed(&buffer->read);       /* relaxed: written here only */
    unsigned long written = pawl_load_acquire(&buffer->written); /* acquire W: the events are whole */
    long sum = 0;

    for (; read != written; read++)
        sum += buffer->event[read % EVENTS].what;
    pawl_store_release(&buffer->read, read); /* release R: pairs with the acquire in append */
    return sum;
}

static void *serve(void *pc)
{
    for (long i = 1; i <= APPENDS; i++)
        if (append(pc, (long)pawl_clock_ns(), i) != 0)
            return pc; /* full */
    return NULL;
}

int main(void)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(struct buffer), PAWL_PERCPU_BY_ANY);
    pthread_t threads[THREADS];
    struct buffer *buffer;
    uint32_t slot;
    void *full;
    long sum = 0;

    if (pc == NULL)
        return 1;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, serve, pc) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        if (pthread_join(threads[i], &full) != 0 || full != NULL)
            return 1;
    pawl_percpu_each (pc, slot, buffer)
        sum += drain(buffer);
    printf("%d events, sum %ld\n", THREADS * APPENDS, sum);
    pawl_percpu_close(pc);
    return sum == THREADS * (APPENDS * (APPENDS + 1L) / 2) ? 0 : 1;
}
