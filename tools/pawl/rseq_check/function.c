/* SPDX-License-Identifier: MIT */
/* Sequences written in C, of which the code before the start is the compiler's, too. After an abort they
 * return from the function: what was read before the start is stale at the commit, and a store before it is
 * not undone. Those that compare the CPU number inside may read before: they compare what they read.
 *
 * An abort handler that returns by itself, without taking down a frame, is sound if the function from its
 * entry to the commit is as good as not begun: the stack pointer and the caller's registers untouched. (With
 * a frame, dataflow.c sees whether the code that takes it down finds its inputs.) */
#include "check.h"

#include <inttypes.h>
#include <stdlib.h>

/* The registers that the arming store's address is computed from, and which instructions compute them:
 * their loads are of constants. Counted back through the code as it stands. */
static void mark_area(const struct sequence *sequence, const struct graph *graph, const uint32_t *order,
                      bool *computes)
{
    struct regs needed = {0};

    regs_add(&needed, sequence->area.base);
    regs_add(&needed, sequence->area.index);
    for (uint32_t i = graph->count; i-- > 0;) {
        const struct insn *insn = &graph->nodes[order[i]].insn;

        if (insn->address >= sequence->arm_store || regs_empty(regs_and(insn->writes, needed)))
            continue;
        needed = regs_or(regs_minus(needed, insn->writes), insn->reads);
        computes[order[i]] = true;
    }
}

static bool is_harmless_load(const struct check *check, const struct insn *insn)
{
    const struct operand *memory = &insn->memory;

    if (memory->base == check->decoder.arch->stack) /* an argument */
        return true;
    return memory->fixed && image_is_constant(check->image, memory->address);
}

static void check_early(struct check *check, struct sequence *sequence, const struct insn *insn,
                        bool computes)
{
    struct report *report = check->report;
    bool framed = sequence->handler != HANDLER_RETURNS;

    if (insn->address == sequence->arm_store)
        return;
    if ((insn->properties & INSN_STORES) != 0 && (insn->properties & INSN_PUSHES) == 0 &&
        !(framed && insn->memory.base == check->decoder.arch->stack))
        report_add(report, sequence, RULE_EARLY_STORE, insn->address, "a store before the section");
    if ((insn->properties & INSN_LOADS) != 0 && (insn->properties & INSN_PUSHES) == 0 && !computes &&
        !is_harmless_load(check, insn)) {
        if (insn->memory.thread)
            report_add(report, sequence, RULE_CPU_NUMBER, insn->address,
                       "the thread's memory (its CPU number?) is read before the section");
        else
            report_add(report, sequence, RULE_EARLY_LOAD, insn->address, "a load before the section");
    }
    if (framed)
        return;
    if (insn->flow == FLOW_CALL || insn->flow == FLOW_SYSCALL)
        report_add(report, sequence, RULE_LEAF, insn->address, "a call before the section");
    if (regs_has(&insn->writes, check->decoder.arch->stack) && insn->flow != FLOW_CALL)
        report_add(report, sequence, RULE_STACK, insn->address, "the stack pointer moves before the section");
    if (regs_has(&insn->writes, REG_DIRECTION) || regs_has(&insn->writes, REG_X87))
        report_add(report, sequence, RULE_STATE, insn->address,
                   "the direction flag, or x87 or MMX state, changes before the section");
}

static void check_saved(struct check *check, struct sequence *sequence, const struct insn *insn)
{
    struct regs touched = regs_and(insn->writes, check->decoder.arch->callee_saved);

    /* the last instruction commits: no abort comes behind it; calls have a rule of their own */
    if (insn->address + insn->size == sequence->end || insn->flow == FLOW_CALL)
        return;
    for (int number = 0; number < 32; number++)
        if (regs_has(&touched, number))
            report_add(check->report, sequence, RULE_CALLEE_SAVED, insn->address,
                       "%s belongs to the caller and is overwritten before the commit",
                       register_name(check->decoder.arch, number));
    if (touched.vector != 0)
        report_add(check->report, sequence, RULE_CALLEE_SAVED, insn->address,
                   "a vector register that belongs to the caller is overwritten before the commit");
}

