/* SPDX-License-Identifier: MIT */
/* The ring between one producer and one consumer: geometry, batches, waiting, the end. */
#include <pawl/spsc.h>

#include <errno.h>
#include <stdlib.h>

extern inline bool pawl_spsc_of_words_(const struct pawl_spsc *q);
extern inline uint32_t pawl_spsc_per_block_(const struct pawl_spsc *q, bool words);
extern inline uintptr_t pawl_spsc_at_(const struct pawl_spsc *q, bool words, uint64_t at);
extern inline PAWL_ATOMIC(uint64_t) * pawl_spsc_block_(const struct pawl_spsc *q, bool words, uint64_t at);
extern inline unsigned char *pawl_spsc_element_(const struct pawl_spsc *q, bool words, uint64_t at);
extern inline uint64_t pawl_spsc_after_(const struct pawl_spsc *q, bool words, uint64_t at, size_t n);
extern inline void pawl_spsc_copy_(const struct pawl_spsc *q, bool words, void *to, const void *from);
extern inline bool pawl_spsc_has_room_(struct pawl_spsc *q, uint64_t at);
extern inline size_t pawl_spsc_places_(struct pawl_spsc *q, bool words, uint64_t at);
extern inline void pawl_spsc_show_(struct pawl_spsc *q, bool words, uint64_t at, size_t n);
extern inline ptrdiff_t pawl_spsc_pushed_(struct pawl_spsc *q, uint64_t from, size_t pushed);
extern inline bool pawl_spsc_sealed_(const struct pawl_spsc *q);
extern inline size_t pawl_spsc_there_(struct pawl_spsc *q, bool words, uint64_t at);
extern inline void pawl_spsc_taken_(struct pawl_spsc *q, bool words, uint64_t at, size_t n);
extern inline int pawl_spsc_empty_(struct pawl_spsc *q, uint64_t at);
extern inline int pawl_spsc_push_as_(struct pawl_spsc *q, bool words, const void *element);
extern inline int pawl_spsc_pop_as_(struct pawl_spsc *q, bool words, void *element);
extern inline int pawl_spsc_push(struct pawl_spsc *q, const void *element);
extern inline int pawl_spsc_pop(struct pawl_spsc *q, void *element);
extern inline ptrdiff_t pawl_spsc_reserve(struct pawl_spsc *q, void **places, size_t wanted);
extern inline int pawl_spsc_commit(struct pawl_spsc *q, size_t n);
extern inline ptrdiff_t pawl_spsc_peek(struct pawl_spsc *q, const void **elements);
extern inline void pawl_spsc_release(struct pawl_spsc *q, size_t n);

/* ---- geometry ---- */

enum {
    LONG_BLOCK_BYTES =
        1024, /* of elements, about, where one does not fit into a line with the block's word */
    LONG_BLOCK_MOST = 15,
    FETCH_AHEAD = 4096,          /* bytes: so far before a batch its lines are fetched */
    BLOCKS_OF_A_SMALL_QUEUE = 8, /* at least, as long as blocks can be shortened for it */
    LAG_SHARE = 8,               /* of the queue, that the consumer may keep */
    LAG_MOST = 64,               /* blocks, that it may keep */
};

struct geometry {
    uint64_t blocks, limit, lag;
    uint32_t first, per_block, block_bytes;
};

static size_t round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

/* Blocks for elements of this size in a queue of many. */
static void shape_block(struct geometry *g, size_t capacity, size_t element_bytes)
{
    size_t alignment = element_bytes & -element_bytes;
    size_t first = alignment < sizeof(uint64_t) ? sizeof(uint64_t) : alignment;
    size_t most = capacity / BLOCKS_OF_A_SMALL_QUEUE > 0 ? capacity / BLOCKS_OF_A_SMALL_QUEUE : 1;
    size_t per_block;

    first = first < PAWL_CACHELINE ? first : PAWL_CACHELINE;
    per_block = (PAWL_CACHELINE - first) / element_bytes;
    if (per_block == 0) {
        per_block = LONG_BLOCK_BYTES / element_bytes;
        per_block = per_block < 1 ? 1 : per_block < LONG_BLOCK_MOST ? per_block : LONG_BLOCK_MOST;
    }
    per_block = per_block < most ? per_block : most;
    g->first = (uint32_t)first;
    g->per_block = (uint32_t)per_block;
    g->block_bytes = (uint32_t)round_up(first + per_block * element_bytes, PAWL_CACHELINE);
}

