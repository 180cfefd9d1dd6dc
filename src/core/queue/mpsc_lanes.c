/* SPDX-License-Identifier: MIT */
/* Lanes: who gets which, going from one to the next, the end. */
#include <pawl/mpsc_lanes.h>

#include "../reclaim/reader.h"

#include <errno.h>
#include <stdlib.h>

extern inline int pawl_mpsc_lanes_own_(struct pawl_mpsc_lanes *q, struct pawl_mpsc_lane_ **lane);
extern inline ptrdiff_t pawl_mpsc_lanes_pushed_(struct pawl_mpsc_lanes *q, struct pawl_spsc *lane,
                                                uint64_t from, size_t pushed);
extern inline int pawl_mpsc_lanes_push(struct pawl_mpsc_lanes *q, const void *element);
extern inline int pawl_mpsc_lanes_pop(struct pawl_mpsc_lanes *q, void *element);

enum { BURST = 256 }; /* elements of one lane, before the next gets its turn */

struct pawl_mpsc_lanes *pawl_mpsc_lanes_open(size_t capacity, size_t element_bytes)
{
    struct pawl_mpsc_lanes *q;

    if (pawl_spsc_bytes(capacity, element_bytes) == 0)
        return NULL;
    q = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof *q);
    if (q == NULL)
        return NULL;
    memset((void *)q, 0, sizeof *q); /* no lanes, no shelves */
    pawl_handover_init(&q->handover, PAWL_PRIVATE);
    q->capacity = capacity;
    q->element_bytes = element_bytes;
    return q;
}

void pawl_mpsc_lanes_free(struct pawl_mpsc_lanes *q)
{
    struct pawl_mpsc_lane_ *lane;

    if (q == NULL)
        return;
    /* relaxed, all: nobody else uses it any more */
    lane = pawl_load_relaxed(&q->first);
    while (lane != NULL) {
        struct pawl_mpsc_lane_ *next = pawl_load_relaxed(&lane->next);

        free(lane);
        lane = next;
    }
    for (uint32_t i = 0; i < PAWL_MPSC_LANES_SHELVES_; i++)
        free(pawl_load_relaxed(&q->shelf[i]));
    free(q);
}

/* acquire L: pairs with the release in publish(), sees the lane */
static struct pawl_mpsc_lane_ *first_lane(const struct pawl_mpsc_lanes *q)
{
    return pawl_load_acquire(&q->first);
}

static struct pawl_mpsc_lane_ *next_lane(const struct pawl_mpsc_lane_ *lane)
{
    return pawl_load_relaxed(&lane->next); /* relaxed: written before the lane was published */
}

size_t pawl_mpsc_lanes_size(const struct pawl_mpsc_lanes *q)
{
    size_t size = 0;

    for (struct pawl_mpsc_lane_ *lane = first_lane(q); lane != NULL; lane = next_lane(lane))
        size += pawl_spsc_size(&lane->q);
    return size;
}

size_t pawl_mpsc_lanes_count(const struct pawl_mpsc_lanes *q)
{
    size_t count = 0;

    for (struct pawl_mpsc_lane_ *lane = first_lane(q); lane != NULL; lane = next_lane(lane))
        count++;
    return count;
}

/* ---- a thread's first push ---- */

static struct pawl_mpsc_lane_ *make_lane(const struct pawl_mpsc_lanes *q)
{
    size_t bytes = offsetof(struct pawl_mpsc_lane_, q) + pawl_spsc_bytes(q->capacity, q->element_bytes);
    struct pawl_mpsc_lane_ *lane;

    bytes = (bytes + PAWL_CACHELINE_PAIR - 1) / PAWL_CACHELINE_PAIR * PAWL_CACHELINE_PAIR;
    lane = aligned_alloc(PAWL_CACHELINE_PAIR, bytes);
    if (lane == NULL || pawl_spsc_init(&lane->q, q->capacity, q->element_bytes, PAWL_PRIVATE) == 0)
        return lane;
    free(lane); /* not reached: pawl_mpsc_lanes_open has refused it */
    return NULL;
}

/* Under the lock. */
static struct pawl_mpsc_shelf_ *get_shelf(struct pawl_mpsc_lanes *q, uint32_t index)
{
    struct pawl_mpsc_shelf_ *shelf = pawl_load_relaxed(
        &q->shelf[index]); /* relaxed: written under the lock */

