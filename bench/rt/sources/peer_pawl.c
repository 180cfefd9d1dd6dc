/* SPDX-License-Identifier: MIT */
#include "sources_peers.h"

#include <pawl/block.h>
#include <pawl/child.h>
#include <pawl/event.h>
#include <pawl/file.h>
#include <pawl/inotify.h>
#include <pawl/rt.h>
#include <pawl/signal.h>
#include <pawl/stream.h>
#include <pawl/task.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static struct {
    struct pawl_rt *rt;
    struct pawl_task starter;
    struct source_scene *scene;
    uint64_t to_begin, to_end;
    int status;
    struct pawl_file_op reads[SOURCE_DEPTH_MAX];
    struct pawl_job jobs[SOURCE_DEPTH_MAX];
    struct pawl_stream *from, *to;
    size_t heard;
    struct pawl_signal signal;
    struct pawl_child child;
    struct pawl_op ended;
    struct pawl_inotify folder;
    struct pawl_event event;
    struct source_raiser raiser;
} self;

static void begin(unsigned place);

/* One is done: the next. */
static void done(unsigned place)
{
    if (--self.to_end == 0)
        pawl_rt_stop(self.rt);
    else if (self.to_begin > 0)
        begin(place);
}

/* ---- what is told ---- */

static void read_done(struct pawl_op *op, int64_t result)
{
    if (result != (int64_t)self.scene->bytes)
        source_failed("pawl_file_read", result);
    done((unsigned)(pawl_op_of(op, struct pawl_file_op, op) - self.reads));
}

static int64_t read_in_the_pool(void *arg)
{
    return pread(self.scene->file, arg, self.scene->bytes, 0);
}

static void job_done(struct pawl_job *job, int64_t result)
{
    if (result != (int64_t)self.scene->bytes)
        source_failed("pawl_block", result);
    done((unsigned)(job - self.jobs));
}

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    (void)stream;
    self.heard += slice->count;
    while (self.heard >= SOURCE_MESSAGE) {
        self.heard -= SOURCE_MESSAGE;
        done(0);
    }
}

static void caught(struct pawl_signal *signal, uint64_t count)
{
    (void)signal;
    (void)count;
    done(0);
}

static void child_ended(struct pawl_op *op, int64_t result)
{
    (void)op;
    source_check_status(result);
    done(0);
}

static void changed(struct pawl_inotify *inotify, const struct pawl_change *change)
{
    (void)inotify;
    (void)change;
    done(0);
}

static void raised(struct pawl_event *event, uint64_t count)
{
    (void)event;
    (void)count;
    done(0);
}

static void raise_event(void *event)
{
    (void)pawl_event_raise(event);
}

/* ---- what is begun ---- */

static int spawn(void)
{
    static char path[] = "/bin/true";
    char *argv[] = {path, NULL};
    struct pawl_child_config config = {.path = path, .argv = argv};
    int status = pawl_child_spawn(&self.child, &config);

    return status != 0 ? status : pawl_child_wait(&self.child, &self.ended, self.child.pid);
}

static void begin(unsigned place)
{
    struct source_scene *scene = self.scene;
    int status = 0;

    self.to_begin--;
    switch (scene->kind) {
    case SOURCE_READ:
        if (self.jobs[place].done != NULL)
            status = pawl_block(self.rt, &self.jobs[place], read_in_the_pool, scene->buffers[place]);
        else
            status = pawl_file_read(&self.reads[place], scene->file, scene->buffers[place], scene->bytes, 0);
        break;
    case SOURCE_PIPE:
        status = pawl_stream_write(self.to, scene->message, sizeof scene->message);
        break;
    case SOURCE_SIGNAL:
        source_signal();
        break;
    case SOURCE_CHILD:
        status = spawn();
        break;
    case SOURCE_CHANGE:
        source_touch(scene);
        break;
    case SOURCE_EVENT:
        source_raiser_ask(&self.raiser);
        break;
    }
    if (status != 0)
        source_failed("begin", status);
}

static enum pawl_task_next begin_all(struct pawl_task *task)
{
    (void)task;
    for (unsigned i = 0; i < self.scene->depth && self.to_begin > 0; i++)
        begin(i);
    return PAWL_TASK_DONE;
}

/* ---- opening ---- */

static int open_pipe(void)
{
    static const struct pawl_stream_config reading = {.received = received}, writing = {.received = received};
    int status = pawl_stream_adopt(&self.from, &reading, self.scene->from);

    return status != 0 ? status : pawl_stream_adopt(&self.to, &writing, self.scene->to);
}

static int open_changes(void)
{
    int status;

    self.folder.changed = changed;
    status = pawl_inotify_start(&self.folder);
    if (status == 0 && (status = pawl_inotify_add(&self.folder, self.scene->folder, IN_MODIFY)) >= 0)
        status = 0;
    return status;
}

static int open_source(void)
{
    int status;

    for (unsigned i = 0; i < SOURCE_DEPTH_MAX; i++)
        pawl_file_init(&self.reads[i], read_done);
    pawl_op_init(&self.ended, child_ended);
    switch (self.scene->kind) {
    case SOURCE_PIPE:
        return open_pipe();
    case SOURCE_SIGNAL:
        self.signal.caught = caught;
        return pawl_signal_start(&self.signal, SIGUSR1);
    case SOURCE_CHANGE:
        return open_changes();
    case SOURCE_EVENT:
        self.event.raised = raised;
        status = pawl_event_start(&self.event);
        return status != 0 ? status : source_raiser_start(&self.raiser, raise_event, &self.event);
    case SOURCE_READ:
    case SOURCE_CHILD:
    default:
        return 0;
    }
}

static enum pawl_task_next open_here(struct pawl_task *task)
{
    (void)task;
    self.status = open_source();
    pawl_rt_stop(self.rt);
    return PAWL_TASK_DONE;
}

/* Runs the function as a task, and the loop until somebody stops it. */
static int run_from(enum pawl_task_next (*function)(struct pawl_task *task))
{
    int status;

    pawl_task_init(&self.starter, function, 0);
    status = pawl_task_spawn(self.rt, &self.starter);
    return status != 0 ? status : pawl_rt_run(self.rt);
}

static int open_on(struct source_scene *scene, const char *engine)
{
    const struct pawl_rt_config config = {.workers = 1, .flags = PAWL_RT_CALLER, .engine = engine};
    int status = pawl_rt_open(&self.rt, &config);

    self.scene = scene;
    if (status == 0)
        status = run_from(open_here);
    return status != 0 ? status : self.status;
}

static int pawl_open_epoll(struct source_scene *scene)
{
    return open_on(scene, "epoll");
}

static int pawl_open_uring(struct source_scene *scene)
{
    return open_on(scene, "uring");
}

static int pawl_open_pool(struct source_scene *scene)
{
    for (unsigned i = 0; i < SOURCE_DEPTH_MAX; i++)
        pawl_job_init(&self.jobs[i], job_done);
    return open_on(scene, "epoll");
}

static int pawl_run(struct source_scene *scene, uint64_t n)
{
    (void)scene;
    self.to_begin = self.to_end = n;
    return run_from(begin_all);
}

const struct source_peer source_pawl_epoll = {"pawl epoll", ~0u, pawl_open_epoll, pawl_run},
                         source_pawl_uring = {"pawl io_uring", ~0u, pawl_open_uring, pawl_run},
                         source_pawl_pool = {"pawl_block, pread", 1u << SOURCE_READ, pawl_open_pool,
                                             pawl_run};
