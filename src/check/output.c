/* SPDX-License-Identifier: MIT */
/* What prints: to standard output it is the outcome of the execution; to memory it writes there. What a format names
 * is read. */
#include "visible.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- to standard output ---- */

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

/* Of the program's two streams, while a test runs. Other streams are libc's alone. */
static bool is_ours(FILE *to)
{
    return in_test() && (to == stdout || to == stderr);
}

static void put(const char *text, size_t n, FILE *to)
{
    if (to == stdout)
        output(text, n);
    else if (options.keep_output)
        fwrite(text, 1, n, stderr);
}

/* ---- what a format names ---- */

struct arguments {
    va_list list; /* in a structure, so that functions can take the next one each */
};

/* A width or a precision: `none` when it is not there. */
static int number_at(const char **f, struct arguments *a, int none)
{
    if (**f == '*') {
        ++*f;
        int given = va_arg(a->list, int);
        return given < 0 ? none : given;
    }
    if (!isdigit((unsigned char)**f))
        return none;
    char *end;
    int n = (int)strtol(*f, &end, 10);
    *f = end;
    return n;
}

static void string_argument(const char *s, int precision, uint64_t pc)
{
    if (s) // (null) is printed for none
        plain_access(s, bytes_read(s, precision < 0 ? SIZE_MAX : (size_t)precision), false, false, pc);
}

/* Takes the argument of one conversion; false when it is none that is known. */
static bool argument(char conversion, char modifier, int precision, struct arguments *a, uint64_t pc)
{
    switch (conversion) {
    case '%':
    case 'm':
        return true;
    case 's':
        if (modifier) // wide
            return false;
        string_argument(va_arg(a->list, const char *), precision, pc);
        return true;
    case 'p':
        va_arg(a->list, void *);
        return true;
    case 'a':
    case 'A':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        if (modifier == 'L')
            va_arg(a->list, long double);
        else
            va_arg(a->list, double);
        return true;
    case 'c':
    case 'd':
    case 'i':
    case 'o':
    case 'u':
    case 'x':
    case 'X':
        if (modifier && modifier != 'h')
            va_arg(a->list, long);
        else
            va_arg(a->list, int);
        return true;
    default:
        return false;
    }
}

static void formatted(const char *format, va_list arguments, uint64_t pc)
{
    struct arguments a;
    const char *f = format;
    if (!in_test())
        return;
    plain_access(format, strlen(format) + 1, false, false, pc);
    va_copy(a.list, arguments);
    while ((f = strchr(f, '%'))) {
        f++;
        f += strspn(f, "-+ #0'I");
        number_at(&f, &a, 0);
        int precision = -1;
        if (*f == '.') {
            f++;
            precision = number_at(&f, &a, *f == '*' ? -1 : 0); // a negative one is none, a missing one 0
        }
        size_t modifiers = strspn(f, "hlqjzLt");
        char modifier = '\0';
        if (modifiers > 0)
            modifier = *f;
        f += modifiers;
        if (!argument(*f, modifier, precision, &a, pc))
            bug(BUG_UNMODELLED, pc, "T%d: %%%c in a format is not modelled by the checker", run.current, *f);
        f++;
    }
    va_end(a.list);
}

/* ---- formatted, to a stream ---- */

static int __attribute__((format(printf, 2, 0)))
print(FILE *to, const char *format, va_list arguments, uint64_t pc)
{
    char text[1024];
    formatted(format, arguments, pc);
    if (!is_ours(to))
        return vfprintf(to, format, arguments);
    int n = vsnprintf(text, sizeof text, format, arguments);
    if (n > 0)
        put(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, to);
    return n;
}

#define PASS_ON(call)            \
    va_list arguments;           \
    va_start(arguments, format); \
    int n = call;                \
    va_end(arguments);           \
    return n;

EXPORT int __wrap_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
EXPORT int __wrap_printf(const char *format, ...){PASS_ON(print(stdout, format, arguments, CALLER))}

