/* SPDX-License-Identifier: MIT */
/* libevent, which tells of readiness, signals and wishes to be active. It has no files, and no children: SIGCHLD says that one
 * has ended. */
#include "sources_peers.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    struct event_base *base;
    struct source_scene *scene;
    uint64_t left;
    struct event event;
    int fd;
    pid_t child;
    struct source_raiser raiser;
} self;

static void begin(void)
{
    switch (self.scene->kind) {
    case SOURCE_PIPE:
        if (write(self.scene->to, self.scene->message, SOURCE_MESSAGE) != SOURCE_MESSAGE)
            source_failed("write", -errno);
        break;
    case SOURCE_SIGNAL:
        source_signal();
        break;
    case SOURCE_CHILD:
        self.child = source_spawn();
        break;
    case SOURCE_CHANGE:
        source_touch(self.scene);
        break;
    case SOURCE_EVENT:
        source_raiser_ask(&self.raiser);
        break;
    case SOURCE_READ:
    default:
        source_failed("libevent has no files", -EINVAL);
    }
}

static void done(void)
{
    if (--self.left == 0)
        (void)event_base_loopbreak(self.base);
    else
        begin();
}

static void readable(evutil_socket_t fd, short what, void *arg)
{
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);

    (void)what;
    (void)arg;
    if (n <= 0)
        source_failed("read", n < 0 ? -errno : 0);
    done();
}

static void told(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    done();
}

static void child_ended(evutil_socket_t fd, short what, void *arg)
{
    int status;

    (void)fd;
    (void)what;
    (void)arg;
    if (waitpid(self.child, &status, WNOHANG) != self.child)
        return; /* some other child */
    source_check_status(status);
    done();
}

static void raise_event(void *event)
{
    event_active(event, EV_READ, 0);
}

static int add(int fd, short what, event_callback_fn callback)
{
    if (event_assign(&self.event, self.base, fd, what, callback, NULL) != 0)
        return -EINVAL;
    return event_add(&self.event, NULL) != 0 ? -EINVAL : 0;
}

static int libevent_open(struct source_scene *scene)
{
    if (scene->kind == SOURCE_EVENT && evthread_use_pthreads() != 0)
        return -EINVAL;
    self.scene = scene;
    self.base = event_base_new();
    if (self.base == NULL)
        return -ENOMEM;
    switch (scene->kind) {
    case SOURCE_PIPE:
        if (fcntl(scene->from, F_SETFL, O_NONBLOCK) != 0)
            return -errno;
        return add(scene->from, EV_READ | EV_PERSIST, readable);
    case SOURCE_SIGNAL:
        return add(SIGUSR1, EV_SIGNAL | EV_PERSIST, told);
    case SOURCE_CHILD:
        return add(SIGCHLD, EV_SIGNAL | EV_PERSIST, child_ended);
    case SOURCE_CHANGE:
        self.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (self.fd < 0 || inotify_add_watch(self.fd, scene->folder, IN_MODIFY) < 0)
            return -errno;
        return add(self.fd, EV_READ | EV_PERSIST, readable);
    case SOURCE_EVENT: {
        int status = add(-1, EV_READ | EV_PERSIST, told);

        return status != 0 ? status : source_raiser_start(&self.raiser, raise_event, &self.event);
    }
    case SOURCE_READ:
    default:
        return -EINVAL;
    }
}

static int libevent_run(struct source_scene *scene, uint64_t n)
{
    (void)scene;
    self.left = n;
    begin();
    return event_base_loop(self.base, EVLOOP_NO_EXIT_ON_EMPTY) < 0 ? -EIO : 0;
}

const struct source_peer source_libevent = {"libevent, own calls", ~(1u << SOURCE_READ), libevent_open,
                                            libevent_run};