/* Returns the bytes of all, or 0 and errno. */
static size_t shape(struct geometry *g, size_t capacity, size_t element_bytes)
{
    uint64_t whole;

    if (capacity == 0 || element_bytes == 0 || element_bytes > PAWL_SPSC_MAX_ELEMENT) {
        errno = EINVAL;
        return 0;
    }
    if (capacity > (size_t)PTRDIFF_MAX / PAWL_CACHELINE) {
        errno = EOVERFLOW;
        return 0;
    }
    shape_block(g, capacity, element_bytes);
    /* When a push finds the queue full, the consumer may keep lag - 1 blocks that it has emptied, and may have taken
     * all but one of another: (limit - lag) * per_block + 1 elements are inside. */
    whole = (capacity - 1 + g->per_block - 1) / g->per_block;
    g->lag = whole / LAG_SHARE < 1 ? 1 : whole / LAG_SHARE < LAG_MOST ? whole / LAG_SHARE : LAG_MOST;
    g->limit = whole + g->lag;
    g->blocks = 1;
    while (g->blocks < g->limit)
        g->blocks *= 2;
    if (g->per_block > 1 || g->lag > 1)
        g->limit =
            g->blocks; /* what is there may be used; where every pop gives back its place it is exact */
    if (g->blocks > (PTRDIFF_MAX - sizeof(struct pawl_spsc)) / g->block_bytes) {
        errno = EOVERFLOW;
        return 0;
    }
    return sizeof(struct pawl_spsc) + g->blocks * g->block_bytes;
}

size_t pawl_spsc_bytes(size_t capacity, size_t element_bytes)
{
    struct geometry g;

    return shape(&g, capacity, element_bytes);
}

void pawl_spsc_start_at_(struct pawl_spsc *q, uint64_t block)
{
    bool words = pawl_spsc_of_words_(q);
    uint64_t at = block * PAWL_SPSC_BLOCK_;

    /* relaxed, all: nobody uses it yet. Every block is filled for the one before the first: not for any that comes. */
    for (uint64_t i = 0; i <= q->mask; i++)
        pawl_store_relaxed(pawl_spsc_block_(q, words, i * PAWL_SPSC_BLOCK_), at - PAWL_SPSC_BLOCK_);
    pawl_store_relaxed(&q->tail, at);
    pawl_store_relaxed(&q->head, at);
    pawl_store_relaxed(&q->room, at);
    q->room_seen = at;
    q->room_given = at;
    q->filled = at;
}

int pawl_spsc_init(struct pawl_spsc *q, size_t capacity, size_t element_bytes, int flags)
{
    struct geometry g;

    if ((flags != PAWL_PRIVATE && flags != PAWL_SHARED) || (uintptr_t)q % PAWL_CACHELINE_PAIR != 0)
        return -EINVAL;
    if (shape(&g, capacity, element_bytes) == 0)
        return -errno;
    q->mask = g.blocks - 1;
    q->limit = g.limit * PAWL_SPSC_BLOCK_;
    q->lag = g.lag * PAWL_SPSC_BLOCK_;
    q->capacity = (g.limit - g.lag) * g.per_block + 1;
    q->block_bytes = g.block_bytes;
    q->element_bytes = (uint32_t)element_bytes;
    q->first = g.first;
    q->per_block = g.per_block;
    q->of_words = element_bytes == sizeof(uint64_t) && g.per_block == PAWL_SPSC_WORDS_;
    pawl_store_relaxed(&q->ending, (uint32_t)PAWL_SPSC_OPEN_); /* relaxed: nobody uses it yet */
    pawl_handover_init(&q->handover, flags);
    pawl_spsc_start_at_(q, 0);
    return 0;
}

struct pawl_spsc *pawl_spsc_open(size_t capacity, size_t element_bytes)
{
    size_t bytes = pawl_spsc_bytes(capacity, element_bytes);
    struct pawl_spsc *q;

    if (bytes == 0)
        return NULL;
    q = aligned_alloc(PAWL_CACHELINE_PAIR, round_up(bytes, PAWL_CACHELINE_PAIR));
    if (q == NULL || pawl_spsc_init(q, capacity, element_bytes, PAWL_PRIVATE) == 0)
        return q;
    free(q); /* not reached: what init refuses, pawl_spsc_bytes has refused */
    return NULL;
}

void pawl_spsc_free(struct pawl_spsc *q)
{
    free(q);
}

/* ---- how much ---- */

size_t pawl_spsc_capacity(const struct pawl_spsc *q)
{
    return q->capacity;
}