static int by_address(const void *a, const void *b, void *of)
{
    const struct graph *graph = of;
    uint64_t first = graph->nodes[*(const uint32_t *)a].insn.address;
    uint64_t second = graph->nodes[*(const uint32_t *)b].insn.address;

    return (first > second) - (first < second);
}

static void check_before_start(struct check *check, struct sequence *sequence, struct graph *graph)
{
    uint32_t *order = calloc(graph->count, sizeof *order);
    bool *computes = calloc(graph->count, sizeof *computes);

    if (order && computes && graph->count > 0) {
        for (uint32_t i = 0; i < graph->count; i++)
            order[i] = i;
        qsort_r(order, graph->count, sizeof *order, by_address, graph);
        if (sequence->armed)
            mark_area(sequence, graph, order, computes);
        for (uint32_t i = 0; i < graph->count; i++) {
            const struct insn *insn = &graph->nodes[order[i]].insn;

            check_early(check, sequence, insn, computes[order[i]]);
            if (sequence->handler == HANDLER_RETURNS)
                check_saved(check, sequence, insn);
        }
    } else {
        check->report->out_of_memory = true;
    }
    free(order);
    free(computes);
}

static bool leads_to_start(const struct graph *graph, uint64_t start)
{
    for (uint32_t i = 0; i < graph->count; i++)
        if (graph->nodes[i].leaves && graph->nodes[i].outside == start)
            return true;
    return false;
}

/* Only what can still reach the start counts: a way past the section may do as it likes. */
static void keep_ways_to_start(struct graph *graph, uint64_t start)
{
    bool *reaches = calloc(graph->count, sizeof *reaches);
    bool changed = true;
    uint32_t kept = 0;

    while (reaches && changed) {
        changed = false;
        for (uint32_t i = 0; i < graph->count; i++) {
            bool now = reaches[i] || (graph->nodes[i].leaves && graph->nodes[i].outside == start);

            for (uint8_t edge = 0; edge < graph->nodes[i].nexts; edge++)
                now |= reaches[graph->nodes[i].next[edge]];
            changed |= now != reaches[i];
            reaches[i] = now;
        }
    }
    /* the edges are not used any more: only the instructions stay */
    for (uint32_t i = 0; reaches && i < graph->count; i++)
        if (reaches[i])
            graph->nodes[kept++] = graph->nodes[i];
    if (reaches)
        graph->count = kept;
    free(reaches);
}

/* The section itself, for an abort handler that returns by itself. */
static void check_saved_inside(struct check *check, struct sequence *sequence)
{
    struct bounds bounds = {sequence->start, sequence->end, 0};
    struct graph graph;

    if (!graph_build(&graph, &check->decoder, sequence->start, bounds, SECTION_LONGEST + 1))
        check->report->out_of_memory = true;
    for (uint32_t i = 0; i < graph.count; i++)
        check_saved(check, sequence, &graph.nodes[i].insn);
    graph_free(&graph);
}

void check_function(struct check *check, struct sequence *sequence)
{
    const struct function *function = image_function(check->image, sequence->start);
    struct bounds bounds = {.barrier = sequence->start};
    struct graph graph;

    if (sequence->handler == HANDLER_RETURNS)
        check_saved_inside(check, sequence);
    else if (sequence->handler != HANDLER_GIVES_UP || sequence->compares || sequence->reads_only)
        return;
    if (!function) {
        report_add(check->report, sequence, RULE_FUNCTION, sequence->start,
                   "neither a symbol nor an unwind entry tells where the function begins");
        return;
    }
    bounds.low = function->address;
    bounds.high = image_function_end(check->image, function);
    if (!graph_build(&graph, &check->decoder, function->address, bounds, SECTION_LONGEST + 1))
        check->report->out_of_memory = true;
    if (!leads_to_start(&graph, sequence->start)) {
        report_add(check->report, sequence, RULE_FUNCTION, sequence->start,
                   "no way from the entry of the function (0x%" PRIx64 ") to the section", function->address);
    } else {
        keep_ways_to_start(&graph, sequence->start);
        check_before_start(check, sequence, &graph);
    }
    graph_free(&graph);
}
