/* SPDX-License-Identifier: MIT */
/* The program's memory: variables that start each execution as the executable has them, and a heap
 * whose addresses depend only on the thread and on how much it allocated before.
 *
 * A block is never given out twice in one execution, so that a use after free is always seen. (ABA by reuse
 * is tested with a pool of the program's own.) Fresh blocks hold a pattern; a scalar read that finds exactly
 * the pattern reads what nobody wrote.
 */
#include "hooks.h"
#include "run.h"

#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAX_SEGMENTS = 8, REDZONE = 16, MAX_BLOCKS = 1 << 16 };
static const uintptr_t HEAPS = UINT64_C(0x200000000000);
static const size_t HEAP_BYTES = (size_t)64 << 20; /* per thread */
static const uint8_t FRESH[8] = {0xd5, 0x1c, 0xa9, 0x3e, 0xf1, 0x7b, 0x86, 0x4d};

static struct segment {
    char *start, *image;
    size_t bytes;
} segments[MAX_SEGMENTS];
static int nsegments;

struct block {
    uint32_t offset, bytes;
    uint64_t alloc_pc, free_pc; /* free_pc: 0 while it lives */
    int8_t free_tid;
    bool reached;
};

static struct heap {
    size_t used;
    int nblocks;
    struct block *block;
} heaps[MAX_THREADS];

/* What compilers fill local variables with (see pawl-cc): an address that is a number. */
extern const char pawl_check_fresh_byte[] __attribute__((weak));

static void add_segment(uintptr_t start, uintptr_t end)
{
    if (start >= end)
        return;
    if (nsegments == MAX_SEGMENTS)
        fatal("the executable has more than %d writable segments", MAX_SEGMENTS);
    segments[nsegments++] = (struct segment){(char *)start, NULL, end - start};
}

/* Writable parts of the executable, without what the dynamic linker made read-only. */
static int find_segments(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    (void)argument;
    uintptr_t relro = 0, relro_end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) {
            relro = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            relro_end = (relro + info->dlpi_phdr[i].p_memsz + 4095) & ~(uintptr_t)4095;
            relro &= ~(uintptr_t)4095;
        }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_W))
            continue;
        uintptr_t start = info->dlpi_addr + p->p_vaddr, end = start + p->p_memsz;
        if (relro_end <= start || relro >= end) {
            add_segment(start, end);
        } else {
            add_segment(start, relro);
            add_segment(relro_end, end);
        }
    }
    return 1; /* the executable comes first */
}

