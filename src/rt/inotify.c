/* SPDX-License-Identifier: MIT */
/* File-system changes: inotify(7) behind a watch. */
#include <pawl/inotify.h>

#include "worker.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    LATER = 1 << 0,   /* the message is in the worker's queue: reading goes on, or it ends */
    STOPPED = 1 << 1, /* it ends */
};

enum {
    BUFFER = 4096, /* of a read: an event has at most 272 bytes */
    READS = 16,    /* a turn */
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_message) <= sizeof(((struct pawl_inotify *)NULL)->message),
                   "room for the message");
PAWL_STATIC_ASSERT(sizeof(struct pawl_inotify) == 128, "as the header says");

static struct pawl_inotify *inotify_of(struct pawl_watch *watch)
{
    return (struct pawl_inotify *)(void *)((char *)watch - offsetof(struct pawl_inotify, watch));
}

static void run_later(struct pawl_message *message, struct pawl_worker *worker);

static void later(struct pawl_inotify *inotify)
{
    struct pawl_message *message = (struct pawl_message *)(void *)inotify->message;

    if ((inotify->state & LATER) != 0)
        return;
    inotify->state |= LATER;
    message->run = run_later;
    pawl_worker_later_(inotify->worker, message);
}

/* Tells of the events of one read, until the program has stopped it. */
static void tell(struct pawl_inotify *inotify, const char *bytes, size_t count)
{
    struct inotify_event event;

    for (size_t at = 0; at < count && (inotify->state & STOPPED) == 0; at += sizeof event + event.len) {
        struct pawl_change change;

        memcpy(&event, bytes + at, sizeof event); /* the kernel's are whole, and aligned to 4 at least */
        change.watch = event.wd;
        change.mask = event.mask;
        change.cookie = event.cookie;
        change.name = event.len != 0 ? bytes + at + sizeof event : NULL;
        inotify->changed(inotify, &change);
    }
}

static void read_on(struct pawl_inotify *inotify)
{
    char bytes[BUFFER];

    for (int reads = 0; (inotify->state & STOPPED) == 0; reads++) {
        ssize_t n;

        if (reads == READS) {
            later(inotify); /* the others first */
            return;
        }
        n = read(inotify->fd, bytes, sizeof bytes);
        if (n > 0)
            tell(inotify, bytes, (size_t)n);
        else if (n == 0 || errno != EINTR)
            return; /* EAGAIN: the next change is a new edge */
    }
}

static void ready(struct pawl_watch *watch, uint32_t events)
{
    (void)events;
    read_on(inotify_of(watch));
}

static void run_later(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_inotify *inotify = (struct pawl_inotify *)(void *)((char *)message -
                                                                   offsetof(struct pawl_inotify, message));

    (void)worker;
    inotify->state &= ~(uint32_t)LATER;
    if ((inotify->state & STOPPED) == 0) {
        read_on(inotify);
        return;
    }
    inotify->worker = NULL;
    if (inotify->stopped != NULL)
        inotify->stopped(inotify);
}

/* The watch has ended. */
static void end(struct pawl_inotify *inotify)
{
    inotify->state |= STOPPED;
    close(inotify->fd);
    inotify->fd = -1;
    later(inotify);
}

static void watch_stopped(struct pawl_watch *watch)
{
    end(inotify_of(watch));
}

int pawl_inotify_start(struct pawl_inotify *inotify)
{
    struct pawl_worker *worker = pawl_worker_here_();
    int status;

    if (inotify->worker != NULL)
        return -EBUSY;
    if (worker == NULL)
        return -EPERM;
    inotify->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (inotify->fd < 0)
        return -errno;
    memset(&inotify->watch, 0, sizeof inotify->watch);
    inotify->watch.ready = ready;
    inotify->watch.stopped = watch_stopped;
    status = pawl_watch_start(&inotify->watch, inotify->fd, EPOLLIN);
    if (status != 0) {
        close(inotify->fd);
        return status;
    }
    inotify->state = 0;
    inotify->worker = worker;
    return 0;
}

int pawl_inotify_add(struct pawl_inotify *inotify, const char *path, uint32_t mask)
{
    int watch;

    if (inotify->worker == NULL || (inotify->state & STOPPED) != 0)
        return -EINVAL;
    watch = inotify_add_watch(inotify->fd, path, mask);
    return watch >= 0 ? watch : -errno;
}

int pawl_inotify_remove(struct pawl_inotify *inotify, int watch)
{
    if (inotify->worker == NULL || (inotify->state & STOPPED) != 0)
        return -EINVAL;
    return inotify_rm_watch(inotify->fd, watch) == 0 ? 0 : -errno;
}

void pawl_inotify_stop(struct pawl_inotify *inotify)
{
    if (inotify->worker == NULL || (inotify->state & STOPPED) != 0)
        return;
    pawl_watch_stop(&inotify->watch);
    end(inotify);
}
