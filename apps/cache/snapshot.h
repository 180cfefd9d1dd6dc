/* SPDX-License-Identifier: MIT */
/* What is in the store as a file, and back: for a restart that keeps its items (-e), and for SIGUSR1.
 *
 * Purpose    One format for both. memcached's restart maps its memory from a file and mends the pointers in it; such a file
 *            fits one version, one layout and one -m. Here items are written one by one: any -m takes them, a file that
 *            was written while the server went on serving is as good as one of its last moment, and each byte
 *            of it is under a checksum. The price is that a start reads all of it, some million items a second.
 * Format     In the machine's byte order, which `order` tells.
 *
 *              header   0 "pawlsnap" | 8 order | 12 version | 16 taken | 24 next cas | 32 flush | 40 id | 48 zeros | 60 sum
 *              block    0 "BLCK" | 4 items | 8 bytes | 16 number | 24 id | 28 sum | 32 items, one behind the other
 *              ...
 *              end      0 "LAST" | 4 zero  | 8 eight | 16 number | 24 id | 28 sum | 32 items in all
 *              item     0 cas | 8 expires | 16 flags | 20 size | 24 key bytes | 25 heat | 26 queue | 27 base64
 *                       | 28 age | 32 key | value
 *
 *            Times are seconds of the Unix clock, 0 for never; `size` is that of item.h with its two bits. A sum is a
 *            CRC-32C: of the header's 60 bytes, or of a block's 28 and its bytes.
 * Valid      1. The header's magic, order, version and sum are right.  2. Blocks are numbered from 0 and have the id of the
 *            header.  3. Their sums are right.  4. Items fill their block exactly; keys have 1 to 250 bytes.
 *            5. There is an end, its count is right, and nothing follows. Otherwise nothing of it is loaded.
 * Crash      It is written as `NAME.writing`, synced, renamed, and the folder synced: whoever looks under the name finds
 *            the old file or the whole new one. What a crash leaves has that one name and is written over the next time.
 *            Who writes holds a lock (flock, which ends with its process, however that ends) on it, so that two never write at
 *            once. What nobody holds is the next one's, whoever had made it, if it looks like one. Who will write at its end (-e) makes
 *            and locks it when it begins, empty, so that two never count on the same file.
 * Meanwhile  Written by any thread while others change the store: each item that stays is in it, as it was at
 *            some moment of the writing. Sections of a few dozen items; large values are held, not copied. When a flush
 *            comes between, it is written anew, ten times at most: then -ESTALE.
 */
#ifndef CACHE_SNAPSHOT_H
#define CACHE_SNAPSHOT_H

#include "store.h"

#include <pawl/atomic.h>

struct cache_snapshot {
    uint64_t items, bytes;     /* written or loaded; of the file */
    uint64_t expired, refused; /* loading: their time was over; too large or no room (-I, -M) */
    const char *wrong;         /* when it failed: why, for people; most errors of the system have none */
    int unsynced;              /* written, but its folder was not synced: why; else 0 */
};

/* Makes `path` the caller's: opens and locks the file beside it that will be written, so that no other process writes nor
 * claims it until this one ends. Returns its descriptor; -EBUSY: another has it; -EEXIST: it is something else; or another
 * negative errno; *wrong as above. *left: a writer that was killed had written to it. */
int cache_snapshot_claim(const char *path, bool *left, const char **wrong);

/* It will not be written after all. */
void cache_snapshot_unclaim(const char *path, int claim);

/* Writes all of the store to `path`. `claim`: what was claimed, which is used up; -1: nothing was. `stop` may be set by
 * another thread: then it gives up with -ECANCELED. NULL: never. Returns 0 or a negative errno; then `path` is as it was.
 * `unsynced`: the new one is there, and if the machine goes down the old one may come back. Any thread, outside of
 * sections. */
int cache_snapshot_write(const struct cache_store *store, const char *path, int claim,
                         const PAWL_ATOMIC(bool) * stop, struct cache_snapshot *result);

/* Removes it, for good: it does not come back even if the machine goes down, unless *unsynced says why its folder was not
 * synced. Returns 0 or a negative errno: it is still there. */
int cache_snapshot_remove(const char *path, int *unsynced);

/* Removes what a writer that was killed has left beside `path`. Returns 0: there was something; -ENOENT: there was not; -EBUSY:
 * somebody is writing it; -EEXIST: it is something else; or another negative errno. */
int cache_snapshot_left(const char *path);

/* Loads a file into an empty store. Returns 0; -EINVAL: it is no snapshot at all; -EBADMSG: it is one, but truncated, damaged or
 * of another version; what open and read say. Then the store is empty. A session's thread. */
int cache_snapshot_read(struct cache_session *session, const char *path, struct cache_snapshot *result);

/* The same of an open file, from its beginning. */
int cache_snapshot_read_fd(struct cache_session *session, int fd, struct cache_snapshot *result);

#endif
