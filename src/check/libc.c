/* SPDX-License-Identifier: MIT */
/* The rest of libc that the checker must see: memory, output, the end of the program, time. */
#include "visible.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
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

static char *duplicate(const char *s, size_t n, uint64_t pc)
{
    char *copy = heap_alloc(n + 1, 1, false, pc);
    plain_access(s, n, false, false, pc);
    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

EXPORT char *__wrap_strdup(const char *s);
EXPORT char *__wrap_strdup(const char *s)
{
    return in_test() ? duplicate(s, strlen(s), CALLER) : strdup(s);
}

EXPORT char *__wrap_strndup(const char *s, size_t n);
EXPORT char *__wrap_strndup(const char *s, size_t n)
{
    return in_test() ? duplicate(s, strnlen(s, n), CALLER) : strndup(s, n);
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

/* ---- blocks of memory ---- */

EXPORT void *__wrap_memcpy(void *to, const void *from, size_t n);
EXPORT void *__wrap_memcpy(void *to, const void *from, size_t n)
{
    plain_access(from, n, false, false, CALLER);
    plain_access(to, n, true, false, CALLER);
    return memcpy(to, from, n);
}

EXPORT void *__wrap_memmove(void *to, const void *from, size_t n);
EXPORT void *__wrap_memmove(void *to, const void *from, size_t n)
{
    plain_access(from, n, false, false, CALLER);
    plain_access(to, n, true, false, CALLER);
    return memmove(to, from, n);
}

EXPORT void *__wrap_memset(void *to, int c, size_t n);
EXPORT void *__wrap_memset(void *to, int c, size_t n)
{
    plain_access(to, n, true, false, CALLER);
    return memset(to, c, n);
}

EXPORT int __wrap_memcmp(const void *a, const void *b, size_t n);
EXPORT int __wrap_memcmp(const void *a, const void *b, size_t n)
{
    plain_access(a, n, false, false, CALLER);
    plain_access(b, n, false, false, CALLER);
    return memcmp(a, b, n);
}

/* What clang makes of a memcmp() that is asked for equality only. */
EXPORT int __wrap_bcmp(const void *a, const void *b, size_t n);
EXPORT int __wrap_bcmp(const void *a, const void *b, size_t n)
{
    plain_access(a, n, false, false, CALLER);
    plain_access(b, n, false, false, CALLER);
    return memcmp(a, b, n);
}

EXPORT size_t __wrap_strlen(const char *s);
EXPORT size_t __wrap_strlen(const char *s)
{
    size_t n = strlen(s);
    plain_access(s, n + 1, false, false, CALLER);
    return n;
}

EXPORT int __wrap_strcmp(const char *a, const char *b);
EXPORT int __wrap_strcmp(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n])
        n++;
    plain_access(a, n + 1, false, false, CALLER);
    plain_access(b, n + 1, false, false, CALLER);
    return (unsigned char)a[n] - (unsigned char)b[n];
}

EXPORT char *__wrap_strcpy(char *to, const char *from);
EXPORT char *__wrap_strcpy(char *to, const char *from)
{
    size_t n = strlen(from) + 1;
    plain_access(from, n, false, false, CALLER);
    plain_access(to, n, true, false, CALLER);
    return memcpy(to, from, n);
}

/* What is read of a string that ends at the latest behind `n` bytes. */
static size_t bounded(const char *s, size_t n)
{
    size_t length = strnlen(s, n);
    return length < n ? length + 1 : n;
}

EXPORT size_t __wrap_strnlen(const char *s, size_t n);
EXPORT size_t __wrap_strnlen(const char *s, size_t n)
{
    plain_access(s, bounded(s, n), false, false, CALLER);
    return strnlen(s, n);
}

EXPORT int __wrap_strncmp(const char *a, const char *b, size_t n);
EXPORT int __wrap_strncmp(const char *a, const char *b, size_t n)
{
    size_t i = 0;
    while (i < n && a[i] && a[i] == b[i])
        i++;
    size_t compared = i < n ? i + 1 : n;
    plain_access(a, compared, false, false, CALLER);
    plain_access(b, compared, false, false, CALLER);
    return i < n ? (unsigned char)a[i] - (unsigned char)b[i] : 0;
}

EXPORT char *__wrap_strncpy(char *to, const char *from, size_t n);
EXPORT char *__wrap_strncpy(char *to, const char *from, size_t n)
{
    plain_access(from, bounded(from, n), false, false, CALLER);
    plain_access(to, n, true, false, CALLER);
    return strncpy(to, from, n);
}

EXPORT char *__wrap_stpcpy(char *to, const char *from);
EXPORT char *__wrap_stpcpy(char *to, const char *from)
{
    size_t n = strlen(from);
    plain_access(from, n + 1, false, false, CALLER);
    plain_access(to, n + 1, true, false, CALLER);
    memcpy(to, from, n + 1);
    return to + n;
}

