/* SPDX-License-Identifier: MIT */
/* The failing execution, for a reader. */
#include "result.h"
#include "visible.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const operation[] = {
    [NAME_LOAD] = "load",
    [NAME_STORE] = "store",
    [NAME_EXCHANGE] = "exchange",
    [NAME_ADD] = "fetch_add",
    [NAME_SUB] = "fetch_sub",
    [NAME_AND] = "fetch_and",
    [NAME_OR] = "fetch_or",
    [NAME_XOR] = "fetch_xor",
    [NAME_NAND] = "fetch_nand",
    [NAME_CAS] = "cas",
    [NAME_FENCE] = "fence",
    [NAME_CREATE] = "create",
    [NAME_JOIN] = "join",
    [NAME_END] = "end",
    [NAME_CHOICE] = "choice",
    [NAME_LOCK] = "lock",
    [NAME_TRYLOCK] = "trylock",
    [NAME_UNLOCK] = "unlock",
    [NAME_COND_WAIT] = "cond_wait",
    [NAME_COND_WAKE] = "cond_wake",
    [NAME_RDLOCK] = "rdlock",
    [NAME_WRLOCK] = "wrlock",
    [NAME_RWUNLOCK] = "rwunlock",
    [NAME_BARRIER] = "barrier",
    [NAME_ONCE] = "once",
    [NAME_SEM_WAIT] = "sem_wait",
    [NAME_SEM_POST] = "sem_post",
    [NAME_SEM_VALUE] = "sem_value",
    [NAME_FUTEX_WAIT] = "futex_wait",
    [NAME_FUTEX_WAKE] = "futex_wake",
    [NAME_INIT] = "init",
    [NAME_BEGIN] = "begin",
    [NAME_COMMIT] = "commit",
    [NAME_ABORT] = "abort",
    [NAME_KEEP] = "keep",
    [NAME_LIGHT] = "fence",
    [NAME_HEAVY] = "fence",
    [NAME_SEQUENCE] = "sequence",
    [NAME_SEQUENCE_END] = "seq_end",
    [NAME_STORE_NT] = "store_nt",
    [NAME_WRITEBACK] = "writeback",
    [NAME_PWFENCE] = "pwfence",
    [NAME_DESTROY] = "destroy",
};
static const char *const order_name[] = {"relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst"};
static const char *const title[] = {
    [BUG_ASSERTION] = "assertion failure",
    [BUG_RACE] = "data race",
    [BUG_MEMORY] = "memory error",
    [BUG_UNINITIALISED] = "uninitialised read",
    [BUG_LEAK] = "leak",
    [BUG_DEADLOCK] = "deadlock",
    [BUG_LIVELOCK] = "livelock",
    [BUG_MIXED_SIZE] = "mixed-size access",
    [BUG_MISUSE] = "misuse",
    [BUG_FAULT] = "fault",
    [BUG_UNMODELLED] = "not modelled",
    [BUG_LIMIT] = "limit",
    [BUG_NONDETERMINISM] = "nondeterminism",
};

const char *report_title(enum bug_kind kind)
{
    return title[kind];
}

const char *report_operation(int name)
{
    return operation[name];
}

const char *report_order(int order)
{
    return order_name[order];
}

/* Step of each event: its place in the order of execution, from 1. */
static int step_of[MAX_EVENTS];

static void number_steps(void)
{
    memset(step_of, 0, sizeof step_of);
    for (int i = 0; i < run.norder; i++)
        step_of[run.order[i]] = i + 1;
}

static void value_text(char *to, size_t room, u128 v)
{
    if (v >> 64)
        snprintf(to, room, "0x%lx:%016lx", (unsigned long)(v >> 64), (unsigned long)v);
    else if (v < 65536)
        snprintf(to, room, "%lu", (unsigned long)v);
    else if ((uint64_t)v > UINT64_MAX - 65536)
        snprintf(to, room, "%ld", (long)v);
    else if ((uint64_t)v <= UINT32_MAX && (uint64_t)v > UINT32_MAX - 65536)
        snprintf(to, room, "%d", (int)v);
    else
        snprintf(to, room, "0x%lx", (unsigned long)v);
}

