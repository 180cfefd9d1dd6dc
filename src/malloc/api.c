/* SPDX-License-Identifier: MIT */
/* malloc and its family, as glibc defines them, with C23's additions. */
#include "api.h"

#include "block.h"
#include "decay.h"
#include "fast.h"
#include "page_heap.h"
#include "start.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void *PUBLIC(malloc)(size_t size)
{
    void *block = fast_alloc(size);

    return PAWL_LIKELY(block != NULL) ? block : pawl_block_malloc_(size);
}

void PUBLIC(free)(void *block)
{
    fast_free(block);
}

/* The map knows the class without being told, and is right where the caller is not. */
void PUBLIC(free_sized)(void *block, size_t size)
{
    (void)size;
    PUBLIC(free)(block);
}

void PUBLIC(free_aligned_sized)(void *block, size_t alignment, size_t size)
{
    (void)alignment;
    (void)size;
    PUBLIC(free)(block);
}

void *PUBLIC(calloc)(size_t count, size_t size)
{
    size_t bytes;
    void *block;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    block = fast_alloc(bytes);
    if (PAWL_LIKELY(block != NULL))
        return memset(block, 0, bytes);
    return pawl_block_alloc_(bytes, ALIGNMENT, true);
}

void *PUBLIC(realloc)(void *block, size_t size)
{
    if (block == NULL)
        return PUBLIC(malloc)(size);
    if (size == 0) { /* as glibc: the block is gone */
        PUBLIC(free)(block);
        return NULL;
    }
    return pawl_block_realloc_(block, size);
}

void *PUBLIC(reallocarray)(void *block, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return PUBLIC(realloc)(block, bytes);
}

static bool is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

void *PUBLIC(aligned_alloc)(size_t alignment, size_t size)
{
    if (!is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return pawl_block_alloc_(size, alignment, false);
}

int PUBLIC(posix_memalign)(void **block, size_t alignment, size_t size)
{
    int before = errno;
    void *made;

    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    made = pawl_block_alloc_(size, alignment, false);
    errno = before;
    if (made == NULL)
        return ENOMEM;
    *block = made;
    return 0;
}

/* As glibc: what is no power of two is rounded up to one. */
void *PUBLIC(memalign)(size_t alignment, size_t size)
{
    size_t power = ALIGNMENT;

    if (alignment > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return NULL;
    }
    while (power < alignment)
        power *= 2;
    return pawl_block_alloc_(size, power, false);
}

void *PUBLIC(valloc)(size_t size)
{
    return pawl_block_alloc_(size, (size_t)sysconf(_SC_PAGESIZE), false);
}

void *PUBLIC(pvalloc)(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (size > REQUEST_MAX - page) {
        errno = ENOMEM;
        return NULL;
    }
    return pawl_block_alloc_(size != 0 ? ROUND_UP(size, page) : page, page, false);
}

size_t PUBLIC(malloc_usable_size)(void *block)
{
    return pawl_block_usable_(block);
}

int PUBLIC(malloc_trim)(size_t pad)
{
    if (!started())
        return 0;
    pawl_decay_gather_();
    return pawl_pages_release_(pad >> PAGE_SHIFT) > 0;
}

/* glibc has its functions under these names, too: what a program gets by them it gives to free(). */
#if defined(__GLIBC__) && !defined(PAWL_MALLOC_PREFIXED)
#define ALSO(name, function)                   \
    PAWL_API extern __typeof__(function) name; \
    extern __typeof__(function) name __attribute__((alias(#function)))
ALSO(__libc_malloc, malloc);
ALSO(__libc_free, free);
ALSO(__libc_calloc, calloc);
ALSO(__libc_realloc, realloc);
ALSO(__libc_memalign, memalign);
ALSO(__libc_valloc, valloc);
ALSO(__libc_pvalloc, pvalloc);
#endif
