/* SPDX-License-Identifier: MIT */
/* What each function of libc reads and writes, to the byte: a second thread touches the last byte of it, or the one
 * behind it. (strings.py runs case $CASE with $BYTE=last, which is a race, and $BYTE=behind, which is none.) */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char text[32] = "one,two", word[32] = "two", to[32] = "to", number[32] = "\t-12x";
static char *volatile place; /* what a call gives back, so that it is not left out */
static volatile long count;
static volatile char seen;

static int by_list(char *memory, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(memory, 8, format, arguments);
    va_end(arguments);
    return n;
}

static void *freed(char *block) /* after it was looked at: a copy that nobody sees need not be made */
{
    place = block;
    free(block);
    return NULL;
}

static int less(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

static char *rest; /* of a text that is taken apart */

static char *first_word(char *s)
{
    rest = s;
    return strsep(&rest, ",");
}

static char *printed(const char *format, ...)
{
    char *block = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&block, format, arguments) < 0)
        block = NULL;
    va_end(arguments);
    return freed(block);
}

enum access { READS, WRITES };

/* X(name, what it does, to which memory, last byte, byte behind, the call): behind a search backwards is before. */
#define CASES(X)                                                                                           \
    X(memcpy_from, READS, word, 2, 3, place = memcpy(to, word, 3))                                         \
    X(memcpy_to, WRITES, to, 2, 3, place = memcpy(to, word, 3))                                            \
    X(mempcpy_from, READS, word, 2, 3, place = mempcpy(to, word, 3))                                       \
    X(mempcpy_to, WRITES, to, 2, 3, place = mempcpy(to, word, 3))                                          \
    X(memmove_from, READS, word, 2, 3, place = memmove(to, word, 3))                                       \
    X(memmove_to, WRITES, to, 2, 3, place = memmove(to, word, 3))                                          \
    X(bcopy_from, READS, word, 2, 3, bcopy(word, to, 3))                                                   \
    X(bcopy_to, WRITES, to, 2, 3, bcopy(word, to, 3))                                                      \
    X(memccpy_from, READS, text, 3, 4, place = memccpy(to, text, ',', 7))                                  \
    X(memccpy_to, WRITES, to, 3, 4, place = memccpy(to, text, ',', 7))                                     \
    X(memset, WRITES, to, 4, 5, place = memset(to, 'x', 5))                                                \
    X(bzero, WRITES, to, 4, 5, bzero(to, 5))                                                               \
    X(explicit_bzero, WRITES, to, 4, 5, explicit_bzero(to, 5))                                             \
    X(memcmp, READS, word, 2, 3, count = memcmp(text + 4, word, 3))                                        \
    X(bcmp, READS, word, 2, 3, count = bcmp(text + 4, word, 3))                                            \
    X(memchr, READS, text, 3, 4, place = memchr(text, ',', 7))                                             \
    X(rawmemchr, READS, text, 3, 4, place = rawmemchr(text, ','))                                          \
    X(memrchr, READS, text, 3, 2, place = memrchr(text, ',', 7))                                           \
    X(memmem, READS, text, 3, 4, place = memmem(text, 7, "e,", 2))                                         \
    X(memmem_what, READS, word, 2, 3, place = memmem(text, 7, word, 3))                                    \
    X(strlen, READS, text, 7, 8, count = (long)strlen(text))                                               \
    X(strnlen, READS, text, 3, 4, count = (long)strnlen(text, 4))                                          \
    X(strchr, READS, text, 3, 4, place = strchr(text, ','))                                                \
    X(strchr_none, READS, text, 7, 8, place = strchr(text, 'q'))                                           \
    X(strchrnul, READS, text, 3, 4, place = strchrnul(text, ','))                                          \
    X(strrchr, READS, text, 7, 8, place = strrchr(text, ','))                                              \
    X(strspn, READS, text, 3, 4, count = (long)strspn(text, "enot"))                                       \
    X(strspn_set, READS, word, 3, 4, count = (long)strspn(text, word))                                     \
    X(strcspn, READS, text, 3, 4, count = (long)strcspn(text, "x,"))                                       \
    X(strcspn_set, READS, word, 3, 4, count = (long)strcspn(text, word))                                   \
    X(strpbrk, READS, text, 3, 4, place = strpbrk(text, "x,"))                                             \
    X(strpbrk_set, READS, word, 3, 4, place = strpbrk(text, word))                                         \
    X(strstr, READS, text, 4, 5, place = strstr(text, ",t"))                                               \
    X(strstr_what, READS, word, 3, 4, place = strstr(text, word))                                          \
    X(strstr_none, READS, text, 7, 8, place = strstr(text, "two+"))                                        \
    X(strcasestr, READS, text, 4, 5, place = strcasestr(text, ",T"))                                       \
    X(strcasestr_what, READS, word, 3, 4, place = strcasestr(text, word))                                  \
    X(strcmp, READS, text, 1, 2, count = strcmp(text, "of"))                                               \
    X(strcmp_equal, READS, word, 3, 4, count = strcmp(text + 4, word))                                     \
    X(strncmp, READS, text, 1, 2, count = strncmp(text, "ons", 2))                                         \
    X(strcasecmp, READS, text, 2, 3, count = strcasecmp(text, "ONc"))                                      \
    X(strcasecmp_equal, READS, word, 3, 4, count = strcasecmp("TWO", word))                                \
    X(strncasecmp, READS, text, 1, 2, count = strncasecmp(text, "ONs", 2))                                 \
    X(strcpy_from, READS, word, 3, 4, place = strcpy(to, word))                                            \
    X(strcpy_to, WRITES, to, 3, 4, place = strcpy(to, word))                                               \
    X(stpcpy_from, READS, word, 3, 4, place = stpcpy(to, word))                                            \
    X(stpcpy_to, WRITES, to, 3, 4, place = stpcpy(to, word))                                               \
    X(strncpy_from, READS, word, 3, 4, place = strncpy(to, word, 6))                                       \
    X(strncpy_short, READS, word, 1, 2, place = strncpy(to, word, 2))                                      \
    X(strncpy_to, WRITES, to, 5, 6, place = strncpy(to, word, 6))                                          \
    X(stpncpy_from, READS, word, 3, 4, place = stpncpy(to, word, 6))                                       \
    X(stpncpy_to, WRITES, to, 5, 6, place = stpncpy(to, word, 6))                                          \
    X(strcat_from, READS, word, 3, 4, place = strcat(to, word))                                            \
    X(strcat_to, WRITES, to, 5, 6, place = strcat(to, word))                                               \
    X(strncat_from, READS, word, 1, 2, place = strncat(to, word, 2))                                       \
    X(strncat_to, WRITES, to, 4, 5, place = strncat(to, word, 2))                                          \
    X(strdup, READS, text, 7, 8, place = freed(strdup(text)))                                              \
    X(strndup, READS, text, 3, 4, place = freed(strndup(text, 4)))                                         \
    X(strndup_whole, READS, text, 7, 8, place = freed(strndup(text, 9)))                                   \
    X(strsep_read, READS, text, 3, 4, place = first_word(text))                                            \
    X(strsep_set, READS, word, 3, 4, (rest = text, place = strsep(&rest, word)))                           \
    X(strtok_r, READS, text, 3, 4, place = strtok_r(text, ",", &rest))                                     \
    X(strtok_r_set, READS, word, 3, 4, place = strtok_r(text, word, &rest))                                \
    X(strtol, READS, number, 4, 5, count = strtol(number, NULL, 10))                                       \
    X(strtol_end, WRITES, (char *)&rest, 7, 8, count = strtol(number, &rest, 10))                          \
    X(strtoul, READS, number, 4, 5, count = (long)strtoul(number, NULL, 10))                               \
    X(strtoll, READS, number, 4, 5, count = (long)strtoll(number, NULL, 10))                               \
    X(strtoull, READS, number, 4, 5, count = (long)strtoull(number, NULL, 10))                             \
    X(strtoimax, READS, number, 4, 5, count = strtoimax(number, NULL, 10))                                 \
    X(strtoumax, READS, number, 4, 5, count = (long)strtoumax(number, NULL, 10))                           \
    X(strtod, READS, number, 4, 5, count = (long)strtod(number, NULL))                                     \
    X(strtof, READS, number, 4, 5, count = (long)strtof(number, NULL))                                     \
    X(strtold, READS, number, 4, 5, count = (long)strtold(number, NULL))                                   \
    X(atoi, READS, number, 4, 5, count = atoi(number))                                                     \
    X(atol, READS, number, 4, 5, count = atol(number))                                                     \
    X(atoll, READS, number, 4, 5, count = (long)atoll(number))                                             \
    X(atof, READS, number, 4, 5, count = (long)atof(number))                                               \
    X(no_number, READS, text, 0, 1, count = atoi(text))                                                    \
    X(qsort, WRITES, text, 6, 7, qsort(text, 7, 1, less))                                                  \
    X(sprintf_to, WRITES, to, 5, 6, count = sprintf(to, "%d%%%s", 1, word))                                \
    X(sprintf_from, READS, word, 3, 4, count = sprintf(to, "%d%%%s", 1, word))                             \
    X(snprintf_to, WRITES, to, 3, 4, count = snprintf(to, 4, "%s", text))                                  \
    X(snprintf_whole, WRITES, to, 7, 8, count = snprintf(to, 20, "%s", text))                              \
    X(snprintf_from, READS, text, 7, 8, count = snprintf(to, 4, "%s", text))                               \
    X(precision, READS, text, 1, 2, count = snprintf(to, 9, "%-5.2s", text))                               \
    X(precision_given, READS, text, 1, 2, count = snprintf(to, 9, "%*.*s", 1, 2, text))                    \
    X(precision_none, READS, text, 7, 8, count = snprintf(to, 9, "%.*s", -1, text))                        \
    X(other_arguments, READS, word, 3, 4,                                                                  \
      count = by_list(to, "%ld %Lg %c %5.1f %p %zu %hhx %s", 1l, 2.0L, 'c', 1.5, (void *)to, (size_t)1, 3, \
                      word))                                                                               \
    X(vsnprintf_to, WRITES, to, 7, 8, count = by_list(to, "%s", "longer than eight"))                      \
    X(vasprintf, READS, word, 3, 4, place = printed("%s", word))                                           \
    X(printf, READS, word, 3, 4, printf("%s\n", word))                                                     \
    X(fprintf, READS, word, 3, 4, fprintf(stdout, "%3s\n", word))                                          \
    X(puts, READS, word, 3, 4, puts(word))                                                                 \
    X(fputs, READS, word, 3, 4, fputs(word, stdout))                                                       \
    X(fwrite, READS, word, 1, 2, fwrite(word, 1, 2, stdout))

