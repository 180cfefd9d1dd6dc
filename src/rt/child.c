/* SPDX-License-Identifier: MIT */
/* Children: pidfd_open(2), waitid(2), posix_spawn(3).
 *
 * An engine that waits for children by itself tells that one can be waited for, and leaves it a zombie: whose status has not been
 * taken can be waited for again, and no memory of ours is the kernel's. It spares the descriptor of the process, which costs
 * more than all the rest of the wait. */
#include <pawl/child.h>

#include "engine.h"
#include "stream.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

PAWL_STATIC_ASSERT(sizeof(struct pawl_child) == 88, "as the header says");

enum { BY_PIDFD = 3 }; /* P_PIDFD, which an older C library does not name */

/* ---- the end ---- */

static struct pawl_child *child_of(struct pawl_watch *watch)
{
    return (struct pawl_child *)(void *)((char *)watch - offsetof(struct pawl_child, watch));
}

static void let_go(struct pawl_child *child)
{
    if (child->fd < 0) {
        pawl_watch_stop(&child->watch); /* without a descriptor */
        return;
    }
    pawl_watch_close_(&child->watch);
    child->fd = -1;
}

/* As waitpid(2) would say it. */
static int64_t status_of(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return (int64_t)(info->si_status & 0xff) << 8;
    return (info->si_status & 0x7f) | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

static int watch_by_descriptor(struct pawl_child *child)
{
    int status;

    child->fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    if (child->fd < 0)
        return -errno;
    status = pawl_watch_start(&child->watch, child->fd, EPOLLIN);
    if (status != 0) {
        close(child->fd);
        child->fd = -1;
    }
    return status;
}

/* The engine could not wait after all. */
static PAWL_COLD void wait_otherwise(struct pawl_child *child)
{
    int status;

    pawl_watch_stop(&child->watch);
    status = watch_by_descriptor(child);
    if (status != 0)
        pawl_op_complete_(child->op, status == -ESRCH ? -ECHILD : status);
}

/* Its status, which is taken; -EAGAIN: it has not ended. */
static int64_t take_status(const struct pawl_child *child)
{
    siginfo_t info = {0};
    int status;

    do
        status = child->fd < 0 ? waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG)
                               : waitid((idtype_t)BY_PIDFD, (id_t)child->fd, &info, WEXITED | WNOHANG);
    while (status != 0 && errno == EINTR);
    if (status != 0)
        return -errno;
    return info.si_pid != 0 ? status_of(&info) : -EAGAIN;
}

static void ended(struct pawl_watch *watch, uint32_t events)
{
    struct pawl_child *child = child_of(watch);
    const bool described = child->fd >= 0;
    int64_t result = -ECHILD;

    if (!described && (events & EPOLLERR) != 0) {
        wait_otherwise(child);
        return;
    }
    /* Not asked for by its number if somebody else has the status: it may be another child's by now. */
    if (described || (events & EPOLLHUP) == 0)
        result = take_status(child);
    if (result == -EAGAIN) {
        if (described)
            return;       /* the descriptor will say so again */
        result = -ECHILD; /* it had ended, and this is another one */
    }
    let_go(child);
    pawl_op_complete_(child->op, result);
}

static void stopped(struct pawl_watch *watch)
{
    struct pawl_child *child = child_of(watch);

    let_go(child);
    pawl_op_complete_later_(child->op, -ECANCELED);
}

static void withdraw(struct pawl_op *op)
{
    let_go(op->target);
}

/* -ENOSYS: not by this engine. */
static int watch_by_number(struct pawl_child *child, const struct pawl_engine *engine)
{
    if (engine->class->watch_child == NULL)
        return -ENOSYS;
    /* pidfd_open(2)'s word for it, which io_uring would only say later */
    if (kill(child->pid, 0) != 0 && errno == ESRCH)
        return -ESRCH;
    return pawl_watch_child_(&child->watch, child->pid);
}

int pawl_child_wait(struct pawl_child *child, struct pawl_op *op, pid_t pid)
{
    struct pawl_worker *worker = pawl_worker_here_();
    int status;

    if (worker == NULL)
        return -EPERM;
    if (pawl_op_pending(op) || child->watch.started)
        return -EBUSY;
    if (pid <= 0)
        return -EINVAL;
    child->pid = pid;
    child->fd = -1;
    child->watch.ready = ended;
    child->watch.stopped = stopped;
    child->op = op;
    status = watch_by_number(child, worker->engine);
    if (status == -ENOSYS)
        status = watch_by_descriptor(child);
    return status == 0 ? pawl_op_begin_(op, worker->engine, child, withdraw) : status;
}

