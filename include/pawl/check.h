/* SPDX-License-Identifier: MIT */
/* What a test may tell the model checker.
 *
 * Purpose    Nothing here is needed: `pawl-cc test.c -o test && ./test` explores a program that knows
 *            nothing of the checker. These are for tests that set their own options or need a choice of
 *            their own.
 * Model      docs/check.md. Every call means nothing, and costs nothing, in a program that was not built
 *            with pawl-cc; but it must be linked with libpawl-check all the same.
 */
#ifndef PAWL_CHECK_H
#define PAWL_CHECK_H

#include <pawl/config.h>
#include <stdbool.h>

PAWL_BEGIN_DECLS

/* At file level, once in a program: options as on the command line, which overrides them.
 *     PAWL_CHECK_OPTIONS("--model=tso --max-events=200") */
#define PAWL_CHECK_OPTIONS(text)            \
    extern const char pawl_check_options[]; \
    __attribute__((used, visibility("default"))) const char pawl_check_options[] = text;

/* One of the numbers below `count`, every one of them in an execution of its own: for what the program
 * cannot know (does this allocation fail? how many bytes does this read return?). Any thread; `count` >= 1.
 * */
PAWL_API unsigned pawl_check_choice(unsigned count);

/* Executions in which `condition` is false are of no interest: this one ends here, uncounted. */
PAWL_API void pawl_check_assume(bool condition);

/* True while the calling code runs under the checker. */
PAWL_API bool pawl_check_active(void);

PAWL_END_DECLS
#endif
