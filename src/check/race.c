/* SPDX-License-Identifier: MIT */
/* Data races: two accesses of one byte, not both atomic, at least one a write, neither before the other.
 *
 * Every 8 bytes of the program's memory that were touched have a cell with the plain accesses that a
 * later access may still race with. An access is known by its thread and by the number of events its thread
 * had executed before it; it happens before an event whose clock has counted the next one. Atomic accesses
 * need no records: they are events of the graph, found through their location.
 *
 * Reports at least the first race of an execution (as FastTrack does, Flanagan and Freund 2009).
 */
#include "run.h"
#include "section.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_SHIFT = 12, CELLS = 512, INLINE_RECORDS = 2, PAGE_TABLE = 1 << 16, MORE_RECORDS = 1 << 16 };

struct record {
    uint32_t pc;
    uint16_t clock;
    uint8_t tid : 6, write : 1;
    uint8_t ends : 1; /* no access, but the end of what was there */
    uint8_t mask;     /* bytes of the cell; 0: no record */
};

struct cell {
    uint32_t run; /* the cell belongs to this execution, or is empty */
    int16_t locations;
    uint16_t more; /* records that found no room; 0: none */
    struct record record[INLINE_RECORDS];
};

struct page {
    uintptr_t number;
    struct cell cell[CELLS];
};

static struct page *pages[PAGE_TABLE];
static int npages;
static struct {
    struct record record;
    uint16_t next;
} more[MORE_RECORDS];
static int more_used;
static bool ends;      /* the access being checked is the end of the memory */
static bool ending;    /* ... or of a pthread object: its memory has no new life before it is written */
static int as_of = -1; /* it was made when its thread had executed so many events; -1: now */
static uint32_t more_run;

static struct page *page_of(uintptr_t addr)
{
    static struct page *last;
    uintptr_t number = addr >> PAGE_SHIFT;
    if (last && last->number == number)
        return last;
    size_t at = (number * UINT64_C(0x9e3779b97f4a7c15)) >> 48;
    while (pages[at] && pages[at]->number != number)
        at = (at + 1) % PAGE_TABLE;
    if (!pages[at]) {
        if (++npages > PAGE_TABLE / 2)
            fatal("the program touches more than %d MiB of memory: too much to watch for races",
                  PAGE_TABLE / 512);
        pages[at] = calloc(1, sizeof *pages[at]);
        if (!pages[at])
            fatal("out of memory for the shadow of the program's memory");
        pages[at]->number = number;
    }
    last = pages[at];
    return last;
}

static struct cell *cell_of(uintptr_t addr)
{
    struct cell *c = &page_of(addr)->cell[addr >> 3 & (CELLS - 1)];
    if (c->run != run.number) {
        memset(c, 0, sizeof *c);
        c->run = run.number;
        c->locations = -1;
    }
    return c;
}

int16_t *race_locations(uintptr_t addr)
{
    return &cell_of(addr & ~(uintptr_t)15)->locations;
}

static int executed_then(void)
{
    return as_of < 0 ? self()->executed : as_of;
}

static const struct view *clock_then(void)
{
    return as_of <= 0 ? run_clock(run.current) : &run.g->ev[run.event_of[run.current][as_of - 1]].hb;
}

/* What the thread of a record knew when it made that access. */
static const struct view *clock_of(const struct record *r)
{
    int other = r->tid, create = run.g->thread[other].create;
    static const struct view nothing;
    if (r->clock)
        return &run.g->ev[run.event_of[other][r->clock - 1]].hb;
    return create == NO_EVENT ? &nothing : &run.g->ev[create].hb;
}

static const char *kind(bool write)
{
    return write ? "write" : "read";
}

/* What ends memory, and what it is to use it afterwards. */
struct end {
    const char *name, *after;
};

static const struct end *end_at(uintptr_t addr)
{
    static const struct end both[] = {{"end", "return"}, {"free", "free"}};
    return &both[heap_owns((const void *)addr)];
}

