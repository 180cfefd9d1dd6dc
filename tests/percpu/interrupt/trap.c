/* SPDX-License-Identifier: MIT */
#include "trap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The pages that are writable already: a program has few that are stopped in. */
static uintptr_t writable[64];
static unsigned int next_writable;

static bool is_writable(uintptr_t page)
{
    for (unsigned int i = 0; i < sizeof writable / sizeof writable[0]; i++)
        if (writable[i] == page)
            return true;
    return false;
}

/* An instruction may lie on two pages, a patch does not: it is one byte, or four aligned ones. */
void trap_make_writable(uintptr_t ip)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t page = ip / size * size;

    if (is_writable(page))
        return;
    if (mprotect((void *)page, size, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
        fprintf(stderr,
                "cannot make the text at %#lx writable: %s. This test patches its own instructions; allow it "
                "(SELinux: execmod) or leave the test out\n",
                (unsigned long)ip, strerror(errno));
        abort();
    }
    writable[next_writable++ % (sizeof writable / sizeof writable[0])] = page;
}
