/* SPDX-License-Identifier: MIT */
/* Closure of the logring's protocol for the model checker: one CPU's ring, writers that follow one another on it, of which
 * one may be aborted at any store, and a reader that comes at any time. What the reader believes is what was committed,
 * whole and in order; counts that it believes are those of the tail.
 *
 * The body is the product's; the statements of <pawl/restartable.h> are these: an abort is a choice before each store.
 * -DRECORDS, -DABORTS, -DSTART: the first position; -DMISTAKE. */
#define PAWL_RESTARTABLE_H
#define PAWL_LOGRING_PAGE_ 64
#define PAWL_LOGRING_RING_HEAD_ 256

#include <pawl/check.h>

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#ifndef RECORDS
#define RECORDS 4
#endif
#ifndef ABORTS
#define ABORTS 1
#endif
#ifndef MISTAKE
#define MISTAKE 0
#endif
#ifndef START
#define START 0
#endif

struct pawl_percpu {
    struct pawl_logring_ring_ *ring;
};

static int aborts_left = ABORTS;

struct pawl_logring_put_;
static uint64_t mistaken(const void *object, const struct pawl_logring_put_ *put, uint64_t value);

#define PAWL_RS_AGAIN (-4096L)
#define PAWL_RESTARTABLE(type, name, parameters, arguments) static type name parameters
#define PAWL_RS_BEGIN(pc, slice_type) ((slice_type *)(pc)->ring)
#define PAWL_RS_LOAD(object) pawl_rs_load_(&(object))
#define PAWL_RS_SCRATCH(object, value) ((object) = (value)) /* the caller's own */
#define PAWL_LOGRING_SCRATCH_(object, value)                                                    \
    do {                                                                                        \
        if (aborts_left > 0 && pawl_check_choose(2) == 1) {                                     \
            aborts_left--;                                                                      \
            return PAWL_RS_AGAIN;                                                               \
        }                                                                                       \
        pawl_store_relaxed(&(object), mistaken(&(object), put, value)); /* relaxed: as there */ \
    } while (0)
#define PAWL_RS_COMMIT(object, value) pawl_store_release(&(object), value) /* W */

/* Loads of the ring are relaxed and atomic; those of *put are plain. */
#define pawl_rs_load_(pointer)                                                                 \
    _Generic((pointer), PAWL_ATOMIC(uint64_t) *                                                \
             : atomic_load_explicit((PAWL_ATOMIC(uint64_t) *)(uintptr_t)(pointer), 0), default \
             : *(pointer))

#include "../../../src/core/queue/logring_put.h"
#include "../../../src/core/queue/logring_read.h"

enum { RING_BYTES = 128, WORDS_MAX = 3 };

static union {
    struct pawl_logring_ring_ ring;
    char bytes[sizeof(struct pawl_logring_ring_) + RING_BYTES];
} memory;
static struct pawl_percpu region = {&memory.ring};

/* Mistakes that must be found. 1: the intent falls, when a shorter record follows an aborted one; 2: it is not raised. */
static uint64_t mistaken(const void *object, const struct pawl_logring_put_ *put, uint64_t value)
{
    if (object != &memory.ring.intent || MISTAKE == 0)
        return value;
    return MISTAKE == 1 ? put->position + put->need : START;
}

/* Two pages of a short and a long record, then, in the next lap, a long one which may be aborted, and a short one in its
 * place: what that attempt destroyed beyond the short one, only the intent knows. */
static uint64_t words_of(uint64_t id)
{
    static const uint64_t words[] = {1, 3, 1, 3, 3, 1, 3};

    return words[id - 2];
}

static long write_record(uint64_t id)
{
    uint64_t source[WORDS_MAX];
    struct pawl_logring_put_ put = {.source = (const char *)source,
                                    .words = words_of(id),
                                    .need = pawl_logring_need_(8 * words_of(id)),
                                    .head = pawl_logring_head_(8 * words_of(id), PAWL_LOGRING_RECORD_,
                                                               id % 2),
                                    .now = id,
                                    .flip = 1u << id % 2,
                                    .mask = RING_BYTES - 1};

    for (uint64_t i = 0; i < WORDS_MAX; i++)
        source[i] = id * 16 + i;
    return pawl_logring_put_record_(&region, &put);
}

static void *write_records(void *argument)
{
    (void)argument;
    for (uint64_t id = 2; id < 2 + RECORDS; id++)
        (void)write_record(id); /* an aborted one is not tried again: the next has another length */
    return NULL;
}

static void check_record(const uint64_t *copy, uint64_t *last)
{
    uint64_t id = copy[2] / 16;
    uint64_t words = pawl_logring_bytes_(copy[0]) / 8;

    assert(pawl_logring_kind_(copy[0]) == PAWL_LOGRING_RECORD_);
    assert(id >= 2 && id < 2 + RECORDS && id > *last && words == words_of(id));
    assert(pawl_logring_class_(copy[0]) == id % 2);
    for (uint64_t i = 0; i < words; i++)
        assert(copy[2 + i] == id * 16 + i);
    assert(copy[1] == id || ABORTS > 0); /* an abort may leave a later stamp for the next */
    *last = id;
}

static uint64_t shown;

/* Reads on from `position` up to a tail. Returns where it stopped; UINT64_MAX when it was overtaken. */
static uint64_t read_records(uint64_t position, uint64_t tail, uint64_t *last)
{
    while (pawl_logring_ahead_(tail, position) > 0) {
        uint64_t copy[2 + WORDS_MAX] = {0};
        uint64_t rest = PAWL_LOGRING_PAGE_ - position % PAWL_LOGRING_PAGE_;
        uint64_t bytes = pawl_logring_distance_(tail, position);

        if (bytes > rest)
            bytes = rest;
        if (bytes > sizeof copy)
            bytes = sizeof copy;
        if (!pawl_logring_copy_(&memory.ring, RING_BYTES, position, copy, bytes))
            return UINT64_MAX;
        if (pawl_logring_kind_(copy[0]) == PAWL_LOGRING_FILLER_) {
            position += rest;
            continue;
        }
        check_record(copy, last);
        shown++;
        position += pawl_logring_need_(pawl_logring_bytes_(copy[0]));
    }
    return position;
}

static void check_counts(uint64_t tail)
{
    uint64_t written[PAWL_LOGRING_CLASSES];

    if (pawl_logring_written_(&memory.ring, tail, written)) {
        uint64_t records = pawl_logring_position_(tail) - START;

        assert(written[0] + written[1] <= RECORDS);
        assert((written[0] + written[1] == 0) == (records == 0));
    }
}

int main(void)
{
    pthread_t writer;
    uint64_t position = START, last = 0;
    uint64_t tail;

    /* relaxed, both: the writer is not there yet */
    pawl_store_relaxed(&memory.ring.tail, (uint64_t)START << 1);
    pawl_store_relaxed(&memory.ring.intent, (uint64_t)START);
    pthread_create(&writer, NULL, write_records, NULL);
    tail = pawl_load_acquire(&memory.ring.tail); /* acquire W */
    check_counts(tail);
    position = read_records(position, pawl_logring_position_(tail), &last);
    pthread_join(writer, NULL);
    tail = pawl_load_acquire(&memory.ring.tail);
    check_counts(tail);
    if (position != UINT64_MAX)
        (void)read_records(position, pawl_logring_position_(tail), &last);
    return 0;
}