static void source_text(char *to, size_t room, const struct event *e)
{
    if (e->rf == INIT_WRITE)
        snprintf(to, room, "from its initial value");
    else
        snprintf(to, room, "from step %d (T%d)", step_of[e->rf], run.g->ev[e->rf].tid);
}

static void access_text(char *to, size_t room, const struct event *e)
{
    char place[256], value[64], source[64] = "";
    memory_describe(place, sizeof place, run.g->loc[e->loc].addr);
    value_text(value, sizeof value, e->val);
    bool write = e->type == EV_WRITE;
    if (!write)
        source_text(source, sizeof source, e);
    snprintf(to, room, "%-9s %-8s %s %s %s%s%s", operation[e->detail], order_name[e->order], place,
             write ? "=" : "->", value, source[0] ? "   " : "", source);
}

static void fence_text(char *to, size_t room, const struct event *e)
{
    char place[256] = "";
    if (e->val)
        memory_describe(place, sizeof place, (uintptr_t)e->val);
    const char *kind = e->flags & EV_LIGHT                              ? "light"
                       : e->flags & EV_HEAVY                            ? "heavy"
                       : e->order == RELAXED || e->detail == NAME_BEGIN ? ""
                                                                        : order_name[e->order];
    snprintf(to, room, "%-9s %s%s", operation[e->detail], kind, place);
}

static void event_text(char *to, size_t room, const struct event *e)
{
    switch (e->type) {
    case EV_READ:
    case EV_WRITE:
        access_text(to, room, e);
        break;
    case EV_FENCE:
        fence_text(to, room, e);
        break;
    case EV_CREATE:
    case EV_JOIN:
        snprintf(to, room, "%-9s T%d", operation[e->detail], (int)e->val);
        break;
    case EV_CHOICE:
        snprintf(to, room, "choice    %d", (int)e->val);
        break;
    default:
        snprintf(to, room, "%s", operation[e->detail]);
        break;
    }
}

static void plain_text(char *to, size_t room, const struct plain_access *a)
{
    char place[256];
    memory_describe(place, sizeof place, a->addr);
    if (a->end)
        snprintf(to, room, "%s of %s", a->end, place);
    else
        snprintf(to, room, "plain %s of %u bytes of %s", a->write ? "write" : "read", a->size, place);
}

static void print_races(FILE *to, int tid, int executed)
{
    for (int i = 0; i < 2; i++) {
        const struct plain_access *a = &run.race[i];
        char text[512];
        if (!a->valid || a->tid != tid || a->clock != executed)
            continue;
        plain_text(text, sizeof text, a);
        fprintf(to, "  RACE  T%-2d %*s%s   %s\n", tid, tid * 2, "", text, symbol_line(a->pc));
    }
}

/* Of a long trace, its beginning and its end. */
enum { TRACE_HEAD = 40, TRACE_TAIL = 160 };

static void print_trace(FILE *to)
{
    int executed[MAX_THREADS] = {0};
    print_races(to, 0, 0);
    for (int i = 0; i < run.norder; i++) {
        const struct event *e = &run.g->ev[run.order[i]];
        char text[512];
        if (i >= TRACE_HEAD && i < run.norder - TRACE_TAIL) {
            if (i == TRACE_HEAD)
                fprintf(to, "  ... %d events ...\n", run.norder - TRACE_TAIL - TRACE_HEAD);
            executed[e->tid]++;
            continue;
        }
        event_text(text, sizeof text, e);
        fprintf(to, "  %4d  T%-2d %*s%s   %s\n", i + 1, e->tid, e->tid * 2, "", text, symbol_line(e->pc));
        print_races(to, e->tid, ++executed[e->tid]);
        if (e->type == EV_CREATE)
            print_races(to, (int)e->val, 0);
    }
}