static void report(const struct record *r, uintptr_t addr, int tid, const char *what, unsigned size,
                   uint64_t pc, bool plain)
{
    int there = r->clock ? run.event_of[r->tid][r->clock - 1] : run.g->thread[r->tid].create;
    if (section_broken_at(run.thread[tid].last, there))
        return; /* and the thread goes on */
    char place[256];
    const struct end *end = end_at(addr);
    memory_describe(place, sizeof place, addr);
    run.race[0] = (struct plain_access){r->tid, r->clock, r->pc, r->write, true, r->ends ? end->name : NULL,
                                        addr,   size};
    if (plain)
        run.race[1] = (struct plain_access){tid,  executed_then(),         pc,   what[6] == 'w',
                                            true, ends ? end->name : NULL, addr, size};
    if (r->ends || ends)
        bug(BUG_MEMORY, pc,
            "use after %s: %s by T%d of %s, and its %s by T%d; neither happens before the other", end->after,
            ends ? kind(r->write) : what, ends ? r->tid : tid, place, end->name, ends ? tid : r->tid);
    else
        bug(BUG_RACE, pc, "%s: plain %s by T%d and %s by T%d, neither happens before the other", place,
            kind(r->write), r->tid, what, tid);
}

/* Does the new access conflict with the recorded one without being ordered after it? If it is ordered after
 * it and says at least as much, the record has done its duty for these bytes. */
static bool meets(struct record *r, uint8_t mask, bool write, bool atomic, int tid, const struct view *clock)
{
    if (!(r->mask & mask))
        return false;
    int other = r->tid;
    bool ordered = other == tid || clock->of[other] > r->clock;
    if (!ordered)
        return write || r->write;
    if (!atomic && (write || !r->write))
        r->mask &= (uint8_t)~mask;
    return false;
}

static void remember(struct cell *c, struct record r)
{
    for (int i = 0; i < INLINE_RECORDS; i++)
        if (!c->record[i].mask) {
            c->record[i] = r;
            return;
        }
    if (more_run != run.number)
        more_used = 0;
    more_run = run.number;
    for (uint16_t m = c->more; m; m = more[m].next)
        if (!more[m].record.mask) {
            more[m].record = r;
            return;
        }
    if (more_used + 1 == MORE_RECORDS)
        fatal("too many unordered accesses to watch for races");
    more_used++;
    more[more_used].record = r;
    more[more_used].next = c->more;
    c->more = (uint16_t)more_used;
}

static struct record *conflict(struct cell *c, uint8_t mask, bool write, bool atomic, int tid,
                               const struct view *clock)
{
    for (int i = 0; i < INLINE_RECORDS; i++)
        if (meets(&c->record[i], mask, write, atomic, tid, clock))
            return &c->record[i];
    for (uint16_t m = c->more; m; m = more[m].next)
        if (meets(&more[m].record, mask, write, atomic, tid, clock))
            return &more[m].record;
    return NULL;
}

/* The queue of a futex is the kernel's, and its address only a name: who wakes may do so after the word is gone. */
static bool is_queue(const struct location *loc)
{
    int first = loc->object ? loc->ev_first : NO_EVENT;
    return first != NO_EVENT &&
           (run.g->ev[first].detail == NAME_FUTEX_WAIT || run.g->ev[first].detail == NAME_FUTEX_WAKE);
}

/* A thread that sleeps on a condition variable or in a barrier looks at it until it is woken. Who woke it, and all that
 * comes after that, may destroy the object, though the sleeper has not returned. */
static bool let_go_before(const struct event *e, const struct view *clock)
{
    if (e->type != EV_READ || !(e->flags & EV_OBJECT) || (e->flags & (EV_RMW | EV_CAS)) ||
        (e->detail != NAME_COND_WAIT && e->detail != NAME_BARRIER))
        return false;
    int w = e->rf == INIT_WRITE ? run.g->loc[e->loc].co_first : e->rf;
    for (; w >= 0; w = run.g->ev[w].co_next)
        if (await_satisfied(e->await, run.g->ev[w].val, e->aux) && view_has(clock, &run.g->ev[w]))
            return true;
    return false;
}

/* Plain access against the atomic ones: the events of every location that it overlaps. A plain write
 * that comes after all of them gives the memory a new life as a new location. */
