/* SPDX-License-Identifier: MIT */
/* What the program did to its heap, in one line on stderr. By write(2): nothing here allocates. */
#ifndef PAWL_MALLOC_FAIL_H
#define PAWL_MALLOC_FAIL_H

#include "config.h"

/* "pawl-malloc: WHAT: ADDRESS" and abort(). */
PAWL_COLD void pawl_malloc_fail_(const char *what, const void *address) __attribute__((noreturn));

/* "pawl-malloc: WHAT: TEXT". */
PAWL_COLD void pawl_malloc_warn_(const char *what, const char *text, size_t length);

#endif
