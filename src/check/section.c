/* SPDX-License-Identifier: MIT */
#include "section.h"
#include "visible.h"

#include <pawl/check.h>

#include <string.h>

enum { TOUCHED_MAX = 64, ACCESSES_MAX = 4096, UNDO_BYTES = 64 << 10 };

struct touched {
    uintptr_t addr;
    uint8_t size, name; /* `name`: of the last access */
    bool written;
    uint16_t read; /* index of the event that read it */
    u128 value;
    uint64_t pc;
};

struct access {
    uintptr_t addr;
    uint32_t size;
    uint16_t executed; /* events of the thread before it */
    bool write;
    uint64_t pc;
    uint32_t undo; /* where a write's old bytes are */
};

static struct section {
    int depth, ntouched, naccesses;
    size_t undo_used;
    struct touched touched[TOUCHED_MAX];
    struct op commit[TOUCHED_MAX];
    int next; /* of those, while committing */
    struct access access[ACCESSES_MAX];
    char undo[UNDO_BYTES];
} sections[MAX_THREADS];
bool section_used;

bool section_open(void)
{
    return sections[run.current].depth > 0;
}

bool section_broken(void)
{
    return section_used && !options.replay && !sections_consistent(run.g, options.model);
}

/* The last event of the transaction that `id` belongs to. */
static int end_of(int id)
{
    const struct event *e = &run.g->ev[id];
    for (int k = e->idx + 1; e->section != NO_EVENT && k < run.thread[e->tid].executed; k++) {
        int next = run.event_of[e->tid][k];
        if (run.g->ev[next].section != e->section)
            break;
        id = next;
    }
    return id;
}

bool section_broken_at(int a, int b)
{
    static struct graph part;
    static bool keep[MAX_EVENTS];
    if (!section_used || options.replay || a < 0)
        return false;
    b = b < 0 ? b : end_of(b);
    for (int id = 0; id < run.g->n; id++)
        keep[id] = view_has(&run.g->ev[a].porf, &run.g->ev[id]) ||
                   (b >= 0 && view_has(&run.g->ev[b].porf, &run.g->ev[id]));
    graph_restrict(&part, run.g, keep);
    return !sections_consistent(&part, options.model);
}

void section_reset(void)
{
    for (int t = 0; t < MAX_THREADS; t++)
        sections[t].depth = 0;
}

/* ---- atomic accesses ---- */

static struct touched *find(struct section *s, uintptr_t addr, int size)
{
    for (int i = 0; i < s->ntouched; i++)
        if (s->touched[i].addr == addr && s->touched[i].size == size)
            return &s->touched[i];
    return NULL;
}

static struct touched *touch(uintptr_t addr, int size, int name, uint64_t pc)
{
    struct section *s = &sections[run.current];
    struct touched *t = find(s, addr, size);
    if (t)
        return t;
    if (s->ntouched == TOUCHED_MAX)
        bug(BUG_LIMIT, pc, "T%d: more than %d atomic variables in one transaction", run.current, TOUCHED_MAX);
    struct op op = {.type = EV_READ,
                    .order = ACQ_REL,
                    .name = (uint8_t)name,
                    .size = (uint8_t)size,
                    .addr = addr,
                    .pc = pc};
    uint16_t read = (uint16_t)self()->executed;
    u128 value = run_op(&op);
    t = &s->touched[s->ntouched++];
    *t = (struct touched){
        .addr = addr, .size = (uint8_t)size, .name = (uint8_t)name, .read = read, .value = value, .pc = pc};
    return t;
}

u128 section_read(uintptr_t addr, int size, int name, uint64_t pc)
{
    return touch(addr, size, name, pc)->value;
}

void section_write(uintptr_t addr, int size, int name, u128 value, uint64_t pc)
{
    struct touched *t = touch(addr, size, name, pc);
    t->written = true;
    t->name = (uint8_t)name;
    t->value = value;
    t->pc = pc;
}

/* ---- plain accesses ---- */

