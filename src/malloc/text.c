/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

void pawl_text_begin_(struct text *text, int fd)
{
    text->fd = fd;
    text->status = 0;
    text->length = 0;
}

static void flush(struct text *text)
{
    size_t at = 0;

    while (at < text->length && text->status == 0) {
        ssize_t written = write(text->fd, text->room + at, text->length - at);

        if (written >= 0)
            at += (size_t)written;
        else if (errno != EINTR)
            text->status = -errno;
    }
    text->length = 0;
}

static void put(struct text *text, const char *chars, size_t length)
{
    while (length > 0) {
        size_t room = sizeof text->room - text->length;
        size_t n = length < room ? length : room;

        memcpy(text->room + text->length, chars, n);
        text->length += n;
        chars += n;
        length -= n;
        if (text->length == sizeof text->room)
            flush(text);
    }
}

static void pad(struct text *text, int width, size_t length)
{
    for (size_t to = width > 0 ? (size_t)width : 0; to > length; to--)
        put(text, " ", 1);
}

static void put_number(struct text *text, uint64_t number, unsigned int base, int width)
{
    char digits[24];
    size_t n = sizeof digits;

    do {
        digits[--n] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    pad(text, width, sizeof digits - n);
    put(text, digits + n, sizeof digits - n);
}

/* NOLINTBEGIN(clang-analyzer-valist.Uninitialized): the analyzer loses sight of va_start in a loop */
void pawl_text_add_(struct text *text, const char *format, ...)
{
    va_list arguments;
    int width = 0;

    va_start(arguments, format);
    for (; *format != '\0'; format++) {
        const char *string;

        if (*format != '%') {
            put(text, format, 1);
            continue;
        }
        switch (*++format) {
        case 's':
            string = va_arg(arguments, const char *);
            pad(text, width, strlen(string));
            put(text, string, strlen(string));
            break;
        case 'w':
            width = va_arg(arguments, int);
            continue;
        case '%':
            put(text, "%", 1);
            break;
        default:
            put_number(text, va_arg(arguments, uint64_t), *format == 'x' ? 16 : 10, width);
            break;
        }
        width = 0;
    }
    va_end(arguments);
}
/* NOLINTEND(clang-analyzer-valist.Uninitialized) */

void pawl_text_file_(struct text *text, const char *path)
{
    char piece[512];
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    while ((got = read(fd, piece, sizeof piece)) > 0)
        put(text, piece, (size_t)got);
    close(fd);
}

int pawl_text_end_(struct text *text)
{
    flush(text);
    return text->status;
}
