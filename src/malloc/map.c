/* SPDX-License-Identifier: MIT */
#include "map.h"

#include "page_heap.h"
#include "system.h"

#include <errno.h>

#define TRIES 8 /* steps over what is in the way, before it gives up */
#define STEP_OVER UNIT_CHUNKS
#ifndef RESERVE_MAX
#define RESERVE_MAX ((size_t)1 << 38)
#define RESERVE_MIN ((size_t)1 << 26)
#endif

struct map pawl_map_;

#define KIND_BYTES UNIT_PAGES
#define SPAN_BYTES (UNIT_PAGES * sizeof(struct span *))
#define CHUNK_MAP_BYTES (UNIT_CHUNKS * sizeof(struct chunk))

/* Between the maps, so that the first lines of window and maps differ in bits 16 to 19. AMD's first-level cache looks a
 * line up by a hash of bits 12 to 27 and the place in a page: of two lines that agree in both each use evicts the other.
 * Window and maps would all begin with the hash 0, and a pair of malloc and free of a block in the window's first line,
 * whose byte in `kind` is in the first line too, took twice as long. */
#define APART ((size_t)5 << 16)

/* The three maps, one behind the other, each as long as the window could need. Like the window they are
 * mapped as far as they are used, or reserved as a whole. */
static void place_maps(uintptr_t at, size_t units, size_t apart)
{
    pawl_map_.kind = (uint8_t *)(at + apart);
    pawl_map_.span = (struct span **)(at + 2 * apart + units * KIND_BYTES);
    pawl_map_.chunk = (struct chunk *)(at + 3 * apart + units * (KIND_BYTES + SPAN_BYTES));
}

/* 0, -EEXIST or -ENOMEM. */
static int map_piece(void *address, size_t bytes)
{
    if (pawl_map_.reserved)
        return pawl_system_map_over_(address, bytes) ? 0 : -ENOMEM;
    return pawl_system_map_at_(address, bytes);
}

/* The maps for one more GiB. */
static bool extend_maps(void)
{
    size_t u = pawl_map_.units;
    char *kind = (char *)pawl_map_.kind + u * KIND_BYTES;
    char *span = (char *)pawl_map_.span + u * SPAN_BYTES;
    char *chunk = (char *)pawl_map_.chunk + u * CHUNK_MAP_BYTES;

    if (map_piece(kind, KIND_BYTES) != 0)
        return false;
    if (map_piece(span, SPAN_BYTES) != 0) {
        pawl_system_unmap_(kind, KIND_BYTES);
        return false;
    }
    if (map_piece(chunk, CHUNK_MAP_BYTES) != 0) {
        pawl_system_unmap_(kind, KIND_BYTES);
        pawl_system_unmap_(span, SPAN_BYTES);
        return false;
    }
    pawl_map_.units = u + 1;
    return true;
}

/* Programs stand at the bottom and at two thirds of the address space, libraries and stacks at its top; so a
 * window that begins between a quarter and three eighths, at a random place, has room to grow. The stack
 * tells how large the space is: 39 to 48 bits on aarch64, 47 on x86-64. */
static bool choose(void)
{
    uintptr_t stack = (uintptr_t)__builtin_frame_address(0);
    unsigned int bits = 64 - (unsigned int)__builtin_clzl(stack);
    uintptr_t quarter = (uintptr_t)1 << (bits - 2);
    size_t limit = quarter / 4 < WINDOW_MAX ? quarter / 4 : WINDOW_MAX;

    for (int try = 0; try < TRIES; try++) {
        uintptr_t step = pawl_system_random_() % (quarter / 4 >> UNIT_SHIFT);

        pawl_map_.base = quarter + (step << UNIT_SHIFT);
        pawl_map_.limit = limit;
        place_maps(quarter - (quarter >> 2) + ((step << UNIT_SHIFT) >> 2), limit >> UNIT_SHIFT, APART);
        if (extend_maps())
            return true;
    }
    return false;
}

static bool reserve(void)
{
    for (size_t bytes = RESERVE_MAX; bytes >= RESERVE_MIN; bytes /= 2) {
        size_t units = DIV_UP(bytes, (size_t)1 << UNIT_SHIFT);
        size_t maps = units * (KIND_BYTES + SPAN_BYTES + CHUNK_MAP_BYTES);
        char *memory = pawl_system_reserve_(maps + bytes + CHUNK_BYTES);

        if (memory == NULL)
            continue;
        pawl_map_.reserved = true;
        pawl_map_.base = ROUND_UP((uintptr_t)memory + maps, CHUNK_BYTES);
        pawl_map_.limit = bytes;
        place_maps((uintptr_t)memory, units, 0);
        if (extend_maps())
            return true;
        pawl_system_unmap_(memory, maps + bytes + CHUNK_BYTES);
    }
    pawl_map_.reserved = false;
    return false;
}

bool pawl_map_open_(void)
{
    /* Instrumented programs may use certain addresses only. */
    return (!PAWL_INSTRUMENTED && choose()) || reserve();
}

/* relaxed, both: readers got their block from this growth or later, through a lock */
static void set_end(size_t bytes)
{
    pawl_store_relaxed(&pawl_map_.bytes, bytes);
    pawl_store_relaxed(&pawl_map_.fast_pages, pawl_map_.fast ? bytes >> PAGE_SHIFT : 0);
}

void pawl_map_open_fast_(void)
{
    pawl_map_.fast = true;
    set_end(pawl_load_relaxed(&pawl_map_.bytes)); /* relaxed: no other thread runs yet */
}

/* The maps for so many chunks. */
static bool cover(size_t chunks)
{
    while (pawl_map_.units * UNIT_CHUNKS < chunks)
        if (!extend_maps())
            return false;
    return true;
}

size_t pawl_map_grow_(size_t count)
{
    /* relaxed: changed with the page heap's lock, which the caller has */
    size_t first = pawl_load_relaxed(&pawl_map_.bytes) >> CHUNK_SHIFT;

    for (int try = 0; try < TRIES; try++, first += STEP_OVER) {
        size_t end = first + count;
        char *address = (char *)pawl_map_.base + (first << CHUNK_SHIFT);
        int status;

        if (end > pawl_map_.limit >> CHUNK_SHIFT)
            return SIZE_MAX;
        /* Before the maps: those of a TiB that is refused would stay, and are 1.2 GiB of what the process may have. */
        status = map_piece(address, count << CHUNK_SHIFT);
        if (status == -EEXIST)
            continue;
        if (status != 0)
            return SIZE_MAX;
        if (!cover(end)) {
            if (!pawl_map_.reserved) /* a reservation stays whole */
                pawl_system_unmap_(address, count << CHUNK_SHIFT);
            return SIZE_MAX;
        }
        set_end(end << CHUNK_SHIFT);
        return first;
    }
    return SIZE_MAX;
}
