/* SPDX-License-Identifier: MIT */
/* An execution as a graph: events, program order, reads-from, coherence, and the two clocks that
 * every question about it is answered with.
 *
 * Events stand in the order in which they were added ("stamps": an event's number is its stamp). Within
 * a thread that is program order. It need not be an order of reads-from: a read that was revisited reads
 * from a write that was added after it.
 *
 * Every event carries two vector clocks, fixed when it is added:
 *   hb    happens-before: an event x of thread t happens before (or is) e iff x.idx < e.hb.of[t]
 *   porf  program order and reads-from, transitively: what e needs in order to exist
 * A write also carries `rel`, what a reader that acquires gets through it: the release sequence of
 * C++20 (a store, and the read-modify-writes that follow it), release fences included.
 *
 * A graph is plain memory without pointers, so that it can be copied, queued and given to another process.
 */
#ifndef PAWL_CHECK_GRAPH_H
#define PAWL_CHECK_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAX_THREADS = 16,
    MAX_EVENTS = 4000,
    MAX_LOCATIONS = 2000,
    INIT_WRITE = -1, /* the write that every location starts with: in every clock, first in coherence */
    NO_EVENT = -2,
};

typedef unsigned __int128 u128;

struct view {
    uint16_t of[MAX_THREADS];
};

enum event_type { EV_READ, EV_WRITE, EV_FENCE, EV_CREATE, EV_JOIN, EV_END, EV_CHOICE };

enum {
    EV_RMW = 1,     /* a write: the second half of a read-modify-write, `rf` is its read.
                     a read: the first half of one that writes whatever it reads */
    EV_CAS = 2,     /* a read: writes only if it reads `aux`; */
    EV_UNLESS = 32, /* or, with this, unless it does */
    EV_OBJECT = 4,  /* on a pthread object, a futex queue: not on the program's memory */
    /* fences that membarrier makes: a light one takes part in the order of heavy ones only */
    EV_LIGHT = 8,
    EV_HEAVY = 16
};

/* What a blocking operation waits to read. A read that does not satisfy it blocks its thread. */
enum await { AWAIT_NOTHING, AWAIT_EQUAL, AWAIT_NOT_EQUAL, AWAIT_BIT_CLEAR, AWAIT_MORE };

/* The orders of <stdatomic.h>, as the compilers pass them. */
enum { RELAXED, CONSUME, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST };

struct event {
    uint8_t type, tid, order, flags;
    uint8_t order_ok, order_fail; /* a read: its order, which for a CAS depends on the value */
    uint8_t await;
    uint8_t detail; /* enum op_name, for the trace */
    uint16_t idx;   /* position in its thread */
    uint16_t round; /* 1 + the first event of a round that ends before it, see rounds_resume(); 0 */
    uint16_t loc;
    int16_t po_prev; /* event before it in the thread; for the first one, the creation of the thread */
    int16_t rf;      /* read: the write it reads; join: the end of the thread; RMW write: its read */
    int16_t co_prev, co_next; /* write: neighbours in coherence order */
    int16_t loc_next;         /* next event on the same location, by stamp */
    int16_t section;          /* the event that began the transaction it belongs to; NO_EVENT when none */
    uint16_t co_pos;          /* write: 1 + the number of writes before it in coherence order */
    uint64_t pc;
    u128 val; /* what was read, written, chosen; the thread created or joined */
    u128 aux; /* CAS: expected value; await: its operand */
    struct view hb, porf, rel;
};

struct location {
    uintptr_t addr;
    uint16_t generation; /* how often plain writes had given this memory a new life */
    uint8_t size;
    bool object;
    int16_t co_first, co_last; /* INIT_WRITE when nothing was written */
    int16_t ev_first, ev_last; /* all events, by stamp; NO_EVENT when none */
};

struct graph_thread {
    int16_t create;           /* event that created it; NO_EVENT for the first thread */
    uint8_t key[MAX_THREADS]; /* path from the first thread: its order does not depend on the exploration */
    bool exists;
};

struct graph {
    int n, nloc;
    struct graph_thread thread[MAX_THREADS];
    struct location loc[MAX_LOCATIONS];
    struct event ev[MAX_EVENTS];
};

/* Join `b` into `a`. */
static inline void view_join(struct view *a, const struct view *b)
{
    for (int t = 0; t < MAX_THREADS; t++)
        a->of[t] = a->of[t] > b->of[t] ? a->of[t] : b->of[t];
}

static inline bool view_has(const struct view *v, const struct event *e)
{
    return e->idx < v->of[e->tid];
}

static inline bool order_acquires(int order)
{
    return order == ACQUIRE || order == CONSUME || order == ACQ_REL || order == SEQ_CST;
}

static inline bool order_releases(int order)
{
    return order == RELEASE || order == ACQ_REL || order == SEQ_CST;
}

void graph_clear(struct graph *g);
/* Copies only what is used. */
void graph_copy(struct graph *to, const struct graph *from);
/* A new last event of thread `tid`, clocks from its predecessor; NULL when the graph is full. */
struct event *graph_append(struct graph *g, int tid, int po_prev);
/* The clocks that an event has before it reads anything. */
void graph_base_clocks(const struct graph *g, struct event *e);
/* Put event `id` on its location's list. */
void graph_link(struct graph *g, int id);
/* Take the last event, which is on its location's list and in no order, out of the graph. */
void graph_unlink_last(struct graph *g);
/* Let read `id` read from `w`: value, order, clocks. `all_sync`: every read acquires (SC, TSO). */
void graph_set_rf(struct graph *g, int id, int w, u128 init_value, bool all_sync);
/* Put write `id` behind `after` in coherence order, or take it out again. */
void graph_co_insert(struct graph *g, int id, int after);
void graph_co_remove(struct graph *g, int id);
/* The lowest coherence position that an event with clock `hb` may still read. */
int graph_min_pos(const struct graph *g, int loc, const struct view *hb);
/* `to` becomes the events of `from` for which keep[] is true, in the same order. */
void graph_restrict(struct graph *to, const struct graph *from, const bool keep[]);
/* A write whose successor in coherence is the second half of an RMW that read it. */
bool graph_rmw_follows(const struct graph *g, int loc, int w);
/* A number that two complete graphs share only if they are the same execution. */
void graph_hash(const struct graph *g, uint64_t hash[2]);
bool await_satisfied(int await, u128 value, u128 aux);
/* A read, of what it has read: is it the first half of a read-modify-write? */
bool event_writes(const struct event *read);
/* ... if it had read this? */
bool event_would_write(const struct event *read, u128 value);

/* Models. Coherence and atomicity hold by construction; this is the rest. */
enum model { MODEL_RC11, MODEL_SC, MODEL_TSO };
bool model_consistent(const struct graph *g, enum model m);
/* Transactions are no part of the models: this is what they ask for, each of them happening at one point. */
bool sections_consistent(const struct graph *g, enum model m);

#endif
