/* SPDX-License-Identifier: MIT */
#include "fail.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* By write(2): the caller may be anywhere, with stdio's lock held or in a signal handler. */
static void say(const char *text)
{
    size_t length = strlen(text);

    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, text, length);

        if (written <= 0)
            return;
        text += written;
        length -= (size_t)written;
    }
}

void pawl_sync_fail(const char *function, const char *what)
{
    say("pawl: ");
    say(function);
    say(": ");
    say(what);
    say("\n");
    abort();
}
