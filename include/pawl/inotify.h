/* SPDX-License-Identifier: MIT */
/* Changes of files and folders: inotify(7) with a continuation.
 *
 * Purpose    Configuration that is read again when it changes, spools, caches of what lies on disk.
 * Model      pawl_inotify_start() on a worker makes an idle one; pawl_inotify_add() watches a path, and each change of it
 *            leads to a call of changed(), in the order of the kernel. Events, masks and their meaning are those of
 *            inotify(7):
 *              a rename     IN_MOVED_FROM and IN_MOVED_TO with the same cookie, one behind the other if both names are
 *                           watched. Only one of them comes if the other name is not.
 *              overflow     IN_Q_OVERFLOW with watch -1: the kernel's queue was full, changes were lost. Look at everything.
 *              IN_IGNORED   the last of a watch: it was removed, or what it watched has gone.
 *            A folder's watch tells of what is in it, not of what is in folders below: to watch a tree, add a watch
 *            for each folder, and for those that IN_CREATE | IN_ISDIR tells of (look at what is in there already).
 *            pawl_inotify_stop() ends all: changed() is not called any more, stopped() is, last, in a later turn,
 *            after which the structure is idle. So it is when the runtime closes.
 * Threads    Functions are called on one worker, which the continuations run on.
 * Fairness   Some 64 KiB of events a turn, then all others have theirs.
 * Progress   No function waits.
 * Memory     128 bytes, the caller's; a descriptor; 4 KiB of stack in a turn.
 */
#ifndef PAWL_INOTIFY_H
#define PAWL_INOTIFY_H

#include <pawl/watch.h>
#include <stddef.h>
#include <sys/inotify.h>

PAWL_BEGIN_DECLS

struct pawl_change {
    int watch;        /* of pawl_inotify_add(); -1: IN_Q_OVERFLOW */
    uint32_t mask;    /* what has happened: IN_MODIFY, ... */
    uint32_t cookie;  /* the same in both halves of a rename */
    const char *name; /* in the folder, until changed() returns; NULL: what is watched itself */
};

/* Idle when zeroed. */
struct pawl_inotify {
    void (*changed)(struct pawl_inotify *inotify, const struct pawl_change *change); /* the caller's */
    void (*stopped)(struct pawl_inotify *inotify); /* the caller's; may be NULL */
    /* the runtime's */
    struct pawl_worker *worker; /* NULL: idle */
    struct pawl_watch watch;
    uint64_t message[3]; /* a struct pawl_message */
    int fd;
    uint32_t state;
};

/* The object that a `struct pawl_inotify *` is the `member` of. */
#define pawl_inotify_of(inotify, type, member) ((type *)(void *)((char *)(inotify)-offsetof(type, member)))

/* Starts an idle one on this worker, which watches nothing. Returns 0; -EPERM (not on a worker), -EBUSY (started),
 * -EMFILE (also: as many as a user may have), -ENOMEM, -EPIPE (the runtime closes). */
PAWL_API int pawl_inotify_start(struct pawl_inotify *inotify) PAWL_NONNULL;

/* Watches the path for the events of mask: IN_CLOSE_WRITE, IN_CREATE, ..., IN_ONLYDIR, IN_DONT_FOLLOW, ...; see
 * inotify_add_watch(2). Returns its number, 0 or more (the same as before, with a new mask, if it is watched already), or
 * a negative errno: -ENOENT, -EACCES, -ENOSPC (as many watches as a user may have), ...; -EINVAL: not started. */
PAWL_API int pawl_inotify_add(struct pawl_inotify *inotify, const char *path, uint32_t mask) PAWL_NONNULL;

/* Ends a watch: IN_IGNORED comes, behind what has happened before. Returns 0; -EINVAL: no such watch. */
PAWL_API int pawl_inotify_remove(struct pawl_inotify *inotify, int watch) PAWL_NONNULL;

/* Ends all; stopped() will be called. Nothing if it is idle or ends already. In changed() too. */
PAWL_API void pawl_inotify_stop(struct pawl_inotify *inotify) PAWL_NONNULL;

PAWL_END_DECLS
#endif
