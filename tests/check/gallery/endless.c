/* SPDX-License-Identifier: MIT */
/* expect: limit
 * A loop that changes memory for ever: no wait that could be recognised. */
#include <stdatomic.h>

static atomic_ulong counter;

int main(void)
{
#ifdef FIXED
    for (int i = 0; i < 100; i++)
#else
    for (;;)
#endif
        atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
    return 0;
}
