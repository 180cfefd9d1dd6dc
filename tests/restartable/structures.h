/* SPDX-License-Identifier: MIT */
/* Per-CPU structures in plain C: what the tests, the benchmark's listings and the compilers' trials share.
 *
 * Each body is written once here, and compiled as a restartable sequence, under a lock, and instrumented. */
#ifndef PAWL_TESTS_RESTARTABLE_STRUCTURES_H
#define PAWL_TESTS_RESTARTABLE_STRUCTURES_H

#include <pawl/restartable.h>

#define STACK_ITEMS 24
#define MAP_WORDS 3
#define BUCKETS 40
#define EVENT_WORDS 64 /* a power of two */

struct node {
    struct node *next;
    PAWL_ATOMIC(long) held;
};

struct slice {
    PAWL_ATOMIC(long) hits;
    PAWL_ATOMIC(long) bucket; /* tokens, up to a limit */
    PAWL_ATOMIC(struct node *) free;
    PAWL_ATOMIC(unsigned long) map[MAP_WORDS]; /* a set bit is taken */
    PAWL_ATOMIC(uint32_t) histogram[BUCKETS];  /* [k]: values of k binary digits */
    PAWL_ATOMIC(unsigned short) narrow;
    PAWL_ATOMIC(unsigned char) tiny;
    PAWL_ATOMIC(size_t) count;
    void *item[STACK_ITEMS];
    PAWL_ATOMIC(size_t) head PAWL_LINE_PAIR_ALIGNED; /* words read: another CPU's */
    PAWL_ATOMIC(size_t) tail PAWL_LINE_PAIR_ALIGNED; /* words written */
    long event[EVENT_WORDS];
};

/* ---- Words ---- */

PAWL_RESTARTABLE(long, hits_add, (struct pawl_percpu * pc, long n), (pc, n))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);

    PAWL_RS_COMMIT(slice->hits, PAWL_RS_LOAD(slice->hits) + n);
    return 0;
}

/* bucket = min(bucket + n, limit). Returns what was added. n >= 0 */
PAWL_RESTARTABLE(long, bucket_fill, (struct pawl_percpu * pc, long n, long limit), (pc, n, limit))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    long there = PAWL_RS_LOAD(slice->bucket);
    long room = limit > there ? limit - there : 0;
    long added = n < room ? n : room;

    PAWL_RS_COMMIT(slice->bucket, there + added);
    return added;
}

/* Two and one byte. Return the new value. */
PAWL_RESTARTABLE(long, narrow_add, (struct pawl_percpu * pc, long n), (pc, n))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    unsigned short sum = (unsigned short)(PAWL_RS_LOAD(slice->narrow) + n);

    PAWL_RS_COMMIT(slice->narrow, sum);
    return sum;
}

PAWL_RESTARTABLE(long, tiny_add, (struct pawl_percpu * pc, long n), (pc, n))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    unsigned char sum = (unsigned char)(PAWL_RS_LOAD(slice->tiny) + n);

    PAWL_RS_COMMIT(slice->tiny, sum);
    return sum;
}

/* ---- Histogram ---- */

PAWL_RESTARTABLE(long, histogram_count, (struct pawl_percpu * pc, unsigned long value), (pc, value))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    unsigned int digits = value != 0 ? 64 - (unsigned int)__builtin_clzl(value) : 0;
    unsigned int k = digits < BUCKETS ? digits : BUCKETS - 1;

    PAWL_RS_COMMIT(slice->histogram[k], PAWL_RS_LOAD(slice->histogram[k]) + 1);
    return (long)k;
}

/* ---- List of nodes: type-stable memory ---- */

PAWL_RESTARTABLE(long, list_push, (struct pawl_percpu * pc, struct node *node), (pc, node))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);

    PAWL_RS_SCRATCH(node->next, PAWL_RS_LOAD(slice->free)); /* private: not in the list yet */
    PAWL_RS_COMMIT(slice->free, node);
    return 0;
}

PAWL_RESTARTABLE(struct node *, list_pop, (struct pawl_percpu * pc), (pc))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    struct node *node = PAWL_RS_LOAD(slice->free);

    if (node == NULL)
        return NULL;
    PAWL_RS_COMMIT(slice->free, PAWL_RS_LOAD(node->next));
    return node;
}

/* ---- Array of pointers ---- */

