/* SPDX-License-Identifier: MIT */
/* A heap of the classical kind, for the benchmark alone: boundary tags, bins by size, neighbours that are
 * free are joined at once. What a program puts a mutex around when it shards its memory. Not thread-safe. */
#ifndef BENCH_TAGGED_HEAP_H
#define BENCH_TAGGED_HEAP_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HEAP_BINS 40u
#define HEAP_USED ((size_t)1)
#define HEAP_BEFORE_USED ((size_t)2)
#define HEAP_BYTES ((size_t)64 << 20)

/* Before each block: its size, this one included, with two flags; and its size again at the end while it
 * is free. */
struct heap_chunk {
    size_t before; /* size of the chunk before, if that is free */
    size_t head;
    struct heap_chunk *next; /* in its bin, while free */
    struct heap_chunk *previous;
};

struct heap {
    uint64_t filled; /* bins that are not empty */
    struct heap_chunk bin[HEAP_BINS];
    char *top;
    char *end;
    void *memory;
};

static inline unsigned int heap_bin(size_t size)
{
    unsigned int log;

    if (size <= 512)
        return (unsigned int)(size / 16) < 33 ? (unsigned int)(size / 16) : 32;
    log = 63 - (unsigned int)__builtin_clzl(size);
    return 32 + (log - 8) < HEAP_BINS ? 32 + (log - 8) : HEAP_BINS - 1;
}

static inline struct heap_chunk *heap_after(struct heap_chunk *chunk)
{
    return (struct heap_chunk *)(void *)((char *)chunk + (chunk->head & ~(size_t)15));
}

static inline int heap_open(struct heap *heap)
{
    heap->memory = mmap(NULL, HEAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                        -1, 0);
    if (heap->memory == MAP_FAILED)
        return -1;
    heap->top = heap->memory;
    heap->end = heap->top + HEAP_BYTES - 64;
    heap->filled = 0;
    for (unsigned int b = 0; b < HEAP_BINS; b++)
        heap->bin[b].next = heap->bin[b].previous = &heap->bin[b];
    ((struct heap_chunk *)(void *)heap->top)->head = HEAP_BEFORE_USED;
    return 0;
}

static inline void heap_close(struct heap *heap)
{
    munmap(heap->memory, HEAP_BYTES);
}

static inline void heap_unbin(struct heap *heap, struct heap_chunk *chunk)
{
    unsigned int b = heap_bin(chunk->head & ~(size_t)15);

    chunk->previous->next = chunk->next;
    chunk->next->previous = chunk->previous;
    if (heap->bin[b].next == &heap->bin[b])
        heap->filled &= ~(UINT64_C(1) << b);
}

static inline void heap_enbin(struct heap *heap, struct heap_chunk *chunk, size_t size)
{
    unsigned int b = heap_bin(size);
    struct heap_chunk *bin = &heap->bin[b];

    chunk->head = size | HEAP_BEFORE_USED;
    heap_after(chunk)->before = size;
    heap_after(chunk)->head &= ~HEAP_BEFORE_USED;
    chunk->next = bin->next;
    chunk->previous = bin;
    bin->next->previous = chunk;
    bin->next = chunk;
    heap->filled |= UINT64_C(1) << b;
}

static inline void *heap_alloc(struct heap *heap, size_t bytes)
{
    size_t size = bytes + 8 < 32 ? 32 : (bytes + 8 + 15) & ~(size_t)15;
    unsigned int b = heap_bin(size);
    uint64_t bins = heap->filled >> b << b;
    struct heap_chunk *chunk;

    for (; bins != 0; bins &= bins - 1) {
        struct heap_chunk *bin = &heap->bin[__builtin_ctzl(bins)];

        for (chunk = bin->next; chunk != bin; chunk = chunk->next) {
            size_t have = chunk->head & ~(size_t)15;

            if (have < size)
                continue;
            heap_unbin(heap, chunk);
            if (have - size >= 32) {
                chunk->head = size | HEAP_USED | HEAP_BEFORE_USED;
                heap_enbin(heap, heap_after(chunk), have - size);
            } else {
                chunk->head |= HEAP_USED;
                heap_after(chunk)->head |= HEAP_BEFORE_USED;
            }
            return &chunk->next;
        }
    }
    if ((size_t)(heap->end - heap->top) < size)
        abort(); /* the benchmark holds far less */
    chunk = (struct heap_chunk *)(void *)heap->top;
    chunk->head = size | HEAP_USED | (chunk->head & HEAP_BEFORE_USED);
    heap->top += size;
    ((struct heap_chunk *)(void *)heap->top)->head = HEAP_BEFORE_USED;
    return &chunk->next;
}

static inline void heap_free(struct heap *heap, void *block)
{
    struct heap_chunk *chunk = (struct heap_chunk *)(void *)((char *)block -
                                                             offsetof(struct heap_chunk, next));
    size_t size = chunk->head & ~(size_t)15;
    struct heap_chunk *after = heap_after(chunk);

    if ((chunk->head & HEAP_BEFORE_USED) == 0) {
        chunk = (struct heap_chunk *)(void *)((char *)chunk - chunk->before);
        heap_unbin(heap, chunk);
        size += chunk->head & ~(size_t)15;
    }
    if ((char *)after == heap->top) {
        heap->top = (char *)chunk;
        chunk->head = HEAP_BEFORE_USED;
        return;
    }
    if ((after->head & HEAP_USED) == 0) {
        heap_unbin(heap, after);
        size += after->head & ~(size_t)15;
    }
    heap_enbin(heap, chunk, size);
}

#endif
