/* SPDX-License-Identifier: MIT */
/* What the workers have done: for programs, and for Prometheus. */
#include "dump.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const struct counter {
    const char *name, *help;
    size_t in_stats, in_counts;
    bool engine; /* one of struct pawl_io_counts */
    bool gauge;
} counters[] = {
#define COUNTER_AT(field, help, at)                                                                    \
    {                                                                                                  \
#field, help, offsetof(struct pawl_rt_counts, field), offsetof(struct pawl_worker_counts, at), \
            false, false                                                                               \
    }
#define COUNTER(field, help) COUNTER_AT(field, help, field)
#define ENGINE(field, help, gauge)                                                                          \
    {                                                                                                       \
#field, help, offsetof(struct pawl_rt_counts, field), offsetof(struct pawl_io_counts, field), true, \
            gauge                                                                                           \
    }
    COUNTER(tasks, "Runs of tasks"),
    COUNTER_AT(spawned, "Tasks spawned", tally.began),
    COUNTER_AT(finished, "Tasks completed", tally.ended),
    COUNTER(messages, "Messages run"),
    COUNTER(injected, "Tasks taken from the shared queues"),
    COUNTER(steals, "Steals that found something"),
    COUNTER(stolen, "Tasks stolen"),
    COUNTER(searches, "Searches through the other workers"),
    COUNTER(parks, "Sleeps"),
    COUNTER(wakes, "Sleeps that another thread ended"),
    COUNTER(turns, "Turns of the loop"),
    COUNTER(polls, "Calls of the engine"),
    COUNTER(events, "Events of the engine"),
    COUNTER(timers, "Timers fired"),
    ENGINE(syscalls, "System calls to wait, receive, send and accept", false),
    ENGINE(submissions, "Entries submitted to io_uring", false),
    ENGINE(connections, "Streams begun", false),
    ENGINE(streams, "Streams alive", true),
    ENGINE(received, "Bytes received", false),
    ENGINE(sent, "Bytes sent", false),
    ENGINE(starved, "Times a listener had to wait for descriptors or memory", false),
#undef COUNTER
#undef COUNTER_AT
#undef ENGINE
};

enum { COUNTERS = sizeof counters / sizeof counters[0] };

static uint64_t count_of(const struct pawl_worker *worker, const struct counter *counter)
{
    const char *counts = counter->engine ? (const char *)&worker->engine->io.counts
                                         : (const char *)&worker->counts;
    const void *at = counts + counter->in_counts;

    return pawl_load_relaxed((const PAWL_ATOMIC(uint64_t) *)at); /* relaxed: a figure, not a promise */
}

static void add(struct pawl_rt_counts *stats, const struct pawl_worker *worker)
{
    for (size_t i = 0; i < COUNTERS; i++)
        *(uint64_t *)(void *)((char *)stats + counters[i].in_stats) += count_of(worker, &counters[i]);
}

int pawl_rt_stats(const struct pawl_rt *rt, uint32_t worker, struct pawl_rt_counts *stats)
{
    *stats = (struct pawl_rt_counts){0};
    if (worker != PAWL_RT_TOTAL) {
        if (worker >= rt->workers)
            return -EINVAL;
        add(stats, &rt->worker[worker]);
        return 0;
    }
    for (uint32_t i = 0; i < rt->workers; i++)
        add(stats, &rt->worker[i]);
    stats->spawned += pawl_load_relaxed(&rt->outside.began); /* relaxed, both: as in count_of() */
    stats->finished += pawl_load_relaxed(&rt->outside.ended);
    return 0;
}

/* ---- Prometheus ---- */

struct text {
    char *at;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void append(struct text *text, const char *format, ...)
{
    size_t room = text->length < text->size ? text->size - text->length : 0;
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(room > 0 ? text->at + text->length : NULL, room, format, arguments);
    va_end(arguments);
    text->length += n > 0 ? (size_t)n : 0;
}

size_t pawl_rt_prometheus(const struct pawl_rt *rt, char *text, size_t size)
{
    struct text out = {.at = text, .size = size};

    for (size_t i = 0; i < COUNTERS; i++) {
        const char *name = counters[i].name, *end = counters[i].gauge ? "" : "_total";

        append(&out, "# HELP pawl_rt_%s%s %s.\n# TYPE pawl_rt_%s%s %s\n", name, end, counters[i].help, name,
               end, counters[i].gauge ? "gauge" : "counter");
        for (uint32_t w = 0; w < rt->workers; w++)
            append(&out, "pawl_rt_%s%s{runtime=\"%s\",worker=\"%" PRIu32 "\"} %" PRIu64 "\n", name, end,
                   rt->name, w, count_of(&rt->worker[w], &counters[i]));
    }
    append(&out,
           "# HELP pawl_rt_alive Tasks and operations that have not completed.\n# TYPE pawl_rt_alive gauge\n"
           "pawl_rt_alive{runtime=\"%s\"} %" PRIu64 "\n",
           rt->name, pawl_rt_alive_(rt));
    return out.length;
}

/* ---- for people ---- */

const char *pawl_counter_(const struct pawl_worker *worker, size_t i, uint64_t *count)
{
    if (i >= COUNTERS)
        return NULL;
    *count = count_of(worker, &counters[i]);
    return counters[i].name;
}
