/* SPDX-License-Identifier: MIT */
/* expect: limit
 * An allocation that would not fit into the checker's heap. */
#include <stdlib.h>

int main(void)
{
#ifdef FIXED
    char *volatile p = malloc((size_t)1 << 20);
#else
    char *volatile p = malloc((size_t)1 << 30);
#endif
    p[0] = 1;
    free(p);
    return 0;
}
