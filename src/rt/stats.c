/* SPDX-License-Identifier: MIT */
/* What the workers have done, and what they are at: for programs, for people, for Prometheus. */
#include "task_state.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { DUMPED_TASKS = 256 }; /* of a worker; more are only counted */

static const struct counter {
    const char *name, *help;
    size_t in_stats, in_counts;
} counters[] = {
#define COUNTER(field, help)                                                                             \
    {                                                                                                    \
#field, help, offsetof(struct pawl_rt_counts, field), offsetof(struct pawl_worker_counts, field) \
    }
    COUNTER(tasks, "Runs of tasks"),
    COUNTER(spawned, "Tasks spawned"),
    COUNTER(finished, "Tasks completed"),
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
#undef COUNTER
};

enum { COUNTERS = sizeof counters / sizeof counters[0] };

static uint64_t count_of(const struct pawl_worker *worker, const struct counter *counter)
{
    const void *at = (const char *)&worker->counts + counter->in_counts;

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
    stats->spawned += pawl_load_relaxed(&rt->spawned); /* relaxed, both: as in count_of() */
    stats->finished += pawl_load_relaxed(&rt->finished);
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
        append(&out, "# HELP pawl_rt_%s_total %s.\n# TYPE pawl_rt_%s_total counter\n", counters[i].name,
               counters[i].help, counters[i].name);
        for (uint32_t w = 0; w < rt->workers; w++)
            append(&out, "pawl_rt_%s_total{runtime=\"%s\",worker=\"%" PRIu32 "\"} %" PRIu64 "\n",
                   counters[i].name, rt->name, w, count_of(&rt->worker[w], &counters[i]));
    }
    append(&out,
           "# HELP pawl_rt_alive Tasks and operations that have not completed.\n# TYPE pawl_rt_alive gauge\n"
           "pawl_rt_alive{runtime=\"%s\"} %" PRIu64 "\n",
           rt->name, pawl_rt_alive_(rt));
    return out.length;
}

/* ---- a dump ---- */

struct sink {
    int fd;
    int status; /* what write(2) said; from then on nothing is written */
};

/* One piece of text, of at most some hundred characters. */
__attribute__((format(printf, 2, 3))) static void say(struct sink *sink, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof text)
        length = (int)sizeof text - 1;
    for (int done = 0; done < length && sink->status == 0;) {
        ssize_t n = write(sink->fd, text + done, (size_t)(length - done));

        if (n >= 0)
            done += (int)n;
        else if (errno != EINTR)
            sink->status = -errno;
    }
}

static const char *const sleep_names[] = {"awake", "asleep", "called", "sent to search"};

static const char *state_name(uint32_t state)
{
    if ((state & PAWL_TASK_RUNNING_) != 0)
        return "runs, or lets others go first";
    return (state & PAWL_TASK_WOKEN_) != 0 ? "is owed a run" : "waits";
}

static void dump_tasks(struct sink *sink, struct pawl_worker *worker)
{
    struct {
        const struct pawl_task *task;
        uintptr_t run;
        uint32_t state;
    } seen[DUMPED_TASKS];
    uint32_t n = 0;
    uint64_t more = 0;

    pawl_mutex_lock(&worker->live_lock); /* not while writing: tasks complete under it */
    for (const struct pawl_task *task = worker->live; task != NULL; task = task->live_next) {
        if (n == DUMPED_TASKS) {
            more++;
            continue;
        }
        seen[n].task = task;
        seen[n].run = (uintptr_t)task->run;
        seen[n++].state = pawl_load_relaxed(&task->state); /* relaxed: to be shown */
    }
    pawl_mutex_unlock(&worker->live_lock);
    for (uint32_t i = 0; i < n; i++)
        say(sink, "    task %p, function %#" PRIxPTR ": %s%s%s\n", (const void *)seen[i].task, seen[i].run,
            state_name(seen[i].state), (seen[i].state & PAWL_TASK_CANCELLED_) != 0 ? ", cancelled" : "",
            (seen[i].state & PAWL_TASK_EXPIRED_) != 0 ? ", its deadline has passed" : "");
    if (more > 0)
        say(sink, "    and %" PRIu64 " more\n", more);
}

static void dump_worker(struct sink *sink, struct pawl_worker *worker)
{
    /* relaxed: to be shown */
    uint32_t word = pawl_load_relaxed(&worker->sleeper.word);

    say(sink,
        "  worker %" PRIu32 ", CPU %d, node %" PRIu32 ": %s; %zu urgent and %zu ordinary tasks ready\n   ",
        worker->index, worker->cpu, worker->node, sleep_names[word], pawl_deque_size(&worker->deque[0]),
        pawl_deque_size(&worker->deque[1]));
    for (size_t i = 0; i < COUNTERS; i++)
        say(sink, " %s %" PRIu64, counters[i].name, count_of(worker, &counters[i]));
    say(sink, "\n");
    dump_tasks(sink, worker);
}

int pawl_rt_dump(struct pawl_rt *rt, int fd)
{
    static const char *const phases[] = {"open", "closing", "ended"};
    struct sink sink = {.fd = fd};
    uint32_t phase = pawl_load_relaxed(&rt->phase); /* relaxed: to be shown */

    say(&sink, "runtime %s, %s, %s: %" PRIu32 " workers, %" PRIu64 " tasks and operations alive\n", rt->name,
        pawl_rt_engine(rt), phases[phase], rt->workers, pawl_rt_alive_(rt));
    for (uint32_t i = 0; i < rt->workers && sink.status == 0; i++)
        dump_worker(&sink, &rt->worker[i]);
    return sink.status;
}
