/* SPDX-License-Identifier: MIT */
/* The arming store: what makes the kernel look at a descriptor. It must be the last instruction before the
 * start, or the section would run unarmed for some instructions (or armed before its start, which the
 * kernel takes for left already, and forgets). */
#include "check.h"

#include <inttypes.h>

enum { LOOK_BACK = 64, RSEQ_CS_AT = 8, RSEQ_ALIGN = 32, STEPS_MAX = 24 };

struct values {
    uint32_t known; /* a bit a register */
    uint64_t value[32];
    uint64_t origin[32];
};

/* Of the values only address loads matter: constants, and a constant added to one. */
static void follow_values(struct values *values, const struct insn *insn)
{
    bool added = (insn->properties & INSN_ADDS) != 0 && insn->source >= 0 && insn->source < 32 &&
                 (values->known >> insn->source & 1) != 0;
    uint64_t sum = added ? values->value[insn->source] + insn->value : 0;
    uint64_t origin = added ? values->origin[insn->source] : insn->address;

    values->known &= ~(uint32_t)insn->writes.general;
    if (insn->destination < 0 || insn->destination >= 32)
        return;
    if (added || ((insn->properties & INSN_HAS_VALUE) != 0 && (insn->properties & INSN_STORES) == 0)) {
        values->known |= UINT32_C(1) << insn->destination;
        values->value[insn->destination] = added ? sum : insn->value;
        values->origin[insn->destination] = origin;
    }
}

/* The thread pointer, and what is computed from it. */
static void follow_thread(struct regs *thread, const struct insn *insn)
{
    bool derived = (insn->properties & INSN_READS_TP) != 0 ||
                   ((insn->properties & INSN_LOADS) == 0 && !regs_empty(regs_and(insn->reads, *thread)));

    *thread = regs_minus(*thread, insn->writes);
    if (derived)
        regs_add(thread, insn->destination);
}

bool trace_arming(struct check *check, uint64_t first, uint64_t start, struct arming *arming)
{
    struct values values = {0};
    struct insn insn = {0};
    uint64_t at = first;

    *arming = (struct arming){0};
    for (unsigned step = 0; step < STEPS_MAX && at < start; step++) {
        if (!decode(&check->decoder, at, &insn) || insn.flow != FLOW_NEXT)
            return false;
        at += insn.size;
        if (at != start) {
            follow_values(&values, &insn);
            follow_thread(&arming->thread, &insn);
        }
    }
    if (at != start || first >= start || (insn.properties & INSN_STORES) == 0 || insn.memory.size != 8)
        return false;
    arming->store = insn.address;
    arming->area = insn.memory;
    if ((insn.properties & INSN_HAS_VALUE) != 0) { /* a constant that fits into the store */
        arming->value = insn.value;
        arming->origin = insn.address;
    } else if (insn.source >= 0 && insn.source < 32 && (values.known >> insn.source & 1) != 0) {
        arming->value = values.value[insn.source];
        arming->origin = values.origin[insn.source];
    } else {
        return false;
    }
    if (!insn.memory.thread) { /* whatever it was computed from, it is the thread's area */
        regs_add(&arming->thread, insn.memory.base);
        regs_add(&arming->thread, insn.memory.index);
    }
    return true;
}

static void take(struct sequence *sequence, const struct arming *arming)
{
    sequence->armed = true;
    sequence->arm_first = arming->origin;
    sequence->arm_store = arming->store;
    sequence->area = arming->area;
    sequence->thread = arming->thread;
}

/* On x86-64 not every byte before the start begins an instruction. Wrong beginnings show the load with a
 * byte of the instruction before it, or without its prefix: the one that the function's own instructions
 * lead to is the true one. */
void find_arming(struct check *check, struct sequence *sequence)
{
    struct arming arming;
    uint64_t other = 0;
    bool true_beginning = false;

    for (uint64_t back = check->decoder.arch->insn_align; back <= LOOK_BACK && back <= sequence->start;
         back += check->decoder.arch->insn_align) {
        if (!trace_arming(check, sequence->start - back, sequence->start, &arming))
            continue;
        if (arming.value == sequence->descriptor) {
            if (!true_beginning)
                take(sequence, &arming);
            true_beginning = true_beginning || is_instruction(check, arming.origin);
        } else if (image_at(check->image, arming.value, 32) && !image_is_code(check->image, arming.value)) {
            other = arming.value;
        }
    }
    if (!sequence->armed && other != 0)
        report_add(check->report, sequence, RULE_ARMED_OTHER, sequence->start,
                   "the store before the start arms 0x%" PRIx64 ", not this sequence's descriptor 0x%" PRIx64,
                   other, sequence->descriptor);
    else if (!sequence->armed)
        report_add(check->report, sequence, RULE_ARMED, sequence->start,
                   "no store of the descriptor's address stands immediately before the start");
    else if (sequence->area.displacement % RSEQ_ALIGN != RSEQ_CS_AT ||
             (!sequence->area.thread && sequence->area.base == REG_NONE))
        report_add(check->report, sequence, RULE_ARMED_AT, sequence->arm_store,
                   "the arming store does not go to rseq_cs of a struct rseq");
}
