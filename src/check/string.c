/* SPDX-License-Identifier: MIT */
/* Functions of libc that read and write the memory they are given: what each touches, byte for byte, and no more.
 *
 * A byte too many would be a race that does not exist, one too few a race that nobody sees. (tests/check/strings.py
 * tries the last byte of each and the one behind it.)
 */
#include "visible.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define READS(p, n) plain_access(p, n, false, false, CALLER)
#define WRITES(p, n) plain_access(p, n, true, false, CALLER)

size_t bytes_read(const char *s, size_t n)
{
    size_t length = strnlen(s, n);
    return length < n ? length + 1 : n;
}

/* What a search through `s` has read when it found `at`, or nothing. */
static size_t bytes_up_to(const char *s, const char *at)
{
    return at ? (size_t)(at - s) + 1 : strlen(s) + 1;
}

/* ---- blocks ---- */

EXPORT void *__wrap_memcpy(void *to, const void *from, size_t n);
EXPORT void *__wrap_memcpy(void *to, const void *from, size_t n)
{
    READS(from, n);
    WRITES(to, n);
    return memcpy(to, from, n);
}

EXPORT void *__wrap_mempcpy(void *to, const void *from, size_t n);
EXPORT void *__wrap_mempcpy(void *to, const void *from, size_t n)
{
    READS(from, n);
    WRITES(to, n);
    return mempcpy(to, from, n);
}

EXPORT void *__wrap_memmove(void *to, const void *from, size_t n);
EXPORT void *__wrap_memmove(void *to, const void *from, size_t n)
{
    READS(from, n);
    WRITES(to, n);
    return memmove(to, from, n);
}

EXPORT void __wrap_bcopy(const void *from, void *to, size_t n);
EXPORT void __wrap_bcopy(const void *from, void *to, size_t n)
{
    READS(from, n);
    WRITES(to, n);
    memmove(to, from, n);
}

EXPORT void *__wrap_memccpy(void *to, const void *from, int c, size_t n);
EXPORT void *__wrap_memccpy(void *to, const void *from, int c, size_t n)
{
    const char *at = memchr(from, c, n);
    size_t copied = at ? (size_t)(at - (const char *)from) + 1 : n;
    READS(from, copied);
    WRITES(to, copied);
    return memccpy(to, from, c, n);
}

EXPORT void *__wrap_memset(void *to, int c, size_t n);
EXPORT void *__wrap_memset(void *to, int c, size_t n)
{
    WRITES(to, n);
    return memset(to, c, n);
}

/* What clang (15 and later) makes of assignments of structures. */
EXPORT void *__tsan_memcpy(void *to, const void *from, size_t n) __attribute__((alias("__wrap_memcpy")));
EXPORT void *__tsan_memmove(void *to, const void *from, size_t n) __attribute__((alias("__wrap_memmove")));
EXPORT void *__tsan_memset(void *to, int c, size_t n) __attribute__((alias("__wrap_memset")));

EXPORT void __wrap_bzero(void *to, size_t n);
EXPORT void __wrap_bzero(void *to, size_t n)
{
    WRITES(to, n);
    memset(to, 0, n);
}

EXPORT void __wrap_explicit_bzero(void *to, size_t n);
EXPORT void __wrap_explicit_bzero(void *to, size_t n)
{
    WRITES(to, n);
    memset(to, 0, n);
}

EXPORT int __wrap_memcmp(const void *a, const void *b, size_t n);
EXPORT int __wrap_memcmp(const void *a, const void *b, size_t n)
{
    READS(a, n);
    READS(b, n);
    return memcmp(a, b, n);
}

/* What clang makes of a memcmp() that is asked for equality only. */
EXPORT int __wrap_bcmp(const void *a, const void *b, size_t n);
EXPORT int __wrap_bcmp(const void *a, const void *b, size_t n)
{
    READS(a, n);
    READS(b, n);
    return memcmp(a, b, n);
}

EXPORT void *__wrap_memchr(const void *s, int c, size_t n);
EXPORT void *__wrap_memchr(const void *s, int c, size_t n)
{
    char *at = memchr(s, c, n);
    READS(s, at ? (size_t)(at - (const char *)s) + 1 : n);
    return at;
}

