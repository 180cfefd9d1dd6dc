/* SPDX-License-Identifier: MIT */
/* Wing and Gong's search, with Lowe's memory of what was tried: depth first over sets of operations done,
 * each with the state that they led to. An operation may be next when all that come before it are done.
 *
 * The path is kept explicitly, a frame an operation: the check runs on the small stacks of the checker's
 * threads too. */
#include "visible.h"

#include <pawl/lin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PAWL_LIN_THREADS == MAX_THREADS, "histories hold clocks of the checker's size");

void pawl_lin_init(struct pawl_lin *history, struct pawl_lin_operation *operations, size_t capacity)
{
    *history = (struct pawl_lin){.operation = operations, .capacity = capacity};
}

/* Moments: under the checker, of the calling thread; else, of all. */
static uint64_t moment(struct pawl_lin *history)
{
    if (in_test())
        return (uint64_t)self()->executed + 1;
    return __atomic_add_fetch(&history->now, 1, __ATOMIC_ACQ_REL);
}

size_t pawl_lin_call(struct pawl_lin *history, int kind, intptr_t argument)
{
    size_t i = __atomic_fetch_add(&history->used, 1, __ATOMIC_RELAXED);
    if (i >= history->capacity) {
        if (in_test())
            bug(BUG_MISUSE, CALLER, "pawl_lin_call: the history holds %zu operations only",
                history->capacity);
        fprintf(stderr, "pawl_lin_call: the history holds %zu operations only\n", history->capacity);
        abort();
    }
    struct pawl_lin_operation *o = &history->operation[i];
    memset(o, 0, sizeof *o);
    o->kind = kind;
    o->argument = argument;
    if (in_test()) {
        run_effect();
        o->thread = run.current;
        memcpy(o->clock, run_clock(run.current), sizeof o->clock);
        o->clock[o->thread] = (uint16_t)self()->executed;
    }
    o->called = moment(history);
    return i;
}

void pawl_lin_return(struct pawl_lin *history, size_t operation, intptr_t result)
{
    struct pawl_lin_operation *o = &history->operation[operation];
    if (in_test())
        run_effect();
    o->result = result;
    o->returned = moment(history);
}

/* Under the checker `returned` is one more than the number of events that the thread had executed: the return
 * happened before what counts the next one. The numbers of operations of one thread are in its order. */
static bool comes_before(const struct pawl_lin *h, size_t a, size_t b)
{
    const struct pawl_lin_operation *first = &h->operation[a], *second = &h->operation[b];
    if (first->returned == 0)
        return false;
    if (!in_test())
        return first->returned < second->called;
    return first->thread == second->thread ? a < b : second->clock[first->thread] >= first->returned;
}

struct search {
    const struct pawl_lin *history;
    const struct pawl_lin_spec *spec;
    size_t n, words, must; /* operations; words of a set; operations that returned */
    uint64_t *before;      /* n sets: what comes before each operation */
    uint64_t *done;        /* the current set */
    unsigned char *state;  /* n + 1 states, one a depth */
    size_t *path, depth;   /* operations done, in order */
    size_t returned_done;
    unsigned char *memory; /* open hash table of (set, state) that led nowhere */
    size_t slots, remembered, entry;
};

