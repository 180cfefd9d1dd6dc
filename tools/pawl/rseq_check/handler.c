/* SPDX-License-Identifier: MIT */
/* Where an abort leads, and what of the section's work the code there would still see. */
#include "check.h"

#include <inttypes.h>

enum { HANDLER_STEPS = 16, LEAD_IN_STEPS = 8 };

/* Does straight code lead from the address to the arming code? */
static bool leads_to_arming(struct check *check, const struct sequence *sequence, uint64_t at)
{
    struct insn insn;

    if (!sequence->armed)
        return false;
    for (unsigned step = 0; step < LEAD_IN_STEPS; step++) {
        if (at >= sequence->arm_first && at <= sequence->arm_store)
            return true;
        if (!decode(&check->decoder, at, &insn) || insn.flow != FLOW_NEXT)
            return false;
        at += insn.size;
    }
    return false;
}

/* Does straight code lead to a return, that touches nothing but registers and its own frame? */
static bool gives_up(struct check *check, uint64_t at)
{
    struct insn insn;

    for (unsigned step = 0; step < 2 * HANDLER_STEPS; step++) {
        if (!decode(&check->decoder, at, &insn))
            return false;
        if (insn.flow == FLOW_RETURN)
            return true;
        if ((insn.flow != FLOW_NEXT && insn.flow != FLOW_JUMP) || (insn.properties & INSN_STORES) != 0 ||
            ((insn.properties & INSN_LOADS) != 0 && insn.memory.base != check->decoder.arch->stack))
            return false;
        at = insn.flow == FLOW_JUMP ? insn.target : at + insn.size;
    }
    return false;
}

static void lead(struct sequence *sequence, enum handler handler, uint64_t restart_at)
{
    sequence->handler = handler;
    sequence->restart_at = restart_at;
}

void follow_handler(struct check *check, struct sequence *sequence)
{
    const struct arch *arch = check->decoder.arch;
    uint64_t at = sequence->abort;
    struct regs written = {0};
    struct insn insn;

    if (!image_is_code(check->image, at))
        return; /* reported as out of range */
    for (unsigned step = 0; step < HANDLER_STEPS; step++) {
        if (!decode(&check->decoder, at, &insn) || insn.flow == FLOW_TRAP || insn.flow == FLOW_INDIRECT) {
            report_add(check->report, sequence, RULE_ABORT_PATH, at,
                       "where the abort handler leads cannot be followed");
            return;
        }
        if (insn.flow == FLOW_RETURN && !regs_has(&written, arch->stack)) {
            lead(sequence, HANDLER_RETURNS, sequence->abort);
            if (!regs_has(&written, arch->result))
                report_add(check->report, sequence, RULE_ABORT_RESULT, at,
                           "the abort handler returns without a result in %s",
                           register_name(arch, arch->result));
            return;
        }
        if (insn.flow != FLOW_NEXT) {
            bool restarts = insn.flow == FLOW_JUMP && leads_to_arming(check, sequence, insn.target);

            if (restarts)
                lead(sequence, HANDLER_RESTARTS, insn.target);
            else
                lead(sequence, gives_up(check, sequence->abort) ? HANDLER_GIVES_UP : HANDLER_CONTINUES,
                     sequence->abort);
            return;
        }
        written = regs_or(written, insn.writes);
        at += insn.size;
    }
    lead(sequence, HANDLER_CONTINUES, sequence->abort);
}
