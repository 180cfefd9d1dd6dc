/* SPDX-License-Identifier: MIT */
#include "fail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE 256

struct line {
    char text[LINE];
    size_t length;
};

static void add(struct line *line, const char *text, size_t length)
{
    size_t room = sizeof line->text - 1 - line->length;

    if (length > room)
        length = room;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void add_address(struct line *line, uintptr_t address)
{
    char digits[2 + 2 * sizeof address] = "0x";
    size_t n = 2;

    for (int shift = 60; shift >= 0; shift -= 4)
        if (n > 2 || shift == 0 || (address >> shift) != 0)
            digits[n++] = "0123456789abcdef"[address >> shift & 15];
    add(line, digits, n);
}

static void begin(struct line *line, const char *what)
{
    line->length = 0;
    add(line, "pawl-malloc: ", 13);
    add(line, what, strlen(what));
    add(line, ": ", 2);
}

/* One write: lines of several threads do not mix. */
static void end(struct line *line)
{
    int before = errno;

    line->text[line->length++] = '\n';
    if (write(STDERR_FILENO, line->text, line->length) < 0) {
        /* nobody to tell */
    }
    errno = before;
}

void pawl_malloc_fail_(const char *what, const void *address)
{
    struct line line;

    begin(&line, what);
    add_address(&line, (uintptr_t)address);
    end(&line);
    abort();
}

void pawl_malloc_warn_(const char *what, const char *text, size_t length)
{
    struct line line;

    begin(&line, what);
    add(&line, text, length);
    end(&line);
}
