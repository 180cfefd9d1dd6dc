/* SPDX-License-Identifier: MIT */
/* Text to a file descriptor without stdio, which allocates. */
#ifndef PAWL_MALLOC_TEXT_H
#define PAWL_MALLOC_TEXT_H

#include "config.h"

struct text {
    int fd;
    int status; /* 0, or the first negative errno */
    size_t length;
    char room[1024];
};

void pawl_text_begin_(struct text *text, int fd);

/* Like fprintf, for %s, %u (uint64_t), %x (uint64_t), %w (width: pads the next to so many, given as int). */
void pawl_text_add_(struct text *text, const char *format, ...);

/* A whole file, as it is. */
void pawl_text_file_(struct text *text, const char *path);

/* Returns 0 or a negative errno. */
int pawl_text_end_(struct text *text);

#endif
