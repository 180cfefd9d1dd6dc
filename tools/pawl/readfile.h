/* SPDX-License-Identifier: MIT */
/* Small files of /proc and /sys, below a root that tests replace (in the command it is ""). */
#ifndef PAWL_TOOL_READFILE_H
#define PAWL_TOOL_READFILE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Build root + formatted path into `path`. False when it does not fit. */
__attribute__((format(printf, 4, 5))) bool path_format(char *path, size_t size, const char *root,
                                                       const char *format, ...);

/* The first line of a file without its newline. False if the file cannot be read, or is empty. */
bool read_line(const char *path, char *line, size_t size);

/* The first line as a decimal number. */
bool read_number(const char *path, int64_t *number);

#endif