/* Elements from one position to another; 0 if the second is not the later one. */
static size_t distance(const struct pawl_spsc *q, uint64_t from, uint64_t to)
{
    uint64_t from_index = from % PAWL_SPSC_BLOCK_, to_index = to % PAWL_SPSC_BLOCK_;
    uint64_t blocks = ((to - to_index) - (from - from_index)) / PAWL_SPSC_BLOCK_;

    return to - from > INT64_MAX ? 0 : blocks * q->per_block + to_index - from_index;
}

size_t pawl_spsc_size(const struct pawl_spsc *q)
{
    /* relaxed, both: a number that may be old when it returns. The head first, so that it is not ahead of the tail on
     * machines that keep the order of loads; elsewhere distance() says 0. */
    uint64_t head = pawl_load_relaxed(&q->head);
    size_t size = distance(q, head, pawl_load_relaxed(&q->tail));
    size_t most = q->limit / PAWL_SPSC_BLOCK_ * q->per_block;

    return size <= most ? size : most; /* more: the head has moved meanwhile */
}

/* ---- room ---- */

bool pawl_spsc_look_for_room_(struct pawl_spsc *q, uint64_t at)
{
    /* acquire R: pairs with the release in pawl_spsc_give_room_: the elements there were read before they are
     * overwritten */
    uint64_t room = pawl_load_acquire(&q->room);

    if (room != q->room_seen)
        q->room_seen = room;
    return at - room < q->limit;
}

void pawl_spsc_give_room_(struct pawl_spsc *q, uint64_t at)
{
    uint64_t room = at - at % PAWL_SPSC_BLOCK_;
    size_t blocks = (room - q->room_given) / PAWL_SPSC_BLOCK_;

    pawl_store_release(&q->room, room); /* release R: pairs with the acquire in pawl_spsc_look_for_room_ */
    pawl_handover_popped(&q->handover, blocks);
    pawl_fence_compiler(); /* who is killed before the next line leaves it to the next consumer to give it again */
    q->room_given = room;
}

void pawl_spsc_repair(struct pawl_spsc *q)
{
    bool words = pawl_spsc_of_words_(q);
    uint64_t at = pawl_load_relaxed(
        &q->tail); /* relaxed, all: the caller is alone with what the dead one left */

    for (;;) {
        uint64_t shown = pawl_load_relaxed(pawl_spsc_block_(q, words, at)) - at;

        if (shown - 1 >= PAWL_SPSC_BLOCK_)
            break;
        at = pawl_spsc_after_(q, words, at, shown);
    }
    pawl_store_relaxed(&q->tail, at);
    pawl_handover_pushed(&q->handover, 1); /* the dead one may have woken nobody */
}

/* ---- many ----
 *
 * Whole blocks in loops of their own, in which nothing but predicted branches depends on what was loaded: the
 * processor fetches the lines of several blocks at once. */

/* The elements of a whole block, n of them. */
static void copy_block(const struct pawl_spsc *q, bool words, void *restrict to, const void *restrict from,
                       size_t n)
{
    if (words)
        memcpy(to, from, PAWL_SPSC_WORDS_ * sizeof(uint64_t));
    else
        memcpy(to, from, n * q->element_bytes);
}

/* Blocks that may be filled from the beginning of one, up to `wanted`. */
static size_t free_blocks(struct pawl_spsc *q, uint64_t at, size_t wanted)
{
    uint64_t room = q->limit - (at - q->room_seen);

    if (room < wanted * PAWL_SPSC_BLOCK_) {
        pawl_spsc_look_for_room_(q, at);
        room = q->limit - (at - q->room_seen);
    }
    return room / PAWL_SPSC_BLOCK_ < wanted ? room / PAWL_SPSC_BLOCK_ : wanted;
}

/* Fetches the lines of a long block that will be filled soon, to write to them, if there is room: the consumer has read it
 * a lap ago, and one store after the other would wait for its line. */
static void fetch_block(const struct pawl_spsc *q, uint64_t at)
{
    const unsigned char *block = (const unsigned char *)pawl_spsc_at_(q, false, at);

    if (at - q->room_seen >= q->limit)
        return;
    for (size_t line = 0; line < q->block_bytes; line += PAWL_CACHELINE)
        pawl_prefetch_write(block + line);
}

