/* SPDX-License-Identifier: MIT */
/* What flows where: from the CPU number to the commit's address, and from the section's own work into the
 * code that runs after an abort.
 *
 * The CPU number counts as used in either of two ways:
 * - the commit's address is computed from one that was read inside the section;
 * - on every way to the commit, one that was read inside was compared with the expected one and found equal
 *   (the caller chose the address by the expected number: librseq's form).
 */
#include "check.h"

#include <stdlib.h>

struct facts {
    struct regs number;   /* hold a CPU number as it was read */
    struct regs derived;  /* computed from one, loads through such addresses included */
    struct regs thread;   /* hold an address found through the thread pointer */
    struct regs compared; /* hold the difference of a CPU number and something */
    bool flags_compare;   /* the flags do */
    bool checked;         /* a way was taken on which both are equal, or are not */
};

static const struct facts all_facts = {
    .number = {~UINT64_C(0), ~UINT64_C(0)},
    .derived = {~UINT64_C(0), ~UINT64_C(0)},
    .thread = {~UINT64_C(0), ~UINT64_C(0)},
    .compared = {~UINT64_C(0), ~UINT64_C(0)},
    .flags_compare = true,
    .checked = true,
};

static struct facts facts_and(struct facts a, struct facts b)
{
    return (struct facts){
        .number = regs_and(a.number, b.number),
        .derived = regs_and(a.derived, b.derived),
        .thread = regs_and(a.thread, b.thread),
        .compared = regs_and(a.compared, b.compared),
        .flags_compare = a.flags_compare && b.flags_compare,
        .checked = a.checked && b.checked,
    };
}

static bool facts_equal(struct facts a, struct facts b)
{
    return regs_equal(a.number, b.number) && regs_equal(a.derived, b.derived) &&
           regs_equal(a.thread, b.thread) && regs_equal(a.compared, b.compared) &&
           a.flags_compare == b.flags_compare && a.checked == b.checked;
}

/* movq %fs:0, %reg: on x86-64 the thread pointer lies where it points to. */
static bool loads_thread_pointer(const struct insn *insn)
{
    return (insn->properties & INSN_LOADS) != 0 && insn->memory.thread && insn->memory.base == REG_NONE &&
           insn->memory.index == REG_NONE && insn->memory.displacement == 0;
}

/* A load from the thread's own memory: the CPU number, as far as can be told. When both the area and the
 * load have the same base, the load must be within struct rseq. */
static bool loads_number(const struct sequence *sequence, const struct facts *facts, const struct insn *insn)
{
    enum { RSEQ_CS_AT = 8, RSEQ_BYTES = 32 };
    const struct operand *memory = &insn->memory;
    const struct operand *area = &sequence->area;
    int64_t into = memory->displacement - area->displacement + RSEQ_CS_AT;

    if ((insn->properties & INSN_LOADS) == 0 || loads_thread_pointer(insn))
        return false;
    if (!memory->thread && !regs_has(&facts->thread, memory->base) &&
        !regs_has(&facts->thread, memory->index))
        return false;
    return memory->base != area->base || memory->index != area->index || (into >= 0 && into < RSEQ_BYTES) ||
           memory->base != REG_NONE;
}

static void set(struct regs *registers, const struct insn *insn, bool on)
{
    *registers = on ? regs_or(*registers, insn->writes) : regs_minus(*registers, insn->writes);
}

static struct facts after(const struct sequence *sequence, struct facts facts, const struct insn *insn)
{
    bool number = loads_number(sequence, &facts, insn);
    bool compares = (insn->properties & INSN_COMPARES) != 0 &&
                    (number || !regs_empty(regs_and(insn->reads, facts.number)));
    bool copies = (insn->properties & INSN_MOVES) != 0 && regs_has(&facts.number, insn->source);
    bool loads = (insn->properties & INSN_LOADS) != 0;
    bool thread = (insn->properties & INSN_READS_TP) != 0 || loads_thread_pointer(insn) ||
                  (!loads && !regs_empty(regs_and(insn->reads, facts.thread)));
    bool derived = number || !regs_empty(regs_and(insn->reads, facts.derived));

    if (insn->flow == FLOW_BRANCH && (insn->properties & INSN_IF_EQUAL) != 0 &&
        ((regs_has(&insn->reads, REG_FLAGS) && facts.flags_compare) ||
         regs_has(&facts.compared, insn->source)))
        facts.checked = true;
    if (regs_has(&insn->writes, REG_FLAGS))
        facts.flags_compare = compares;
    set(&facts.compared, insn, compares && insn->destination != REG_NONE);
    set(&facts.number, insn, (number && insn->destination != REG_NONE && !compares) || copies);
    set(&facts.derived, insn, derived);
    set(&facts.thread, insn, thread && insn->destination != REG_NONE);
    return facts;
}

