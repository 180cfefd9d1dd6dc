/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pawl/arena.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGE_BYTES CHUNK_BYTES
#define ALL_FLAGS (PAWL_ARENA_FAULT | PAWL_ARENA_LOCK | PAWL_ARENA_HUGE | PAWL_ARENA_BIND | PAWL_ARENA_STRICT)
#define NODES_MAX 1024u

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct pawl_arena {
    PAWL_ATOMIC(size_t) used; /* from the start of the mapping */
    size_t first;             /* the first block may begin here */
    size_t end;
    size_t mapped;
    size_t page; /* no alignment is larger */
    char *map;   /* what is to be unmapped */
    size_t map_bytes;
} __attribute__((aligned(PAWL_CACHELINE_PAIR)));

static bool wishes(const struct pawl_arena_options *options, unsigned int flag)
{
    return (options->flags & flag) != 0;
}

static int bind_to(char *memory, size_t bytes, unsigned int node)
{
    unsigned long mask[NODES_MAX / (8 * sizeof(unsigned long))] = {0};

    if (node >= NODES_MAX)
        return -EINVAL;
    mask[node / (8 * sizeof *mask)] = 1ul << node % (8 * sizeof *mask);
    return syscall(SYS_mbind, memory, bytes, MPOL_BIND, mask, (unsigned long)NODES_MAX, 0) == 0 ? 0 : -errno;
}

/* Reserved huge pages; NULL: there are not so many. What is reserved may be on any node: for one of them they are
 * taken only when they can be had from there at once, as later the lack of one is a signal. */
static char *map_reserved(const struct pawl_arena_options *options, size_t bytes)
{
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1,
                        0);

    if (memory == MAP_FAILED)
        return NULL;
    if (wishes(options, PAWL_ARENA_BIND) && bind_to(memory, bytes, options->node) == 0 &&
        madvise(memory, bytes, MADV_POPULATE_WRITE) != 0) {
        munmap(memory, bytes);
        return NULL;
    }
    return memory;
}