/* A read of something old: which newer write had been executed, and that nothing made it visible. */
static void explain_read(FILE *to, int id)
{
    const struct event *e = &run.g->ev[id];
    int newest = NO_EVENT;
    for (int w = e->rf == INIT_WRITE ? run.g->loc[e->loc].co_first : run.g->ev[e->rf].co_next; w >= 0;
         w = run.g->ev[w].co_next)
        if (step_of[w] && step_of[w] < step_of[id])
            newest = w;
    if (newest == NO_EVENT)
        return;
    char place[256], old[64], new[64];
    memory_describe(place, sizeof place, run.g->loc[e->loc].addr);
    value_text(old, sizeof old, e->val);
    value_text(new, sizeof new, run.g->ev[newest].val);
    fprintf(to, "  T%d read %s from %s although T%d had stored %s: nothing orders step %d before step %d.\n",
            e->tid, old, place, run.g->ev[newest].tid, new, step_of[newest], step_of[id]);
}

/* Reads-from edges over which the first access of a race is known on one side, but not ordered on the
 * other. */
static void explain_race(FILE *to)
{
    const struct plain_access *first = &run.race[0];
    if (!first->valid)
        return;
    for (int i = 0; i < run.norder; i++) {
        int id = run.order[i];
        const struct event *e = &run.g->ev[id];
        if (e->type != EV_READ || e->rf < 0)
            continue;
        const struct event *w = &run.g->ev[e->rf];
        if (w->hb.of[first->tid] <= first->clock || e->hb.of[first->tid] > first->clock)
            continue;
        bool acquires = run_all_sync() || order_acquires(e->order);
        fprintf(to,
                "  Step %d (T%d) reads what step %d (T%d) stored, but is not ordered behind what came "
                "before that: ",
                step_of[id], e->tid, step_of[e->rf], w->tid);
        fprintf(to, "%s.\n", acquires ? "the store does not release" : "the load does not acquire");
    }
}

static void explain_waiting(FILE *to, int tid)
{
    const struct thread *t = &run.thread[tid];
    if (t->state == THREAD_DONE || t->state == THREAD_NONE || t->state == THREAD_RUNNING)
        return;
    char place[256];
    if (t->state == THREAD_AT_OP) {
        if (t->op.type == EV_JOIN)
            fprintf(to, "  T%d waits for the end of T%d   %s\n", tid, (int)t->op.val, symbol_line(t->op.pc));
        else if (t->op.await)
            fprintf(to, "  T%d waits in %s   %s\n", tid, operation[t->op.name], symbol_line(t->op.pc));
        return;
    }
    const struct event *e = &run.g->ev[t->last];
    for (int k = t->executed - 1; t->state == THREAD_SPINNING && k >= t->spin_from; k--)
        if (run.g->ev[run.event_of[tid][k]].type == EV_READ)
            e = &run.g->ev[run.event_of[tid][k]]; /* the loop's first */
    memory_describe(place, sizeof place, run.g->loc[e->loc].addr);
    if (t->state == THREAD_SPINNING)
        fprintf(to, "  T%d goes round a loop that reads %s and changes nothing   %s\n", tid, place,
                symbol_line(e->pc));
    else if (e->detail == NAME_LOCK)
        fprintf(to, "  T%d waits for mutex %s, held by T%d   %s\n", tid, place, (int)e->val - 1,
                symbol_line(e->pc));
    else
        fprintf(to, "  T%d waits in %s on %s   %s\n", tid, operation[e->detail], place, symbol_line(e->pc));
}

