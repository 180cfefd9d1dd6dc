/* SPDX-License-Identifier: MIT */
/* Watches: arbitrary descriptors. */
#include <pawl/watch.h>

#include "engine.h"
#include "stream.h"
#include "worker.h"

#include <errno.h>
#include <unistd.h>

PAWL_STATIC_ASSERT(sizeof(struct pawl_source) <= sizeof(((struct pawl_watch *)NULL)->inside),
                   "it holds a source");

static struct pawl_source *source_of(struct pawl_watch *watch)
{
    return (struct pawl_source *)(void *)&watch->inside;
}

static struct pawl_watch *watch_of(struct pawl_source *source)
{
    return (struct pawl_watch *)(void *)((char *)source - offsetof(struct pawl_watch, inside));
}

static void source_ready(struct pawl_source *source, uint32_t events)
{
    struct pawl_watch *watch = watch_of(source);

    watch->ready(watch, events);
}

static void source_stop(struct pawl_source *source)
{
    struct pawl_watch *watch = watch_of(source);

    pawl_watch_stop(watch);
    if (watch->stopped != NULL)
        watch->stopped(watch);
}

/* Its source is filled in. */
static int start(struct pawl_watch *watch)
{
    struct pawl_worker *worker = pawl_worker_here_();
    struct pawl_source *source = source_of(watch);
    struct pawl_engine *engine = worker->engine;
    int status;

    source->ready = source_ready;
    source->stop = source_stop;
    status = pawl_slot_take_(engine, source);
    if (status != 0)
        return status;
    status = source->child ? engine->class->watch_child(engine, source)
                           : engine->class->watch(engine, source, source->events);
    if (status != 0) {
        pawl_slot_give_(source);
        return status;
    }
    watch->started = true;
    return 0;
}

static int may_start(const struct pawl_watch *watch)
{
    const struct pawl_worker *worker = pawl_worker_here_();

    if (watch->started)
        return -EBUSY;
    if (worker == NULL)
        return -EPERM;
    return worker->engine->io.stopping ? -EPIPE : 0;
}

int pawl_watch_start(struct pawl_watch *watch, int fd, uint32_t events)
{
    int status = may_start(watch);

    if (status != 0)
        return status;
    if (fd < 0)
        return -EBADF;
    *source_of(watch) = (struct pawl_source){.fd = fd, .events = events};
    return start(watch);
}

int pawl_watch_child_(struct pawl_watch *watch, int pid)
{
    int status = may_start(watch);

    if (status != 0)
        return status;
    *source_of(watch) = (struct pawl_source){.fd = -1, .events = (uint32_t)pid, .child = true};
    return start(watch);
}

void pawl_watch_stop(struct pawl_watch *watch)
{
    struct pawl_source *source = source_of(watch);

    if (!watch->started)
        return;
    source->engine->class->unwatch(source->engine, source);
    pawl_slot_give_(source); /* events that are on their way find nobody */
    watch->started = false;
}

void pawl_watch_close_(struct pawl_watch *watch)
{
    struct pawl_source *source = source_of(watch);

    if (watch->started && source->engine->class->close_unwatches) {
        pawl_slot_give_(source);
        watch->started = false;
    }
    pawl_watch_stop(watch);
    close(source->fd);
}

/* ---- once ---- */

static void once_ready(struct pawl_watch *watch, uint32_t events)
{
    struct pawl_op *op = watch->op;

    pawl_watch_stop(watch);
    pawl_op_complete_(op, events);
}

static void once_stopped(struct pawl_watch *watch)
{
    pawl_op_complete_later_(watch->op, -ECANCELED);
}

static void withdraw_once(struct pawl_op *op)
{
    pawl_watch_stop(op->target);
}

int pawl_watch_once(struct pawl_watch *watch, struct pawl_op *op, int fd, uint32_t events)
{
    int status;

    if (pawl_op_pending(op) || watch->started)
        return -EBUSY;
    watch->ready = once_ready;
    watch->stopped = once_stopped;
    watch->op = op;
    status = pawl_watch_start(watch, fd, events);
    if (status != 0)
        return status;
    return pawl_op_begin_(op, source_of(watch)->engine, watch, withdraw_once);
}