PAWL_RESTARTABLE(long, array_push, (struct pawl_percpu * pc, void *item), (pc, item))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    size_t count = PAWL_RS_LOAD(slice->count);

    if (count == STACK_ITEMS)
        return -EAGAIN;
    PAWL_RS_SCRATCH(slice->item[count], item); /* above count: nobody reads it yet */
    PAWL_RS_COMMIT(slice->count, count + 1);
    return 0;
}

PAWL_RESTARTABLE(void *, array_pop, (struct pawl_percpu * pc), (pc))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    size_t count = PAWL_RS_LOAD(slice->count);
    void *item;

    if (count == 0)
        return NULL;
    item = PAWL_RS_LOAD(slice->item[count - 1]);
    PAWL_RS_COMMIT(slice->count, count - 1);
    return item;
}

/* As many of items[0..count) as there is room for. Returns how many. */
PAWL_RESTARTABLE(long, array_push_many, (struct pawl_percpu * pc, void *const *items, size_t count),
                 (pc, items, count))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    size_t there = PAWL_RS_LOAD(slice->count);
    size_t room = STACK_ITEMS - there;
    size_t moved = count < room ? count : room;

    for (size_t i = 0; i < moved; i++)
        PAWL_RS_SCRATCH(slice->item[there + i], PAWL_RS_LOAD(items[i]));
    PAWL_RS_COMMIT(slice->count, there + moved);
    return (long)moved;
}

/* ---- Bit map ---- */

/* Takes the lowest clear bit. Returns its id, which names the slot too, or -EAGAIN. */
PAWL_RESTARTABLE(long, bit_alloc, (struct pawl_percpu * pc), (pc))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    long i = 0;
    unsigned long word;
    long bit;

    while ((word = PAWL_RS_LOAD(slice->map[i])) == ~0ul)
        if (++i == MAP_WORDS)
            return -EAGAIN;
    bit = __builtin_ctzl(~word);
    PAWL_RS_COMMIT(slice->map[i], word | 1ul << bit);
    return (PAWL_RS_SLOT * MAP_WORDS + i) * 64 + bit;
}

/* Gives an id back on its slot. Returns 0, -EXDEV on another one, -EINVAL when it was not taken. */
PAWL_RESTARTABLE(long, bit_free, (struct pawl_percpu * pc, long id), (pc, id))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    long i = id / 64 % MAP_WORDS;
    unsigned long mask = 1ul << id % 64;
    unsigned long word;

    if (id / 64 / MAP_WORDS != PAWL_RS_SLOT)
        return -EXDEV;
    word = PAWL_RS_LOAD(slice->map[i]);
    if ((word & mask) == 0)
        return -EINVAL;
    PAWL_RS_COMMIT(slice->map[i], word & ~mask);
    return 0;
}

/* ---- Buffer of events, read by one consumer on any CPU ---- */

/* Appends a record: its number of words, then the words. Returns 0, or -EAGAIN: no room. */
PAWL_RESTARTABLE(long, event_append, (struct pawl_percpu * pc, const long *words, size_t count),
                 (pc, words, count))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    size_t tail = PAWL_RS_LOAD(slice->tail);
    /* acquire R: pairs with the release in event_take, the reader is done with what lies before head */
    size_t room = EVENT_WORDS - (tail - PAWL_RS_LOAD_ACQUIRE(slice->head));

    if (count >= room)
        return -EAGAIN;
    PAWL_RS_SCRATCH(slice->event[tail % EVENT_WORDS], (long)count); /* beyond tail: nobody reads it yet */
    for (size_t i = 0; i < count; i++)
        PAWL_RS_SCRATCH(slice->event[(tail + 1 + i) % EVENT_WORDS], PAWL_RS_LOAD(words[i]));
    PAWL_RS_COMMIT(slice->tail, tail + 1 + count); /* release W: pairs with the acquire in event_take */
    return 0;
}

/* The consumer: the oldest record of a slice, or 0. `words` has room for EVENT_WORDS. Returns its words. */
static inline size_t event_take(struct slice *slice, long *words)
{
    size_t head = pawl_load_relaxed(&slice->head); /* relaxed: only the consumer writes it */
    size_t count;

    /* acquire W: pairs with the release in event_append, the words up to tail are whole */
    if (pawl_load_acquire(&slice->tail) == head)
        return 0;
    count = (size_t)slice->event[head % EVENT_WORDS];
    for (size_t i = 0; i < count; i++)
        words[i] = slice->event[(head + 1 + i) % EVENT_WORDS];
    /* release R: pairs with the acquire in event_append, the words may be written over */
    pawl_store_release(&slice->head, head + 1 + count);
    return count;
}

#endif
