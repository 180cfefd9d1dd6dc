/* SPDX-License-Identifier: MIT */
/* PAWL_MALLOC=hardened: the same spans, without caches, and with suspicion.
 *
 *      small block   | what was asked for | canary ... | size, sealed |      then, per span: a guard page
 *      large block   ... | what was asked for, up to the end | guard page |
 *
 * Detected, each with one line and abort(): writes behind a block (canary; guard page), a second free,
 * free of an address inside a block or of none, writes to a small block after its free (it is zeroed, kept
 * in quarantine, and must still be zero when it leaves), any access to a large block after its free
 * (guarded while in quarantine). Which free block is handed out next is random. */
#ifndef PAWL_MALLOC_HARDENED_H
#define PAWL_MALLOC_HARDENED_H

#include "config.h"
#include "span.h"

/* Zeroed always. NULL: no memory. */
void *pawl_hardened_alloc_(size_t size, size_t alignment);
void pawl_hardened_free_(struct span *span, void *block);
size_t pawl_hardened_usable_(const struct span *span, const void *block);

/* Everything that is in quarantine goes back, checked, and what waits to be drawn. */
void pawl_hardened_flush_(void);

void pawl_hardened_lock_(void);
void pawl_hardened_unlock_(bool child);

#endif
