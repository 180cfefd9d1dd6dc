/* SPDX-License-Identifier: MIT */
#include "costs.h"

#include "effect.h"

#if defined(__x86_64__)

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WARM_UP = 64, /* iterations before: page faults, lazy binding, first use */
    CALLS = 32, /* that are looked at, one iteration each, or one batch: what is done in batches evens out */
    STEPS_MAX = 100000,    /* about a third of a second */
    SECONDS_MAX = 2,       /* whoever waits for a partner waits for ever */
    LINES_MAX = 512,       /* different ones in one call */
    LINE_SHIFT = 6,        /* 64 bytes */
    BELOW_STACK = 1 << 16, /* the child's frames stand below ours */
    ABOVE_STACK = 1 << 20,
    THREAD_BLOCK = 4096, /* libc's own part behind the thread pointer */
};

/* glibc says where a thread's rseq area is, relative to its thread pointer; others have no such symbol. */
extern const ptrdiff_t bench_rseq_offset __asm__("__rseq_offset") __attribute__((weak));
enum { RSEQ_CS = 8 }; /* where the area has the descriptor of the section that runs */

struct stepping {
    struct bench_decoder *decoder;
    pid_t child;
    uint64_t tls_bytes; /* before the thread pointer */
    uint64_t stack_low, stack_high;
    uint64_t steps;
    unsigned calls; /* that were seen whole */
    uint64_t rmw, fences, lines, kernel;
    unsigned written; /* lines of this call */
    uint64_t line[LINES_MAX];
};

/* Where a call begins and ends: the child stops here. */
__attribute__((noinline)) static void mark(void)
{
    __asm__ volatile(".globl bench_mark_\n.hidden bench_mark_\nbench_mark_: int3" ::: "memory");
}
extern const char bench_mark_[];

__attribute__((noreturn)) static void *sleep_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        pause();
}

__attribute__((noreturn)) static void run_as_child(const struct bench_contender *contender,
                                                   uint64_t iterations)
{
    struct bench_thread thread = {.threads = 1, .cpu = -1, .random = 1};
    void (*const run)(struct bench_thread *, uint64_t) = contender->alone != NULL ? contender->alone
                                                                                  : contender->run;
    pthread_t other;

    alarm(SECONDS_MAX);
    /* While a process has had one thread only, libc leaves out the atomic instructions of its locks and counts. */
    if (pthread_create(&other, NULL, sleep_for_ever, NULL) != 0)
        _exit(1);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(1);
    if (contender->setup != NULL && contender->setup(1, &thread.shared) != 0)
        _exit(1);
    if (contender->reset != NULL)
        contender->reset(thread.shared);
    if (contender->enter != NULL)
        contender->enter(&thread);
    run(&thread, WARM_UP);
    for (unsigned i = 0; i < CALLS; ++i) {
        mark();
        run(&thread, iterations);
        mark();
    }
    _exit(0);
}

static int add_tls(struct dl_phdr_info *info, size_t size, void *sum)
{
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
        if (info->dlpi_phdr[i].p_type == PT_TLS)
            *(uint64_t *)sum += info->dlpi_phdr[i].p_memsz + info->dlpi_phdr[i].p_align;
    }
    return 0;
}

static bool is_private(const struct stepping *s, const struct user_regs_struct *regs, uint64_t address)
{
    const bool on_stack = address >= s->stack_low && address < s->stack_high;
    const bool in_tls = address + s->tls_bytes >= regs->fs_base && address < regs->fs_base + THREAD_BLOCK;

    return on_stack || in_tls;
}

static void note_line(struct stepping *s, uint64_t line)
{
    for (unsigned i = 0; i < s->written; ++i) {
        if (s->line[i] == line)
            return;
    }
    if (s->written < LINES_MAX)
        s->line[s->written++] = line;
}

/* Returns false when the child ended, or stopped by something else than a trap. */
static bool await_trap(const struct stepping *s, struct user_regs_struct *regs)
{
    int status;

    if (waitpid(s->child, &status, 0) != s->child)
        return false;
    return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP &&
           ptrace(PTRACE_GETREGS, s->child, NULL, regs) == 0;
}

