/* SPDX-License-Identifier: MIT */
/* Broadcast: cells with a sequence word, positions of consumers, and a gate that producers do not pass.
 *
 * The sequence word of the cell of element t (t & mask): 2t + 1 while it is being written, 2t + 2 when it is
 * whole; of the element before it in the cell, that is 2(t - cells) + 2. So a consumer sees from one word
 * whether its element is there, not yet, or no longer.
 *
 * S: a consumer that subscribes stores its state, fences, and begins at the head that it then loads. A
 * producer that looks for the slowest has its own claims behind it, fences, and loads the states. Either it
 * sees the consumer, whose position is then the old gate at first; or the consumer sees the head of those
 * claims, which no gate that the producer can compute exceeds. */
#include "broadcast.h"
#include "../sync/fail.h"

#include <pawl/backoff.h>
#include <pawl/seqlock.h>

#include <errno.h>
#include <string.h>

extern inline size_t pawl_broadcast_capacity(const struct pawl_broadcast *b);
extern inline uint64_t pawl_broadcast_lost(const struct pawl_broadcast *b, int consumer);

#define CLOSED (UINT64_C(1) << 63) /* in `head` */

static bool overwrites(const struct pawl_broadcast *b)
{
    return (b->flags & PAWL_BROADCAST_OVERWRITE) != 0;
}

/* A word an element, which stays where it is until it was read. */
static bool holds_eights(const struct pawl_broadcast *b)
{
    return !overwrites(b) && b->element_bytes == sizeof(uint64_t);
}

/* ---- waking ---- */

static bool anybody_may_sleep(const struct pawl_broadcast *b)
{
    return (b->flags & (PAWL_BROADCAST_YIELD | PAWL_BROADCAST_SPIN)) == 0;
}

/* All that wait: each consumer must see what was pushed, and who waits for room waits for the slowest.
 * After a fence F. */
static void wake_waiters(struct pawl_eventcount *ec)
{
    /* relaxed: a stale "nobody" is what F excludes where it matters */
    if (PAWL_UNLIKELY((pawl_load_relaxed(&ec->state) & PAWL_EVENTCOUNT_WAITERS_) != 0))
        pawl_eventcount_wake_all_(ec);
}

static void wake_all(struct pawl_broadcast *b, struct pawl_eventcount *ec)
{
    if (!anybody_may_sleep(b))
        return;
    pawl_handover_fence_(&b->waiting); /* F of <pawl/handover.h> */
    wake_waiters(ec);
}

static int wait_for(struct pawl_broadcast *b, int (*attempt)(void *op), void *op, uint64_t deadline,
                    bool push)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;
    int status;

    if (anybody_may_sleep(b))
        return push ? pawl_handover_push_wait(&b->waiting, attempt, op, deadline)
                    : pawl_handover_pop_wait(&b->waiting, attempt, op, deadline);
    while ((status = attempt(op)) == -EAGAIN) {
        if (deadline != PAWL_FOREVER && pawl_deadline(0) >= deadline)
            return -ETIMEDOUT;
        if ((b->flags & PAWL_BROADCAST_SPIN) != 0)
            pawl_relax();
        else
            pawl_backoff_wait(&backoff);
    }
    return status;
}

/* ---- producers ---- */

/* The position of the slowest consumer, or `head` where there is none. */
static uint64_t slowest(struct pawl_broadcast *b, uint64_t head)
{
    uint64_t least = head;

    pawl_fence_seq_cst(); /* S: earlier claims before the look at the states */
    for (uint32_t i = 0; i < b->consumers; i++) {
        struct pawl_broadcast_consumer *c = &b->consumer[i];
        uint64_t position;

        /* acquire R: pairs with the release in unsubscribe; it has read what it will ever read */
        if (pawl_load_acquire(&c->state) == FREE)
            continue;
        /* acquire R: pairs with the release in pass(); it has read the elements before */
        position = pawl_load_acquire(&c->position);
        if ((int64_t)(position - least) < 0)
            least = position;
    }
    return least;
}