static size_t push_blocks(struct pawl_spsc *q, uint64_t at, const unsigned char *next, size_t n)
{
    bool words = pawl_spsc_of_words_(q);
    size_t per_block = pawl_spsc_per_block_(q, words);
    size_t blocks = free_blocks(q, at, n / per_block);
    /* Blocks of a line keep few stores waiting: nothing is won there. */
    bool fetches = q->block_bytes > PAWL_CACHELINE && q->block_bytes <= FETCH_AHEAD;
    uint64_t ahead = fetches ? FETCH_AHEAD / q->block_bytes * PAWL_SPSC_BLOCK_ : 0;

    for (size_t i = 0; i < blocks; i++) {
        if (fetches)
            fetch_block(q, at + ahead);
        copy_block(q, words, pawl_spsc_element_(q, words, at), next, per_block);
        pawl_store_release(pawl_spsc_block_(q, words, at),
                           at + per_block); /* release E: as in pawl_spsc_show_ */
        at += PAWL_SPSC_BLOCK_;
        next += per_block * q->element_bytes;
    }
    pawl_fence_compiler();            /* as in pawl_spsc_show_ */
    pawl_store_relaxed(&q->tail, at); /* relaxed: as there */
    return blocks * per_block;
}

static size_t pop_blocks(struct pawl_spsc *q, uint64_t at, unsigned char *next, size_t n)
{
    bool words = pawl_spsc_of_words_(q);
    size_t per_block = pawl_spsc_per_block_(q, words);
    size_t done = 0;

    /* acquire E: as in pawl_spsc_there_ */
    while (done + per_block <= n && pawl_load_acquire(pawl_spsc_block_(q, words, at)) == at + per_block) {
        copy_block(q, words, next, pawl_spsc_element_(q, words, at), per_block);
        at += PAWL_SPSC_BLOCK_;
        next += per_block * q->element_bytes;
        done += per_block;
    }
    if (done > 0)
        pawl_spsc_taken_(q, words, at - PAWL_SPSC_BLOCK_, per_block);
    return done;
}

/* Up to n elements into one block, or whole blocks. Returns how many; 0: full. */
static size_t push_some(struct pawl_spsc *q, const unsigned char *next, size_t n)
{
    bool words = pawl_spsc_of_words_(q);
    uint64_t at = pawl_load_relaxed(&q->tail); /* relaxed: the producer's own */
    size_t run;

    if (at % PAWL_SPSC_BLOCK_ == 0 && n >= pawl_spsc_per_block_(q, words))
        return push_blocks(q, at, next, n);
    run = pawl_spsc_places_(q, words, at);
    run = run < n ? run : n;
    if (run > 0) {
        memcpy(pawl_spsc_element_(q, words, at), next, run * q->element_bytes);
        pawl_spsc_show_(q, words, at, run);
    }
    return run;
}

/* Up to n elements of one block, or whole blocks. Returns how many; 0: none is there. */
static size_t pop_some(struct pawl_spsc *q, unsigned char *next, size_t n)
{
    bool words = pawl_spsc_of_words_(q);
    uint64_t at = pawl_load_relaxed(&q->head); /* relaxed: the consumer's own */
    size_t run = 0;

    if (at % PAWL_SPSC_BLOCK_ == 0 && !pawl_spsc_sealed_(q))
        run = pop_blocks(q, at, next, n);
    if (run > 0)
        return run;
    run = pawl_spsc_there_(q, words, at);
    run = run < n ? run : n;
    if (run > 0) {
        memcpy(next, pawl_spsc_element_(q, words, at), run * q->element_bytes);
        pawl_spsc_taken_(q, words, at, run);
    }
    return run;
}

size_t pawl_spsc_fill_(struct pawl_spsc *q, const void *elements, size_t n)
{
    const unsigned char *next = elements;
    size_t done = 0, run;

    while (done < n && (run = push_some(q, next, n - done)) > 0) {
        next += run * q->element_bytes;
        done += run;
    }
    return done;
}

ptrdiff_t pawl_spsc_push_n(struct pawl_spsc *q, const void *elements, size_t n)
{
    uint64_t from = pawl_load_relaxed(&q->tail); /* relaxed: the producer's own */
    size_t done;

    if (pawl_handover_closed(&q->handover))
        return -EPIPE;
    done = pawl_spsc_fill_(q, elements, n);
    return done > 0 ? pawl_spsc_pushed_(q, from, done) : 0;
}

size_t pawl_spsc_drain_(struct pawl_spsc *q, void *elements, size_t n)
{
    unsigned char *next = elements;
    size_t done = 0, run;

    while (done < n && (run = pop_some(q, next, n - done)) > 0) {
        next += run * q->element_bytes;
        done += run;
    }
    return done;
}

