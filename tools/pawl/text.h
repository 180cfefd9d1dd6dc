/* SPDX-License-Identifier: MIT */
/* Numbers and lists as people read them. */
#ifndef PAWL_TOOL_TEXT_H
#define PAWL_TOOL_TEXT_H

#include "kernel.h"

#include <hwloc.h>
#include <stdint.h>

enum { BYTES_TEXT_MAX = 24, LABEL_WIDTH = 12, LINE_WIDTH = 100 };

/* "48 KiB", "1.25 MiB", "15.6 GiB": three digits that count. Returns `text`. */
const char *text_bytes(char text[BYTES_TEXT_MAX], uint64_t bytes);

/* "1 core", "2 cores", printed to stdout. */
void text_count(unsigned count, const char *one, const char *many);

/* A set in the kernel's list form, "0-3,8", printed to stdout; "none" if empty. */
void text_set(hwloc_const_bitmap_t set);

/* The label of a line, padded to LABEL_WIDTH. */
void text_label(const char *label);

/* The names of the bits that are set in `flags`, unknown ones as "bit-N", separated by blanks and
 * wrapped under the column after the label; `column` is where the cursor stands. Ends the line. */
void text_flags(const struct flag_name *names, uint64_t flags, unsigned column);

#endif