static uint64_t hash_bytes(const void *p, size_t n, uint64_t h)
{
    const unsigned char *byte = p;
    for (size_t i = 0; i < n; i++)
        h = (h ^ byte[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

static unsigned char *slot_of(const struct search *s, unsigned char *memory, size_t slots, const void *set,
                              const void *state)
{
    size_t set_bytes = s->words * sizeof(uint64_t);
    uint64_t hash = hash_bytes(state, s->spec->state_bytes,
                               hash_bytes(set, set_bytes, UINT64_C(0xcbf29ce484222325)));
    for (size_t at = hash & (slots - 1);; at = (at + 1) & (slots - 1)) {
        unsigned char *slot = memory + at * s->entry;
        if (!slot[0] ||
            (!memcmp(slot + 8, set, set_bytes) && !memcmp(slot + 8 + set_bytes, state, s->spec->state_bytes)))
            return slot;
    }
}

static bool grow(struct search *s)
{
    size_t slots = s->slots ? s->slots * 2 : 1024;
    unsigned char *memory = calloc(slots, s->entry);
    if (!memory)
        return false;
    for (size_t i = 0; i < s->slots; i++) {
        const unsigned char *old = s->memory + i * s->entry;
        if (old[0])
            memcpy(slot_of(s, memory, slots, old + 8, old + 8 + s->words * sizeof(uint64_t)), old, s->entry);
    }
    free(s->memory);
    s->memory = memory;
    s->slots = slots;
    return true;
}

/* 1: seen before; 0: remembered now; -ENOMEM. */
static int remember(struct search *s, const void *state)
{
    if (s->remembered * 2 >= s->slots && !grow(s))
        return -ENOMEM;
    unsigned char *slot = slot_of(s, s->memory, s->slots, s->done, state);
    if (slot[0])
        return 1;
    slot[0] = 1;
    memcpy(slot + 8, s->done, s->words * sizeof(uint64_t));
    memcpy(slot + 8 + s->words * sizeof(uint64_t), state, s->spec->state_bytes);
    s->remembered++;
    return 0;
}

static bool may_be_next(const struct search *s, size_t i)
{
    if (s->done[i / 64] >> (i % 64) & 1)
        return false;
    const uint64_t *before = s->before + i * s->words;
    for (size_t w = 0; w < s->words; w++)
        if (before[w] & ~s->done[w])
            return false;
    return true;
}

static void flip(struct search *s, size_t i)
{
    s->done[i / 64] ^= UINT64_C(1) << (i % 64);
}

/* One step: try operations from number `from` on at the current depth. */
static int advance(struct search *s, size_t from, bool *advanced)
{
    size_t bytes = s->spec->state_bytes;
    unsigned char *now = s->state + s->depth * bytes, *next = now + bytes;
    *advanced = false;
    for (size_t i = from; i < s->n; i++) {
        if (!may_be_next(s, i))
            continue;
        memcpy(next, now, bytes);
        if (!s->spec->apply(next, &s->history->operation[i]))
            continue;
        flip(s, i);
        int seen = remember(s, next);
        if (seen < 0)
            return seen;
        if (seen) {
            flip(s, i);
            continue;
        }
        s->path[s->depth++] = i;
        s->returned_done += s->history->operation[i].returned != 0;
        *advanced = true;
        return 0;
    }
    return 0;
}

static int search(struct search *s)
{
    size_t from = 0;
    while (s->returned_done < s->must) {
        bool advanced;
        int error = advance(s, from, &advanced);
        if (error)
            return error;
        from = 0;
        if (advanced)
            continue;
        if (s->depth == 0)
            return 1;
        size_t last = s->path[--s->depth];
        flip(s, last);
        s->returned_done -= s->history->operation[last].returned != 0;
        from = last + 1;
    }
    return 0;
}

static int prepare(struct search *s)
{
    s->words = s->n / 64 + 1;
    s->entry = (8 + s->words * sizeof(uint64_t) + s->spec->state_bytes + 7) & ~(size_t)7;
    s->before = calloc(s->n + 1, s->words * sizeof(uint64_t));
    s->done = calloc(s->words, sizeof(uint64_t));
    s->state = calloc(s->n + 2, s->spec->state_bytes ? s->spec->state_bytes : 1);
    s->path = calloc(s->n + 1, sizeof *s->path);
    if (!s->before || !s->done || !s->state || !s->path)
        return -ENOMEM;
    for (size_t b = 0; b < s->n; b++) {
        s->must += s->history->operation[b].returned != 0;
        for (size_t a = 0; a < s->n; a++)
            if (a != b && comes_before(s->history, a, b))
                s->before[b * s->words + a / 64] |= UINT64_C(1) << (a % 64);
    }
    return 0;
}

int pawl_lin_check(const struct pawl_lin *history, const struct pawl_lin_spec *spec, size_t *order,
                   size_t *ordered)
{
    if (!spec || !spec->init || !spec->apply)
        return -EINVAL;
    struct search s = {.history = history, .spec = spec, .n = history->used};
    int result = prepare(&s);
    if (result == 0) {
        spec->init(s.state);
        result = search(&s);
    }
    if (result == 0) {
        if (order)
            memcpy(order, s.path, s.depth * sizeof *order);
        if (ordered)
            *ordered = s.depth;
    }
    free(s.before);
    free(s.done);
    free(s.state);
    free(s.path);
    free(s.memory);
    return result;
}