EXPORT void *__wrap_rawmemchr(const void *s, int c);
EXPORT void *__wrap_rawmemchr(const void *s, int c)
{
    char *at = rawmemchr(s, c);
    READS(s, (size_t)(at - (const char *)s) + 1);
    return at;
}

EXPORT void *__wrap_memrchr(const void *s, int c, size_t n);
EXPORT void *__wrap_memrchr(const void *s, int c, size_t n)
{
    char *at = memrchr(s, c, n);
    size_t before = at ? (size_t)(at - (const char *)s) : 0;
    READS((const char *)s + before, n - before);
    return at;
}

EXPORT void *__wrap_memmem(const void *s, size_t n, const void *what, size_t length);
EXPORT void *__wrap_memmem(const void *s, size_t n, const void *what, size_t length)
{
    char *at = memmem(s, n, what, length);
    READS(s, at ? (size_t)(at - (const char *)s) + length : n);
    READS(what, length);
    return at;
}

/* ---- strings: how long, where ---- */

EXPORT size_t __wrap_strlen(const char *s);
EXPORT size_t __wrap_strlen(const char *s)
{
    size_t n = strlen(s);
    READS(s, n + 1);
    return n;
}

EXPORT size_t __wrap_strnlen(const char *s, size_t n);
EXPORT size_t __wrap_strnlen(const char *s, size_t n)
{
    READS(s, bytes_read(s, n));
    return strnlen(s, n);
}

EXPORT char *__wrap_strchr(const char *s, int c);
EXPORT char *__wrap_strchr(const char *s, int c)
{
    char *at = strchr(s, c);
    READS(s, bytes_up_to(s, at));
    return at;
}

EXPORT char *__wrap_strchrnul(const char *s, int c);
EXPORT char *__wrap_strchrnul(const char *s, int c)
{
    char *at = strchrnul(s, c);
    READS(s, bytes_up_to(s, at));
    return at;
}

EXPORT char *__wrap_strrchr(const char *s, int c);
EXPORT char *__wrap_strrchr(const char *s, int c)
{
    READS(s, strlen(s) + 1);
    return strrchr(s, c);
}

EXPORT size_t __wrap_strspn(const char *s, const char *set);
EXPORT size_t __wrap_strspn(const char *s, const char *set)
{
    size_t n = strspn(s, set);
    READS(s, n + 1);
    READS(set, strlen(set) + 1);
    return n;
}

EXPORT size_t __wrap_strcspn(const char *s, const char *set);
EXPORT size_t __wrap_strcspn(const char *s, const char *set)
{
    size_t n = strcspn(s, set);
    READS(s, n + 1);
    READS(set, strlen(set) + 1);
    return n;
}

EXPORT char *__wrap_strpbrk(const char *s, const char *set);
EXPORT char *__wrap_strpbrk(const char *s, const char *set)
{
    char *at = strpbrk(s, set);
    READS(s, bytes_up_to(s, at));
    READS(set, strlen(set) + 1);
    return at;
}

static void reads_search(const char *s, const char *what, const char *at, uint64_t pc)
{
    size_t length = strlen(what);
    plain_access(s, at ? (size_t)(at - s) + length : strlen(s) + 1, false, false, pc);
    plain_access(what, length + 1, false, false, pc);
}

EXPORT char *__wrap_strstr(const char *s, const char *what);
EXPORT char *__wrap_strstr(const char *s, const char *what)
{
    char *at = strstr(s, what);
    reads_search(s, what, at, CALLER);
    return at;
}

EXPORT char *__wrap_strcasestr(const char *s, const char *what);
EXPORT char *__wrap_strcasestr(const char *s, const char *what)
{
    char *at = strcasestr(s, what);
    reads_search(s, what, at, CALLER);
    return at;
}

/* ---- strings: which is less ---- */

static int itself(int c)
{
    return c;
}

static int compared(const char *a, const char *b, size_t n, int (*fold)(int), uint64_t pc)
{
    size_t i = 0;
    int difference = 0;
    while (i < n && !difference) {
        difference = fold((unsigned char)a[i]) - fold((unsigned char)b[i]);
        if (!a[i++])
            break;
    }
    plain_access(a, i, false, false, pc);
    plain_access(b, i, false, false, pc);
    return difference;
}