EXPORT char *__wrap_strcat(char *to, const char *from);
EXPORT char *__wrap_strcat(char *to, const char *from)
{
    size_t at = strlen(to), n = strlen(from) + 1;
    plain_access(to, at + 1, false, false, CALLER);
    plain_access(from, n, false, false, CALLER);
    plain_access(to + at, n, true, false, CALLER);
    memcpy(to + at, from, n);
    return to;
}

EXPORT char *__wrap_strchr(const char *s, int c);
EXPORT char *__wrap_strchr(const char *s, int c)
{
    char *at = strchr(s, c);
    plain_access(s, at ? (size_t)(at - s) + 1 : strlen(s) + 1, false, false, CALLER);
    return at;
}

EXPORT char *__wrap_strrchr(const char *s, int c);
EXPORT char *__wrap_strrchr(const char *s, int c)
{
    plain_access(s, strlen(s) + 1, false, false, CALLER);
    return strrchr(s, c);
}

EXPORT void *__wrap_memchr(const void *s, int c, size_t n);
EXPORT void *__wrap_memchr(const void *s, int c, size_t n)
{
    char *at = memchr(s, c, n);
    plain_access(s, at ? (size_t)(at - (const char *)s) + 1 : n, false, false, CALLER);
    return at;
}

EXPORT void __wrap_bzero(void *to, size_t n);
EXPORT void __wrap_bzero(void *to, size_t n)
{
    plain_access(to, n, true, false, CALLER);
    memset(to, 0, n);
}

/* ---- output: the outcome of the execution ---- */

static void output(const char *text, size_t n)
{
    run_effect();
    if (options.keep_output && write(STDOUT_FILENO, text, n) < 0)
        return;
    size_t room = sizeof run.output - 1 - run.output_used;
    n = n < room ? n : room;
    memcpy(run.output + run.output_used, text, n);
    run.output_used += n;
    run.output[run.output_used] = 0;
}

static int __attribute__((format(printf, 2, 0)))
output_formatted(FILE *to, const char *format, va_list arguments)
{
    char text[1024];
    if (!in_test() || (to != stdout && to != stderr))
        return vfprintf(to, format, arguments);
    int n = vsnprintf(text, sizeof text, format, arguments);
    if (n > 0 && to == stdout)
        output(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
    else if (n > 0 && options.keep_output)
        fputs(text, stderr);
    return n;
}

#define FORMATTED(to)                                \
    va_list arguments;                               \
    va_start(arguments, format);                     \
    int n = output_formatted(to, format, arguments); \
    va_end(arguments);                               \
    return n;

EXPORT int __wrap_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
EXPORT int __wrap_printf(const char *format, ...){FORMATTED(stdout)}

EXPORT int __wrap_fprintf(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
EXPORT int __wrap_fprintf(FILE *to, const char *format, ...){FORMATTED(to)}

EXPORT int __wrap___printf_chk(int flag, const char *format, ...) __attribute__((format(printf, 2, 3)));
EXPORT int __wrap___printf_chk(int flag, const char *format, ...)
{
    (void)flag;
    FORMATTED(stdout)
}

EXPORT int __wrap___fprintf_chk(FILE *to, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
EXPORT int __wrap___fprintf_chk(FILE *to, int flag, const char *format, ...)
{
    (void)flag;
    FORMATTED(to)
}

EXPORT int __wrap_vprintf(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
EXPORT int __wrap_vprintf(const char *format, va_list arguments)
{
    return output_formatted(stdout, format, arguments);
}

EXPORT int __wrap_vfprintf(FILE *to, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
EXPORT int __wrap_vfprintf(FILE *to, const char *format, va_list arguments)
{
    return output_formatted(to, format, arguments);
}

EXPORT int __wrap_puts(const char *s);
EXPORT int __wrap_puts(const char *s)
{
    return __wrap_printf("%s\n", s);
}

EXPORT int __wrap_putchar(int c);
EXPORT int __wrap_putchar(int c)
{
    __wrap_printf("%c", c);
    return c;
}

EXPORT int __wrap_fputs(const char *s, FILE *to);
EXPORT int __wrap_fputs(const char *s, FILE *to)
{
    return __wrap_fprintf(to, "%s", s);
}

EXPORT int __wrap_fputc(int c, FILE *to);
EXPORT int __wrap_fputc(int c, FILE *to)
{
    __wrap_fprintf(to, "%c", c);
    return c;
}

EXPORT int __wrap_putc(int c, FILE *to);
EXPORT int __wrap_putc(int c, FILE *to)
{
    return __wrap_fputc(c, to);
}

EXPORT int __wrap_fflush(FILE *to);
EXPORT int __wrap_fflush(FILE *to)
{
    return in_test() ? 0 : fflush(to);
}

EXPORT size_t __wrap_fwrite(const void *data, size_t size, size_t n, FILE *to);
EXPORT size_t __wrap_fwrite(const void *data, size_t size, size_t n, FILE *to)
{
    if (!in_test() || (to != stdout && to != stderr))
        return fwrite(data, size, n, to);
    if (to == stdout)
        output(data, size * n);
    return n;
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