#define FUNCTION(name, does, memory, last, behind, call) \
    static void case_##name(void)                        \
    {                                                    \
        call;                                            \
    }
CASES(FUNCTION)

#define ROW(name, does, memory, last, behind, call) {#name, case_##name, does, memory, last, behind},
static const struct {
    const char *name;
    void (*call)(void);
    enum access does;
    char *memory;
    int last, behind;
} cases[] = {CASES(ROW)};

/* Reads what the call writes, writes what it reads. */
struct rival {
    char *at;
    enum access does;
};

static void *touch(void *arg)
{
    const struct rival *r = arg;
    if (r->does == WRITES)
        seen = *r->at;
    else
        *r->at = 'r';
    return NULL;
}

int main(void)
{
    unsigned number_of = (unsigned)strtoul(getenv("CASE"), NULL, 10);
    if (number_of >= sizeof cases / sizeof cases[0]) {
        puts("the end");
        return 0;
    }
    pthread_t t;
    int at = strcmp(getenv("BYTE"), "last") == 0 ? cases[number_of].last : cases[number_of].behind;
    struct rival r = {cases[number_of].memory + at, cases[number_of].does};
    printf("case %s\n", cases[number_of].name);
    pthread_create(&t, NULL, touch, &r);
    cases[number_of].call();
    pthread_join(t, NULL);
    return 0;
}
