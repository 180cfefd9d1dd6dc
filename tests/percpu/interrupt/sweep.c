/* SPDX-License-Identifier: MIT */
/* Every instruction in turn. */
#include "breakpoint.h"
#include "engine.h"
#include "trap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORTS_MAX 3 /* of one sweep: the first failures say it all */

struct sweep {
    const struct interrupt_subject *subject;
    struct interrupt_counts *counts;
    unsigned int reports; /* left to make */
};

struct interrupt_stop interrupt_stop_at(const struct interrupt_path *path, size_t k, enum interrupt_how how)
{
    struct interrupt_stop stop = {.at = path->at[k], .how = how};

    for (size_t i = 0; i <= k; i++)
        stop.occurrence += path->at[i] == stop.at;
    return stop;
}

static void say_where(const struct interrupt_stop *stop)
{
    const struct section *section = section_of(stop->at);

    if (section != NULL)
        fprintf(stderr, " byte %lu of %lu of its section, time %u%s;",
                (unsigned long)(stop->at - section->start), (unsigned long)section->length, stop->occurrence,
                stop->aborts != 0 ? ", restarted" : "");
    else
        fprintf(stderr, " %#lx, outside a section, time %u;", (unsigned long)stop->at, stop->occurrence);
}

static void report(struct sweep *sweep, const struct interrupt_stop *stops, unsigned int count,
                   const char *what)
{
    if (sweep->reports == 0)
        return;
    sweep->reports--;
    fprintf(stderr, "%s: interrupted at", sweep->subject->name);
    for (unsigned int i = 0; i < count; i++)
        say_where(&stops[i]);
    fprintf(stderr, " %s\n", what);
    if (sweep->subject->explain != NULL)
        sweep->subject->explain(sweep->subject->arg);
}

/* After a run: counts it, and checks. */
static void judge(struct sweep *sweep, const struct interrupt_stop *stops, unsigned int count, int status)
{
    const struct interrupt_subject *subject = sweep->subject;
    const char *what = NULL;

    sweep->counts->runs++;
    for (unsigned int i = 0; i < count; i++)
        sweep->counts->aborts += stops[i].aborts;
    if (status != 0)
        what = "the instruction was not reached";
    else if (engine_wrong() != NULL)
        what = engine_wrong();
    else if (!subject->check(subject->arg, count))
        what = "the outcome is wrong";
    if (what != NULL) {
        sweep->counts->failures++;
        report(sweep, stops, count, what);
    }
}

/* Behind a section, a compare-and-swap whose store-exclusive failed for no reason while the path was traced went
 * round its loop once more; the next run need not. */
static bool was_a_retry(const struct interrupt_stop *stop, int status)
{
    return status == -ENOENT && stop->occurrence > 1 && section_of(stop->at) == NULL;
}

/* The operation's own path, uninterrupted. The first call may resolve symbols on its way. */
static int trace(const struct interrupt_subject *subject, struct interrupt_path *path)
{
    int status = interrupt_run(subject, NULL, 0, NULL);

    return status == 0 ? interrupt_run(subject, NULL, 0, path) : status;
}

int interrupt_sweep(const struct interrupt_subject *subject, enum interrupt_how how, bool loud,
                    struct interrupt_counts *counts)
{
    static struct interrupt_path path;
    struct sweep sweep = {subject, counts, loud ? REPORTS_MAX : 0};
    int status = trace(subject, &path);

    for (size_t k = 0; status == 0 && k < path.count; k++) {
        struct interrupt_stop stop = interrupt_stop_at(&path, k, how);
        int reached = interrupt_run(subject, &stop, 1, NULL);

        if (was_a_retry(&stop, reached))
            continue;
        counts->points++;
        judge(&sweep, &stop, 1, reached);
    }
    return status;
}

/* One first stop, and every second one. */
static int sweep_second(struct sweep *sweep, const struct interrupt_stop *first, enum interrupt_how second)
{
    static struct interrupt_path rest;
    struct interrupt_stop stops[INTERRUPT_EVENTS_MAX] = {*first};
    int status = interrupt_run(sweep->subject, stops, 1, &rest);

    for (size_t k = 0; status == 0 && k < rest.count; k++) {
        int reached;

        stops[0] = *first;
        stops[1] = interrupt_stop_at(&rest, k, second);
        reached = interrupt_run(sweep->subject, stops, 2, NULL);
        if (was_a_retry(&stops[1], reached))
            continue;
        sweep->counts->points++;
        judge(sweep, stops, 2, reached);
    }
    return status;
}

int interrupt_sweep_twice(const struct interrupt_subject *subject, enum interrupt_how second, bool loud,
                          struct interrupt_counts *counts)
{
    static struct interrupt_path path;
    struct sweep sweep = {subject, counts, loud ? REPORTS_MAX : 0};
    int status = trace(subject, &path);

    for (size_t k = 0; status == 0 && k < path.count; k++) {
        struct interrupt_stop first = interrupt_stop_at(&path, k, INTERRUPT_PREEMPT);

        if (section_of(first.at) != NULL)
            status = sweep_second(&sweep, &first, second);
    }
    return status;
}

int interrupt_sweep_signals(const struct interrupt_subject *subject, const struct interrupt_path *path,
                            unsigned int times, struct interrupt_counts *counts)
{
    struct sweep sweep = {subject, counts, REPORTS_MAX};

    for (size_t k = 0; k < path->count; k++) {
        struct interrupt_stop stop = interrupt_stop_at(path, k, INTERRUPT_PREEMPT);
        int status;

        /* a section aborts at the first time already; later ones are the breakpoints' */
        if (stop.occurrence > 1)
            continue;
        status = engine_run_real(subject, &stop, times, -1);
        /* A sanitizer's check of the area's address may branch otherwise than on the traced path. */
        if (status == -ENOENT && section_of(stop.at) == NULL)
            continue;
        counts->points++;
        judge(&sweep, &stop, 1, status);
    }
    return 0;
}

/* In a section, or next to one. */
static bool is_near_section(const struct interrupt_path *path, size_t k)
{
    return section_of(path->at[k]) != NULL || (k > 0 && section_of(path->at[k - 1]) != NULL) ||
           (k + 1 < path->count && section_of(path->at[k + 1]) != NULL);
}

int interrupt_sweep_breakpoints(const struct interrupt_subject *subject, const struct interrupt_path *path,
                                struct interrupt_counts *counts)
{
    struct sweep sweep = {subject, counts, REPORTS_MAX};

    for (size_t k = 0; k < path->count; k++) {
        struct interrupt_stop stop = interrupt_stop_at(path, k, INTERRUPT_PREEMPT);
        int fd;

        if (!is_near_section(path, k))
            continue;
        fd = breakpoint_open(stop.at, stop.occurrence);
        if (fd < 0)
            return fd;
        counts->points++;
        judge(&sweep, &stop, 1, engine_run_real(subject, &stop, 1, fd));
        close(fd);
    }
    return 0;
}

int interrupt_breakpoints_work(void)
{
    int fd = breakpoint_open((uintptr_t)interrupt_breakpoints_work, 1);

    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}
