/* SPDX-License-Identifier: MIT */
/* What a test, or a primitive, may tell the model checker.
 *
 * Purpose    Nothing here is needed: `pawl-cc test.c -o test && ./test` explores a program that knows
 *            nothing of the checker. These are for tests that set their own options or need a choice of
 *            their own, and for primitives of which the compiler's instrumentation shows nothing: hardware
 *            transactions, asymmetric fences, restartable sequences, non-temporal stores.
 * Model      docs/check.md.
 * Without    The functions are weak: a program that was not built with pawl-cc links without them, and the
 *            names below do nothing there (a choice is 0) but look whether they are. A program that is
 *            linked with libpawl-check but does not run under it finds the same.
 */
#ifndef PAWL_CHECK_H
#define PAWL_CHECK_H

#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>

PAWL_BEGIN_DECLS

#define PAWL_CHECK_API_ PAWL_API __attribute__((weak))

/* At file level, once in a program: options as on the command line, which overrides them.
 *     PAWL_CHECK_OPTIONS("--model=tso --max-events=200") */
#define PAWL_CHECK_OPTIONS(text)            \
    extern const char pawl_check_options[]; \
    __attribute__((used, visibility("default"))) const char pawl_check_options[] = text;

/* One of the numbers below `count`, every one of them in an execution of its own: for what the program
 * cannot know (does this allocation fail? how many bytes does this read return?). Any thread; `count` >= 1.
 */
PAWL_CHECK_API_ unsigned pawl_check_choose(unsigned count);

/* Executions in which `condition` is false are of no interest: this one ends here, uncounted. */
PAWL_CHECK_API_ void pawl_check_assume(bool condition);

/* True while the calling code runs under the checker. */
PAWL_CHECK_API_ bool pawl_check_active(void);

/* A transaction of the processor: what the thread does from begin to end happens at one point between the
 * steps of all other threads, or, after abort, not at all.
 *
 *   - Isolated from everybody: other threads need not use transactions, only atomic accesses.
 *   - Begin is a full fence; whatever order they ask for, atomic accesses are acq_rel ones; and a location
 *     that was only read counts as written with the value it had, so that a compare-exchange that comes
 *     later is ordered after the transaction. That is what x86 does; it is more than ARM's TME promises.
 *   - Abort takes back what was stored, in atomic and in plain memory. It does not jump: the caller returns
 *     to where it would be. Allocations stay. A processor that gives up by itself, anywhere, is
 *     `if (pawl_check_choose(2)) abort` before the first access.
 *   - Nests: the outermost end counts; one abort undoes all.
 *   - Plain accesses must be ordered by what the transaction read *before* them: one that looks at the lock
 *     last is reported as a race.
 *   - What blocks, creates threads or calls the kernel does not belong inside: an error. */
PAWL_CHECK_API_ void pawl_check_atomic_begin(void);
PAWL_CHECK_API_ void pawl_check_atomic_end(void);
PAWL_CHECK_API_ void pawl_check_atomic_abort(void);

/* The two halves of an asymmetric fence (<pawl/fence.h>), as membarrier(2) makes them. Of a light and a
 * heavy fence, either all that comes before the one is visible to what comes after the other, or the other way
 * round; two light ones order nothing between each other, and a light one nothing against a full one. The
 * heavy one is a seq_cst fence besides. Neither makes happen-before: plain data needs release and acquire
 * as well. */
PAWL_CHECK_API_ void pawl_check_fence_light(void);
PAWL_CHECK_API_ void pawl_check_fence_heavy(void);

/* A restartable sequence (rseq) on one of `cpus` processors, at most 64; which one is chosen, and returned:
 * threads may share a processor or be moved between two sequences. On a processor sequences run one after
 * the other; code outside of them, and other processors, see every store.
 *
 * The sequence may end at any point. That it does so before a load is the same as before the next store, so
 * it is asked there: pawl_check_rseq_store() before every store, the committing one too. When it returns
 * false the sequence was aborted, and must store nothing more. pawl_check_rseq_end() after the commit.
 * pawl_check_rseq_fence(): every sequence on this processor that began before has ended or was aborted
 * (membarrier's rseq command). Not inside a sequence. */
PAWL_CHECK_API_ unsigned pawl_check_rseq_begin(unsigned cpus);
PAWL_CHECK_API_ bool pawl_check_rseq_store(void);
PAWL_CHECK_API_ void pawl_check_rseq_end(void);
PAWL_CHECK_API_ void pawl_check_rseq_fence(unsigned cpu);

/* Before a non-temporal store to these bytes: a release store that follows does not order it; what does is
 * pawl_check_pwfence() (sfence), a seq_cst fence or a read-modify-write. Who reads the bytes ordered only by
 * the former is reported as racing.
 * Before the write-back of the cache lines of these bytes (clwb): a line in the trace; caches never lose
 * anything here.
 * pwfence orders stores against later stores, as a release fence does. */
PAWL_CHECK_API_ void pawl_check_store_nt(const void *p, size_t bytes);
PAWL_CHECK_API_ void pawl_check_writeback(const void *p, size_t bytes);
PAWL_CHECK_API_ void pawl_check_pwfence(void);

/* Macros, so that a trace shows the line of the caller. */
#define pawl_check_choose(count) (pawl_check_choose ? pawl_check_choose(count) : 0u)
#define pawl_check_assume(condition) (pawl_check_assume ? pawl_check_assume(condition) : (void)0)
#define pawl_check_active() (pawl_check_active && pawl_check_active())
#define pawl_check_atomic_begin() (pawl_check_atomic_begin ? pawl_check_atomic_begin() : (void)0)
#define pawl_check_atomic_end() (pawl_check_atomic_end ? pawl_check_atomic_end() : (void)0)
#define pawl_check_atomic_abort() (pawl_check_atomic_abort ? pawl_check_atomic_abort() : (void)0)
#define pawl_check_fence_light() (pawl_check_fence_light ? pawl_check_fence_light() : (void)0)
#define pawl_check_fence_heavy() (pawl_check_fence_heavy ? pawl_check_fence_heavy() : (void)0)
#define pawl_check_rseq_begin(cpus) (pawl_check_rseq_begin ? pawl_check_rseq_begin(cpus) : 0u)
#define pawl_check_rseq_store() (!pawl_check_rseq_store || pawl_check_rseq_store())
#define pawl_check_rseq_end() (pawl_check_rseq_end ? pawl_check_rseq_end() : (void)0)
#define pawl_check_rseq_fence(cpu) (pawl_check_rseq_fence ? pawl_check_rseq_fence(cpu) : (void)0)
#define pawl_check_store_nt(p, bytes) (pawl_check_store_nt ? pawl_check_store_nt(p, bytes) : (void)0)
#define pawl_check_writeback(p, bytes) (pawl_check_writeback ? pawl_check_writeback(p, bytes) : (void)0)
#define pawl_check_pwfence() (pawl_check_pwfence ? pawl_check_pwfence() : (void)0)

PAWL_END_DECLS
#endif
