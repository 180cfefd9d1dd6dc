/* SPDX-License-Identifier: MIT */
/* The rest of libc that the checker must see: memory, the end of the program, time. (string.c: what reads and writes
 * memory that it is given; output.c: what prints.) */
#include "visible.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { MALLOC_ALIGNMENT = 16 };

/* ---- allocator ---- */

EXPORT void *__wrap_malloc(size_t n);
EXPORT void *__wrap_malloc(size_t n)
{
    return in_test() ? heap_alloc(n, MALLOC_ALIGNMENT, false, CALLER) : malloc(n);
}

EXPORT void *__wrap_calloc(size_t n, size_t size);
EXPORT void *__wrap_calloc(size_t n, size_t size)
{
    size_t bytes;
    if (!in_test())
        return calloc(n, size);
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return heap_alloc(bytes, MALLOC_ALIGNMENT, true, CALLER);
}

/* Blocks that libc itself allocated are libc's. */
EXPORT void __wrap_free(void *p);
EXPORT void __wrap_free(void *p)
{
    if (!p)
        return;
    if (heap_owns(p) && in_test())
        heap_free(p, CALLER);
    else if (in_test() && (memory_of_program((uintptr_t)p) || (uintptr_t)p % MALLOC_ALIGNMENT))
        bug(BUG_MEMORY, CALLER, "T%d: free of %p, which no allocation returned", run.current, p);
    else if (!heap_owns(p))
        free(p);
}

static void *reallocate(void *p, size_t n, uint64_t pc)
{
    if (!in_test() || (p && !heap_owns(p)))
        return realloc(p, n);
    void *new = heap_alloc(n, MALLOC_ALIGNMENT, false, pc);
    if (!p)
        return new;
    size_t old = heap_size(p);
    plain_access(p, old < n ? old : n, false, false, pc);
    memcpy(new, p, old < n ? old : n);
    heap_free(p, pc);
    return new;
}

EXPORT void *__wrap_realloc(void *p, size_t n);
EXPORT void *__wrap_realloc(void *p, size_t n)
{
    return reallocate(p, n, CALLER);
}

EXPORT void *__wrap_reallocarray(void *p, size_t n, size_t size);
EXPORT void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (!__builtin_mul_overflow(n, size, &bytes))
        return reallocate(p, bytes, CALLER);
    errno = ENOMEM;
    return NULL;
}

EXPORT size_t __wrap_malloc_usable_size(void *p);
EXPORT size_t __wrap_malloc_usable_size(void *p)
{
    return in_test() && heap_owns(p) ? heap_size(p) : malloc_usable_size(p);
}

static void *aligned(size_t alignment, size_t n, uint64_t pc)
{
    if (alignment && !(alignment & (alignment - 1)))
        return heap_alloc(n, alignment, false, pc);
    errno = EINVAL;
    return NULL;
}

EXPORT void *__wrap_aligned_alloc(size_t alignment, size_t n);
EXPORT void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return in_test() ? aligned(alignment, n, CALLER) : aligned_alloc(alignment, n);
}

EXPORT void *__wrap_memalign(size_t alignment, size_t n);
EXPORT void *__wrap_memalign(size_t alignment, size_t n)
{
    return in_test() ? aligned(alignment, n, CALLER) : aligned_alloc(alignment, n);
}

EXPORT int __wrap_posix_memalign(void **p, size_t alignment, size_t n);
EXPORT int __wrap_posix_memalign(void **p, size_t alignment, size_t n)
{
    if (!in_test())
        return posix_memalign(p, alignment, n);
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)))
        return EINVAL;
    plain_access(p, sizeof *p, true, true, CALLER);
    *p = heap_alloc(n, alignment, false, CALLER);
    return 0;
}

/* ---- mapped memory: anonymous pages are heap blocks of zeroes ---- */

enum { PAGE_BYTES = 4096 };