EXPORT int __wrap_fprintf(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
EXPORT int __wrap_fprintf(FILE *to, const char *format, ...){PASS_ON(print(to, format, arguments, CALLER))}

EXPORT int __wrap___printf_chk(int flag, const char *format, ...) __attribute__((format(printf, 2, 3)));
EXPORT int __wrap___printf_chk(int flag, const char *format, ...)
{
    (void)flag;
    PASS_ON(print(stdout, format, arguments, CALLER))
}

EXPORT int __wrap___fprintf_chk(FILE *to, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
EXPORT int __wrap___fprintf_chk(FILE *to, int flag, const char *format, ...)
{
    (void)flag;
    PASS_ON(print(to, format, arguments, CALLER))
}

EXPORT int __wrap_vprintf(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
EXPORT int __wrap_vprintf(const char *format, va_list arguments)
{
    return print(stdout, format, arguments, CALLER);
}

EXPORT int __wrap_vfprintf(FILE *to, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
EXPORT int __wrap_vfprintf(FILE *to, const char *format, va_list arguments)
{
    return print(to, format, arguments, CALLER);
}

/* ---- formatted, to memory ---- */

static int __attribute__((format(printf, 3, 0), nonnull(3)))
print_to(char *to, size_t size, const char *format, va_list arguments, uint64_t pc)
{
    va_list again;
    va_copy(again, arguments);
    formatted(format, arguments, pc);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n >= 0)
        plain_access(to, (size_t)n < size ? (size_t)n + 1 : size, true, false, pc);
    return vsnprintf(to, size, format, arguments);
}

EXPORT int __wrap_snprintf(char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
EXPORT int __wrap_snprintf(char *to, size_t size, const char *format,
                           ...){PASS_ON(print_to(to, size, format, arguments, CALLER))}

EXPORT int __wrap_sprintf(char *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
EXPORT int __wrap_sprintf(char *to, const char *format,
                          ...){PASS_ON(print_to(to, INT_MAX, format, arguments, CALLER))}

EXPORT int __wrap_vsnprintf(char *to, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
EXPORT int __wrap_vsnprintf(char *to, size_t size, const char *format, va_list arguments)
{
    return print_to(to, size, format, arguments, CALLER);
}

EXPORT int __wrap_vsprintf(char *to, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
EXPORT int __wrap_vsprintf(char *to, const char *format, va_list arguments)
{
    return print_to(to, INT_MAX, format, arguments, CALLER);
}

static int __attribute__((format(printf, 2, 0), nonnull(2)))
print_new(char **to, const char *format, va_list arguments, uint64_t pc)
{
    va_list again;
    if (!in_test())
        return vasprintf(to, format, arguments);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0)
        return n;
    plain_access(to, sizeof *to, true, true, pc);
    *to = heap_alloc((size_t)n + 1, 1, false, pc);
    return print_to(*to, (size_t)n + 1, format, arguments, pc);
}

EXPORT int __wrap_asprintf(char **to, const char *format, ...) __attribute__((format(printf, 2, 3)));
EXPORT int __wrap_asprintf(char **to, const char *format,
                           ...){PASS_ON(print_new(to, format, arguments, CALLER))}

EXPORT int __wrap_vasprintf(char **to, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
EXPORT int __wrap_vasprintf(char **to, const char *format, va_list arguments)
{
    return print_new(to, format, arguments, CALLER);
}

/* ---- as it is ---- */

static int print_string(const char *s, const char *end, FILE *to, uint64_t pc)
{
    size_t n = strlen(s);
    plain_access(s, n + 1, false, false, pc);
    if (!is_ours(to))
        return fputs(s, to) < 0 ? EOF : fputs(end, to);
    put(s, n, to);
    put(end, strlen(end), to);
    return 0;
}

EXPORT int __wrap_puts(const char *s);
EXPORT int __wrap_puts(const char *s)
{
    return print_string(s, "\n", stdout, CALLER);
}

EXPORT int __wrap_fputs(const char *s, FILE *to);
EXPORT int __wrap_fputs(const char *s, FILE *to)
{
    return print_string(s, "", to, CALLER);
}

EXPORT int __wrap_fputc(int c, FILE *to);
EXPORT int __wrap_fputc(int c, FILE *to)
{
    char text = (char)c;
    if (!is_ours(to))
        return fputc(c, to);
    put(&text, 1, to);
    return (unsigned char)c;
}

EXPORT int __wrap_putc(int c, FILE *to);
EXPORT int __wrap_putc(int c, FILE *to)
{
    return __wrap_fputc(c, to);
}

EXPORT int __wrap_putchar(int c);
EXPORT int __wrap_putchar(int c)
{
    return __wrap_fputc(c, stdout);
}

EXPORT size_t __wrap_fwrite(const void *data, size_t size, size_t n, FILE *to);
EXPORT size_t __wrap_fwrite(const void *data, size_t size, size_t n, FILE *to)
{
    plain_access(data, size * n, false, false, CALLER);
    if (!is_ours(to))
        return fwrite(data, size, n, to);
    put(data, size * n, to);
    return n;
}

EXPORT int __wrap_fflush(FILE *to);
EXPORT int __wrap_fflush(FILE *to)
{
    return in_test() ? 0 : fflush(to);
}