/* Ordinary pages, at a boundary where they can become transparent huge ones. */
static char *map_ordinary(size_t bytes, char **map, size_t *map_bytes, bool aligned)
{
    size_t more = aligned ? bytes + HUGE_BYTES : bytes;
    char *memory = mmap(NULL, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    *map = memory;
    *map_bytes = more;
    return aligned ? (char *)ROUND_UP((uintptr_t)memory, HUGE_BYTES) : memory;
}

static char *map(const struct pawl_arena_options *options, size_t bytes, struct pawl_arena *arena,
                 struct pawl_arena_report *report)
{
    char *memory = NULL;

    if (wishes(options, PAWL_ARENA_HUGE)) {
        size_t whole = ROUND_UP(bytes, HUGE_BYTES);

        memory = map_reserved(options, whole);
        if (memory != NULL) {
            report->page = HUGE_BYTES;
            arena->map = memory;
            arena->map_bytes = arena->mapped = whole;
            return memory;
        }
    }
    memory = map_ordinary(bytes, &arena->map, &arena->map_bytes, wishes(options, PAWL_ARENA_HUGE));
    if (memory != NULL && wishes(options, PAWL_ARENA_HUGE) && madvise(memory, bytes, MADV_HUGEPAGE) != 0)
        report->huge_status = -errno;
    arena->mapped = bytes;
    return memory;
}

static void fault_in(char *memory, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    /* What the kernel has no memory for must not be touched: that is a signal. */
    if (madvise(memory, bytes, MADV_POPULATE_WRITE) == 0 || errno != EINVAL)
        return;
    for (size_t at = 0; at < bytes; at += page) /* before Linux 5.14 */
        *(volatile char *)(memory + at) = 0;
}

static size_t resident(char *memory, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char there[1024];
    size_t sum = 0;

    for (size_t at = 0; at < bytes; at += sizeof there * page) {
        size_t piece = bytes - at < sizeof there * page ? bytes - at : sizeof there * page;

        if (mincore(memory + at, piece, there) != 0)
            return 0;
        for (size_t i = 0; i < DIV_UP(piece, page); i++)
            sum += (there[i] & 1) != 0 ? page : 0;
    }
    return sum;
}

/* Pages of which the kernel says that they are part of a huge one: /proc/self/smaps knows, but has to be
 * read as text; the one line of the mapping that begins at `memory`, or holds it. */
static size_t huge_bytes(const char *memory)
{
    char text[4096];
    size_t have = 0;
    bool inside = false;
    size_t kib = 0;
    ssize_t got;
    int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    while ((got = read(fd, text + have, sizeof text - 1 - have)) > 0) {
        char *line = text;
        char *next;

        have += (size_t)got;
        text[have] = '\0';
        for (; (next = strchr(line, '\n')) != NULL; line = next + 1) {
            unsigned long from, to;

            *next = '\0';
            if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
                inside = (uintptr_t)memory >= from && (uintptr_t)memory < to;
            else if (inside)
                (void)sscanf(line, "AnonHugePages: %zu kB", &kib);
        }
        have = (size_t)(text + have - line);
        memmove(text, line, have);
    }
    close(fd);
    return kib * 1024;
}

static int node_of(char *memory)
{
    int node = -1;

    if (syscall(SYS_get_mempolicy, &node, NULL, 0ul, memory, (unsigned long)(MPOL_F_NODE | MPOL_F_ADDR)) != 0)
        return -1;
    return node;
}

/* Everything wished, on a new mapping. */
static void prepare(const struct pawl_arena_options *options, char *memory, size_t bytes,
                    struct pawl_arena_report *report)
{
    if (wishes(options, PAWL_ARENA_BIND)) /* before the pages are there */
        report->bind_status = bind_to(memory, bytes, options->node);
    if (wishes(options, PAWL_ARENA_FAULT))
        fault_in(memory, bytes);
    if (wishes(options, PAWL_ARENA_LOCK) && mlock(memory, bytes) != 0)
        report->lock_status = -errno;
    report->resident = resident(memory, bytes);
    report->huge = report->page == HUGE_BYTES ? report->resident : huge_bytes(memory);
    report->node = node_of(memory);
    if (wishes(options, PAWL_ARENA_HUGE) && report->huge_status == 0 && report->huge == 0 &&
        report->resident >= HUGE_BYTES)
        report->huge_status = -ENOMEM; /* asked for, and none came */
}

static int first_refusal(const struct pawl_arena_report *report)
{
    if (report->huge_status != 0)
        return report->huge_status;
    return report->bind_status != 0 ? report->bind_status : report->lock_status;
}

struct pawl_arena *pawl_arena_open(const struct pawl_arena_options *options, struct pawl_arena_report *report)
{
    struct pawl_arena_report own = {.page = 0};
    struct pawl_arena made = {.used = 0};
    struct pawl_arena *arena;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes;

    report = report != NULL ? report : &own;
    *report = (struct pawl_arena_report){.page = page, .node = -1};
    if (options->bytes == 0 || options->bytes > REQUEST_MAX / 2 ||
        (options->flags & ~(unsigned int)ALL_FLAGS) != 0) {
        errno = EINVAL;
        return NULL;
    }
    bytes = ROUND_UP(options->bytes + sizeof *arena, page);
    arena = (struct pawl_arena *)(void *)map(options, bytes, &made, report);
    if (arena == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    prepare(options, (char *)arena, made.mapped, report);
    if (wishes(options, PAWL_ARENA_STRICT) && first_refusal(report) != 0) {
        munmap(made.map, made.map_bytes);
        errno = -first_refusal(report);
        return NULL;
    }
    arena->first = sizeof *arena;
    arena->end = made.mapped;
    arena->mapped = made.mapped;
    arena->page = page;
    arena->map = made.map;
    arena->map_bytes = made.map_bytes;
    pawl_store_relaxed(&arena->used, arena->first); /* relaxed: nobody has it yet */
    report->bytes = arena->end - arena->first;
    return arena;
}

void pawl_arena_close(struct pawl_arena *arena)
{
    if (arena != NULL)
        munmap(arena->map, arena->map_bytes);
}

void *pawl_arena_alloc(struct pawl_arena *arena, size_t bytes, size_t alignment)
{
    /* relaxed: the CAS validates it; a block needs no order, its bytes are nobody else's */
    size_t used = pawl_load_relaxed(&arena->used);
    size_t at;

    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > arena->page) {
        errno = EINVAL;
        return NULL;
    }
    do {
        at = ROUND_UP(used, alignment);
        if (at > arena->end || arena->end - at < bytes || arena->end - at == 0) {
            errno = ENOMEM;
            return NULL;
        }
        /* retries when another thread allocated */
    } while (!pawl_cas_weak_relaxed(&arena->used, &used, at + (bytes != 0 ? bytes : 1)));
    return (char *)arena + at;
}

size_t pawl_arena_mark(const struct pawl_arena *arena)
{
    return pawl_load_relaxed(&arena->used); /* relaxed: a number */
}

void pawl_arena_rewind(struct pawl_arena *arena, size_t mark)
{
    if (mark < arena->first ||
        mark > pawl_load_relaxed(&arena->used)) /* relaxed: nobody allocates meanwhile */
        pawl_malloc_fail_("pawl_arena_rewind: not a mark of this arena, or one that was rewound already",
                          arena);
    pawl_store_relaxed(&arena->used, mark);
}

size_t pawl_arena_bytes(const struct pawl_arena *arena)
{
    return arena->end - arena->first;
}
