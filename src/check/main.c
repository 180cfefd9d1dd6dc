/* SPDX-License-Identifier: MIT */
/* From the command line to the result line. */
#include "arch.h"
#include "explore.h"
#include "options.h"
#include "parallel.h"
#include "result.h"
#include "symmetry.h"
#include "visible.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

extern int main(int argc, char **argv, char **environment);
/* From PAWL_CHECK_OPTIONS() in the program, if it has one. */
extern const char pawl_check_options[] __attribute__((weak));

static struct {
    int argc;
    char **argv, **environment;
} program;

void fatal(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("pawl-check: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
    _exit(STATUS_FATAL);
}

/* ---- faults and threads that never end ---- */

enum { SIGNAL_STACK = 64 << 10, LANDING_STACK = 16 << 10 };
static char landing_stack[LANDING_STACK] __attribute__((aligned(16)));

static void leave_program(ucontext_t *context)
{
    arch_go_to(context, fiber_abandon, landing_stack + LANDING_STACK);
}

/* In the program's code only: anywhere else the default action says where. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    uint64_t pc = arch_pc(c) + 1;
    uintptr_t addr = (uintptr_t)info->si_addr;
    if (run.current < 0) {
        struct sigaction standard = {.sa_handler = SIG_DFL};
        sigaction(signal, &standard, NULL);
        return;
    }
    int overflowed = fiber_overflowed(addr);
    run.bug = BUG_FAULT;
    run.bug_pc = pc;
    if (overflowed >= 0)
        snprintf(run.bug_text, sizeof run.bug_text, "T%d: stack overflow (%zu KiB; --stack=KIB gives more)",
                 overflowed, options.stack_bytes >> 10);
    else if (signal == SIGFPE)
        snprintf(run.bug_text, sizeof run.bug_text, "T%d: arithmetic fault, as a division by zero",
                 run.current);
    else
        snprintf(run.bug_text, sizeof run.bug_text, "T%d: access to %#lx, which is no memory of the program",
                 run.current, (unsigned long)addr);
    leave_program(c);
}

static uint64_t progress(void)
{
    uint64_t sum = (uint64_t)run.number << 40;
    for (int t = 0; t < MAX_THREADS; t++)
        sum += (uint64_t)run.thread[t].executed + run.thread[t].plain_accesses;
    return sum;
}

static void on_tick(int signal, siginfo_t *info, void *context)
{
    static uint64_t last;
    static time_t since; /* this process may have had little of the machine */
    struct timespec used = {0};
    (void)signal;
    (void)info;
    uint64_t now = progress();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    if (now != last || run.current < 0)
        since = used.tv_sec;
    last = now;
    result_tick();
    if (used.tv_sec - since < options.patience)
        return;
    since = used.tv_sec;
    run.bug = BUG_LIMIT;
    run.bug_pc = arch_pc(context) + 1;
    snprintf(run.bug_text, sizeof run.bug_text, "T%d ran for %d seconds without an event: it never ends",
             run.current, options.patience);
    leave_program(context);
}

static void catch_signals(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    static char stack[SIGNAL_STACK];
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (sigaltstack(&alternative, NULL))
        fatal("cannot set a signal stack: %s", strerror(errno));
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigaction(faults[i], &action, NULL);
    action.sa_sigaction = on_tick;
    action.sa_flags |= SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
}

/* ---- the first thread ---- */

static void *first_thread(void *unused)
{
    int status = main(program.argc, program.argv, program.environment);
    if (status != 0)
        bug(BUG_ASSERTION, 0, "main returned %d", status);
    return unused;
}

/* ---- exploring ---- */

/* Nobody can go on, and no write that anybody waits for can come: not in this execution, not in any that
 * continues it. */
static void report_stuck(void)
{
    bool spinning = false;
    for (int t = 0; t < MAX_THREADS; t++)
        spinning |= run.thread[t].state == THREAD_SPINNING;
    bug(spinning ? BUG_LIVELOCK : BUG_DEADLOCK, 0,
        spinning ? "no thread can go on: a loop waits for what nobody writes" : "no thread can go on");
}

static bool after_execution(enum run_end end)
{
    if (options.symmetry)
        symmetry_check();
    if (end == END_STUCK)
        report_stuck();
    if (end == END_COMPLETE && options.leaks && !run.exited)
        heap_check_leaks();
    if (run.bug != BUG_NONE)
        end = END_ERROR;
    return result_add(end);
}

static void tick_every_second(void)
{
    struct itimerval every_second = {{1, 0}, {1, 0}};
    setitimer(ITIMER_REAL, &every_second, NULL);
}

/* A forked process has no timers. */
static bool explore_here(int enough)
{
    tick_every_second();
    return explore_until(after_execution, enough);
}

static int replay(void)
{
    static struct graph g;
    graph_clear(&g);
    replay_load(options.replay, &g);
    options.keep_output = true;
    enum run_end end = explore_one(&g);
    if (end == END_STUCK)
        report_stuck();
    if (end == END_COMPLETE && options.leaks)
        heap_check_leaks();
    if (options.dot_file)
        report_dot(options.dot_file);
    if (run.bug == BUG_NONE) {
        fprintf(stderr, "pawl-check: replayed %s without an error\n", options.replay);
        return STATUS_PASS;
    }
    report_bug(stderr);
    return STATUS_BUG;
}

static int explore(const char *name)
{
    result_begin(name);
    if (options.mutate)
        return mutate(explore_here);
    if (options.jobs > 1)
        return jobs_explore(explore_here);
    return result_end(explore_here(INT_MAX));
}

EXPORT int __wrap_main(int argc, char **argv, char **environment);
EXPORT int __wrap_main(int argc, char **argv, char **environment)
{
    int used = options_parse(argc, argv, pawl_check_options ? pawl_check_options : "");
    argv[used - 1] = argv[0];
    program.argc = argc - used + 1;
    program.argv = argv + used - 1;
    program.environment = environment;
    fiber_setup(MAX_THREADS);
    memory_setup();
    run.thread[0].start = first_thread;
    catch_signals();
    if (options.replay) {
        tick_every_second();
        return replay();
    }
    int status = explore(argv[0]);
    /* A bug is on standard error too. */
    if ((fflush(stdout) || ferror(stdout)) && status != STATUS_BUG)
        fatal("the result could not be written to standard output");
    return status;
}