EXPORT void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);
EXPORT void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    if (!in_test())
        return mmap(at, n, protection, flags, fd, offset);
    if (!(flags & MAP_ANONYMOUS) || (flags & MAP_FIXED) || fd != -1)
        bug(BUG_UNMODELLED, CALLER, "T%d: mmap() is modelled for anonymous memory at any address only",
            run.current);
    return heap_alloc((n + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES, PAGE_BYTES, true, CALLER);
}

EXPORT int __wrap_munmap(void *p, size_t n);
EXPORT int __wrap_munmap(void *p, size_t n)
{
    if (!in_test() || !heap_owns(p))
        return munmap(p, n);
    if (heap_size(p) != (n + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES)
        bug(BUG_UNMODELLED, CALLER, "T%d: munmap() of a part of a mapping is not modelled", run.current);
    heap_free(p, CALLER);
    return 0;
}

EXPORT int __wrap_madvise(void *p, size_t n, int advice);
EXPORT int __wrap_madvise(void *p, size_t n, int advice)
{
    if (!in_test() || !heap_owns(p))
        return madvise(p, n, advice);
    if (advice == MADV_DONTNEED || advice == MADV_REMOVE)
        bug(BUG_UNMODELLED, CALLER, "T%d: madvise() that drops pages is not modelled", run.current);
    return 0;
}

/* ---- the end ---- */

static void end_program(int status, uint64_t pc)
{
    if (status != 0)
        bug(BUG_ASSERTION, pc, "T%d: exit with status %d", run.current, status);
    struct op op = {.type = EV_END, .name = NAME_END, .pc = pc, .aux = 1};
    run_op(&op);
    fatal("a thread that had called exit() was resumed");
}

EXPORT void __wrap_exit(int status) __attribute__((noreturn));
EXPORT void __wrap_exit(int status)
{
    if (in_test())
        end_program(status, CALLER);
    exit(status);
}

EXPORT void __wrap__exit(int status) __attribute__((noreturn));
EXPORT void __wrap__exit(int status)
{
    if (in_test())
        end_program(status, CALLER);
    _exit(status);
}

EXPORT void __wrap__Exit(int status) __attribute__((noreturn));
EXPORT void __wrap__Exit(int status)
{
    __wrap__exit(status);
}

EXPORT void __wrap_abort(void) __attribute__((noreturn));
EXPORT void __wrap_abort(void)
{
    if (in_test())
        bug(BUG_ASSERTION, CALLER, "T%d: abort()", run.current);
    abort();
}

EXPORT void __wrap___assert_fail(const char *what, const char *file, unsigned line, const char *function)
    __attribute__((noreturn));
EXPORT void __wrap___assert_fail(const char *what, const char *file, unsigned line, const char *function)
{
    if (in_test())
        bug(BUG_ASSERTION, CALLER, "T%d: assertion failed: %s (%s:%u %s)", run.current, what, file, line,
            function);
    fprintf(stderr, "%s:%u: %s: assertion failed: %s\n", file, line, function, what);
    abort();
}

/* ---- time: a thread that sleeps may be overtaken by everybody, which it may be anyway ---- */

EXPORT int __wrap_sched_yield(void);
EXPORT int __wrap_sched_yield(void)
{
    return 0;
}

EXPORT int __wrap_usleep(useconds_t t);
EXPORT int __wrap_usleep(useconds_t t)
{
    (void)t;
    return 0;
}

EXPORT unsigned __wrap_sleep(unsigned t);
EXPORT unsigned __wrap_sleep(unsigned t)
{
    (void)t;
    return 0;
}

EXPORT int __wrap_nanosleep(const struct timespec *t, struct timespec *left);
EXPORT int __wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
    (void)t;
    (void)left;
    return 0;
}

EXPORT int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t,
                                  struct timespec *left);
EXPORT int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *left)
{
    (void)clock;
    (void)flags;
    (void)t;
    (void)left;
    return 0;
}