void memory_setup(void)
{
    dl_iterate_phdr(find_segments, NULL);
    for (int i = 0; i < nsegments; i++) {
        segments[i].image = malloc(segments[i].bytes);
        if (!segments[i].image)
            fatal("out of memory for a copy of the program's variables (%zu bytes)", segments[i].bytes);
        memcpy(segments[i].image, segments[i].start, segments[i].bytes);
    }
    size_t bytes = HEAP_BYTES * MAX_THREADS;
    void *p = mmap((void *)HEAPS, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (p != (void *)HEAPS)
        fatal("cannot reserve %zu MiB of address space for the program's heap: %s", bytes >> 20,
              strerror(errno));
    for (int t = 0; t < MAX_THREADS; t++) {
        heaps[t].block = mmap(NULL, sizeof(struct block) * MAX_BLOCKS, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (heaps[t].block == MAP_FAILED)
            fatal("cannot reserve memory for the list of heap blocks: %s", strerror(errno));
    }
}

void memory_reset(void)
{
    for (int i = 0; i < nsegments; i++)
        memcpy(segments[i].start, segments[i].image, segments[i].bytes);
    for (int t = 0; t < MAX_THREADS; t++)
        heaps[t].used = (size_t)(heaps[t].nblocks = 0);
}

static uintptr_t block_start(const struct heap *h, const struct block *b)
{
    return HEAPS + (uintptr_t)(h - heaps) * HEAP_BYTES + b->offset;
}

bool heap_owns(const void *p)
{
    return (uintptr_t)p >= HEAPS && (uintptr_t)p < HEAPS + HEAP_BYTES * MAX_THREADS;
}

/* The last block that starts at or below the address. */
static struct block *find_block(uintptr_t addr, struct heap **heap)
{
    struct heap *h = &heaps[(addr - HEAPS) / HEAP_BYTES];
    size_t offset = (addr - HEAPS) % HEAP_BYTES;
    *heap = h;
    int low = 0, high = h->nblocks;
    while (low < high) {
        int middle = (low + high) / 2;
        if (h->block[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &h->block[low - 1] : NULL;
}

void *heap_alloc(size_t bytes, size_t alignment, bool zero, uint64_t pc)
{
    struct heap *h = &heaps[run.current];
    run_effect();
    if (bytes > HEAP_BYTES || h->used + bytes + alignment + REDZONE > HEAP_BYTES ||
        h->nblocks == MAX_BLOCKS) {
        bug(BUG_LIMIT, pc,
            "T%d allocates %zu bytes, with %zu bytes in %d blocks before: a thread has %zu MiB of heap "
            "and %d blocks under the checker; make the test smaller",
            run.current, bytes, h->used, h->nblocks, HEAP_BYTES >> 20, MAX_BLOCKS);
        return NULL;
    }
    size_t offset = (h->used + alignment - 1) / alignment * alignment;
    h->used = offset + bytes + REDZONE;
    struct block *b = &h->block[h->nblocks++];
    *b = (struct block){.offset = (uint32_t)offset, .bytes = (uint32_t)bytes, .alloc_pc = pc};
    char *p = (char *)block_start(h, b);
    if (zero) {
        memset(p, 0, bytes);
    } else {
        for (size_t i = 0; i < bytes; i++)
            p[i] = (char)FRESH[i & 7];
    }
    return p;
}

bool memory_of_program(uintptr_t addr)
{
    for (int i = 0; i < nsegments; i++)
        if (addr >= (uintptr_t)segments[i].start && addr - (uintptr_t)segments[i].start < segments[i].bytes)
            return true;
    return fiber_on_stack(addr);
}

size_t heap_size(const void *p)
{
    struct heap *h;
    const struct block *b = find_block((uintptr_t)p, &h);
    return b ? b->bytes : 0;
}

void heap_free(void *p, uint64_t pc)
{
    struct heap *h;
    struct block *b = find_block((uintptr_t)p, &h);
    if (!b || block_start(h, b) != (uintptr_t)p) {
        bug(BUG_MEMORY, pc, "free of %p, which is not the start of a block", p);
        return;
    }
    char place[256];
    memory_describe(place, sizeof place, (uintptr_t)p);
    if (b->free_pc) {
        bug(BUG_MEMORY, pc, "double free of %s: freed before by T%d at %s", place, b->free_tid,
            symbol_line(b->free_pc));
        return;
    }
    race_memory_ends((uintptr_t)p, b->bytes, pc);
    run_effect();
    b->free_pc = pc;
    b->free_tid = (int8_t)run.current;
}

/* A shorter scalar may well have the pattern's value. */
bool memory_unwritten(uintptr_t addr, size_t size)
{
    const uint8_t *p = (const uint8_t *)addr;
    uint8_t local = (uint8_t)(uintptr_t)pawl_check_fresh_byte;
    uintptr_t start = 0;
    bool heap = heap_owns(p);
    if (size < 4 || (!heap && (!local || !fiber_on_stack(addr))))
        return false;
    if (heap) {
        struct heap *h;
        const struct block *b = find_block(addr, &h);
        if (!b)
            return false;
        start = block_start(h, b);
    }
    for (size_t i = 0; i < size; i++)
        if (p[i] != (heap ? FRESH[(addr + i - start) & 7] : local))
            return false;
    return true;
}

void memory_read_unwritten(uintptr_t addr, size_t size, uint64_t pc)
{
    char place[256];
    memory_describe(place, sizeof place, addr);
    bug(BUG_UNINITIALISED, pc, "read of %zu bytes %sthat were never written: %s", size,
        heap_owns((void *)addr) ? "" : "of a local variable ", place);
}

static bool was_written(uintptr_t addr, size_t size, uint64_t pc)
{
    bool unwritten = memory_unwritten(addr, size);
    if (unwritten)
        memory_read_unwritten(addr, size, pc);
    return !unwritten;
}

/* True when the program may touch these bytes. */
bool heap_check(uintptr_t addr, size_t size, bool write, bool scalar, uint64_t pc)
{
    if (!heap_owns((void *)addr)) {
        int tid = fiber_at(addr);
        return (tid < 0 || frames_check(tid, addr, size, write, pc)) &&
               (write || !scalar || was_written(addr, size, pc));
    }
    struct heap *h;
    const struct block *b = find_block(addr, &h);
    const char *what = write ? "write" : "read";
    if (!b || addr + size > block_start(h, b) + b->bytes) {
        char place[256];
        memory_describe(place, sizeof place, addr);
        bug(BUG_MEMORY, pc, "%s of %zu bytes beyond its end: %s", what, size, place);
        return false;
    }
    if (b->free_pc) {
        char place[256];
        memory_describe(place, sizeof place, addr);
        bug(BUG_MEMORY, pc, "use after free: %s of %zu bytes in %s, freed by T%d at %s", what, size, place,
            b->free_tid, symbol_line(b->free_pc));
        return false;
    }
    return write || !scalar || was_written(addr, size, pc);
}

void memory_describe(char *to, size_t room, uintptr_t addr)
{
    if (heap_owns((void *)addr)) {
        struct heap *h;
        const struct block *b = find_block(addr, &h);
        if (b)
            snprintf(to, room, "heap block of %u bytes from %s, byte %zu", b->bytes, symbol_line(b->alloc_pc),
                     (size_t)(addr - block_start(h, b)));
        else
            snprintf(to, room, "heap address %#lx outside every block", (unsigned long)addr);
        return;
    }
    if (symbol_data(addr, to, room))
        return;
    if (hooks_cpu(addr) >= 0) {
        snprintf(to, room, "processor %d", hooks_cpu(addr));
        return;
    }
    for (int t = 0; t < MAX_THREADS; t++) {
        const struct fiber *f = fiber_of(t);
        if (addr >= (uintptr_t)f->stack && addr < (uintptr_t)f->stack_end) {
            snprintf(to, room, "stack of T%d, %zu bytes from its top", t,
                     (size_t)((uintptr_t)f->stack_end - addr));
            return;
        }
    }
    for (int t = 0; t < MAX_THREADS; t++) {
        uintptr_t tp = fiber_of(t)->thread_pointer;
        if (addr < tp && tp - addr < 65536) {
            snprintf(to, room, "thread-local variable of T%d, %zu bytes below its area", t,
                     (size_t)(tp - addr));
            return;
        }
    }
    snprintf(to, room, "memory at %#lx", (unsigned long)addr);
}

/* Follow pointers from `start` into blocks that live, and from there on. */
static void mark(const char *start, size_t bytes)
{
    uintptr_t at = ((uintptr_t)start + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    for (; at + sizeof(void *) <= (uintptr_t)start + bytes; at += sizeof(void *)) {
        uintptr_t p = *(const uintptr_t *)at & ~(uintptr_t)7; /* low bits may be tags */
        if (!heap_owns((void *)p))
            continue;
        struct heap *h;
        struct block *b = find_block(p, &h);
        if (!b || b->reached || b->free_pc || p >= block_start(h, b) + (b->bytes ? b->bytes : 1))
            continue;
        b->reached = true;
        mark((const char *)block_start(h, b), b->bytes);
    }
}

/* At the end of a complete execution: blocks that live and that no variable leads to. */
void heap_check_leaks(void)
{
    const char *tls;
    size_t tls_bytes = fiber_tls(0, &tls);
    for (int i = 0; i < nsegments; i++)
        mark(segments[i].start, segments[i].bytes);
    mark(tls, tls_bytes);
    for (int t = 0; t < MAX_THREADS; t++) {
        for (int i = 0; i < heaps[t].nblocks; i++) {
            const struct block *b = &heaps[t].block[i];
            if (b->free_pc || b->reached)
                continue;
            bug(BUG_LEAK, b->alloc_pc,
                "leak: %u bytes allocated by T%d at %s are never freed, and nothing leads to "
                "them at the end",
                b->bytes, t, symbol_line(b->alloc_pc));
            return;
        }
    }
}
