/* SPDX-License-Identifier: MIT */
/* In front of malloc, by the linker (--wrap): counts what is alive, and lets some of it fail. */
#include "io.h"

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *memory);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void __wrap_free(void *memory);

/* relaxed, all: counters that are read when the threads are gone */
static PAWL_ATOMIC(int64_t) live;
static PAWL_ATOMIC(uint32_t) every;
static PAWL_ATOMIC(uint64_t) asked, failed;

static bool fails(void)
{
    uint32_t n = pawl_load_relaxed(&every);

    if (n == 0 || gettid() == getpid() || pawl_fetch_add_relaxed(&asked, 1) % n != 0)
        return false;
    (void)pawl_fetch_add_relaxed(&failed, 1);
    errno = ENOMEM;
    return true;
}

static void *count(void *memory)
{
    if (memory != NULL)
        (void)pawl_fetch_add_relaxed(&live, 1);
    return memory;
}

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : count(__real_malloc(bytes));
}

void *__wrap_calloc(size_t n, size_t bytes)
{
    return fails() ? NULL : count(__real_calloc(n, bytes));
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return fails() ? NULL : count(__real_aligned_alloc(alignment, bytes));
}

void *__wrap_realloc(void *old, size_t bytes)
{
    if (fails())
        return NULL;
    return old == NULL ? count(__real_realloc(old, bytes)) : __real_realloc(old, bytes);
}

void __wrap_free(void *memory)
{
    if (memory != NULL)
        (void)pawl_fetch_sub_relaxed(&live, 1);
    __real_free(memory);
}

int64_t io_live_allocations(void)
{
    return pawl_load_relaxed(&live);
}

void io_fail_every(uint32_t n)
{
    pawl_store_relaxed(&every, n);
}

uint64_t io_failed(void)
{
    return pawl_load_relaxed(&failed);
}
