/* SPDX-License-Identifier: MIT */
/* Numbers by key, a small table for each CPU: what is added to everywhere, and read now and then.
 *
 * Purpose    Packets a flow, requests a tenant, bytes a file: like <pawl/counter.h>, but the counters are named at
 *            run time, and there are a few hundred to some ten thousand of them. For values that are read as often as
 *            they change take a map that is shared.
 * Model      A key has a number, 0 where it was never added to. add(key, n) adds to it in the table of the CPU; get sums
 *            over the tables. A table has a fixed number of cells. A key takes one in each table in which it is added
 *            to, and keeps it until the whole hash is closed.
 *
 *              slice of a CPU:  | key value | key value | 0  -  | key value | ...   cells, a power of two
 *                                    ^ hash(key) picks the first of up to 128 to look at
 *
 * Progress   add: as in <pawl/percpu.h>, lock-free on a sequence; signal handlers too. get: wait-free.
 * Ordering   P: a key is committed with release order behind its first number, and read with acquire order: who sees the
 *            key sees a number of it. Else none: relaxed sums, late, never wrong.
 * Memory     16 bytes a cell and CPU that adds. Untouched pages cost nothing.
 * Cost       add: 15 to 20 instructions where the first cell is the key's, 4 more for each further one; no atomic
 *            read-modify-write, no shared line. get: the same cells in each table in use.
 * Source     Linux BPF_MAP_TYPE_PERCPU_HASH for what it is good for; a restartable sequence in plain C
 *            (<pawl/restartable.h>) for how.
 */
#ifndef PAWL_PERCPU_HASH_H
#define PAWL_PERCPU_HASH_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/percpu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

struct pawl_percpu_hash {
    struct pawl_percpu *pc;
    size_t cells; /* a table; a power of two */
    uint64_t seed;
};

/* Tables for about `keys` keys each, 1 to 2^24: twice as many cells, rounded up to a power of two, 16 at least.
 * Returns 0; -EINVAL; -ENOMEM. Any thread; not from signal handlers. */
PAWL_API int pawl_percpu_hash_init(struct pawl_percpu_hash *hash, size_t keys) PAWL_NONNULL PAWL_MUST_USE;

/* Frees the tables. Nobody uses them any more. */
PAWL_API void pawl_percpu_hash_destroy(struct pawl_percpu_hash *hash) PAWL_NONNULL;

/* The number of `key`, which is any but 0, += n, wrapping. Returns 0; -EINVAL: key 0; -ENOSPC: the key is new to
 * this CPU's table, and the cells that it could take are all of others: nothing was added. With no more keys than
 * _init was told this does not happen but by bad luck of one in thousands. Any thread, signal handlers too. */
PAWL_API int pawl_percpu_hash_add(struct pawl_percpu_hash *hash, uint64_t key, long n) PAWL_NONNULL;

/* The sum of what was added to the key before, and of some of what is added meanwhile. Any thread. */
PAWL_API long pawl_percpu_hash_get(const struct pawl_percpu_hash *hash, uint64_t key) PAWL_NONNULL;

/* Calls visit(key, sum, argument) once for each key that was added to before, in ascending order, until it returns
 * false. Keys that come meanwhile are visited or not. Returns 0, or -ENOMEM (18 bytes for each cell in use). Any
 * thread; not from signal handlers. */
PAWL_API int pawl_percpu_hash_each(const struct pawl_percpu_hash *hash,
                                   bool (*visit)(uint64_t key, long sum, void *argument), void *argument)
    __attribute__((nonnull(1, 2)));

PAWL_END_DECLS
#endif
