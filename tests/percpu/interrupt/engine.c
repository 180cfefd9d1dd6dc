/* SPDX-License-Identifier: MIT */
/* One run: stop where told, play the kernel or watch it, let the other thread act, go on. */
#include "engine.h"

#include "breakpoint.h"
#include "trap.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

struct interrupt_area interrupt_area;

enum state {
    IDLE,    /* no trap is expected */
    ENTRY,   /* a trap on the operation's first instruction */
    WAITING, /* a trap on the next stop */
    PASSING, /* stepping over it: it is not its turn yet */
    TRACING, /* stepping, to write down the path */
};

static struct {
    const struct interrupt_subject *subject;
    bool real;
    int breakpoint;     /* descriptor, or negative */
    unsigned int times; /* at each stop */
    struct interrupt_stop *stops;
    unsigned int count;
    struct interrupt_path *path;

    volatile enum state state;
    unsigned int stop; /* the next one */
    unsigned int hits; /* how often its instruction was reached */
    unsigned int signals;
    bool path_full;
    const char *wrong;
} run;

/* Of every operation: they are called from one place only. Known after the first trace. */
static uintptr_t return_address;

static struct sigaction action_before;

static struct {
    struct pawl_percpu *pc;
    ptrdiff_t rseq_at;
    ptrdiff_t index_at;
} adopted;

void interrupt_adopt(struct pawl_percpu *pc)
{
    ptrdiff_t offset = (char *)&interrupt_area - (char *)__builtin_thread_pointer();

    adopted.pc = pc;
    adopted.rseq_at = pc->rseq_at;
    adopted.index_at = pc->index_at;
    pc->rseq_at = offset;
    pawl_rseq_offset = offset; /* inlined sequences read it, out-of-line ones the region's copy */
    pc->index_at = offset + (ptrdiff_t)offsetof(struct interrupt_area, cpu_id);
}

void interrupt_release(struct pawl_percpu *pc)
{
    if (pc != adopted.pc)
        return;
    pc->rseq_at = adopted.rseq_at;
    pawl_rseq_offset = adopted.rseq_at;
    pc->index_at = adopted.index_at;
    adopted.pc = NULL;
}

static void amiss(const char *what)
{
    if (run.wrong == NULL)
        run.wrong = what;
}

const char *engine_wrong(void)
{
    return run.wrong;
}

/* What a kernel refuses, with SIGSEGV. */
static bool is_valid(const struct section *section)
{
    return section->version == 0 && section->flags == 0 && !section_holds(section, section->abort) &&
           memcmp((const char *)section->abort - sizeof trap_rseq_signature, &trap_rseq_signature,
                  sizeof trap_rseq_signature) == 0;
}

/* The kernel, emulated: where a thread goes on that was preempted at `ip` with this descriptor. */
static uintptr_t preempted(uintptr_t ip, const struct section *armed, struct interrupt_stop *stop)
{
    if (armed == NULL || !section_holds(armed, ip)) {
        if (section_of(ip) != NULL)
            amiss("the instruction lies in a section that is not armed");
        return ip;
    }
    if (!is_valid(armed)) {
        amiss("the kernel would refuse the descriptor");
        return ip;
    }
    stop->aborts++;
    return armed->abort;
}

static void interfere(unsigned int nth)
{
    if (run.subject->interfere != NULL)
        run.subject->interfere(run.subject->arg, nth);
}

/* The other thread has an area of its own: rseq_cs is the stopped thread's again afterwards. The other
 * fields say where it runs, and may have changed. */
static uintptr_t stop_emulated(uintptr_t ip, struct interrupt_stop *stop)
{
    uint64_t armed = interrupt_area.rseq_cs;
    bool preempts = stop->how == INTERRUPT_PREEMPT;

    interrupt_area.rseq_cs = 0;
    if (preempts)
        ip = preempted(ip, (const struct section *)(uintptr_t)armed, stop);
    interfere(run.stop);
    interrupt_area.rseq_cs = preempts ? 0 : armed;
    interrupt_area.cpu_id_start = interrupt_area.cpu_id >= 0 ? (uint32_t)interrupt_area.cpu_id : 0;
    return ip;
}

