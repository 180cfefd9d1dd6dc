/* SPDX-License-Identifier: MIT */
/* The memory of a pool: huge pages, nodes, touched before use. */
#include "pool.h"

#include "../sync/lsan.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

#define PAGE_BYTES ((size_t)4096)
#define HUGE_BYTES ((size_t)2 << 20)
#define NODES_MAX 1024

static size_t round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

static char *map_pages(size_t bytes, int more)
{
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | more, -1, 0);

    return memory != MAP_FAILED ? memory : NULL;
}

/* Ordinary memory that begins at a multiple of a huge page, so that the kernel can use them. */
static char *map_aligned(size_t bytes)
{
    char *memory = map_pages(bytes + HUGE_BYTES, 0), *aligned;
    size_t before;

    if (memory == NULL)
        return NULL;
    aligned = (char *)round_up((uintptr_t)memory, HUGE_BYTES);
    before = (size_t)(aligned - memory);
    if (before > 0)
        munmap(memory, before);
    munmap(aligned + bytes, HUGE_BYTES - before);
    return aligned;
}

/* A wish: failure is no error. Before the pages are touched. */
static void place(const struct pawl_pool *pool, int node)
{
    unsigned long mask[NODES_MAX / 64] = {0};

    if (node == PAWL_POOL_ALL_NODES)
        for (size_t i = 0; i < NODES_MAX / 64; i++)
            mask[i] = ~0ul; /* the kernel takes those that exist */
    else
        mask[(node - 1) / 64] = 1ul << (node - 1) % 64;
    syscall(__NR_mbind, pool->objects, pool->mapped,
            node == PAWL_POOL_ALL_NODES ? MPOL_INTERLEAVE : MPOL_PREFERRED, mask, 8 * sizeof mask, 0);
}

static void touch(const struct pawl_pool *pool)
{
    if (madvise(pool->objects, pool->mapped, MADV_POPULATE_WRITE) == 0)
        return;
    for (size_t at = 0; at < pool->mapped; at += PAGE_BYTES) {
        volatile char *byte = pool->objects + at;

        *byte = 0; /* the write is what matters */
    }
}

int pawl_pool_map(struct pawl_pool *pool, const struct pawl_pool_options *options)
{
    int saved = errno;
    bool huge = (options->flags & PAWL_POOL_HUGE) != 0;

    pool->mapped = round_up(pool->count * pool->stride, huge ? HUGE_BYTES : PAGE_BYTES);
    pool->page_bytes = huge ? HUGE_BYTES : PAGE_BYTES;
    pool->objects = huge ? map_pages(pool->mapped, MAP_HUGETLB) : NULL;
    if (pool->objects == NULL) {
        pool->objects = huge ? map_aligned(pool->mapped) : map_pages(pool->mapped, 0);
        if (pool->objects == NULL)
            return -ENOMEM;
        if (huge && madvise(pool->objects, pool->mapped, MADV_HUGEPAGE) != 0)
            pool->page_bytes = PAGE_BYTES; /* a kernel without them */
    }
    pawl_lsan_look_into_(pool->objects, pool->mapped);
    if (options->node != PAWL_POOL_ANY_NODE)
        place(pool, options->node);
    if ((options->flags & PAWL_POOL_LAZY) == 0)
        touch(pool);
    errno = saved;
    return 0;
}

void pawl_pool_unmap(struct pawl_pool *pool)
{
    pawl_lsan_look_away_(pool->objects, pool->mapped);
    munmap(pool->objects, pool->mapped);
}