static bool go_on(const struct stepping *s, enum __ptrace_request how, struct user_regs_struct *regs)
{
    return ptrace(how, s->child, NULL, NULL) == 0 && await_trap(s, regs);
}

/* A stop inside a restartable sequence aborts it, so a sequence that is looked at would never end. It is alone here:
 * it may as well run as if it were plain code. */
static void disarm(const struct stepping *s, const struct user_regs_struct *regs,
                   const struct bench_effect *effect)
{
    if (&bench_rseq_offset == NULL)
        return;
    const uint64_t descriptor = regs->fs_base + (uint64_t)bench_rseq_offset + RSEQ_CS;

    for (unsigned i = 0; i < effect->stores; ++i) {
        if (effect->address[i] == descriptor)
            ptrace(PTRACE_POKEDATA, s->child, (void *)descriptor, NULL); // NOLINT(performance-no-int-to-ptr)
    }
}

/* One instruction. Returns false when the child must not go on. */
static bool step(struct stepping *s, struct user_regs_struct *regs)
{
    const struct user_regs_struct before = *regs;
    struct bench_effect effect;

    if (++s->steps > STEPS_MAX || bench_decoder_look(s->decoder, s->child, regs, &effect) != 0)
        return false;
    s->rmw += effect.rmw;
    s->fences += effect.fence;
    s->kernel += effect.kernel;
    for (unsigned i = 0; i < effect.stores; ++i) {
        if (!is_private(s, regs, effect.address[i]))
            note_line(s, effect.address[i] >> LINE_SHIFT);
    }
    if (!go_on(s, PTRACE_SINGLESTEP, regs))
        return false;
    disarm(s, &before, &effect);
    return true;
}

/* From the mark that the child stands at to the next. What a call that is cut off did is not counted. */
static bool step_call(struct stepping *s, struct user_regs_struct *regs)
{
    const uint64_t end = (uint64_t)(uintptr_t)bench_mark_;
    const struct stepping before = {.rmw = s->rmw, .fences = s->fences, .kernel = s->kernel};

    s->written = 0;
    while (regs->rip != end) {
        if (!step(s, regs)) {
            s->rmw = before.rmw;
            s->fences = before.fences;
            s->kernel = before.kernel;
            return false;
        }
    }
    s->lines += s->written;
    s->calls++;
    return true;
}

static void step_calls(struct stepping *s)
{
    struct user_regs_struct regs;

    if (!await_trap(s, &regs)) /* at the first mark */
        return;
    while (step_call(s, &regs) && s->calls < CALLS) {
        /* The mark that the call ended at, and on to the next. */
        if (!go_on(s, PTRACE_CONT, &regs))
            return;
        if (!go_on(s, PTRACE_CONT, &regs))
            return;
    }
}

void bench_costs_count(struct bench_decoder *decoder, const struct bench_group *group,
                       const struct bench_contender *contender, struct bench_costs *costs)
{
    const uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    struct stepping s = {
        .decoder = decoder,
        .stack_low = here - BELOW_STACK,
        .stack_high = here + ABOVE_STACK,
    };

    const uint64_t iterations = group->batch != 0 ? group->batch : 1;

    *costs = (struct bench_costs){0};
    if (decoder == NULL)
        return;
    dl_iterate_phdr(add_tls, &s.tls_bytes);
    s.child = fork();
    if (s.child == 0)
        run_as_child(contender, iterations);
    if (s.child < 0)
        return;
    step_calls(&s);
    kill(s.child, SIGKILL);
    while (waitpid(s.child, NULL, 0) < 0 && errno == EINTR)
        ;
    if (s.calls == 0)
        return;

    const double operations = (double)s.calls * (double)iterations * (group->ops != 0 ? group->ops : 1);
    costs->known = true;
    costs->rmw = (double)s.rmw / operations;
    costs->fences = (double)s.fences / operations;
    costs->lines = (double)s.lines / operations;
    costs->kernel = (double)s.kernel / operations;
}

#else

void bench_costs_count(struct bench_decoder *decoder, const struct bench_group *group,
                       const struct bench_contender *contender, struct bench_costs *costs)
{
    (void)decoder, (void)group, (void)contender;
    *costs = (struct bench_costs){0};
}

#endif
