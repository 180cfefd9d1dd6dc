/* SPDX-License-Identifier: MIT */
/* The rules of a section that look at single instructions: what must not be there, the stores and the
 * commit. */
#include "check.h"

#include <inttypes.h>
#include <stdlib.h>

struct section {
    struct check *check;
    struct sequence *sequence;
    struct graph graph;
};

static void refuse_flow(const struct section *section, const struct insn *insn)
{
    struct report *report = section->check->report;

    switch (insn->flow) {
    case FLOW_CALL:
        report_add(report, section->sequence, RULE_CALL, insn->address, "a call in the section");
        break;
    case FLOW_SYSCALL:
        report_add(report, section->sequence, RULE_SYSCALL, insn->address, "a system call in the section");
        break;
    case FLOW_TRAP:
        report_add(report, section->sequence, RULE_TRAP, insn->address, "a trap in the section");
        break;
    case FLOW_INDIRECT:
        report_add(report, section->sequence, RULE_INDIRECT, insn->address,
                   "an indirect jump in the section");
        break;
    default:
        break;
    }
}

static void refuse_kind(const struct section *section, const struct insn *insn)
{
    struct report *report = section->check->report;
    struct sequence *sequence = section->sequence;

    if ((insn->properties & INSN_UNKNOWN) != 0)
        report_add(report, sequence, RULE_UNKNOWN, insn->address,
                   "an instruction that the verifier does not know");
    if ((insn->properties & INSN_STRING) != 0)
        report_add(report, sequence, RULE_STRING, insn->address, "a string operation in the section");
    if ((insn->properties & INSN_LOCKED) != 0)
        report_add(report, sequence, RULE_LOCKED, insn->address, "a locked read-modify-write in the section");
    else if ((insn->properties & INSN_EXCHANGES) != 0)
        report_add(report, sequence, RULE_EXCHANGE, insn->address,
                   "an exchanging or exclusive instruction in the section");
    if (regs_has(&insn->writes, REG_DIRECTION) || regs_has(&insn->writes, REG_X87) ||
        regs_has(&insn->reads, REG_X87))
        report_add(report, sequence, RULE_STATE, insn->address,
                   "the direction flag, or x87 or MMX state, is used in the section");
    if (regs_has(&insn->writes, section->check->decoder.arch->stack) && insn->flow != FLOW_CALL &&
        insn->flow != FLOW_RETURN) /* behind a return the section is left */
        report_add(report, sequence, RULE_STACK, insn->address, "the stack pointer moves in the section");
}

/* A spill below the stack pointer of a leaf function: private, and dead after the abort handler returns. */
static bool is_red_zone(const struct section *section, const struct insn *insn)
{
    const struct arch *arch = section->check->decoder.arch;

    return section->sequence->handler == HANDLER_RETURNS && insn->memory.base == arch->stack &&
           insn->memory.index == REG_NONE && insn->memory.displacement < 0 &&
           insn->memory.displacement >= -(int64_t)arch->red_zone;
}

/* A store that other code may see. Pushes and atomics have been refused by their own rules. */
static bool is_public_store(const struct section *section, const struct insn *insn)
{
    return (insn->properties & INSN_STORES) != 0 &&
           (insn->properties & (INSN_PUSHES | INSN_EXCHANGES | INSN_LOCKED)) == 0 &&
           !is_scratch(section->check, insn->address) && !is_red_zone(section, insn);
}

static bool is_last(const struct section *section, const struct insn *insn)
{
    return insn->address + insn->size == section->sequence->end;
}

static void check_commit(const struct section *section, const struct insn *insn)
{
    struct report *report = section->check->report;
    const struct operand *memory = &insn->memory;

    section->sequence->commit = insn->address;
    if (memory->size > 8 || (insn->properties & INSN_PAIR) != 0)
        report_add(report, section->sequence, RULE_COMMIT_SIZE, insn->address, "the commit stores %u bytes%s",
                   memory->size, (insn->properties & INSN_PAIR) != 0 ? " in two parts" : "");
    else if (memory->size == 0)
        report_add(report, section->sequence, RULE_UNKNOWN, insn->address,
                   "how many bytes the commit stores is not known");
    else if (memory->fixed && memory->address % memory->size != 0)
        report_add(report, section->sequence, RULE_COMMIT_ALIGNMENT, insn->address,
                   "the commit of %u bytes goes to 0x%" PRIx64, memory->size, memory->address);
    else if (!memory->fixed && memory->displacement % (int64_t)memory->size != 0)
        report_add_as(report, section->sequence, RULE_COMMIT_ALIGNMENT, SEVERITY_WARNING, insn->address,
                      "the commit of %u bytes has the displacement %" PRId64
                      ": aligned only if its base is not",
                      memory->size, memory->displacement);
}