/* How many of n elements may be written from `head` on. */
static uint64_t room(struct pawl_broadcast *b, uint64_t head, uint64_t n)
{
    uint64_t cells = b->mask + 1, gate, used;

    if (n > cells)
        n = cells;
    if (overwrites(b))
        return n;
    used = head -
           pawl_load_acquire(&b->gate); /* acquire R: of who stored it, who had acquired the positions */
    /* more than there are: the head is old, and its claim will fail; or the gate is */
    if (used <= cells && n <= cells - used)
        return n;
    gate = slowest(b, head);
    /* release R: the positions that led to it. An older value that comes later makes others look again. */
    pawl_store_release(&b->gate, gate);
    used = head - gate;
    if (used >= cells) /* more: of a consumer that is being subscribed, and has an old position still */
        return 0;
    return n <= cells - used ? n : cells - used;
}

/* Claims up to n numbers from *head on. Returns how many; 0: no room; -EPIPE. */
static int64_t claim(struct pawl_broadcast *b, uint64_t *head, uint64_t n)
{
    uint64_t seen = pawl_load_relaxed(&b->head); /* relaxed: the CAS decides, or it is the producer's own */
    uint64_t may;

    for (;;) {
        if ((seen & CLOSED) != 0)
            return -EPIPE;
        may = room(b, seen, n);
        if (may == 0)
            return 0;
        *head = seen;
        if ((b->flags & PAWL_BROADCAST_ONE_PRODUCER) != 0) {
            /* relaxed: publishes nothing, S fences it */
            pawl_store_relaxed(&b->head, seen + may);
            return (int64_t)may;
        }
        /* relaxed: cells are published by their own words. Again: another producer claimed, or it was
         * closed. */
        if (pawl_cas_weak_relaxed(&b->head, &seen, seen + may))
            return (int64_t)may;
    }
}

/* The bytes of an element that fill whole words; what is left goes into one more. */
static void store_words(struct cell *cell, const char *element, size_t bytes)
{
    size_t most = bytes & ~(size_t)7;
    uint64_t last = 0;

    pawl_words_store(cell->words, element, most);
    if (most == bytes)
        return;
    memcpy(&last, element + most, bytes - most);
    pawl_store_relaxed(&cell->words[most / 8], last); /* relaxed: as all words, the sequence publishes them */
}

static void load_words(char *element, const struct cell *cell, size_t bytes)
{
    size_t most = bytes & ~(size_t)7;
    uint64_t last;

    pawl_words_load(element, cell->words, most);
    if (most == bytes)
        return;
    last = pawl_load_relaxed(
        &cell->words[most / 8]); /* relaxed: the sequence tells whether it belongs to the others */
    memcpy(element + most, &last, bytes - most);
}

static void *plain_of(struct cell *cell)
{
    return (void *)(uintptr_t)cell->words;
}

/* Writes an element that was claimed. */
static void write_cell(struct pawl_broadcast *b, uint64_t number, const char *element)
{
    struct cell *cell = cell_of(b, number);
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    /* Who claimed this cell a lap ago may still be writing. acquire P: pairs with the release below */
    while ((b->flags & PAWL_BROADCAST_ONE_PRODUCER) == 0 &&
           pawl_load_acquire(&cell->sequence) != whole(number - b->mask - 1))
        pawl_backoff_wait(&backoff);
    if (overwrites(b)) {
        pawl_store_relaxed(&cell->sequence, whole(number) - 1); /* relaxed: the fence orders it */
        /* P: no word below before the odd sequence; pairs with the acquire fence in read_cell() */
        pawl_fence_release();
        store_words(cell, element, b->element_bytes);
    } else {
        memcpy(plain_of(cell), element, b->element_bytes);
    }
    /* release P: pairs with the acquire in read_cell(), publishes the element */
    pawl_store_release(&cell->sequence, whole(number));
}

/* The usual case without its questions: one producer, back-pressure, a word an element. */
static void write_eights(struct pawl_broadcast *b, uint64_t number, const char *element, int64_t n)
{
    for (; n > 0; n--, number++, element += sizeof(uint64_t)) {
        struct cell *cell = cell_of(b, number);

        memcpy(plain_of(cell), element, sizeof(uint64_t));
        pawl_store_release(&cell->sequence, whole(number)); /* release P: as in write_cell() */
    }
}