/* ---- the beginning ---- */

/* What the child's 0, 1 and 2 are copies of; -1: none of ours. */
struct ends {
    int fd[3];
};

static void close_ends(struct ends *ends)
{
    for (int i = 0; i < 3; i++)
        if (ends->fd[i] >= 0)
            close(ends->fd[i]);
}

/* A copy above 2, so that none is written over before it is used. */
static int copy_of(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    return copy >= 0 ? copy : -errno;
}

/* A stream, and the child's end of it. */
static int connect_one(struct pawl_child_end *end, int *fd)
{
    int pair[2], status;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -errno;
    status = *fd = copy_of(pair[1]);
    close(pair[1]);
    if (status >= 0)
        status = pawl_stream_adopt(&end->stream, end->config, pair[0]);
    if (status != 0)
        close(pair[0]);
    return status;
}

static int make_end(struct pawl_child_end *end, int *fd)
{
    switch (end->kind) {
    case PAWL_CHILD_INHERIT:
    case PAWL_CHILD_NULL:
        return 0;
    case PAWL_CHILD_FD:
        *fd = copy_of(end->fd);
        return *fd >= 0 ? 0 : *fd;
    case PAWL_CHILD_STREAM:
        return connect_one(end, fd);
    default:
        return -EINVAL;
    }
}

/* Nobody was told of them: `closed` comes, as of every stream. */
static void abort_streams(struct pawl_child_config *config)
{
    for (int i = 0; i < 3; i++)
        if (config->stdio[i].kind == PAWL_CHILD_STREAM && config->stdio[i].stream != NULL) {
            pawl_stream_abort(config->stdio[i].stream, -ECANCELED);
            config->stdio[i].stream = NULL;
        }
}

static int one_action(posix_spawn_file_actions_t *actions, const struct pawl_child_end *end, int number,
                      int fd)
{
    if (end->kind == PAWL_CHILD_NULL)
        return posix_spawn_file_actions_addopen(actions, number, "/dev/null", O_RDWR, 0);
    return fd >= 0 ? posix_spawn_file_actions_adddup2(actions, fd, number) : 0;
}

static int start(struct pawl_child *child, const struct pawl_child_config *config,
                 posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes)
{
    char *const *envp = config->envp != NULL ? config->envp : environ;
    sigset_t none, all;
    int status;

    sigemptyset(&none);
    sigfillset(&all);
    status = posix_spawnattr_setsigmask(attributes, &none);
    if (status == 0)
        status = posix_spawnattr_setsigdefault(attributes, &all);
    if (status == 0)
        status = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (status == 0 && config->folder != NULL)
        status = posix_spawn_file_actions_addchdir_np(actions, config->folder);
    if (status != 0)
        return status;
    return config->path != NULL
               ? posix_spawn(&child->pid, config->path, actions, attributes, config->argv, envp)
               : posix_spawnp(&child->pid, config->argv[0], actions, attributes, config->argv, envp);
}

static int start_with(struct pawl_child *child, const struct pawl_child_config *config,
                      const struct ends *ends)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int status = posix_spawn_file_actions_init(&actions);

    if (status != 0)
        return -status;
    status = posix_spawnattr_init(&attributes);
    if (status == 0) {
        for (int i = 0; i < 3 && status == 0; i++)
            status = one_action(&actions, &config->stdio[i], i, ends->fd[i]);
        if (status == 0)
            status = start(child, config, &actions, &attributes);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return -status;
}

int pawl_child_spawn(struct pawl_child *child, struct pawl_child_config *config)
{
    const struct pawl_worker *worker = pawl_worker_here_();
    struct ends ends = {{-1, -1, -1}};
    int status = 0;

    if (worker == NULL)
        return -EPERM;
    if (worker->engine->io.stopping)
        return -EPIPE;
    for (int i = 0; i < 3; i++)
        config->stdio[i].stream = NULL;
    if (config->argv == NULL || (config->path == NULL && config->argv[0] == NULL))
        return -EINVAL;
    for (int i = 0; i < 3 && status == 0; i++)
        status = make_end(&config->stdio[i], &ends.fd[i]);
    if (status == 0)
        status = start_with(child, config, &ends);
    close_ends(&ends);
    if (status != 0)
        abort_streams(config);
    return status;
}