/* What holds on every way to each node. */
static void solve(const struct sequence *sequence, const struct graph *section, struct facts *before)
{
    bool changed = true;

    for (uint32_t i = 0; i < section->count; i++)
        before[i] = all_facts;
    before[0] = (struct facts){.thread = sequence->thread};
    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < section->count; i++) {
            const struct node *node = &section->nodes[i];
            struct facts out = after(sequence, before[i], &node->insn);

            for (uint8_t edge = 0; edge < node->nexts; edge++) {
                struct facts *next = &before[node->next[edge]];
                struct facts joined = facts_and(*next, out);

                changed |= !facts_equal(joined, *next);
                *next = joined;
            }
        }
    }
}

static void check_number(struct check *check, struct sequence *sequence, const struct graph *section,
                         const struct facts *before)
{
    bool read = false;

    for (uint32_t i = 0; i < section->count; i++)
        read |= loads_number(sequence, &before[i], &section->nodes[i].insn);
    if (!read) {
        report_add(check->report, sequence, RULE_CPU_NUMBER, sequence->start,
                   "the section does not read the CPU number");
        return;
    }
    for (uint32_t i = 0; i < section->count; i++) {
        const struct insn *insn = &section->nodes[i].insn;

        if (sequence->commit == 0 || insn->address != sequence->commit ||
            regs_has(&before[i].derived, insn->memory.base) ||
            regs_has(&before[i].derived, insn->memory.index))
            continue;
        sequence->compares = before[i].checked;
        if (sequence->compares)
            continue;
        report_add(check->report, sequence, RULE_COMMIT_ADDRESS, insn->address,
                   "the address of the commit does not depend on the CPU number read in the section");
    }
}

/* An abort comes before an instruction, not behind it: what the last one writes is never seen. */
static struct regs overwritten(const struct sequence *sequence, const struct graph *section)
{
    struct regs written = {0};

    for (uint32_t i = 0; i < section->count; i++) {
        const struct insn *insn = &section->nodes[i].insn;

        if (insn->address + insn->size != sequence->end || insn->flow != FLOW_NEXT)
            written = regs_or(written, insn->writes);
    }
    return written;
}

static void check_restart(struct check *check, struct sequence *sequence, const struct graph *section)
{
    enum { FUNCTION_LARGEST = 200000 };
    /* A sequence that starts over is entered with the same inputs; what lies beyond its exits is as it
     * would be without a restart, for the compiler was told of all registers that the text overwrites. */
    bool restarts = sequence->handler == HANDLER_RESTARTS;
    struct bounds bounds = {restarts ? sequence->restart_at : 0, restarts ? sequence->end : UINT64_MAX, 0};
    struct graph graph;
    struct regs lost;

    if (!graph_build(&graph, &check->decoder, sequence->restart_at, bounds, FUNCTION_LARGEST))
        check->report->out_of_memory = true;
    if (graph.count > 0) {
        graph_liveness(&graph, check->decoder.arch, (struct regs){0});
        lost = regs_and(graph.nodes[0].live, overwritten(sequence, section));
        for (int number = 0; number < 32; number++)
            if (regs_has(&lost, number) && number != check->decoder.arch->stack)
                report_add(check->report, sequence, RULE_RESTART_INPUT, sequence->restart_at,
                           "the code after an abort reads %s, which the section overwrites",
                           register_name(check->decoder.arch, number));
        for (int number = 0; number < 32; number++)
            if ((lost.vector >> number & 1) != 0)
                report_add(check->report, sequence, RULE_RESTART_INPUT, sequence->restart_at,
                           "the code after an abort reads vector register %d, which the section overwrites",
                           number);
    }
    graph_free(&graph);
}

void check_dataflow(struct check *check, struct sequence *sequence, struct graph *section)
{
    struct facts *before = malloc(section->count * sizeof *before);

    if (!before) {
        check->report->out_of_memory = true;
        return;
    }
    if (sequence->armed) {
        solve(sequence, section, before);
        check_number(check, sequence, section, before);
    }
    if (sequence->handler != HANDLER_UNKNOWN && sequence->handler != HANDLER_RETURNS)
        check_restart(check, sequence, section);
    free(before);
}