/* The kernel has aborted the sequence before it delivered the signal. */
static uintptr_t stop_real(uintptr_t ip, struct interrupt_stop *stop)
{
    const struct section *section = section_of(stop->at);

    stop->aborts += ip != stop->at;
    if (section == NULL && ip != stop->at)
        amiss("the kernel aborted outside a section");
    else if (section != NULL && ip == stop->at)
        amiss("the kernel did not abort inside the section");
    else if (section != NULL && ip != section->abort)
        amiss("the kernel went to another place than the abort handler");
    interfere(run.stop);
    return ip;
}

static void plant_next_stop(void)
{
    run.state = WAITING;
    if (run.breakpoint < 0)
        trap_plant(run.stops[run.stop].at);
}

static void record(ucontext_t *context, uintptr_t ip)
{
    if (run.path->count == INTERRUPT_PATH_MAX) {
        run.path_full = true;
        run.state = IDLE;
        return;
    }
    run.path->at[run.path->count++] = ip;
    run.state = TRACING;
    trap_step(context);
}

static void at_stop(ucontext_t *context, uintptr_t ip)
{
    struct interrupt_stop *stop = &run.stops[run.stop];

    if (run.breakpoint >= 0)
        breakpoint_off(run.breakpoint);
    stop->reached = true;
    ip = run.real ? stop_real(ip, stop) : stop_emulated(ip, stop);
    trap_resume_at(context, ip);
    run.hits = 0;
    if (++run.signals < run.times) {
        plant_next_stop();
        return;
    }
    run.signals = 0;
    run.state = IDLE;
    if (++run.stop < run.count)
        plant_next_stop();
    else if (run.path != NULL)
        record(context, ip);
}

static void on_trap(int signal, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;
    uintptr_t ip = trap_arrive(context);

    (void)signal;
    (void)info;
    switch (run.state) {
    case ENTRY:
        return_address = trap_return_address(context);
        record(context, ip);
        break;
    case WAITING:
        if (!run.real && ++run.hits < run.stops[run.stop].occurrence) {
            run.state = PASSING;
            trap_step(context);
        } else {
            at_stop(context, ip);
        }
        break;
    case PASSING:
        plant_next_stop();
        break;
    case TRACING:
        run.state = IDLE;
        if (ip != return_address)
            record(context, ip);
        break;
    case IDLE:
        amiss("a trap came from somewhere else");
        break;
    }
}

int interrupt_begin(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    return sigaction(SIGTRAP, &action, &action_before) == 0 ? 0 : -errno;
}

void interrupt_end(void)
{
    sigaction(SIGTRAP, &action_before, NULL);
}

/* The one place from which operations are called. */
__attribute__((noinline)) static void call(const struct interrupt_subject *subject)
{
    subject->operation(subject->arg);
    __asm__ __volatile__("" ::: "memory"); /* no tail call: they return to here */
}

static int perform(void)
{
    run.subject->reset(run.subject->arg);
    if (run.breakpoint >= 0)
        breakpoint_on(run.breakpoint);
    if (run.count > 0) {
        plant_next_stop();
    } else if (run.path != NULL) {
        run.state = ENTRY;
        trap_plant((uintptr_t)run.subject->operation);
    }
    call(run.subject);
    run.state = IDLE;
    trap_clear();
    if (run.breakpoint >= 0)
        breakpoint_off(run.breakpoint);
    if (run.path_full)
        return -E2BIG;
    return run.stop < run.count ? -ENOENT : 0;
}

int interrupt_run(const struct interrupt_subject *subject, struct interrupt_stop *stops, unsigned int count,
                  struct interrupt_path *path)
{
    memset(&run, 0, sizeof run);
    run.subject = subject;
    run.breakpoint = -1;
    run.times = 1;
    run.stops = stops;
    run.count = count;
    run.path = path;
    if (path != NULL)
        path->count = 0;
    return perform();
}

int engine_run_real(const struct interrupt_subject *subject, struct interrupt_stop *stop, unsigned int times,
                    int fd)
{
    memset(&run, 0, sizeof run);
    run.subject = subject;
    run.real = true;
    run.breakpoint = fd;
    run.times = times;
    run.stops = stop;
    run.count = 1;
    return perform();
}
