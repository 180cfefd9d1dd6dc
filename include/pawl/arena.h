/* SPDX-License-Identifier: MIT */
/* Arenas: memory that is there before it is needed, handed out by moving a pointer.
 *
 * Purpose    For what must not wait: market data, audio, packets, a request's scratch memory. All pages
 * are mapped,
 *            faulted in, locked, on huge pages and on the wanted NUMA node when pawl_arena_open returns,
 *            as far as the machine grants it, and the report says how far that was. Not for blocks that
 *            are freed one by one: take malloc.
 * Model      One block of memory with a mark; alloc moves the mark up, rewind sets it back, nothing else
 * is freed. Progress   alloc: lock-free, any number of threads; a stopped thread stops nobody. mark, used:
 * wait-free. Ordering   A block is the caller's alone; how it is handed to other threads is the caller's
 * business. rewind and
 *            close must happen after the last use of what they take back.
 * Memory     One mapping: the struct, then the blocks. Pages come from the kernel, not from malloc.
 * Cost       alloc: one CAS on one line, which threads share. Many threads: give each an arena.
 * Signals    alloc, mark and used may be called from handlers; open and close may not.
 * fork       The child has a copy (copy on write: its first writes fault again; locks are not inherited).
 */
#ifndef PAWL_ARENA_H
#define PAWL_ARENA_H

#include <pawl/config.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

struct pawl_arena;

/* What is wished; each can be refused by the machine. */
enum pawl_arena_flags {
    PAWL_ARENA_FAULT = 1,   /* touch every page now */
    PAWL_ARENA_LOCK = 2,    /* mlock: never swapped out (RLIMIT_MEMLOCK); faults as well */
    PAWL_ARENA_HUGE = 4,    /* reserved huge pages (hugetlbfs), else transparent ones */
    PAWL_ARENA_BIND = 8,    /* on the NUMA node `node` */
    PAWL_ARENA_STRICT = 16, /* fail instead of giving less than was wished */
};

struct pawl_arena_options {
    size_t bytes; /* for blocks; rounded up to pages */
    unsigned int flags;
    unsigned int node;
};

/* What it really got. A status is 0 (granted, or not wished) or the negative errno of the refusal. */
struct pawl_arena_report {
    size_t bytes;    /* for blocks */
    size_t page;     /* of the pages underneath, as mapped: 4096, 2097152 ... */
    size_t resident; /* bytes that are in memory now */
    size_t huge;     /* bytes of them on huge pages */
    int lock_status;
    int huge_status;
    int bind_status;
    int node; /* that the first page is on; -1: unknown */
};

/* Opens an arena. `report` may be NULL. Returns NULL with errno: EINVAL (no bytes, unknown flags), ENOMEM,
 * and with PAWL_ARENA_STRICT the first refusal. */
PAWL_API struct pawl_arena *pawl_arena_open(const struct pawl_arena_options *options,
                                            struct pawl_arena_report *report) PAWL_MUST_USE;

/* Gives the memory back. NULL is allowed. */
PAWL_API void pawl_arena_close(struct pawl_arena *arena);

/* `bytes` bytes (0: a block of its own) at a multiple of `alignment`, a power of two up to a page. NULL:
 * there is no room left, errno is ENOMEM; or the alignment is none, EINVAL. Not zeroed after a rewind. */
PAWL_API void *pawl_arena_alloc(struct pawl_arena *arena, size_t bytes, size_t alignment) PAWL_MUST_USE;

/* How far the arena is used, and back to there: whatever was allocated since is gone. Nobody may allocate
 * meanwhile. */
PAWL_API size_t pawl_arena_mark(const struct pawl_arena *arena);
PAWL_API void pawl_arena_rewind(struct pawl_arena *arena, size_t mark);

/* Bytes for blocks, in all. */
PAWL_API size_t pawl_arena_bytes(const struct pawl_arena *arena);

PAWL_END_DECLS
#endif