void section_plain(uintptr_t addr, size_t size, bool write, uint64_t pc)
{
    struct section *s = &sections[run.current];
    if (s->naccesses == ACCESSES_MAX || (write && s->undo_used + size > UNDO_BYTES)) {
        bug(BUG_LIMIT, pc, "T%d: more than %d plain accesses, or %d bytes stored, in one transaction",
            run.current, ACCESSES_MAX, UNDO_BYTES);
        return;
    }
    s->access[s->naccesses++] = (struct access){
        addr, (uint32_t)size, (uint16_t)self()->executed, write, pc, (uint32_t)s->undo_used};
    if (!write)
        return;
    memcpy(s->undo + s->undo_used, (const void *)addr, size);
    s->undo_used += size;
}

/* Not on the thread's own stack: the frames that were there are gone. */
void section_undo(int tid)
{
    struct section *s = &sections[tid];
    for (int i = s->naccesses; i-- > 0;) {
        const struct access *a = &s->access[i];
        if (a->write && !on_stack_of(tid, a->addr))
            memcpy((void *)a->addr, s->undo + a->undo, a->size);
    }
    s->depth = s->naccesses = 0;
}

static void watch_for_races(const struct section *s)
{
    for (int i = 0; i < s->naccesses; i++) {
        const struct access *a = &s->access[i];
        race_plain_at(a->executed, a->addr, a->size, a->write, a->pc);
    }
}

/* ---- begin, commit, abort ---- */

static void mark(int name, int order, uint64_t pc)
{
    struct op op = {.type = EV_FENCE, .order = (uint8_t)order, .name = (uint8_t)name, .pc = pc};
    run_op(&op);
}

void(pawl_check_atomic_begin)(void)
{
    if (!in_test())
        return;
    struct section *s = &sections[run.current];
    section_used = true;
    if (s->depth++ > 0)
        return;
    s->ntouched = s->naccesses = 0;
    s->undo_used = 0;
    run_effect();
    mark(NAME_BEGIN, SEQ_CST, CALLER);
}

const struct op *section_commits(int tid, int *n)
{
    struct section *s = &sections[tid];
    *n = s->ntouched - s->next;
    return &s->commit[s->next];
}

static void count_ahead(struct section *s)
{
    for (int i = s->next; i < s->ntouched; i++)
        s->commit[i].ahead = (uint16_t)(s->ntouched - i);
}

void section_prefer(int tid, uintptr_t addr)
{
    struct section *s = &sections[tid];
    for (int i = s->next; i < s->ntouched; i++) {
        if (s->commit[i].addr != addr)
            continue;
        struct op op = s->commit[i];
        s->commit[i] = s->commit[s->next];
        s->commit[s->next] = op;
        break;
    }
    count_ahead(s);
    run.thread[tid].op = s->commit[s->next];
}

static void prepare(struct section *s)
{
    for (int i = 0; i < s->ntouched; i++) {
        const struct touched *t = &s->touched[i];
        s->commit[i] = (struct op){.type = EV_WRITE,
                                   .order = ACQ_REL,
                                   .flags = EV_RMW,
                                   .name = t->written ? t->name : NAME_KEEP,
                                   .size = t->size,
                                   .addr = t->addr,
                                   .val = t->value,
                                   .pc = t->pc,
                                   .half = (uint16_t)(t->read + 1)};
    }
    s->next = 0;
    count_ahead(s);
}

static bool misused(const struct section *s, const char *what, uint64_t pc)
{
    if (s->depth == 0)
        bug(BUG_MISUSE, pc, "T%d %s a transaction that it has not begun", run.current, what);
    return s->depth == 0;
}

void(pawl_check_atomic_end)(void)
{
    struct section *s = in_test() ? &sections[run.current] : NULL;
    if (!s || misused(s, "ends", CALLER) || --s->depth > 0)
        return;
    watch_for_races(s);
    prepare(s);
    s->depth = 1; /* until all is written */
    for (; s->next < s->ntouched; s->next++)
        run_op(&s->commit[s->next]);
    s->depth = 0;
    mark(NAME_COMMIT, RELAXED, CALLER);
}

void(pawl_check_atomic_abort)(void)
{
    struct section *s = in_test() ? &sections[run.current] : NULL;
    if (!s || misused(s, "aborts", CALLER))
        return;
    section_undo(run.current);
    mark(NAME_ABORT, RELAXED, CALLER);
}
