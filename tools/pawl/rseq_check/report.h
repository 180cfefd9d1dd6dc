/* SPDX-License-Identifier: MIT */
/* What was found: sequences, and for each the findings. */
#ifndef PAWL_RSEQ_CHECK_REPORT_H
#define PAWL_RSEQ_CHECK_REPORT_H

#include "insn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rule {
    RULE_VERSION,
    RULE_LENGTH,
    RULE_RANGE,
    RULE_ABORT_INSIDE,
    RULE_SIGNATURE,
    RULE_REGISTERED,
    RULE_POINTER,
    RULE_DESCRIPTOR_ALIGNMENT,
    RULE_ARMED,
    RULE_ARMED_OTHER,
    RULE_ARMED_AT,
    RULE_BOUNDARY,
    RULE_UNDECODABLE,
    RULE_UNKNOWN,
    RULE_CALL,
    RULE_SYSCALL,
    RULE_TRAP,
    RULE_INDIRECT,
    RULE_STRING,
    RULE_LOCKED,
    RULE_EXCHANGE,
    RULE_JUMP_INTO,
    RULE_ADDRESS_TAKEN,
    RULE_SECOND_STORE,
    RULE_COMMIT_LAST,
    RULE_COMMIT_SIZE,
    RULE_COMMIT_ALIGNMENT,
    RULE_STACK,
    RULE_CALLEE_SAVED,
    RULE_STATE,
    RULE_FUNCTION,
    RULE_EARLY_LOAD,
    RULE_EARLY_STORE,
    RULE_LEAF,
    RULE_CPU_NUMBER,
    RULE_COMMIT_ADDRESS,
    RULE_RESTART_INPUT,
    RULE_ABORT_PATH,
    RULE_ABORT_RESULT,
    RULE_ENDLESS,
    RULE_UNBOUNDED,
    RULE_LOOP,
    RULE_SCRATCH_MARK,
    RULE_NO_SECTIONS,
    RULES,
};

enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_REJECTED };

struct rule_text {
    const char *name;
    enum severity severity;
    const char *mend; /* what to do about it; NULL for notes */
};

extern const struct rule_text rule_texts[RULES];

struct finding {
    enum rule rule;
    enum severity severity;
    uint64_t address; /* of an instruction or of data; 0: of the descriptor as a whole */
    char *detail;
};

/* Where an abort handler leads. */
enum handler {
    HANDLER_UNKNOWN,
    HANDLER_RETURNS,   /* by itself, in the state of the function's entry */
    HANDLER_GIVES_UP,  /* to code that takes down the stack frame and returns: sequences written in C */
    HANDLER_RESTARTS,  /* to the arming code: hand-written sequences */
    HANDLER_CONTINUES, /* to other code, which retries or gives up */
};

struct sequence {
    uint64_t descriptor;
    uint64_t start;
    uint64_t end;
    uint64_t abort;
    uint32_t version;
    uint32_t flags;
    bool listed; /* in the section of descriptors, or pointed to from the array */
    bool usable; /* well-formed enough to look at its code */
    enum handler handler;
    uint64_t restart_at; /* where the handler leads */
    bool armed;
    uint64_t arm_first; /* the first instruction of the arming code */
    uint64_t arm_store;
    struct operand area; /* where the arming store goes */
    struct regs thread;  /* hold an address found through the thread pointer, at the start */
    bool reads_only;     /* commits nothing */
    bool compares;       /* the CPU number is compared with the one that the caller expected */
    uint64_t commit;
    unsigned instructions;
    unsigned loops;
    unsigned scratch_stores;
    size_t finding_count;
    struct finding *findings;
};

struct report {
    size_t sequence_count;
    struct sequence *sequences; /* by start */
    struct sequence general;    /* the findings that belong to no sequence */
    bool out_of_memory;
};

__attribute__((format(printf, 5, 6))) void report_add(struct report *report, struct sequence *sequence,
                                                      enum rule rule, uint64_t address, const char *format,
                                                      ...);
__attribute__((format(printf, 6, 7))) void report_add_as(struct report *report, struct sequence *sequence,
                                                         enum rule rule, enum severity severity,
                                                         uint64_t address, const char *format, ...);
void report_free(struct report *report);

size_t sequence_findings(const struct sequence *sequence, enum severity severity);
bool report_accepted(const struct report *report);

const char *handler_name(enum handler handler);
const char *severity_name(enum severity severity);

#endif