ptrdiff_t pawl_spsc_pop_n(struct pawl_spsc *q, void *elements, size_t n)
{
    for (;;) {
        size_t done = pawl_spsc_drain_(q, elements, n);
        int status;

        if (done > 0 || n == 0)
            return (ptrdiff_t)done;
        status = pawl_spsc_empty_(q, pawl_load_relaxed(&q->head)); /* relaxed: the consumer's own */
        if (status != 0)
            return status == -EAGAIN ? 0 : status;
        /* A push came in at the last moment: look again. */
    }
}

/* ---- waiting ---- */

struct operation {
    struct pawl_spsc *q;
    const void *from;
    void *to;
};

static int attempt_push(void *argument)
{
    struct operation *operation = argument;

    return pawl_spsc_push(operation->q, operation->from);
}

static int attempt_pop(void *argument)
{
    struct operation *operation = argument;

    return pawl_spsc_pop(operation->q, operation->to);
}

int pawl_spsc_push_wait(struct pawl_spsc *q, const void *element, uint64_t deadline)
{
    struct operation operation = {.q = q, .from = element};

    return pawl_handover_push_wait(&q->handover, attempt_push, &operation, deadline);
}

int pawl_spsc_pop_wait(struct pawl_spsc *q, void *element, uint64_t deadline)
{
    struct operation operation = {.q = q, .to = element};

    return pawl_handover_pop_wait(&q->handover, attempt_pop, &operation, deadline);
}

/* ---- the end ----
 *
 * Whoever closes only sets a flag. A push that looked at it before may still be on its way, so the consumer that finds
 * the queue closed and empty must not say "nothing will come" yet. It says so in `ending`, and the push, after it showed
 * its element, looks there:
 *
 *              consumer                                  producer
 *              ending = SEALING                          show the element
 *              S: heavy fence                            S: light fence (the one in pawl_handover_pushed)
 *              an element?  yes: pop it                  ending SEALING?  to OPEN: the consumer will look again
 *                           no: SEALING to SEALED               SEALED?   too late: take it back, -EPIPE
 *
 * S forbids that the consumer misses the element *and* the producer misses the seal (store buffering). Both may see
 * the other; then the compare-and-swaps decide, and the consumer's position says what was delivered. */

int pawl_spsc_close(struct pawl_spsc *q)
{
    return pawl_handover_close(&q->handover);
}

/* By the consumer, when the queue is closed and it found nothing: -EPIPE, or 0 if it must look again. */
int pawl_spsc_seal_(struct pawl_spsc *q)
{
    uint32_t ending = PAWL_SPSC_SEALING_;

    if (pawl_spsc_sealed_(q))
        return -EPIPE;
    pawl_store_relaxed(&q->ending, (uint32_t)PAWL_SPSC_SEALING_); /* relaxed: the fence orders it */
    /* S: the seal before the look at the block */
    if ((q->handover.flags & PAWL_SHARED) != 0)
        pawl_fence_seq_cst();
    else
        pawl_fence_heavy();
    if (pawl_spsc_there_(q, pawl_spsc_of_words_(q), pawl_load_relaxed(&q->head)) >
        0) /* relaxed: the consumer's own */
        return 0;
    /* release S: publishes the consumer's position to the producer that finds it sealed. acquire S: who opened it
     * again has shown an element before. */
    return pawl_cas_acq_rel(&q->ending, &ending, (uint32_t)PAWL_SPSC_SEALED_) ? -EPIPE : 0;
}

/* By the producer, when `ending` is not OPEN after it showed `pushed` elements from `from` on. */
ptrdiff_t pawl_spsc_settle_(struct pawl_spsc *q, uint64_t from, size_t pushed)
{
    uint32_t ending = PAWL_SPSC_SEALING_;
    uint64_t head;
    size_t delivered;

    /* release S: pairs with the acquire in pawl_spsc_seal_, which must then see the elements. acquire S, if it fails:
     * pairs with the release there, sees the position. */
    if (pawl_cas_acq_rel(&q->ending, &ending, (uint32_t)PAWL_SPSC_OPEN_) || ending != PAWL_SPSC_SEALED_)
        return (ptrdiff_t)pushed;
    head = pawl_load_relaxed(&q->head); /* relaxed: ordered by the acquire above; it does not move any more */
    delivered = distance(q, from, head);
    pawl_store_relaxed(&q->tail, head); /* relaxed: for pawl_spsc_size(), nobody pushes any more */
    return delivered > 0 ? (ptrdiff_t)(delivered < pushed ? delivered : pushed) : -EPIPE;
}