    if (shelf == NULL) {
        shelf = calloc(1, sizeof *shelf);
        /* release L: pairs with the acquire in pawl_mpsc_lanes_own_, publishes the zeroes */
        if (shelf != NULL)
            pawl_store_release(&q->shelf[index], shelf);
    }
    return shelf;
}

/* Under the lock. */
static void publish(struct pawl_mpsc_lanes *q, struct pawl_mpsc_shelf_ *shelf, uint32_t index,
                    struct pawl_mpsc_lane_ *lane)
{
    pawl_store_relaxed(&lane->next,
                       pawl_load_relaxed(&q->first)); /* relaxed, both: published below; the lock */
    /* release L: pairs with the acquire in first_lane() */
    pawl_store_release(&q->first, lane);
    /* release L: pairs with the acquire in pawl_mpsc_lanes_own_ of a later owner of the number */
    pawl_store_release(&shelf->lane[index], lane);
}

/* Without membarrier pawl_reader_self_ has no number (<pawl/reader.h>), and every push comes here. */
static bool find_lane(const struct pawl_mpsc_lanes *q, uint32_t number, struct pawl_mpsc_lane_ **lane)
{
    /* acquire L, both: as in pawl_mpsc_lanes_own_ */
    struct pawl_mpsc_shelf_ *shelf = pawl_load_acquire(&q->shelf[number / PAWL_MPSC_LANES_SHELF_]);

    *lane = shelf == NULL ? NULL : pawl_load_acquire(&shelf->lane[number % PAWL_MPSC_LANES_SHELF_]);
    return *lane != NULL;
}

int pawl_mpsc_lanes_join_(struct pawl_mpsc_lanes *q, struct pawl_mpsc_lane_ **lane)
{
    uint32_t number = pawl_reader_own()->number;
    struct pawl_mpsc_shelf_ *shelf;
    int status = 0;

    if (find_lane(q, number, lane))
        return 0;
    pawl_mutex_lock(&q->lock);
    shelf = get_shelf(q, number / PAWL_MPSC_LANES_SHELF_);
    /* relaxed: written under the lock */
    *lane = shelf == NULL ? NULL : pawl_load_relaxed(&shelf->lane[number % PAWL_MPSC_LANES_SHELF_]);
    if (*lane == NULL) {
        /* Under the lock, which the consumer takes to decide that it is the end: no lane comes after that. */
        if (pawl_handover_closed(&q->handover))
            status = -EPIPE;
        else if (shelf == NULL || (*lane = make_lane(q)) == NULL)
            status = -ENOMEM;
        else
            publish(q, shelf, number % PAWL_MPSC_LANES_SHELF_, *lane);
    }
    pawl_mutex_unlock(&q->lock);
    return status;
}

/* ---- going from lane to lane ---- */

/* The lane after the current one, in a circle. NULL: there are none. */
static struct pawl_mpsc_lane_ *following(const struct pawl_mpsc_lanes *q, const struct pawl_mpsc_lane_ *lane)
{
    struct pawl_mpsc_lane_ *next = lane == NULL ? NULL : next_lane(lane);

    return next != NULL ? next : first_lane(q);
}

/* All lanes are empty, and it is closed. Returns -EPIPE, or 0: an element came in, look again. */
static int seal_all(struct pawl_mpsc_lanes *q)
{
    int status = -EPIPE;

    pawl_mutex_lock(&q->lock);
    for (struct pawl_mpsc_lane_ *lane = first_lane(q); lane != NULL && status == -EPIPE;
         lane = next_lane(lane))
        status = pawl_spsc_seal_(&lane->q);
    pawl_mutex_unlock(&q->lock);
    return status;
}

/* Whether something is there; if not, gives back what room there is. */
static bool has_element(struct pawl_mpsc_lane_ *lane)
{
    uint64_t at = pawl_load_relaxed(&lane->q.head); /* relaxed: the consumer's own */

    if (pawl_spsc_there_(&lane->q, pawl_spsc_of_words_(&lane->q), at) > 0)
        return true;
    if (at - lane->q.room_given >= PAWL_SPSC_BLOCK_)
        pawl_spsc_give_room_(&lane->q, at);
    return false;
}