ptrdiff_t pawl_broadcast_push_n(struct pawl_broadcast *b, const void *elements, size_t n)
{
    const char *element = elements;
    uint64_t head = 0;
    int64_t claimed = claim(b, &head, n);

    if (holds_eights(b) && (b->flags & PAWL_BROADCAST_ONE_PRODUCER) != 0)
        write_eights(b, head, element, claimed);
    else
        for (int64_t i = 0; i < claimed; i++, element += b->element_bytes)
            write_cell(b, head + (uint64_t)i, element);
    if (claimed > 0)
        wake_all(b, &b->waiting.items);
    return claimed;
}

int pawl_broadcast_push(struct pawl_broadcast *b, const void *element)
{
    ptrdiff_t n = pawl_broadcast_push_n(b, element, 1);

    return n > 0 ? 0 : n == 0 ? -EAGAIN : (int)n;
}

struct waiting_push {
    struct pawl_broadcast *b;
    const void *element;
};

static int attempt_push(void *op)
{
    struct waiting_push *push = op;

    return pawl_broadcast_push(push->b, push->element);
}

int pawl_broadcast_push_wait(struct pawl_broadcast *b, const void *element, uint64_t deadline)
{
    struct waiting_push push = {b, element};

    return wait_for(b, attempt_push, &push, deadline, true);
}

int pawl_broadcast_close(struct pawl_broadcast *b)
{
    /* release: pairs with the acquire in read_cell(). The claims below the head are waited for, of others
     * none come. */
    pawl_fetch_or_release(&b->head, CLOSED);
    return pawl_handover_close(
        &b->waiting); /* also where a closer was killed between the two: somebody may sleep */
}

/* ---- consumers ---- */

static struct pawl_broadcast_consumer *consumer_of(struct pawl_broadcast *b, int consumer,
                                                   const char *function)
{
    /* relaxed: the caller subscribed it, or knows from who did */
    if (PAWL_UNLIKELY((unsigned)consumer >= b->consumers ||
                      pawl_load_relaxed(&b->consumer[consumer].state) == FREE))
        pawl_sync_fail(function, "no such consumer is subscribed");
    return &b->consumer[consumer];
}

int pawl_broadcast_subscribe(struct pawl_broadcast *b, uint64_t after)
{
    struct pawl_broadcast_consumer *c = NULL;
    uint32_t i;

    for (i = 0; i < PAWL_BROADCAST_CONSUMERS_MAX; i++)
        if ((after >> i & 1) != 0 && /* relaxed: that it stays subscribed is the caller's promise */
            (i >= b->consumers || pawl_load_relaxed(&b->consumer[i].state) != SUBSCRIBED))
            return -EINVAL;
    for (i = 0; i < b->consumers && c == NULL; i++) {
        uint32_t state = FREE;

        /* acquire: who had the number before is done with it; pairs with the release in unsubscribe.
         * Producers that see it from here on find no room beyond the position that was left in it. */
        if (pawl_load_relaxed(&b->consumer[i].state) == FREE &&
            pawl_cas_acquire(&b->consumer[i].state, &state, (uint32_t)SUBSCRIBING))
            c = &b->consumer[i];
    }
    if (c == NULL)
        return -ENOSPC;
    c->after = after;
    pawl_store_relaxed(&c->lost, UINT64_C(0)); /* relaxed: the caller's own */
    if (after != 0)
        pawl_store_relaxed(&b->chained, 1u); /* relaxed: F orders it before this consumer's sleep */
    pawl_fence_seq_cst();                    /* S: the state before the head */
    /* relaxed, all: who still sees the position before sees an earlier one, and finds less room */
    pawl_store_relaxed(&c->position, pawl_load_relaxed(&b->head) & ~CLOSED);
    pawl_store_relaxed(&c->state, (uint32_t)SUBSCRIBED);
    wake_all(b, &b->waiting.room); /* who saw the old position */
    return (int)(c - b->consumer);
}

