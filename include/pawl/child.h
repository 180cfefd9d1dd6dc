/* SPDX-License-Identifier: MIT */
/* Children: their end as an operation, and how to start them with streams.
 *
 * Purpose    Programs that run others: filters, compilers, hooks, supervisors.
 * Model      pawl_child_wait() completes an operation (<pawl/op.h>) with the child's status as waitpid(2) gives it (for
 *            WIFEXITED, WEXITSTATUS, WIFSIGNALED, ...), once, and the child is reaped then. It is told by a descriptor of
 *            the process (pidfd), or by io_uring itself (Linux 6.7): no SIGCHLD, no handler, nobody else's children. A
 *            program that waits for SIGCHLD (<pawl/signal.h>) hears it all the same.
 *            A wait that is cancelled, or late, leaves the child as it was; it may be waited for again.
 *            pawl_child_spawn() starts a program, and connects any of its standard input, output and error to streams
 *            (<pawl/stream.h>), which are sockets.
 * Who else waits    One process's status is for one waiter. If another part of the program takes it (wait(-1), SIGCHLD
 *            ignored or with SA_NOCLDWAIT), the operation completes with -ECHILD. So it does for a process that is no child
 *            of this one: when that ends, or at once.
 * Threads    Functions are called on a worker, and continuations run there.
 * Progress   wait: no function waits. spawn: posix_spawn(3), which returns when the child has executed or could not; some
 *            100 us in which the worker serves nobody.
 * Closing    The runtime cancels waits and closes streams; children live on.
 * Memory     88 bytes, the caller's; a descriptor for each wait (io_uring, Linux 6.7: of those beyond 64 on a worker), two
 *            for each stream until the child is started.
 */
#ifndef PAWL_CHILD_H
#define PAWL_CHILD_H

#include <pawl/op.h>
#include <pawl/watch.h>
#include <sys/types.h>

PAWL_BEGIN_DECLS

struct pawl_stream;
struct pawl_stream_config;

/* Idle when zeroed. */
struct pawl_child {
    pid_t pid; /* of pawl_child_spawn(), and pawl_child_wait() */
    /* the runtime's */
    int fd;
    struct pawl_op *op;
    struct pawl_watch watch;
};

/* The operation completes with the status of the child `pid`, 0 or more; or with a negative errno: -ECHILD, and those of
 * every operation. Returns 0; -EPERM (not on a worker), -EBUSY, -ESRCH (no such process), -EINVAL (no number of
 * one), -EMFILE, -ENOMEM, -EPIPE (the runtime closes). `child` is the operation's until that completes. */
PAWL_API int pawl_child_wait(struct pawl_child *child, struct pawl_op *op, pid_t pid) PAWL_NONNULL;

/* What one of the child's descriptors 0, 1, 2 is to be. */
enum pawl_child_stdio {
    PAWL_CHILD_INHERIT, /* what the parent's is */
    PAWL_CHILD_NULL,    /* /dev/null */
    PAWL_CHILD_FD,      /* a copy of `fd` */
    PAWL_CHILD_STREAM,  /* the other end of a new stream */
};

struct pawl_child_end {
    enum pawl_child_stdio kind;
    int fd;
    const struct pawl_stream_config *config; /* of the stream */
    struct pawl_stream *stream;              /* set: the stream */
};

/* Zeroed memory with argv is a good one. */
struct pawl_child_config {
    const char *path;   /* of the program; NULL: argv[0], looked for in PATH */
    char *const *argv;  /* ends with NULL */
    char *const *envp;  /* NULL: the parent's */
    const char *folder; /* in which it starts; NULL: the parent's */
    struct pawl_child_end stdio[3];
};

/* Starts the program; signals are as after execve(2), none ignored or blocked. child->pid is its number, and its streams
 * are in config->stdio[].stream. Returns 0; -EPERM (not on a worker), -EPIPE (the runtime closes), -EINVAL (no argv, or
 * neither path nor argv[0]), -ENOENT, -EACCES, ... of execve(2), -EMFILE, -ENOMEM, -EAGAIN: then there is no child, and streams that had been made are only closed. */
PAWL_API int pawl_child_spawn(struct pawl_child *child, struct pawl_child_config *config) PAWL_NONNULL;

PAWL_END_DECLS
#endif
