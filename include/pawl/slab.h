/* SPDX-License-Identifier: MIT */
/* Slabs: objects of one type, on spans of their own.
 *
 * Purpose    For a type that a program has many of: no rounding up to malloc's sizes, objects side by side in
 *            memory that holds nothing else, any alignment up to 8 KiB, on a NUMA node if wished; and at the
 *            end all of them go at once. For few objects: malloc. For a number that is known and must not
 *            grow: <pawl/pool.h>. For memory that must be there before it is needed: <pawl/arena.h>.
 * Model      A set of objects. alloc takes one, free gives it back. NULL: no memory.
 *            A slab is a class of its own in malloc: caches of CPUs, chains, spans, what goes back to the
 *            kernel, what is noticed, statistics and the report of leaks are malloc's. free() takes its
 *            objects as well.
 * Progress   As malloc and free: lock-free on the CPU's cache; chains and spans: blocking.
 * Ordering   As malloc and free: what was done with an object before its free is done before its next owner
 *            has it.
 * Memory     Spans of 8 KiB upwards, at least 8 objects each; bound to a node, up to 256 KiB. Nothing until
 *            the first object. An object costs its size, rounded up to 16 bytes and to its alignment.
 * Cost       As malloc and free, without the way from the size to the class.
 * Limits     23 slabs at a time. Objects up to 32 KiB.
 * Signals    As malloc: not from handlers that may have interrupted malloc or free.
 * fork       The child may use them at once.
 * Settings   With PAWL_MALLOC=hardened objects are hardened blocks, and a profile samples them like blocks: such
 *            ones have to be freed one by one before close.
 * Source     J. Bonwick, "The slab allocator", 1994, for the idea; malloc's own layers underneath.
 * Checked    tests/malloc/test_slab.c; tests/malloc/check.sh.
 */
#ifndef PAWL_SLAB_H
#define PAWL_SLAB_H

#include <pawl/config.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

#define PAWL_SLABS_MAX 23

struct pawl_slab;

/* Where the memory stands; or the number of a NUMA node. */
#define PAWL_SLAB_ANY_NODE 0
#define PAWL_SLAB_NODE(node) ((node) + 1)

/* What to open; zero is the default of all but the first. */
struct pawl_slab_options {
    size_t object_bytes; /* 1 to 32768 */
    size_t alignment;    /* a power of two up to 8192; 0: 16 */
    uint32_t node;       /* PAWL_SLAB_NODE(n): on this one alone, or NULL from alloc */
    const char *name;    /* in reports; lives as long as the slab. NULL: "slab" */
};

/* The options for a type, as an initializer. */
#define PAWL_SLAB_OF(type)                                         \
    {                                                              \
        sizeof(type), __alignof__(type), PAWL_SLAB_ANY_NODE, #type \
    }

/* While other threads work, an estimate. */
struct pawl_slab_stats {
    size_t object_bytes; /* with its rounding */
    uint64_t spans;
    uint64_t memory;  /* bytes, of the spans */
    uint64_t objects; /* that fit into them */
    uint64_t used;    /* by the program */
    uint64_t cached;  /* in the caches of CPUs */
    uint64_t moving;  /* in the transfer layer */
};

/* Opens a slab. Returns NULL with errno: EINVAL (a size or an alignment that is none), ENOSPC (there are
 * PAWL_SLABS_MAX), ENOMEM, or why the kernel refuses to bind memory to the node. */
PAWL_API struct pawl_slab *pawl_slab_open(const struct pawl_slab_options *options) PAWL_MUST_USE;

/* Gives all memory back, that of objects in use too. Must happen after the last use of the slab and of its
 * objects. Returns how many objects were in use; or -ENOTSUP: the kernel forbids what it takes to empty the
 * caches of other CPUs (membarrier), and the slab stays open. NULL is allowed. */
PAWL_API int64_t pawl_slab_close(struct pawl_slab *slab);

/* An object, or NULL with errno ENOMEM. What is in it is not defined. */
PAWL_API void *pawl_slab_alloc(struct pawl_slab *slab) PAWL_MUST_USE;

/* Gives an object back; NULL is allowed. Any thread. errno is kept. Aborts for what is no object of this
 * slab. */
PAWL_API void pawl_slab_free(struct pawl_slab *slab, void *object);

PAWL_API void pawl_slab_get_stats(struct pawl_slab *slab, struct pawl_slab_stats *stats);

PAWL_END_DECLS
#endif