void pawl_broadcast_unsubscribe(struct pawl_broadcast *b, int consumer)
{
    struct pawl_broadcast_consumer *c = consumer_of(b, consumer, "pawl_broadcast_unsubscribe");

    /* release R: what it read, it read before; pairs with the acquire in slowest() */
    pawl_store_release(&c->state, (uint32_t)FREE);
    wake_all(b, &b->waiting.room);
    wake_all(b, &b->waiting.items); /* who depends on it waits no longer */
}

/* How many of n elements from `position` on the consumers in `after` have popped. */
static uint64_t popped_by(const struct pawl_broadcast *b, uint64_t after, uint64_t position, uint64_t n)
{
    for (; after != 0 && n > 0; after &= after - 1) {
        const struct pawl_broadcast_consumer *c = &b->consumer[__builtin_ctzll(after)];
        /* acquire D: pairs with the release in pass(); what it wrote into the elements is there */
        int64_t ahead = (int64_t)(pawl_load_acquire(&c->position) - position);

        /* relaxed: one that unsubscribes wakes who waits for it */
        if (pawl_load_relaxed(&c->state) != FREE && ahead < (int64_t)n)
            n = ahead > 0 ? (uint64_t)ahead : 0;
    }
    return n;
}

enum { THERE = 0, OVERTAKEN = 1 }; /* of read_cell, beside -EAGAIN and -EPIPE */

/* What the element's cell says; copies it to `to`, unless that is NULL. */
static int read_cell(struct pawl_broadcast *b, uint64_t position, void *to)
{
    struct cell *cell = cell_of(b, position);
    /* acquire P: pairs with the release in write_cell() */
    uint64_t sequence = pawl_load_acquire(&cell->sequence);

    if (sequence != whole(position)) {
        uint64_t head;

        if ((int64_t)(sequence - whole(position)) > 0)
            return OVERTAKEN;
        /* acquire: pairs with the release in close; who is told of the end sees what was done before it */
        head = pawl_load_acquire(&b->head);
        return (head & CLOSED) != 0 && (head & ~CLOSED) == position ? -EPIPE : -EAGAIN;
    }
    if (to == NULL)
        return THERE;
    if (!overwrites(b)) {
        memcpy(to, plain_of(cell), b->element_bytes);
        return THERE;
    }
    load_words(to, cell, b->element_bytes);
    /* P: the words before the second look; pairs with the release fence in write_cell() */
    pawl_fence_acquire();
    /* relaxed: the fence orders it */
    return pawl_load_relaxed(&cell->sequence) == sequence ? THERE : OVERTAKEN;
}

/* For one that must wait for those it depends on: whether there is anything to wait for. */
static int read_end(struct pawl_broadcast *b, uint64_t position)
{
    return read_cell(b, position, NULL) == -EPIPE ? -EPIPE : -EAGAIN;
}

/* Where a consumer goes on that was overtaken: an eighth of the cells behind the oldest, so that it is not
 * overtaken again at once. */
static uint64_t catch_up(struct pawl_broadcast *b, struct pawl_broadcast_consumer *c, uint64_t position)
{
    uint64_t cells = b->mask + 1;
    /* relaxed: it was overtaken by what the acquire of the cell has seen, so the head is beyond that */
    uint64_t next = (pawl_load_relaxed(&b->head) & ~CLOSED) - cells + cells / 8;

    if ((int64_t)(next - position) <= 0)
        next = position + 1;
    /* relaxed, both: a statistic that the consumer alone changes */
    pawl_store_relaxed(&c->lost, pawl_load_relaxed(&c->lost) + (next - position));
    return next;
}

/* The consumer has popped all below `position`. */
static void pass(struct pawl_broadcast *b, struct pawl_broadcast_consumer *c, uint64_t position)
{
    /* release D, R: pairs with the acquires in popped_by() and slowest() */
    pawl_store_release(&c->position, position);
    if (!anybody_may_sleep(b))
        return;
    pawl_handover_fence_(&b->waiting); /* F of <pawl/handover.h> */
    if (!overwrites(b))
        wake_waiters(&b->waiting.room);
    if (pawl_load_relaxed(&b->chained) != 0) /* relaxed: F; it is set before its setter can sleep */
        wake_waiters(&b->waiting.items);
}

