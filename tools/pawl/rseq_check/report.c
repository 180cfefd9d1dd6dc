/* SPDX-License-Identifier: MIT */
/* The rules in words, and the findings. */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define REJECTS SEVERITY_REJECTED
const struct rule_text rule_texts[RULES] = {
    [RULE_VERSION] = {"version-flags", REJECTS,
                      "the kernel knows version 0 without flags only: write 0 into both words"},
    [RULE_LENGTH] = {"length", REJECTS,
                     "the end label must stand behind the start label, in the same section"},
    [RULE_RANGE] = {"range", REJECTS, "start, end and abort handler must lie in code of this file"},
    [RULE_ABORT_INSIDE] =
        {"abort-inside", REJECTS,
         "put the abort handler into a section of its own (__rseq_failure): inside its sequence it "
         "would be aborted for ever"},
    [RULE_SIGNATURE] =
        {"signature", REJECTS,
         "emit the signature that rseq was registered with in the 4 bytes before the abort handler, or "
         "name it by --signature: the kernel kills the thread otherwise"},
    [RULE_REGISTERED] =
        {"unregistered", SEVERITY_WARNING,
         "add the descriptor's address to the section __rseq_cs_ptr_array, for debuggers and tools "
         "that look for sequences"},
    [RULE_POINTER] = {"stray-pointer", REJECTS,
                      "__rseq_cs_ptr_array must hold addresses of descriptors only"},
    [RULE_DESCRIPTOR_ALIGNMENT] = {"descriptor-alignment", REJECTS, "align struct rseq_cs to 32 bytes"},
    [RULE_ARMED] =
        {"not-armed", REJECTS,
         "the last instruction before the start must store the descriptor's address into rseq_cs of "
         "the thread's struct rseq"},
    [RULE_ARMED_OTHER] = {"armed-other", REJECTS,
                          "arm the descriptor of this sequence: the kernel restarts the one that was armed"},
    [RULE_ARMED_AT] = {"armed-elsewhere", REJECTS, "store to rseq_cs: 8 bytes into the thread's struct rseq"},
    [RULE_BOUNDARY] = {"boundary", REJECTS, "let the labels stand before and behind whole instructions"},
    [RULE_UNDECODABLE] = {"undecodable", REJECTS,
                          "keep data out of the section, and let it end with its commit"},
    [RULE_UNKNOWN] = {"unknown-instruction", REJECTS,
                      "nothing can be proved about this instruction: use plain integer or vector moves and "
                      "arithmetic, and no -march that brings others"},
    [RULE_CALL] =
        {"call", REJECTS,
         "let everything in the section be inlined (always_inline), and build it with optimisation and "
         "without instrumentation"},
    [RULE_SYSCALL] = {"syscall", REJECTS,
                      "call the kernel before the section or behind it: inside it kills the thread"},
    [RULE_TRAP] = {"trap", REJECTS,
                   "take out the assertion or __builtin_unreachable(): its trap restarts the sequence"},
    [RULE_INDIRECT] =
        {"indirect-jump", REJECTS,
         "compile with -fno-jump-tables, or use if instead of switch: where it leads cannot be proved"},
    [RULE_STRING] = {"string-operation", REJECTS,
                     "copy word by word: a string operation can be interrupted half done"},
    [RULE_LOCKED] =
        {"locked", REJECTS,
         "use plain loads and stores: the section is atomic on its CPU already, and a locked store "
         "before the commit would be seen although the section restarts"},
    [RULE_EXCHANGE] = {"exchange", REJECTS,
                       "use a load and a store: exchanging instructions write memory before the commit"},
    [RULE_JUMP_INTO] =
        {"jump-into", REJECTS,
         "enter the section through its arming store only: code that stands outside is not restarted. "
         "Compilers place cold blocks there: take __builtin_expect (likely, unlikely) and switch out of the "
         "section; or, with gcc, compile with -fno-reorder-blocks"},
    [RULE_ADDRESS_TAKEN] = {"address-taken", REJECTS,
                            "take no address of a label inside the section (jump table, computed goto)"},
    [RULE_SECOND_STORE] =
        {"second-store", REJECTS,
         "let one store publish everything; mark those to memory that is private until then "
         "(PAWL_RS_SCRATCH in C, PAWL_SEQ_SCRATCH_ in assembly)"},
    [RULE_COMMIT_LAST] = {"commit-last", REJECTS, "put the end label directly behind the commit store"},
    [RULE_COMMIT_SIZE] = {"commit-size", REJECTS,
                          "commit by a single store of 1, 2, 4 or 8 bytes: wider ones may be seen half done"},
    [RULE_COMMIT_ALIGNMENT] = {"commit-alignment", REJECTS, "align the word that is committed to its size"},
    [RULE_STACK] = {"stack", REJECTS,
                    "fewer live values, smaller functions: the section must leave the stack pointer alone "
                    "(compile with optimisation, without stack protector and frame pointer)"},
    [RULE_CALLEE_SAVED] =
        {"callee-saved", REJECTS,
         "fewer live values: the abort handler returns at once, and the caller would find its register "
         "changed"},
    [RULE_STATE] = {"machine-state", REJECTS, "leave the direction flag and the x87 and MMX registers alone"},
    [RULE_FUNCTION] =
        {"function-unknown", REJECTS,
         "check the file before it is stripped, or keep its unwind tables (-fasynchronous-unwind-tables)"},
    [RULE_EARLY_LOAD] =
        {"early-load", REJECTS,
         "load shared memory behind the start: what is read before it is stale after a restart"},
    [RULE_EARLY_STORE] =
        {"early-store", REJECTS,
         "store behind the start, or before the function: the abort handler does not undo it"},
    [RULE_LEAF] = {"leaf", REJECTS, "call nothing before the section: a sequence in C is a leaf function"},
    [RULE_CPU_NUMBER] =
        {"cpu-number", REJECTS,
         "read the CPU number (or the concurrency id) from the thread's struct rseq behind the start: "
         "read before, it is stale after a migration"},
    [RULE_COMMIT_ADDRESS] = {"commit-address", REJECTS,
                             "commit to memory that is found through the CPU number read inside the section"},
    [RULE_RESTART_INPUT] =
        {"restart-input", REJECTS,
         "what the code after an abort reads must not be overwritten in the section: work on a copy, "
         "or declare the register as overwritten"},
    [RULE_ABORT_PATH] = {"abort-path", REJECTS,
                         "let the abort handler jump to the arming code, or return from the function"},
    [RULE_ABORT_RESULT] = {"abort-result", REJECTS,
                           "let the abort handler set the function's result before it returns"},
    [RULE_ENDLESS] = {"endless-loop", REJECTS, "give the loop a way out"},
    [RULE_UNBOUNDED] = {"loop-bound", SEVERITY_WARNING,
                        "count the rounds: a section longer than a time slice restarts for ever"},
    [RULE_LOOP] = {"loop", SEVERITY_NOTE, NULL},
    [RULE_SCRATCH_MARK] = {"scratch-mark", REJECTS,
                           "let marks name the store that follows, and mark nothing outside of sections"},
    [RULE_NO_SECTIONS] =
        {"no-sections", SEVERITY_WARNING,
         "check the file before its section headers are stripped, or take --allow-scratch: without "
         "them nothing tells which stores were declared private"},
};
#undef REJECTS