static void check_stores(const struct section *section)
{
    struct check *check = section->check;
    struct sequence *sequence = section->sequence;
    const struct insn *commit = NULL;
    unsigned early = 0;

    for (uint32_t i = 0; i < section->graph.count; i++) {
        const struct insn *insn = &section->graph.nodes[i].insn;

        if (!is_public_store(section, insn))
            sequence->scratch_stores += (insn->properties & INSN_STORES) != 0 &&
                                        (insn->properties & INSN_PUSHES) == 0;
        else if (is_last(section, insn))
            commit = insn;
        else
            early++;
    }
    for (uint32_t i = 0; i < section->graph.count && early > 0; i++) {
        const struct insn *insn = &section->graph.nodes[i].insn;

        if (!is_public_store(section, insn) || is_last(section, insn))
            continue;
        if (check->options->allow_scratch)
            report_add_as(check->report, sequence, RULE_SECOND_STORE, SEVERITY_WARNING, insn->address,
                          "a store before the commit that nothing declares private");
        else if (!commit && early == 1)
            report_add(check->report, sequence, RULE_COMMIT_LAST, insn->address,
                       "the store is not the last instruction of the section");
        else
            report_add(check->report, sequence, RULE_SECOND_STORE, insn->address,
                       "a store before the commit%s",
                       insn->memory.base == check->decoder.arch->stack
                           ? ", to the stack (a spilled register?)"
                           : " that nothing declares private");
    }
    if (commit)
        check_commit(section, commit);
    sequence->reads_only = !commit && early == 0;
}

static void check_boundaries(const struct section *section)
{
    const struct sequence *sequence = section->sequence;
    uint8_t *covered = calloc(sequence->end - sequence->start, 1);

    if (!covered) {
        section->check->report->out_of_memory = true;
        return;
    }
    for (uint32_t i = 0; i < section->graph.count; i++) {
        const struct insn *insn = &section->graph.nodes[i].insn;
        bool overlaps = false;

        if (insn->address + insn->size > sequence->end) {
            report_add(section->check->report, section->sequence, RULE_BOUNDARY, insn->address,
                       "the section ends inside this instruction");
            continue;
        }
        for (unsigned byte = 0; byte < insn->size; byte++) {
            overlaps |= covered[insn->address - sequence->start + byte] != 0;
            covered[insn->address - sequence->start + byte] = 1;
        }
        if (overlaps)
            report_add(section->check->report, section->sequence, RULE_BOUNDARY, insn->address,
                       "a branch leads into the middle of an instruction");
    }
    free(covered);
}

/* Nodes on a way from `head` to `tail`, by two searches. Marks: 1 reached from head, 2 reaches tail. */
static void mark_loop(const struct graph *graph, uint32_t head, uint32_t tail, uint8_t *marks)
{
    bool changed = true;

    for (uint32_t i = 0; i < graph->count; i++)
        marks[i] = 0;
    marks[head] |= 1;
    marks[tail] |= 2;
    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < graph->count; i++) {
            uint8_t before = marks[i];

            for (uint8_t edge = 0; edge < graph->nodes[i].nexts; edge++) {
                uint32_t next = graph->nodes[i].next[edge];

                if ((marks[i] & 1) != 0 && (marks[next] & 1) == 0) {
                    marks[next] |= 1;
                    changed = true;
                }
                marks[i] |= marks[next] & 2;
            }
            changed |= marks[i] != before;
        }
    }
}

/* The registers that the loop advances by constants, copies of them included. */
static struct regs loop_counters(const struct graph *graph, const uint8_t *marks)
{
    struct regs counters = {0};
    struct regs before;

