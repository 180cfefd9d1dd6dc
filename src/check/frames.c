/* SPDX-License-Identifier: MIT */
/* Frames of functions that have returned, and what else of a thread ends with it.
 *
 * What a thread's call into the checker tells is where its stack ends: whatever lay below is over, and was when the
 * thread had executed as many events as it has now.
 *
 *     T0's stack       first() called second(), which handed out the address of x, and returned
 *     -------------
 *      main()
 *     -------------
 *      first()         calls the checker with its own stack pointer:
 *     ------------- <- over = {this address, 7 events}
 *      second(): x     T1 uses x, and knows nothing of T0 from its 7th event on: it is x that it means
 *     -------------
 *
 * So two things are looked at. When a frame ends: whether all that others did there happened before. When somebody
 * uses it: whether the frame has ended, and whether what he knows is older than that (the place may be another
 * function's by then). A thread that ends takes the rest of its stack and its thread-local variables with it.
 */
#include "run.h"
#include "section.h"

#include <string.h>

enum { FRAMES_REMEMBERED = 64 };

struct over {
    uintptr_t below;
    int executed; /* events of the thread when it was seen */
    uint64_t pc;  /* where the function returned; 0: nobody knows (it was left by a jump) */
};

static struct ended_frames {
    struct over over[FRAMES_REMEMBERED]; /* addresses fall, numbers of events rise */
    int nover;
    uintptr_t low, high; /* others used what lies between */
    bool tls_used;       /* ... or the thread's own variables */
    bool ended;
    uint64_t returned_at; /* by the last function that returned since `over` was told */
} stacks[MAX_THREADS];

void frames_begin(int tid)
{
    struct ended_frames *s = &stacks[tid];
    s->nover = 0;
    s->low = UINTPTR_MAX;
    s->high = 0;
    s->tls_used = s->ended = false;
    s->returned_at = 0;
    run.thread[tid].sp = (uintptr_t)fiber_of(tid)->stack_end;
}

/* Compilers call it last of all: from within the function, or as what it goes on with, when its frame is gone. */
void frames_return(uintptr_t sp, uint64_t pc)
{
    if (!in_test())
        return;
    struct ended_frames *s = &stacks[run.current];
    uint64_t before = s->returned_at;
    if (!before)
        s->returned_at = pc;
    frames_at(sp);
    if (before)
        s->returned_at = pc;
}

/* Newer ends below the same address say all that older ones said. */
static void remember(struct ended_frames *s, uintptr_t sp)
{
    while (s->nover && s->over[s->nover - 1].below <= sp)
        s->nover--;
    if (s->nover == FRAMES_REMEMBERED)
        memmove(&s->over[0], &s->over[1], sizeof s->over[0] * (size_t)--s->nover);
    s->over[s->nover++] = (struct over){sp, self()->executed, s->returned_at};
    s->returned_at = 0;
}

/* Others' uses of what lies below: before its end? */
static void end_of_used(struct ended_frames *s, uintptr_t sp, uint64_t pc)
{
    uintptr_t low = s->low, high = s->high < sp ? s->high : sp;
    s->low = s->high <= sp ? UINTPTR_MAX : sp;
    if (options.races && low < high)
        race_memory_ends(low, high - low, pc);
}

void frames_moved(uintptr_t sp)
{
    struct thread *t = self();
    struct ended_frames *s = &stacks[run.current];
    uintptr_t before = t->sp;
    if (sp < (uintptr_t)fiber_of(run.current)->stack || sp > (uintptr_t)fiber_of(run.current)->stack_end)
        return; /* a stack that the program made */
    t->sp = sp;
    if (sp < before)
        return;
    remember(s, sp);
    if (s->low < sp && !section_open())
        end_of_used(s, sp, s->over[s->nover - 1].pc);
}

void frames_end(void)
{
    struct ended_frames *s = &stacks[run.current];
    frames_moved((uintptr_t)fiber_of(run.current)->stack_end);
    const char *tls;
    size_t bytes = fiber_tls(run.current, &tls);
    s->ended = true;
    if (s->tls_used && options.races)
        race_memory_ends((uintptr_t)tls, bytes, 0);
}

/* Events of thread `tid` that whoever runs has seen, if only by relaxed loads. */
static int seen_of(int tid)
{
    int last = self()->last;
    return last == NO_EVENT ? 0 : run.g->ev[last].porf.of[tid];
}

static bool use_after_return(const struct over *o, int tid, uintptr_t addr, size_t size, bool write,
                             uint64_t pc)
{
    char place[256], how[256];
    memory_describe(place, sizeof place, addr);
    if (o && o->below == (uintptr_t)fiber_of(tid)->stack_end)
        snprintf(how, sizeof how, "T%d has ended", tid);
    else if (o && o->pc)
        snprintf(how, sizeof how, "the function returned at %s", symbol_line(o->pc));
    else
        snprintf(how, sizeof how, "no function of T%d has it now", tid);
    bug(BUG_MEMORY, pc, "use after return: %s of %zu bytes in %s: %s", write ? "write" : "read", size, place,
        how);
    return false;
}

/* The end that the address saw last. */
static const struct over *last_end(int tid, uintptr_t addr)
{
    const struct ended_frames *s = &stacks[tid];
    for (int i = s->nover; i-- > 0;)
        if (s->over[i].below > addr)
            return &s->over[i];
    return NULL;
}

static bool tls_check(int tid, uintptr_t addr, size_t size, bool write, uint64_t pc)
{
    const char *tls;
    size_t bytes = fiber_tls(tid, &tls);
    if (tid == run.current || addr < (uintptr_t)tls || addr >= (uintptr_t)tls + bytes)
        return true;
    stacks[tid].tls_used = true;
    if (!stacks[tid].ended)
        return true;
    char place[256];
    memory_describe(place, sizeof place, addr);
    bug(BUG_MEMORY, pc, "use after the end of a thread: %s of %zu bytes in %s", write ? "write" : "read",
        size, place);
    return false;
}

bool frames_check(int tid, uintptr_t addr, size_t size, bool write, uint64_t pc)
{
    if (!in_test())
        return true;
    if (addr >= (uintptr_t)fiber_of(tid)->stack_end)
        return tls_check(tid, addr, size, write, pc);
    struct ended_frames *s = &stacks[tid];
    const struct over *end = addr < run.thread[tid].sp || tid != run.current ? last_end(tid, addr) : NULL;
    if (addr < run.thread[tid].sp || (tid != run.current && end && seen_of(tid) <= end->executed))
        return use_after_return(end, tid, addr, size, write, pc);
    if (tid != run.current) {
        s->low = addr < s->low ? addr : s->low;
        s->high = addr + size > s->high ? addr + size : s->high;
    }
    return true;
}
