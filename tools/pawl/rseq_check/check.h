/* SPDX-License-Identifier: MIT */
/* The verifier: from a loaded image to a report.
 *
 *      image -> descriptors -> arming code -> abort handlers -> edges from outside -> rules of each section
 *
 * The steps stand in files of their own, in this order: descriptors.c, arming.c, handler.c, incoming.c,
 * rules.c (instructions, stores), dataflow.c (CPU number, restart inputs), function.c (sequences in C).
 */
#ifndef PAWL_RSEQ_CHECK_CHECK_H
#define PAWL_RSEQ_CHECK_CHECK_H

#include "graph.h"
#include "report.h"

enum { SIGNATURES_MAX = 8, SECTION_LONGEST = 1 << 16 };

struct options {
    uint32_t signatures[SIGNATURES_MAX]; /* beside the architecture's own */
    size_t signature_count;
    bool allow_scratch; /* unmarked stores before the commit are warnings */
};

struct check {
    struct image *image;
    struct decoder decoder;
    const struct options *options;
    struct report *report;
    uint64_t *marks; /* addresses of stores declared private, in order */
    size_t mark_count;
};

/* Check everything in the image. False: out of memory, or no decoder for the machine; the caller asks
 * check_supports() first. report_free() is due either way. */
bool check_image(struct image *image, const struct options *options, struct report *report);
bool check_supports(const struct image *image);

/* The steps. */
void find_descriptors(struct check *check);
void find_arming(struct check *check, struct sequence *sequence);
void follow_handler(struct check *check, struct sequence *sequence);
void check_incoming(struct check *check);
void check_section(struct check *check, struct sequence *sequence);
void check_dataflow(struct check *check, struct sequence *sequence, struct graph *section);
void check_function(struct check *check, struct sequence *sequence);
void check_scratch_marks(struct check *check);

/* Parts that several steps need. */
/* Is there an instruction at the address, counted from the start of its function? */
bool is_instruction(struct check *check, uint64_t address);

bool is_scratch(const struct check *check, uint64_t address);

/* Straight code from `first` whose last instruction before `start` stores a known 8-byte value. */
struct arming {
    uint64_t value;
    uint64_t origin; /* where the value was first loaded */
    uint64_t store;
    struct operand area;
    struct regs thread; /* hold an address found through the thread pointer, at `start` */
};
bool trace_arming(struct check *check, uint64_t first, uint64_t start, struct arming *arming);

#endif