    do {
        before = counters;
        for (uint32_t i = 0; i < graph->count; i++) {
            const struct insn *insn = &graph->nodes[i].insn;

            if (marks[i] == 3 &&
                ((insn->properties & INSN_COUNTS) != 0 ||
                 ((insn->properties & INSN_MOVES) != 0 && regs_has(&counters, insn->source))))
                regs_add(&counters, insn->destination);
        }
    } while (!regs_equal(before, counters));
    return counters;
}

/* The register whose comparison ends the loop, REG_NONE when none of the counters is compared. */
static int loop_bound(const struct graph *graph, const uint8_t *marks)
{
    struct regs counters = loop_counters(graph, marks);

    for (uint32_t i = 0; i < graph->count; i++) {
        const struct insn *insn = &graph->nodes[i].insn;
        bool tests = (insn->flow == FLOW_NEXT && regs_has(&insn->writes, REG_FLAGS) &&
                      (insn->destination == REG_NONE || (insn->properties & INSN_COUNTS) != 0)) ||
                     insn->flow == FLOW_BRANCH;

        if (marks[i] != 3 || !tests)
            continue;
        for (int number = 0; number < 32; number++)
            if (regs_has(&insn->reads, number) && regs_has(&counters, number))
                return number;
    }
    return REG_NONE;
}

static void judge_loop(const struct section *section, uint32_t head, const uint8_t *marks)
{
    const struct graph *graph = &section->graph;
    struct report *report = section->check->report;
    uint64_t address = graph->nodes[head].insn.address;
    bool has_exit = false;
    unsigned size = 0;
    int bound;

    for (uint32_t i = 0; i < graph->count; i++) {
        if (marks[i] != 3)
            continue;
        size++;
        has_exit |= graph->nodes[i].leaves || graph->nodes[i].insn.flow == FLOW_RETURN;
        for (uint8_t edge = 0; edge < graph->nodes[i].nexts; edge++)
            has_exit |= marks[graph->nodes[i].next[edge]] != 3;
    }
    section->sequence->loops++;
    bound = loop_bound(graph, marks);
    if (!has_exit)
        report_add(report, section->sequence, RULE_ENDLESS, address,
                   "a loop of %u instructions without a way out", size);
    else if (bound == REG_NONE)
        report_add(report, section->sequence, RULE_UNBOUNDED, address,
                   "a loop of %u instructions, of which no counter is compared", size);
    else
        report_add(report, section->sequence, RULE_LOOP, address, "a loop of %u instructions, counted in %s",
                   size, register_name(section->check->decoder.arch, bound));
}

/* Every cycle has an edge that leads back in the text. */
static void check_loops(const struct section *section)
{
    enum { LOOPS_MAX = 64 };
    const struct graph *graph = &section->graph;
    uint8_t *marks = malloc(graph->count);

    if (!marks) {
        section->check->report->out_of_memory = true;
        return;
    }
    for (uint32_t i = 0; i < graph->count; i++) {
        for (uint8_t edge = 0; edge < graph->nodes[i].nexts && section->sequence->loops < LOOPS_MAX; edge++) {
            uint32_t head = graph->nodes[i].next[edge];

            if (graph->nodes[head].insn.address > graph->nodes[i].insn.address)
                continue;
            mark_loop(graph, head, i, marks);
            judge_loop(section, head, marks);
        }
    }
    free(marks);
}

void check_section(struct check *check, struct sequence *sequence)
{
    struct section section = {.check = check, .sequence = sequence};
    struct bounds bounds = {sequence->start, sequence->end, 0};

    if (!graph_build(&section.graph, &check->decoder, sequence->start, bounds, SECTION_LONGEST + 1))
        check->report->out_of_memory = true;
    if (section.graph.count == 0)
        report_add(check->report, sequence, RULE_UNDECODABLE, sequence->start, "no instruction at the start");
    sequence->instructions = section.graph.count;
    for (uint32_t i = 0; i < section.graph.count; i++) {
        refuse_flow(&section, &section.graph.nodes[i].insn);
        refuse_kind(&section, &section.graph.nodes[i].insn);
        if (section.graph.nodes[i].falls_off)
            report_add(check->report, sequence, RULE_UNDECODABLE, section.graph.nodes[i].insn.address,
                       "no instruction follows this one");
    }
    if (section.graph.count > 0) {
        check_boundaries(&section);
        check_stores(&section);
        check_loops(&section);
        check_dataflow(check, sequence, &section.graph);
    }
    graph_free(&section.graph);
}
