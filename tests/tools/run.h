/* SPDX-License-Identifier: MIT */
/* Runs the pawl command and keeps what it says. <cmocka.h> must have been included before. */
#ifndef PAWL_TESTS_TOOLS_RUN_H
#define PAWL_TESTS_TOOLS_RUN_H

#include <jansson.h>
#include <stddef.h>

struct launch {
    const char *const *arguments;   /* after the command's name; ends with NULL */
    const char *const *environment; /* "NAME=value" to add, "NAME" to take away; NULL: nothing */
    const char *output_to;          /* where stdout goes instead of being kept */
    void (*before)(void);           /* runs in the child just before exec */
};

struct outcome {
    int status;        /* exit status, or 128 + the signal that ended it */
    char out[1 << 20]; /* text, always ended by 0 */
    char err[1 << 14];
};

/* The result is valid until the next call. */
const struct outcome *run(const struct launch *launch);

/* run() with arguments only. */
const struct outcome *run_pawl(const char *const *arguments);
#define PAWL(...) run_pawl((const char *const[]){__VA_ARGS__, NULL})

void assert_contains(const char *text, const char *part);
void assert_lacks(const char *text, const char *part);

/* It failed with `status`, said `part` on stderr and nothing on stdout. */
void assert_refused(const struct outcome *outcome, int status, const char *part);

/* It succeeded in silence on stderr, and stdout is one JSON value. The caller releases it. */
json_t *assert_json(const struct outcome *outcome);

#endif