static bool against_events(uintptr_t addr, size_t size, bool write, uint64_t pc)
{
    for (int l = *race_locations(addr); l >= 0; l = run.loc[l].next) {
        const struct location *loc = &run.g->loc[l];
        if (run.loc[l].dead || loc->addr >= addr + size || addr >= loc->addr + loc->size || is_queue(loc))
            continue;
        for (int id = loc->ev_first; id != NO_EVENT; id = run.g->ev[id].loc_next) {
            const struct event *e = &run.g->ev[id];
            if (e->idx >= run.thread[e->tid].executed || view_has(clock_then(), e) ||
                (!write && e->type == EV_READ) || let_go_before(e, clock_then()) ||
                section_broken_at(self()->last, id))
                continue;
            char place[256];
            const struct end *end = end_at(addr);
            memory_describe(place, sizeof place, loc->addr);
            run.race[1] = (struct plain_access){run.current, executed_then(),         pc,   write,
                                                true,        ends ? end->name : NULL, addr, (unsigned)size};
            if (ends)
                bug(BUG_MEMORY, pc,
                    "use after %s: atomic %s by T%d of %s, and its %s by T%d; neither happens before the other",
                    end->after, kind(e->type == EV_WRITE), e->tid, place, end->name, run.current);
            else
                bug(BUG_RACE, pc,
                    "%s: atomic %s by T%d and plain %s by T%d, neither happens before the other", place,
                    kind(e->type == EV_WRITE), e->tid, kind(write), run.current);
            return false;
        }
        if (write && !(ending && loc->object))
            run.loc[l].dead = true;
    }
    return true;
}

static bool plain_cell(uintptr_t addr, size_t size, bool write, uint64_t pc)
{
    struct cell *c = cell_of(addr);
    int tid = run.current, at = (int)(addr & 7);
    uint8_t mask = (uint8_t)(((1u << size) - 1) << at);
    uint16_t clock = (uint16_t)executed_then();
    struct record *first = &c->record[0];
    if (first->mask == mask && first->clock == clock && first->tid == tid && first->write &&
        first->ends == ends && !c->record[1].mask)
        return true; /* as before: nothing new can be found */
    struct record *r = conflict(c, mask, write, false, tid, clock_then());
    if (r) {
        report(r, addr, tid, write ? "plain write" : "plain read", (unsigned)size, pc, true);
        return false;
    }
    remember(c, (struct record){(uint32_t)pc, clock, (uint8_t)tid & 63, write, ends, mask});
    return true;
}

void race_plain(uintptr_t addr, size_t size, bool write, uint64_t pc)
{
    while (size > 0) {
        size_t part = 8 - (addr & 7);
        part = part < size ? part : size;
        if (options.races && !plain_cell(addr, part, write, pc))
            return;
        if (!against_events(addr, part, write, pc))
            return;
        addr += part;
        size -= part;
    }
}

void race_plain_at(int executed, uintptr_t addr, size_t size, bool write, uint64_t pc)
{
    as_of = executed;
    race_plain(addr, size, write, pc); /* a bug ends the exploration */
    as_of = -1;
}

/* Who knows, if only by relaxed loads, what its thread did after the end means what is there now. */
static bool means_newer(const struct record *r, const struct event *e)
{
    return r->ends && e->porf.of[r->tid] > r->clock;
}

/* An atomic access (event `id`, executed by `tid`) against the plain ones. */
void race_atomic(int tid, int id, uintptr_t addr, size_t size, bool write, uint64_t pc)
{
    if (!options.races)
        return;
    while (size > 0) {
        size_t part = 8 - (addr & 7);
        part = part < size ? part : size;
        struct cell *c = cell_of(addr);
        uint8_t mask = (uint8_t)(((1u << part) - 1) << (addr & 7));
        const struct record *r = conflict(c, mask, write, true, tid, &run.g->ev[id].hb);
        if (r && (let_go_before(&run.g->ev[id], clock_of(r)) || means_newer(r, &run.g->ev[id])))
            return;
        if (r) {
            report(r, addr, tid, write ? "atomic write" : "atomic read", (unsigned)part, pc, false);
            return;
        }
        addr += part;
        size -= part;
    }
}

void race_object_ends(uintptr_t addr, size_t size, uint64_t pc)
{
    ending = true;
    race_plain(addr, size, true, pc);
    ending = false;
}

void race_memory_ends(uintptr_t addr, size_t size, uint64_t pc)
{
    ends = true; /* stays so if a bug is found, which ends the execution and the exploration */
    race_object_ends(addr, size, pc);
    ends = false;
}
