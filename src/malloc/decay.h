/* SPDX-License-Identifier: MIT */
/* Memory that nobody wants goes back to the kernel in time.
 *
 * No thread of ours is needed: who takes a slow path looks at the clock, and one of them does a tick's
 * work when it is due. A process in which nobody allocates has no ticks; what it keeps is bounded
 * (page_heap.h), and an optional thread does the ticks there. */
#ifndef PAWL_MALLOC_DECAY_H
#define PAWL_MALLOC_DECAY_H

#include "config.h"

/* Does a tick's work if one is due. With no lock held. */
void pawl_decay_poll_(void);

/* Everything that is free goes to the spans and the page heap. With no lock held. */
void pawl_decay_gather_(void);

/* The optional thread. Returns 0 or a negative errno; running or not already: 0. */
int pawl_decay_start_(void);
void pawl_decay_stop_(void);

/* In the child of a fork: it has no such thread. */
void pawl_decay_forget_(void);

#endif
