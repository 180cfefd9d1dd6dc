/* SPDX-License-Identifier: MIT */
/* expect: fault
 * Recursion without end. */
#include <stdio.h>

static int depth(volatile int *up, int n)
{
    volatile int here = *up + 1;
#ifdef FIXED
    if (n == 100)
        return here;
#endif
    return depth(&here, n + 1) + here;
}

int main(void)
{
    volatile int zero = 0;
    return depth(&zero, 0) == 0;
}