EXPORT int __wrap_strcmp(const char *a, const char *b);
EXPORT int __wrap_strcmp(const char *a, const char *b)
{
    return compared(a, b, SIZE_MAX, itself, CALLER);
}

EXPORT int __wrap_strncmp(const char *a, const char *b, size_t n);
EXPORT int __wrap_strncmp(const char *a, const char *b, size_t n)
{
    return compared(a, b, n, itself, CALLER);
}

EXPORT int __wrap_strcasecmp(const char *a, const char *b);
EXPORT int __wrap_strcasecmp(const char *a, const char *b)
{
    return compared(a, b, SIZE_MAX, tolower, CALLER);
}

EXPORT int __wrap_strncasecmp(const char *a, const char *b, size_t n);
EXPORT int __wrap_strncasecmp(const char *a, const char *b, size_t n)
{
    return compared(a, b, n, tolower, CALLER);
}

/* ---- strings: copies ---- */

EXPORT char *__wrap_strcpy(char *to, const char *from);
EXPORT char *__wrap_strcpy(char *to, const char *from)
{
    size_t n = strlen(from) + 1;
    READS(from, n);
    WRITES(to, n);
    return memcpy(to, from, n);
}

EXPORT char *__wrap_stpcpy(char *to, const char *from);
EXPORT char *__wrap_stpcpy(char *to, const char *from)
{
    size_t n = strlen(from) + 1;
    READS(from, n);
    WRITES(to, n);
    return (char *)mempcpy(to, from, n) - 1;
}

EXPORT char *__wrap_strncpy(char *to, const char *from, size_t n);
EXPORT char *__wrap_strncpy(char *to, const char *from, size_t n)
{
    READS(from, bytes_read(from, n));
    WRITES(to, n);
    return strncpy(to, from, n);
}

EXPORT char *__wrap_stpncpy(char *to, const char *from, size_t n);
EXPORT char *__wrap_stpncpy(char *to, const char *from, size_t n)
{
    READS(from, bytes_read(from, n));
    WRITES(to, n);
    return stpncpy(to, from, n);
}

static char *append(char *to, const char *from, size_t n, uint64_t pc)
{
    size_t at = strlen(to), length = strnlen(from, n);
    plain_access(to, at + 1, false, false, pc);
    plain_access(from, bytes_read(from, n), false, false, pc);
    plain_access(to + at, length + 1, true, false, pc);
    memcpy(to + at, from, length);
    to[at + length] = 0;
    return to;
}

EXPORT char *__wrap_strcat(char *to, const char *from);
EXPORT char *__wrap_strcat(char *to, const char *from)
{
    return append(to, from, SIZE_MAX, CALLER);
}

EXPORT char *__wrap_strncat(char *to, const char *from, size_t n);
EXPORT char *__wrap_strncat(char *to, const char *from, size_t n)
{
    return append(to, from, n, CALLER);
}

static char *duplicate(const char *s, size_t n, uint64_t pc)
{
    size_t length = strnlen(s, n);
    char *copy = heap_alloc(length + 1, 1, false, pc);
    plain_access(s, bytes_read(s, n), false, false, pc);
    memcpy(copy, s, length);
    copy[length] = 0;
    return copy;
}

EXPORT char *__wrap_strdup(const char *s);
EXPORT char *__wrap_strdup(const char *s)
{
    return in_test() ? duplicate(s, SIZE_MAX, CALLER) : strdup(s);
}

EXPORT char *__wrap_strndup(const char *s, size_t n);
EXPORT char *__wrap_strndup(const char *s, size_t n)
{
    return in_test() ? duplicate(s, n, CALLER) : strndup(s, n);
}

/* ---- strings: words ---- */

/* The word at *rest, which ends before the first of `set`, or NULL. */
static char *next_word(char **rest, const char *set, uint64_t pc)
{
    char *word = *rest;
    if (!word)
        return NULL;
    size_t n = strcspn(word, set);
    plain_access(set, strlen(set) + 1, false, false, pc);
    plain_access(word, n + 1, false, false, pc);
    plain_access(rest, sizeof *rest, true, true, pc);
    *rest = word[n] ? word + n + 1 : NULL;
    if (word[n]) {
        plain_access(word + n, 1, true, false, pc);
        word[n] = 0;
    }
    return word;
}

