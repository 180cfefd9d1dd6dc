/* SPDX-License-Identifier: MIT */
/* A cell that holds the current version of something: configuration, routes, a certificate.
 *
 * Purpose    Hot reload as a finished thing. A new version is published as a whole, readers see the old one
 *            or the new one and never wait, an old one is dropped when nobody uses it.
 * Model      A pointer, and a function that drops what it points to. Readers either look, inside a section
 *            of RCU, or hold a version for as long as they like (over sleeps, in other threads).
 *
 *              publish A            publish B                      last release
 *              cell -> A            cell -> B    A: readers, holds      |-> drop(A)
 *
 * Progress   look, hold, release: wait-free (release that is the last one calls drop). publish: does not wait
 *            for readers, but as pawl_rcu_call where 16384 callbacks wait for them; two publishers
 *            at once are both published, in some order.
 * Ordering   As pawl_rcu_assign and dereference (P): a reader sees all that was stored in a version before
 *            it was published.
 *            K: what holders did with a version comes before its drop.
 * Signals    look may be used in signal handlers, between pawl_rcu_read_lock and unlock. The rest may not: a
 *            handler of SIGHUP notes that it came, and a thread reloads; see examples/rcu_cell.c.
 * fork       As <pawl/rcu.h>.
 * Memory     40 bytes of heap a version.
 * Cost       look: as pawl_rcu_dereference, and one more load. hold, release: one atomic addition each.
 */
#ifndef PAWL_RCU_CELL_H
#define PAWL_RCU_CELL_H

#include <pawl/config.h>
#include <pawl/rcu.h>

PAWL_BEGIN_DECLS

/* A version that is, or was, in a cell. */
struct pawl_rcu_version {
    void *data;
    void (*drop)(void *data);
    PAWL_ATOMIC(uint64_t)
    holds; /* the cell's own, until a grace period after the next publication, and holders' */
    struct pawl_retired retired;
};

struct pawl_rcu_cell {
    PAWL_ATOMIC(struct pawl_rcu_version *) version; /* NULL: empty */
    void (*drop)(void *data);
};

/* An empty cell whose versions are dropped by `drop` (NULL: not at all), in RCU's worker or in the thread
 * that releases last. */
PAWL_API void pawl_rcu_cell_init(struct pawl_rcu_cell *cell, void (*drop)(void *data))
    __attribute__((nonnull(1)));

/* Makes `data` the current version (NULL: the cell is empty). Returns 0, or -ENOMEM: nothing has changed,
 * and `data` is still the caller's. Inside a section too. */
PAWL_API int pawl_rcu_cell_publish(struct pawl_rcu_cell *cell, void *data) __attribute__((nonnull(1)))
PAWL_MUST_USE;

/* Empties the cell, and waits until its last version is dropped or held. Nobody publishes any more. Not
 * inside a section. */
PAWL_API void pawl_rcu_cell_destroy(struct pawl_rcu_cell *cell) PAWL_NONNULL;

/* The current version's data, valid until the end of the section: between pawl_rcu_read_lock and unlock.
 * NULL: empty. */
PAWL_API PAWL_INLINE void *pawl_rcu_cell_look(struct pawl_rcu_cell *cell)
{
    /* acquire P: pairs with the exchange in pawl_rcu_cell_publish() */
    struct pawl_rcu_version *version = pawl_rcu_dereference(&cell->version);

    return version != NULL ? version->data : NULL;
}

/* The current version, to be used (its `data`) until it is released, anywhere. NULL: empty. */
PAWL_API struct pawl_rcu_version *pawl_rcu_cell_hold(struct pawl_rcu_cell *cell) PAWL_NONNULL PAWL_MUST_USE;

/* NULL is allowed. */
PAWL_API void pawl_rcu_version_release(struct pawl_rcu_version *version);

PAWL_END_DECLS
#endif
