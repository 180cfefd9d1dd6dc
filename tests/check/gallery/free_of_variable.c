/* SPDX-License-Identifier: MIT */
/* expect: memory error
 * Freeing what was never allocated. */
#include <stdlib.h>

static int variable;

int main(void)
{
    int *volatile p = &variable;
#ifdef FIXED
    p = malloc(sizeof *p);
#endif
    free(p);
    return 0;
}
