/* SPDX-License-Identifier: MIT */
/* What a runtime is at, as text for people.
 *
 * Counters and tasks are looked at from outside. Connections are their worker's alone: it is sent a message, and writes
 * them down itself. Who asks waits a second for it; the paper belongs to both, and who lets go last frees it. */
#include "dump.h"

#include "signal_inside.h"
#include "stream.h"
#include "task_state.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <pawl/clock.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    DUMPED_TASKS = 256,   /* of a worker; more are only counted */
    DUMPED_STREAMS = 256, /* likewise */
    PATIENCE_NS = 1000000000,
};

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

/* ---- tasks ---- */

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

/* ---- connections ---- */

struct seen_stream {
    int fd;
    uint32_t state, inflight;
    uint64_t queued, idle_ms;
};

struct paper {
    struct pawl_message message;
    PAWL_ATOMIC(uint32_t) holds;
    PAWL_ATOMIC(uint32_t) written; /* W */
    struct pawl_eventcount changed;
    uint32_t n;
    uint64_t streams, others; /* that there are */
    struct seen_stream seen[DUMPED_STREAMS];
};

static struct paper *new_paper(void)
{
    struct paper *paper = calloc(1, sizeof *paper);

    if (paper != NULL) {
        pawl_eventcount_init(&paper->changed, PAWL_PRIVATE);
        pawl_store_relaxed(&paper->holds, 2u); /* relaxed: nobody else has it yet */
    }
    return paper;
}

static void let_go(struct paper *paper)
{
    /* release P: what this one did with it is done; acquire P: before it is freed */
    if (pawl_fetch_sub_acq_rel(&paper->holds, 1u) == 1)
        free(paper);
}

static void write_down(struct paper *paper, const struct pawl_worker *worker)
{
    const struct pawl_slots *slots = &worker->engine->io.slots;

    for (uint32_t i = 0; i < slots->count; i++) {
        struct pawl_source *source = slots->slots[i].source;
        const struct pawl_stream *stream;
        uint64_t moved;

        if (source == NULL)
            continue;
        if (!pawl_source_is_stream_(source)) {
            paper->others++;
            continue;
        }
        stream = pawl_stream_of_(source);
        paper->streams++;
        if (paper->n == DUMPED_STREAMS)
            continue;
        moved = stream->read_at > stream->write_at ? stream->read_at : stream->write_at;
        paper->seen[paper->n++] = (struct seen_stream){
            .fd = source->fd,
            .state = stream->state,
            .inflight = stream->inflight,
            .queued = pawl_stream_waiting_(stream),
            .idle_ms = worker->now > moved ? (worker->now - moved) / 1000000 : 0,
        };
    }
}

static void asked(struct pawl_message *message, struct pawl_worker *worker)
{
    struct paper *paper = pawl_mpsc_of(message, struct paper, message);

    write_down(paper, worker);
    pawl_store_release(&paper->written, 1u); /* release W: pairs with the acquire in is_written() */
    pawl_eventcount_notify_all(&paper->changed);
    let_go(paper);
    pawl_rt_release_(worker->rt);
}

static bool is_written(void *paper)
{
    /* acquire W: pairs with the release in asked(), what the worker wrote down is seen */
    return pawl_load_acquire(&((struct paper *)paper)->written) != 0;
}

static const char *stream_state(uint32_t state)
{
    if ((state & STREAM_DEAD) != 0)
        return "has ended, the kernel still has something of it";
    if ((state & STREAM_CONNECTING) != 0)
        return "connects";
    if ((state & STREAM_MOVING) != 0)
        return "moves to another worker";
    if ((state & STREAM_CLOSING) != 0)
        return "closes when all is sent";
    if ((state & STREAM_OPENED) == 0)
        return "is about to open";
    if ((state & STREAM_ENDED) != 0)
        return "the peer sends no more";
    if ((state & STREAM_CHOKED) != 0)
        return "reads no more until its queue is shorter";
    return (state & STREAM_PAUSED) != 0 ? "is paused" : "reads";
}

static void dump_paper(struct sink *sink, const struct paper *paper)
{
    for (uint32_t i = 0; i < paper->n; i++) {
        const struct seen_stream *seen = &paper->seen[i];

        say(sink, "    connection, descriptor %d: %s%s; %" PRIu64 " bytes queued, idle %" PRIu64 " ms",
            seen->fd, stream_state(seen->state), (seen->state & STREAM_BLOCKED) != 0 ? ", waits to send" : "",
            seen->queued, seen->idle_ms);
        say(sink, seen->inflight != 0 ? ", %" PRIu32 " submissions\n" : "\n", seen->inflight);
    }
    if (paper->streams > paper->n)
        say(sink, "    and %" PRIu64 " more connections\n", paper->streams - paper->n);
    say(sink, "    %" PRIu64 " listeners, watches and other sources\n", paper->others);
}

