/* SPDX-License-Identifier: MIT */
/* Inside the reclamation rooms: epochs, for pawl_reclaim_flush(). */
#ifndef PAWL_CORE_RECLAIM_EPOCH_H
#define PAWL_CORE_RECLAIM_EPOCH_H

#include <pawl/epoch.h>

/* Collects until there is nothing left that can be reclaimed now, of this thread and of ended ones. */
void pawl_epoch_drain(struct pawl_epoch *epoch);

#endif