void report_bug(FILE *to)
{
    number_steps();
    fprintf(to, "ERROR: %s: %s\n", title[run.bug], run.bug_text);
    if (run.bug_pc)
        fprintf(to, "  at %s\n", symbol_line(run.bug_pc));
    fprintf(to, "\nThe execution, one line an event (an indent a thread):\n");
    print_trace(to);
    fprintf(to, "\n");
    for (int t = 0; t < MAX_THREADS; t++)
        if (run.bug == BUG_DEADLOCK || run.bug == BUG_LIVELOCK)
            explain_waiting(to, t);
    explain_race(to);
    for (int i = 0; i < run.norder; i++)
        if (run.g->ev[run.order[i]].type == EV_READ)
            explain_read(to, run.order[i]);
}

/* ---- the graph, for dot ---- */

static char *quotable(char *text)
{
    for (char *c = text; *c; c++)
        if (*c == '"' || *c == '\\')
            *c = '\'';
    return text;
}

static void dot_edges(FILE *to, int id)
{
    const struct event *e = &run.g->ev[id];
    if (e->po_prev != NO_EVENT)
        fprintf(to, "  e%d -> e%d;\n", e->po_prev, id);
    if (e->type == EV_READ && e->rf >= 0)
        fprintf(to, "  e%d -> e%d [color=darkgreen label=rf constraint=false];\n", e->rf, id);
    if (e->type == EV_WRITE && e->co_prev >= 0)
        fprintf(to, "  e%d -> e%d [color=blue label=co constraint=false];\n", e->co_prev, id);
    if (e->type == EV_JOIN)
        fprintf(to, "  e%d -> e%d [style=dashed];\n", e->rf, id);
    if (e->type != EV_READ)
        return;
    int next = e->rf == INIT_WRITE ? run.g->loc[e->loc].co_first : run.g->ev[e->rf].co_next;
    if (next >= 0 && !(run.g->ev[next].flags & EV_RMW && run.g->ev[next].rf == id))
        fprintf(to, "  e%d -> e%d [color=red label=fr constraint=false];\n", id, next);
}

static void dot_event(FILE *to, int id)
{
    const struct event *e = &run.g->ev[id];
    char text[512];
    event_text(text, sizeof text, e);
    fprintf(to, "  e%d [group=t%d label=\"%d: T%d %s\\n%s\"];\n", id, e->tid, step_of[id], e->tid,
            quotable(text), symbol_line(e->pc));
    dot_edges(to, id);
}

/* The two accesses that race, each behind the last event of its thread before it. */
static void dot_race(FILE *to)
{
    for (int i = 0; i < 2; i++) {
        const struct plain_access *a = &run.race[i];
        char text[512];
        if (!a->valid)
            continue;
        plain_text(text, sizeof text, a);
        fprintf(to, "  race%d [group=t%d color=red penwidth=2 label=\"T%d %s\\n%s\"];\n", i, a->tid, a->tid,
                quotable(text), symbol_line(a->pc));
        int before = a->clock > 0 ? run.event_of[a->tid][a->clock - 1] : run.g->thread[a->tid].create;
        if (before >= 0)
            fprintf(to, "  e%d -> race%d;\n", before, i);
    }
    if (run.race[0].valid && run.race[1].valid)
        fprintf(to, "  race0 -> race1 [color=red penwidth=2 dir=both label=race constraint=false];\n");
}

void report_dot(const char *path)
{
    FILE *to = fopen(path, "w");
    if (!to)
        fatal("cannot write %s: %s", path, strerror(errno));
    number_steps();
    fprintf(to, "digraph execution {\n  node [shape=box fontname=monospace];\n");
    if (run.bug != BUG_NONE) {
        char text[sizeof run.bug_text];
        snprintf(text, sizeof text, "%s", run.bug_text);
        fprintf(to, "  labelloc=t;\n  label=\"%s: %s\\n%s\";\n", title[run.bug], quotable(text),
                run.bug_pc ? symbol_line(run.bug_pc) : "");
    }
    for (int id = 0; id < run.g->n; id++)
        dot_event(to, id);
    dot_race(to);
    fprintf(to, "}\n");
    if (fclose(to))
        fatal("cannot write %s: %s", path, strerror(errno));
}