/* The usual case without its questions: as many of n words as are there. */
static uint64_t read_eights(struct pawl_broadcast *b, uint64_t position, char *element, uint64_t n)
{
    uint64_t got = 0;

    for (; got < n; got++, position++, element += sizeof(uint64_t)) {
        struct cell *cell = cell_of(b, position);

        if (pawl_load_acquire(&cell->sequence) != whole(position)) /* acquire P: as in read_cell() */
            break;
        memcpy(element, plain_of(cell), sizeof(uint64_t));
    }
    return got;
}

ptrdiff_t pawl_broadcast_pop_n(struct pawl_broadcast *b, int consumer, void *elements, size_t n)
{
    struct pawl_broadcast_consumer *c = consumer_of(b, consumer, "pawl_broadcast_pop");
    uint64_t position = pawl_load_relaxed(&c->position), from = position; /* relaxed: the consumer's own */
    uint64_t may = c->after != 0 ? popped_by(b, c->after, position, n) : n;
    char *element = elements;
    uint64_t got = holds_eights(b) ? read_eights(b, position, element, may) : 0;
    int status = may > 0 || n == 0 ? THERE : read_end(b, position);

    position += got;
    if (got > 0 && got < may)
        may = got; /* the next is not there */
    element += got * b->element_bytes;

    while (got < may) {
        status = read_cell(b, position, element);
        if (status == OVERTAKEN) {
            position = catch_up(b, c, position);
            if (c->after != 0) /* a later element is another question */
                may = got + popped_by(b, c->after, position, n - got);
            continue; /* again: a producer went round */
        }
        if (status != THERE)
            break;
        position++;
        got++;
        element += b->element_bytes;
    }
    if (position != from)
        pass(b, c, position);
    return got > 0 || status != -EPIPE ? (ptrdiff_t)got : -EPIPE;
}

int pawl_broadcast_pop(struct pawl_broadcast *b, int consumer, void *element)
{
    ptrdiff_t n = pawl_broadcast_pop_n(b, consumer, element, 1);

    return n > 0 ? 0 : n == 0 ? -EAGAIN : (int)n;
}

struct waiting_pop {
    struct pawl_broadcast *b;
    void *element;
    int consumer;
};

static int attempt_pop(void *op)
{
    struct waiting_pop *pop = op;

    return pawl_broadcast_pop(pop->b, pop->consumer, pop->element);
}

int pawl_broadcast_pop_wait(struct pawl_broadcast *b, int consumer, void *element, uint64_t deadline)
{
    struct waiting_pop pop = {b, element, consumer};

    return wait_for(b, attempt_pop, &pop, deadline, false);
}

void *pawl_broadcast_peek(struct pawl_broadcast *b, int consumer)
{
    struct pawl_broadcast_consumer *c = consumer_of(b, consumer, "pawl_broadcast_peek");
    uint64_t position = pawl_load_relaxed(&c->position); /* relaxed: the consumer's own */
    int status;

    if (overwrites(b))
        status = -EINVAL;
    else if (popped_by(b, c->after, position, 1) == 1)
        status = read_cell(b, position, NULL);
    else
        status = read_end(b, position);
    if (status == THERE)
        return plain_of(cell_of(b, position));
    errno = -status;
    return NULL;
}

void pawl_broadcast_release(struct pawl_broadcast *b, int consumer)
{
    struct pawl_broadcast_consumer *c = consumer_of(b, consumer, "pawl_broadcast_release");

    pass(b, c, pawl_load_relaxed(&c->position) + 1); /* relaxed: the consumer's own */
}

uint64_t pawl_broadcast_behind(const struct pawl_broadcast *b, int consumer)
{
    /* relaxed, both: it may be old when it arrives */
    int64_t behind = (int64_t)((pawl_load_relaxed(&b->head) & ~CLOSED) -
                               pawl_load_relaxed(&b->consumer[consumer].position));

    return behind > 0 ? (uint64_t)behind : 0;
}
