/* SPDX-License-Identifier: MIT */
/* System calls, and an epoll set where one waits: what a loop that does nothing else would do. */
#include "sources_peers.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static int set = -1, source = -1;
static struct source_raiser raiser;

static int watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    source = fd;
    set = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 || set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0 ? -errno : 0;
}

static int open_signal(void)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    return watch(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
}

static int open_changes(const struct source_scene *scene)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (fd < 0 || inotify_add_watch(fd, scene->folder, IN_MODIFY) < 0)
        return -errno;
    return watch(fd);
}

static void raise_event(void *arg)
{
    const uint64_t one = 1;

    (void)arg;
    if (write(source, &one, sizeof one) != sizeof one)
        source_failed("eventfd", -errno);
}

static int open_event(void)
{
    int status = watch(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));

    return status != 0 ? status : source_raiser_start(&raiser, raise_event, NULL);
}

static int bare_open(struct source_scene *scene)
{
    switch (scene->kind) {
    case SOURCE_PIPE:
        return watch(scene->from);
    case SOURCE_SIGNAL:
        return open_signal();
    case SOURCE_CHANGE:
        return open_changes(scene);
    case SOURCE_EVENT:
        return open_event();
    case SOURCE_READ:
    case SOURCE_CHILD:
    default:
        return 0;
    }
}

/* Until the source has something, which is taken. */
static void wait_and_read(void)
{
    char bytes[4096];
    struct epoll_event event;

    while (epoll_wait(set, &event, 1, -1) != 1)
        ;
    if (read(source, bytes, sizeof bytes) <= 0)
        source_failed("read", -errno);
}

static void do_one(struct source_scene *scene)
{
    int status;

    switch (scene->kind) {
    case SOURCE_READ:
        if (pread(scene->file, scene->buffers[0], scene->bytes, 0) != (ssize_t)scene->bytes)
            source_failed("pread", -errno);
        return;
    case SOURCE_CHILD:
        if (waitpid(source_spawn(), &status, 0) < 0)
            source_failed("waitpid", -errno);
        source_check_status(status);
        return;
    case SOURCE_PIPE:
        if (write(scene->to, scene->message, sizeof scene->message) != SOURCE_MESSAGE)
            source_failed("write", -errno);
        break;
    case SOURCE_SIGNAL:
        source_signal();
        break;
    case SOURCE_CHANGE:
        source_touch(scene);
        break;
    case SOURCE_EVENT:
    default:
        source_raiser_ask(&raiser);
        break;
    }
    wait_and_read();
}

static int bare_run(struct source_scene *scene, uint64_t n)
{
    for (; n > 0; n--)
        do_one(scene);
    return 0;
}

const struct source_peer source_bare = {
    .name = "bare calls",
    .kinds = ~0u,
    .open = bare_open,
    .run = bare_run,
};
