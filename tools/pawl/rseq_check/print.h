/* SPDX-License-Identifier: MIT */
/* The report on paper: text for people, JSON for programs. */
#ifndef PAWL_RSEQ_CHECK_PRINT_H
#define PAWL_RSEQ_CHECK_PRINT_H

#include "insn.h"
#include "report.h"

#include <jansson.h>

struct lines;

enum verbosity { QUIET, NORMAL, VERBOSE };

/* `lines` may be NULL: then places are functions and offsets only. */
void print_text(const struct report *report, const struct image *image, struct lines *lines,
                enum verbosity verbosity);

/* One file's member of the whole; NULL when memory is out. */
json_t *print_json(const struct report *report, const struct image *image, struct lines *lines);

/* Source lines from the file's debugging information. NULL when there is none. */
struct lines *lines_open(const struct image *image);
void lines_close(struct lines *lines);

/* "file.c:12"; "" when it is not known. */
enum { PLACE_MAX = 512 };
void lines_find(struct lines *lines, uint64_t address, char place[PLACE_MAX]);

/* "pop+0x12", or "" outside of all functions. */
void place_in_function(const struct image *image, uint64_t address, char place[PLACE_MAX]);

#endif
