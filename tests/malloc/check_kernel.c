/* SPDX-License-Identifier: MIT */
/* The kernel that the closures run on: one reservation, a clock that stands still, and memory that is
 * cleared where it is given back, so that who still uses it is caught by the checker. */
#include "settings.h"
#include "system.h"

#include <errno.h>
#include <string.h>

#define METADATA ((size_t)1 << 14)

struct settings pawl_settings_ = {.huge = HUGE_NEVER, .sample_bytes = 1, .cache = true};
struct pawl_system_faults pawl_system_faults_;

static char memory[(size_t)56 << 10] __attribute__((aligned(1 << 14)));
static char metadata[METADATA] PAWL_LINE_PAIR_ALIGNED;
static size_t given;
uint64_t check_clock_ns = 1; /* changed by one thread, before the others begin */

bool pawl_settings_read_(void)
{
#ifdef EARLY
    return false; /* there is no environment yet */
#else
    return true;
#endif
}

void *pawl_system_map_(size_t bytes)
{
    char *piece = metadata + given;

    if (METADATA - given < bytes)
        return NULL;
    given += bytes;
    return piece;
}

int pawl_system_map_at_(void *address, size_t bytes)
{
    (void)address;
    (void)bytes;
    return -12;
}

void *pawl_system_reserve_(size_t bytes)
{
    return bytes <= sizeof memory ? memory : NULL;
}

bool pawl_system_map_over_(void *address, size_t bytes)
{
    (void)address;
    (void)bytes;
    return true;
}

void pawl_system_unmap_(void *address, size_t bytes)
{
    (void)address;
    (void)bytes;
}

bool pawl_system_discard_(void *address, size_t bytes)
{
    memset(address, 0, bytes);
    return true;
}

bool pawl_system_is_strict_(void)
{
    return false;
}

bool pawl_system_uncharge_(void *address, size_t bytes)
{
    (void)address;
    (void)bytes;
    return true;
}

bool pawl_system_guard_(void *address, size_t bytes, bool guarded)
{
    (void)address;
    (void)bytes;
    (void)guarded;
    return true;
}

void pawl_system_huge_(void *address, size_t bytes)
{
    (void)address;
    (void)bytes;
}

size_t pawl_system_resident_(void *chunk)
{
    (void)chunk;
    return 0;
}

int pawl_system_move_(void *from, void *to, size_t bytes)
{
    (void)from;
    (void)to;
    (void)bytes;
    return -EAGAIN;
}

uint64_t pawl_system_now_(void)
{
    return check_clock_ns;
}

uint64_t pawl_system_random_(void)
{
    return 5;
}

int pawl_system_bind_(void *address, size_t bytes, uint32_t node)
{
    (void)address;
    (void)bytes;
    (void)node;
    return 0;
}
