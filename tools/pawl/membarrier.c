/* SPDX-License-Identifier: MIT */
/* Which membarrier(2) commands this kernel has. */
#include "kernel.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Own numbers instead of <linux/membarrier.h>: they are the kernel's frozen interface, and the
 * header of the build machine may be older than the kernel that is asked. */
enum { CMD_QUERY = 0 };

const struct flag_name membarrier_names[] = {
    {1U << 0, "GLOBAL"},
    {1U << 1, "GLOBAL_EXPEDITED"},
    {1U << 2, "REGISTER_GLOBAL_EXPEDITED"},
    {1U << 3, "PRIVATE_EXPEDITED"},
    {1U << 4, "REGISTER_PRIVATE_EXPEDITED"},
    {1U << 5, "PRIVATE_EXPEDITED_SYNC_CORE"},
    {1U << 6, "REGISTER_PRIVATE_EXPEDITED_SYNC_CORE"},
    {1U << 7, "PRIVATE_EXPEDITED_RSEQ"},
    {1U << 8, "REGISTER_PRIVATE_EXPEDITED_RSEQ"},
    {1U << 9, "GET_REGISTRATIONS"},
    {0, NULL},
};

void membarrier_read(struct membarrier_facts *membarrier)
{
    long commands = syscall(SYS_membarrier, CMD_QUERY, 0, 0);

    *membarrier = (struct membarrier_facts){0};
    if (commands < 0)
        membarrier->error = errno;
    else
        membarrier->commands = (uint32_t)commands;
}
