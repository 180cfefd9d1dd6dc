/* SPDX-License-Identifier: MIT */
/* The current version of something.
 *
 * A version is counted: one for the cell, one for each holder. The cell's own is given up a grace period
 * after the version was replaced, so a reader that still finds it inside a section may count itself without
 * looking: the count is not 0. */
#include <pawl/rcu_cell.h>

#include <errno.h>
#include <stdlib.h>

extern inline void *pawl_rcu_cell_look(struct pawl_rcu_cell *cell);

void pawl_rcu_cell_init(struct pawl_rcu_cell *cell, void (*drop)(void *data))
{
    cell->drop = drop;
    pawl_store_relaxed(&cell->version, NULL); /* relaxed: nobody has it yet */
}

void pawl_rcu_version_release(struct pawl_rcu_version *version)
{
    /* acq_rel K: what every holder did comes before the drop */
    if (version == NULL || pawl_fetch_sub_acq_rel(&version->holds, UINT64_C(1)) != 1)
        return;
    if (version->drop != NULL)
        version->drop(version->data);
    free(version);
}

static void give_up(struct pawl_retired *retired)
{
    pawl_rcu_version_release(pawl_retired_of(retired, struct pawl_rcu_version, retired));
}

static void replace(struct pawl_rcu_cell *cell, struct pawl_rcu_version *next)
{
    /* release P: publishes the version to look and hold. acquire P: the version that comes out is given to
     * another thread. */
    struct pawl_rcu_version *old = pawl_exchange_acq_rel(&cell->version, next);

    if (old != NULL)
        pawl_rcu_call(&old->retired, give_up);
}

int pawl_rcu_cell_publish(struct pawl_rcu_cell *cell, void *data)
{
    struct pawl_rcu_version *version = NULL;

    if (data != NULL) {
        version = malloc(sizeof *version);
        if (version == NULL)
            return -ENOMEM;
        version->data = data;
        version->drop = cell->drop;
        pawl_store_relaxed(&version->holds, UINT64_C(1)); /* relaxed: published below */
    }
    replace(cell, version);
    return 0;
}

struct pawl_rcu_version *pawl_rcu_cell_hold(struct pawl_rcu_cell *cell)
{
    struct pawl_rcu_version *version;

    pawl_rcu_read_lock();
    version = pawl_rcu_dereference(&cell->version);
    if (version != NULL)
        pawl_fetch_add_relaxed(&version->holds, UINT64_C(1)); /* relaxed: the count is not 0, see above */
    pawl_rcu_read_unlock();
    return version;
}

void pawl_rcu_cell_destroy(struct pawl_rcu_cell *cell)
{
    replace(cell, NULL);
    pawl_rcu_barrier();
}