EXPORT char *__wrap_strsep(char **rest, const char *set);
EXPORT char *__wrap_strsep(char **rest, const char *set)
{
    plain_access(rest, sizeof *rest, false, true, CALLER);
    return next_word(rest, set, CALLER);
}

EXPORT char *__wrap_strtok_r(char *s, const char *set, char **rest);
EXPORT char *__wrap_strtok_r(char *s, const char *set, char **rest)
{
    if (!s) {
        plain_access(rest, sizeof *rest, false, true, CALLER);
        s = *rest;
    }
    plain_access(rest, sizeof *rest, true, true, CALLER);
    *rest = NULL;
    if (!s)
        return NULL;
    size_t before = strspn(s, set);
    READS(s, before + 1);
    if (!s[before])
        return NULL;
    *rest = s + before;
    return next_word(rest, set, CALLER);
}

/* ---- numbers ---- */

/* A number ends where something stands that is none of it, which was read. */
static void reads_number(const char *s, const char *end, uint64_t pc)
{
    size_t blank = 0, n = (size_t)(end - s);
    while (isspace((unsigned char)s[blank]))
        blank++;
    plain_access(s, (n < blank ? blank : n) + 1, false, false, pc);
}

static void number_ends(const char *s, char *end, char **told, uint64_t pc)
{
    reads_number(s, end, pc);
    if (!told)
        return;
    plain_access(told, sizeof *told, true, true, pc);
    *told = end;
}

#define NUMBER(type, wrapped, called, base, ...)                          \
    EXPORT type __wrap_##wrapped(const char *s, char **told __VA_ARGS__); \
    EXPORT type __wrap_##wrapped(const char *s, char **told __VA_ARGS__)  \
    {                                                                     \
        char *end;                                                        \
        type value = called(s, &end base);                                \
        number_ends(s, end, told, CALLER);                                \
        return value;                                                     \
    }
#define COMMA ,
#define WITH_BASE(type, wrapped, called) NUMBER(type, wrapped, called, COMMA base, COMMA int base)
WITH_BASE(long, strtol, strtol)
WITH_BASE(unsigned long, strtoul, strtoul)
WITH_BASE(long long, strtoll, strtoll)
WITH_BASE(unsigned long long, strtoull, strtoull)
WITH_BASE(intmax_t, strtoimax, strtoll)
WITH_BASE(uintmax_t, strtoumax, strtoull)
/* Their names since glibc 2.38. */
WITH_BASE(long, __isoc23_strtol, strtol)
WITH_BASE(unsigned long, __isoc23_strtoul, strtoul)
WITH_BASE(long long, __isoc23_strtoll, strtoll)
WITH_BASE(unsigned long long, __isoc23_strtoull, strtoull)
WITH_BASE(intmax_t, __isoc23_strtoimax, strtoll)
WITH_BASE(uintmax_t, __isoc23_strtoumax, strtoull)
NUMBER(float, strtof, strtof, )
NUMBER(double, strtod, strtod, )
NUMBER(long double, strtold, strtold, )

#define DECIMAL(type, name, called, ...)                \
    EXPORT type __wrap_##name(const char *s);           \
    EXPORT type __wrap_##name(const char *s)            \
    {                                                   \
        char *end;                                      \
        type value = (type)called(s, &end __VA_ARGS__); \
        reads_number(s, end, CALLER);                   \
        return value;                                   \
    }
DECIMAL(int, atoi, strtol, , 10)
DECIMAL(long, atol, strtol, , 10)
DECIMAL(long long, atoll, strtoll, , 10)
DECIMAL(double, atof, strtod)

/* ---- arrays: what compares the elements is the program's, and reads them itself ---- */

EXPORT void __wrap_qsort(void *array, size_t n, size_t size, int (*compare)(const void *, const void *));
EXPORT void __wrap_qsort(void *array, size_t n, size_t size, int (*compare)(const void *, const void *))
{
    READS(array, n * size);
    WRITES(array, n * size);
    qsort(array, n, size, compare);
}