/* Asks the worker, unless the caller is the one. Returns 0, or why there is nothing to be said. */
static int ask(struct paper *paper, struct pawl_worker *worker)
{
    int status;

    if (worker == pawl_worker_here_()) {
        write_down(paper, worker);
        let_go(paper); /* the worker's hold */
        return 0;
    }
    status = pawl_rt_hold_(worker->rt); /* until it has answered */
    if (status != 0) {
        let_go(paper);
        return status;
    }
    paper->message.run = asked;
    pawl_worker_send_(worker, &paper->message);
    return pawl_eventcount_await(&paper->changed, is_written, paper, pawl_deadline(PATIENCE_NS));
}

static void dump_streams(struct sink *sink, struct pawl_worker *worker)
{
    struct paper *paper = new_paper();
    int status;

    if (paper == NULL) {
        say(sink, "    no memory to ask for its connections\n");
        return;
    }
    status = ask(paper, worker);
    if (status == 0)
        dump_paper(sink, paper);
    else if (status == -EPIPE)
        say(sink, "    it closes\n");
    else
        say(sink, "    does not answer: it has been at one task for a second\n");
    let_go(paper);
}

/* ---- all ---- */

static const char *const sleep_names[] = {"awake", "asleep", "called", "sent to search"};

static void dump_worker(struct sink *sink, struct pawl_worker *worker)
{
    /* relaxed: to be shown */
    uint32_t word = pawl_load_relaxed(&worker->sleeper.word);
    const char *name;
    uint64_t count;

    say(sink,
        "  worker %" PRIu32 ", CPU %d, node %" PRIu32 ": %s; %zu urgent and %zu ordinary tasks ready\n   ",
        worker->index, worker->cpu, worker->node, sleep_names[word], pawl_deque_size(&worker->deque[0]),
        pawl_deque_size(&worker->deque[1]));
    for (size_t i = 0; (name = pawl_counter_(worker, i, &count)) != NULL; i++)
        say(sink, " %s %" PRIu64, name, count);
    say(sink, "\n");
    dump_tasks(sink, worker);
    dump_streams(sink, worker);
}

int pawl_rt_dump(struct pawl_rt *rt, int fd)
{
    static const char *const phases[] = {"open", "closing", "ended"};
    struct sink sink = {.fd = fd};
    uint32_t phase = pawl_load_relaxed(&rt->ending.phase); /* relaxed: to be shown */

    if (rt->generation != pawl_rt_generation_())
        return -ECHILD; /* whoever had a lock is not there to give it back */
    say(&sink, "runtime %s, %s (%s), %s: %" PRIu32 " workers, %" PRIu64 " tasks and operations alive\n",
        rt->name, pawl_rt_engine(rt), pawl_rt_engine_reason(rt), phases[phase], rt->workers,
        pawl_rt_alive_(rt));
    for (uint32_t i = 0; i < rt->workers && sink.status == 0; i++)
        dump_worker(&sink, &rt->worker[i]);
    return sink.status;
}

/* ---- on a signal ---- */

static int64_t dump_now(void *rt)
{
    return pawl_rt_dump(rt, STDERR_FILENO);
}

static void dumped(struct pawl_job *job, int64_t result)
{
    struct pawl_dumper *dumper = pawl_job_of(job, struct pawl_dumper, job);
    struct pawl_rt *rt = dumper->signal.worker->rt;

    (void)result; /* nobody reads standard error: nobody could be told either */
    if (!dumper->again)
        return;
    dumper->again = false;
    (void)pawl_block(rt, job, dump_now,
                     rt); /* fails when the runtime closes, or the pool is full: as below */
}

static void caught(struct pawl_signal *signal, uint64_t count)
{
    struct pawl_dumper *dumper = pawl_signal_of(signal, struct pawl_dumper, signal);
    struct pawl_rt *rt = signal->worker->rt;
    int status = pawl_block(rt, &dumper->job, dump_now, rt);

    (void)count;
    if (status == -EBUSY)
        dumper->again = true;
    else if (status != 0 && status != -EPIPE)
        (void)dump_now(
            rt); /* no thread is to be had: then from here, and the worker serves nobody meanwhile */
}

int pawl_dump_on_signal_(struct pawl_worker *worker, int number)
{
    struct pawl_dumper *dumper = &worker->rt->dumper;

    pawl_job_init(&dumper->job, dumped);
    dumper->signal.caught = caught;
    return pawl_signal_start_on_(&dumper->signal, number, worker);
}
