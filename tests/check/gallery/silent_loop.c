/* SPDX-License-Identifier: MIT */
/* expect: limit
 * A loop that never ends and touches nothing: there is no event to count. */
#include <pawl/check.h>
#include <stddef.h>

PAWL_CHECK_OPTIONS("--patience=1")

int main(void)
{
#ifdef FIXED
    for (size_t i = 0; i < 1000; i++)
#else
    for (;;)
#endif
        __asm__ volatile("");
    return 0;
}
