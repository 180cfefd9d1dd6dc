/* SPDX-License-Identifier: MIT */
/* The allocator's numbers for the model checker, included before its sources: two classes, spans of eight
 * blocks, chains of two, two chains in the transfer layer, a heap of a few chunks of 16 KiB. Every way through
 * the code is the same; each is reached after a few calls. */
#ifndef PAWL_TESTS_MALLOC_TINY_H
#define PAWL_TESTS_MALLOC_TINY_H

#define PAGE_SHIFT 6u
#define CHUNK_SHIFT 14u
#define UNIT_SHIFT 15u /* two chunks */
#define WINDOW_MAX ((size_t)1 << 20)
#define RESERVE_MAX ((size_t)1 << 15)
#define RESERVE_MIN ((size_t)1 << 15)
#define PIECE ((size_t)4096)
#define SIZE_CLASSES 3u
#ifndef SLAB_CLASSES
#define SLAB_CLASSES 0u
#endif
#define CHAIN_BYTES ((size_t)32)
#define CHAIN_MIN 2u
#define FIRST_LIMIT 1u
#define CACHE_SLOTS_MAX 2u
#ifndef CACHE_LOCKED_SLOTS
#define CACHE_LOCKED_SLOTS 1u
#endif
#ifndef MOVING
#define MOVING 1u
#endif
#define NODES 1u
#define QUIET_TICKS 1u

#endif
