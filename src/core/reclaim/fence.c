/* SPDX-License-Identifier: MIT */
/* Asymmetric fences by membarrier, chosen once. */
#include "../sync/fail.h"
#include "reader.h"

#include <pawl/fence.h>

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern inline void pawl_fence_light(void);

int pawl_fence_symmetric_;
static bool looked; /* set by the constructor, or by a first use in an earlier one */

static int membarrier(int command)
{
    return (int)syscall(__NR_membarrier, command, 0, 0);
}

void pawl_fence_look(void)
{
    const char *wish = secure_getenv("PAWL_MEMBARRIER");
    int saved = errno;
    int commands;

    if (looked)
        return;
    looked = true;
    commands = membarrier(MEMBARRIER_CMD_QUERY);
    if ((wish != NULL && strcmp(wish, "off") == 0) || commands < 0 ||
        (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0 ||
        membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0)
        pawl_fence_symmetric_ = 1;
    errno = saved;
}

__attribute__((constructor(101))) static void look_at_start(void)
{
    pawl_fence_look();
}

bool pawl_fence_asymmetric(void)
{
    pawl_fence_look();
    return pawl_fence_symmetric_ == 0;
}

void pawl_fence_heavy(void)
{
    int saved = errno;

    if (PAWL_UNLIKELY(!looked))
        pawl_fence_look();
    /* full: this thread's own stores before its next loads. The system call has it too, but neither the
     * sanitizer nor the checker knows. */
    pawl_fence_seq_cst();
    if (pawl_fence_symmetric_ == 0 && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0)
        pawl_sync_fail("pawl_fence_heavy",
                       "membarrier worked at start and is refused now: let the seccomp filter "
                       "pass it, or start with PAWL_MEMBARRIER=off");
    errno = saved;
}
