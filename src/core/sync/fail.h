/* SPDX-License-Identifier: MIT */
/* What the program did wrong and cannot go on with: one line, then abort. */
#ifndef PAWL_CORE_SYNC_FAIL_H
#define PAWL_CORE_SYNC_FAIL_H

#include <pawl/config.h>

/* Prints "pawl: FUNCTION: WHAT" and aborts. */
PAWL_COLD void pawl_sync_fail(const char *function, const char *what) __attribute__((noreturn));

#endif
