/* SPDX-License-Identifier: MIT */
/* Closures of the queue between one producer and one consumer for the model checker. The element is plain memory: a
 * missing order is a data race.
 *
 *   -DPUSHES=n     elements, pushed one by one; -DBATCH=n: by pawl_spsc_push_n, of n
 *   -DCAPACITY=n   places; -DWIDE=1: elements of 16 bytes, three to a block where the capacity allows
 *   -DSTART=block  where the positions begin: they wrap
 *   -DCLOSE=1      another thread closes the queue at any moment; the consumer pops until -EPIPE
 *   -DWAIT=1       the waiting forms
 *   -DSHARED=1     PAWL_SHARED
 *   -DLOOK=1       another thread asks for the size
 *
 * Mutants that survive, and why, are at the end of docs/spsc.md. */
#include <pawl/spsc.h>

#include <assert.h>
#include <pthread.h>

#ifndef PUSHES
#define PUSHES 2
#endif
#ifndef CAPACITY
#define CAPACITY 1
#endif
#ifndef START
#define START 0
#endif
#ifndef BATCH
#define BATCH 0
#endif
#ifndef CLOSE
#define CLOSE 0
#endif
#ifndef WAIT
#define WAIT 0
#endif
#ifndef WIDE
#define WIDE 0
#endif
#ifndef SHARED
#define SHARED 0
#endif
#ifndef LOOK
#define LOOK 0
#endif

enum { MEMORY = 4096 };

struct element {
    uint64_t number;
#if WIDE
    uint64_t copy;
#endif
};

static struct {
    struct pawl_spsc q;
    unsigned char blocks[MEMORY];
} room;

static int pushed, popped;

static struct element make(int number)
{
    struct element element = {.number = (uint64_t)number + 1};

#if WIDE
    element.copy = element.number;
#endif
    return element;
}

static void take(const struct element *element)
{
    popped++;
    assert(element->number == (uint64_t)popped);
#if WIDE
    assert(element->copy == element->number);
#endif
}

static int push_one(void)
{
    struct element element = make(pushed);

#if WAIT
    return pawl_spsc_push_wait(&room.q, &element, PAWL_FOREVER);
#else
    int status;

    do
        status = pawl_spsc_push(&room.q, &element);
    while (status == -EAGAIN);
    return status;
#endif
}

static void *produce(void *unused)
{
    (void)unused;
#if BATCH
    while (pushed < PUSHES) {
        struct element elements[BATCH];
        ptrdiff_t n;

        for (int i = 0; i < BATCH; i++)
            elements[i] = make(pushed + i);
        n = pawl_spsc_push_n(&room.q, elements, PUSHES - pushed < BATCH ? PUSHES - pushed : BATCH);
        if (n == -EPIPE)
            break;
        pushed += (int)n;
    }
#else
    while (pushed < PUSHES && push_one() == 0)
        pushed++;
#endif
    return NULL;
}

/* Until -EPIPE, or all have come. */
static void consume(void)
{
    while (CLOSE || popped < PUSHES) {
#if BATCH
        struct element elements[BATCH];
        ptrdiff_t n = pawl_spsc_pop_n(&room.q, elements, BATCH);

        for (int i = 0; i < n; i++)
            take(&elements[i]);
        if (n == -EPIPE)
            break;
#else
        struct element element;
#if WAIT
        int status = pawl_spsc_pop_wait(&room.q, &element, PAWL_FOREVER);
#else
        int status = pawl_spsc_pop(&room.q, &element);
#endif
        if (status == 0)
            take(&element);
        if (status == -EPIPE)
            break;
#endif
    }
}

static void *end(void *unused)
{
    (void)unused;
    assert(pawl_spsc_close(&room.q) == 0);
    return NULL;
}

/* Where the capacity is exact. */
static void *look(void *unused)
{
    (void)unused;
    assert(pawl_spsc_size(&room.q) <= CAPACITY);
    return NULL;
}

int main(void)
{
    pthread_t producer, closer, looker;
    struct element element;

    assert(pawl_spsc_bytes(CAPACITY, sizeof(struct element)) <= sizeof room);
    assert(pawl_spsc_init(&room.q, CAPACITY, sizeof(struct element), SHARED ? PAWL_SHARED : PAWL_PRIVATE) ==
           0);
    pawl_spsc_start_at_(&room.q, START);
    pthread_create(&producer, NULL, produce, NULL);
    if (CLOSE)
        pthread_create(&closer, NULL, end, NULL);
    if (LOOK)
        pthread_create(&looker, NULL, look, NULL);
    consume();
    pthread_join(producer, NULL);
    if (LOOK)
        pthread_join(looker, NULL);
    if (CLOSE) {
        pthread_join(closer, NULL);
        /* Succeeded if and only if delivered, and nothing comes after -EPIPE. */
        assert(pawl_spsc_pop(&room.q, &element) == -EPIPE);
        assert(pawl_spsc_push(&room.q, &element) == -EPIPE);
    }
    assert(popped == pushed);
    assert(pawl_spsc_size(&room.q) == 0);
    return 0;
}
