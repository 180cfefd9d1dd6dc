/* SPDX-License-Identifier: MIT */
/* libpawl-malloc: a malloc whose caches belong to CPUs.
 *
 * Purpose    A drop-in for libc's malloc, by LD_PRELOAD or by linking it: nothing has to be recompiled.
 * Take it for
 *            programs with many threads, of which few run at a time, and for programs that allocate in one
 *            thread and free in another: memory follows the threads that run, not those that exist. This
 *            header is for programs that want to look inside or to steer; malloc and free themselves are
 *            declared by libc.
 * Model      malloc, free and their family as glibc defines them: blocks are aligned to 16 bytes,
 * malloc(0) gives a
 *            block, ENOMEM is an answer and never a crash, realloc(block, 0) frees. free of what is no
 *            block, or of one twice, aborts with one line where it is noticed (see docs/malloc.md).
 * Fast path  Sizes up to 32 KiB are of 40 classes. Each CPU has a chain of free blocks for each class;
 * malloc pops,
 *            free pushes, by one restartable sequence: no lock, no atomic read-modify-write, no thread-local
 *            data, nothing to do when a thread ends.
 * Progress   Fast path: lock-free; a thread that is stopped in it stops nobody. Slow paths (chains that
 * change
 *            hands, spans, pages): blocking.
 * Signals    As with glibc: not from handlers that may have interrupted malloc or free.
 * fork       The child may use the heap at once, also when other threads of the parent were in the middle
 * of it.
 *            After vfork (or a raw clone that shares memory and thread-local storage) the child must not
 *            allocate.
 * Memory     Per CPU that runs threads of the process, not per thread: at most 2 chains of 32 KiB a class
 * (of 4 blocks for
 *            the largest). The rest
 *            is spans of 8 KiB upwards in chunks of 2 MiB; free pages are kept up to 8 MiB and an eighth
 *            of what is in use, and that share goes back to the kernel while nobody wants it.
 * Cost       malloc + free: about 55 instructions together. A batch of up to 128 blocks takes one lock.
 * Settings   PAWL_MALLOC in the environment, words with commas between: hardened, leaks, stats,
 * background, nocache,
 *            huge=never|always, keep=BYTES, sample=BYTES; and PAWL_MALLOC_PROFILE=FILE. See docs/malloc.md.
 * Source     The front end after tcmalloc's per-CPU mode (array slabs there, chains here); magazines after
 * J. Bonwick
 *            and J. Adams, 2001; fullest-first spans and chunks after tcmalloc's Temeraire (A. Hunter et
 *            al., 2021).
 * Checked    tests/malloc/check.sh (closures), test_interruption.c (the sequences), fuzz_family.c; docs/malloc.md.
 */
#ifndef PAWL_MALLOC_H
#define PAWL_MALLOC_H

#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

#define PAWL_MALLOC_CLASSES 40

/* Where the memory is, in bytes unless it says otherwise. While other threads work, an estimate. */
struct pawl_malloc_class_stats {
    uint32_t size;   /* of a block */
    uint64_t spans;  /* count */
    uint64_t memory; /* of the spans */
    uint64_t blocks; /* count: that fit into them */
    uint64_t used;   /* count: that the program has */
    uint64_t cached; /* count: in the caches of CPUs */
    uint64_t moving; /* count: in the transfer layer */
};

struct pawl_malloc_stats {
    uint64_t used;         /* by the program: in blocks of classes, large ones and objects of slabs */
    uint64_t large;        /* of that, in large blocks */
    uint64_t large_blocks; /* count */
    uint64_t cached;       /* in caches of CPUs and in the transfer layer */
    uint64_t fragmented;   /* free in spans that are in use */
    uint64_t idle;         /* free pages that hold memory */
    uint64_t mapped;       /* addresses in the window, with memory or without */
    uint64_t metadata;     /* what the allocator knows */
    uint64_t peak;         /* of pages in use */
    uint64_t returned;     /* to the kernel, in all */
    uint32_t caches;       /* count: CPUs (or concurrency ids) that have one */
    const char *mode;      /* "cpu", "locked", "none" */
    bool hardened;
    struct pawl_malloc_class_stats classes[PAWL_MALLOC_CLASSES];
};

enum pawl_malloc_format { PAWL_MALLOC_TEXT, PAWL_MALLOC_JSON };

/* Fills *stats. Any thread; takes locks, one after the other. */
PAWL_API void pawl_malloc_get_stats(struct pawl_malloc_stats *stats);

/* Writes them to a file. Allocates nothing. Returns 0 or a negative errno. */
PAWL_API int pawl_malloc_stats_write(int fd, enum pawl_malloc_format format);

/* Writes what the program still has, by size, to a file. Empties all caches first: exact while no other
 * thread allocates. Returns how many blocks there are. */
PAWL_API uint64_t pawl_malloc_leaks(int fd);

/* Begins to sample allocations, one in about `bytes` bytes (0: as the environment says), for good: the
 * process is slower from then on. Returns 0, or -EBUSY: it does already. */
PAWL_API int pawl_malloc_profile_start(size_t bytes);

/* Writes the heap profile as it is now, in the format that pprof reads. Returns 0 or a negative errno;
 * -EINVAL: nothing is sampled. */
PAWL_API int pawl_malloc_profile_write(int fd);

/* Gives back what is free beyond `keep` bytes, out of all caches too. Returns the bytes that the kernel
 * got. */
PAWL_API size_t pawl_malloc_release(size_t keep);

/* A thread that does the housekeeping also while nobody allocates. A child of fork has none until it starts one. Returns 0 or a
 * negative errno. */
PAWL_API int pawl_malloc_background_start(void);
PAWL_API void pawl_malloc_background_stop(void);

PAWL_END_DECLS
#endif