/* Makes the next lane that has an element the current one: 0, with burst > 0; -EAGAIN, -EPIPE. Lanes that were made
 * meanwhile are not in the circle that it goes: their pushes came after its begin, when the others were empty. */
int pawl_mpsc_lanes_turn_(struct pawl_mpsc_lanes *q)
{
    bool closed;

    if (q->burst != 0)
        q->burst = 0;
    do {
        /* acquire C: what was pushed before it was closed, into lanes made before, is seen below or settled in seal_all */
        closed = pawl_handover_closed(&q->handover);
        struct pawl_mpsc_lane_ *begin = following(q, q->current), *lane = begin;

        if (lane != NULL) {
            do {
                if (has_element(lane)) {
                    q->current = lane;
                    q->burst = BURST;
                    return 0;
                }
                lane = following(q, lane);
            } while (lane != begin);
        }
    } while (closed && seal_all(q) == 0);
    return closed ? -EPIPE : -EAGAIN;
}

/* ---- many ---- */

ptrdiff_t pawl_mpsc_lanes_push_n(struct pawl_mpsc_lanes *q, const void *elements, size_t n)
{
    struct pawl_mpsc_lane_ *lane;
    int status = pawl_mpsc_lanes_own_(q, &lane);
    uint64_t from;
    size_t done;

    if (status != 0)
        return status;
    from = pawl_load_relaxed(&lane->q.tail); /* relaxed: the producer's own */
    done = pawl_spsc_fill_(&lane->q, elements, n);
    return done > 0 ? pawl_mpsc_lanes_pushed_(q, &lane->q, from, done) : 0;
}

ptrdiff_t pawl_mpsc_lanes_pop_n(struct pawl_mpsc_lanes *q, void *elements, size_t n)
{
    unsigned char *next = elements;
    size_t done = 0;

    while (done < n) {
        size_t wanted = n - done < q->burst ? n - done : q->burst;
        size_t run = wanted > 0 ? pawl_spsc_drain_(&q->current->q, next, wanted) : 0;

        if (run == 0) {
            int status = pawl_mpsc_lanes_turn_(q);

            if (status != 0)
                return done > 0 || status == -EAGAIN ? (ptrdiff_t)done : status;
            continue;
        }
        q->burst -= (uint32_t)run;
        next += run * q->element_bytes;
        done += run;
    }
    return (ptrdiff_t)done;
}

/* ---- waiting ---- */

struct operation {
    struct pawl_mpsc_lanes *q;
    const void *from;
    void *to;
};

static int attempt_push(void *argument)
{
    struct operation *operation = argument;

    return pawl_mpsc_lanes_push(operation->q, operation->from);
}

static int attempt_pop(void *argument)
{
    struct operation *operation = argument;

    return pawl_mpsc_lanes_pop(operation->q, operation->to);
}

int pawl_mpsc_lanes_push_wait(struct pawl_mpsc_lanes *q, const void *element, uint64_t deadline)
{
    struct operation operation = {.q = q, .from = element};
    struct pawl_mpsc_lane_ *lane;
    int status = pawl_mpsc_lanes_own_(q, &lane);

    return status != 0 ? status
                       : pawl_handover_push_wait(&lane->q.handover, attempt_push, &operation, deadline);
}

int pawl_mpsc_lanes_pop_wait(struct pawl_mpsc_lanes *q, void *element, uint64_t deadline)
{
    struct operation operation = {.q = q, .to = element};

    return pawl_handover_pop_wait(&q->handover, attempt_pop, &operation, deadline);
}

/* ---- the end ---- */

int pawl_mpsc_lanes_close(struct pawl_mpsc_lanes *q)
{
    int status = pawl_handover_close(&q->handover);

    /* Who waits for room sleeps at its lane. A lane that is made now belongs to a push that saw it open before, and
     * whose wait looks again before it sleeps. */
    pawl_mutex_lock(&q->lock);
    for (struct pawl_mpsc_lane_ *lane = first_lane(q); lane != NULL; lane = next_lane(lane))
        pawl_handover_close(&lane->q.handover);
    pawl_mutex_unlock(&q->lock);
    return status;
}