static void keep(struct report *report, struct sequence *sequence, struct finding finding)
{
    size_t count = sequence->finding_count;

    if (finding.detail && (count & (count - 1)) == 0) { /* full at every power of two */
        struct finding *grown = realloc(sequence->findings, (count ? 2 * count : 1) * sizeof *grown);

        if (!grown) {
            free(finding.detail);
            finding.detail = NULL;
        } else {
            sequence->findings = grown;
        }
    }
    if (!finding.detail) {
        report->out_of_memory = true;
        return;
    }
    sequence->findings[sequence->finding_count++] = finding;
}

__attribute__((format(printf, 4, 0))) static void add(struct report *report, struct sequence *sequence,
                                                      struct finding finding, const char *format,
                                                      va_list arguments)
{
    if (vasprintf(&finding.detail, format, arguments) < 0)
        finding.detail = NULL;
    keep(report, sequence, finding);
}

void report_add(struct report *report, struct sequence *sequence, enum rule rule, uint64_t address,
                const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add(report, sequence, (struct finding){rule, rule_texts[rule].severity, address, NULL}, format,
        arguments);
    va_end(arguments);
}

void report_add_as(struct report *report, struct sequence *sequence, enum rule rule, enum severity severity,
                   uint64_t address, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add(report, sequence, (struct finding){rule, severity, address, NULL}, format, arguments);
    va_end(arguments);
}

static void free_findings(struct sequence *sequence)
{
    for (size_t i = 0; i < sequence->finding_count; i++)
        free(sequence->findings[i].detail);
    free(sequence->findings);
}

void report_free(struct report *report)
{
    for (size_t i = 0; i < report->sequence_count; i++)
        free_findings(&report->sequences[i]);
    free_findings(&report->general);
    free(report->sequences);
    *report = (struct report){0};
}

size_t sequence_findings(const struct sequence *sequence, enum severity severity)
{
    size_t count = 0;

    for (size_t i = 0; i < sequence->finding_count; i++)
        count += sequence->findings[i].severity == severity;
    return count;
}

bool report_accepted(const struct report *report)
{
    for (size_t i = 0; i < report->sequence_count; i++)
        if (sequence_findings(&report->sequences[i], SEVERITY_REJECTED) != 0)
            return false;
    return sequence_findings(&report->general, SEVERITY_REJECTED) == 0;
}

const char *handler_name(enum handler handler)
{
    switch (handler) {
    case HANDLER_RETURNS:
        return "returns";
    case HANDLER_GIVES_UP:
        return "gives up";
    case HANDLER_RESTARTS:
        return "restarts";
    case HANDLER_CONTINUES:
        return "continues";
    default:
        return "unknown";
    }
}

const char *severity_name(enum severity severity)
{
    switch (severity) {
    case SEVERITY_REJECTED:
        return "rejected";
    case SEVERITY_WARNING:
        return "warning";
    default:
        return "note";
    }
}
