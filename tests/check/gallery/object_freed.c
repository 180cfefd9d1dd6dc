/* SPDX-License-Identifier: MIT */
/* expect: memory error
 * A semaphore in a block that was freed. */
#include <semaphore.h>
#include <stdlib.h>

int main(void)
{
    sem_t *s = malloc(sizeof *s);
    sem_init(s, 0, 0);
#ifdef FIXED
    sem_post(s);
    free(s);
#else
    free(s);
    sem_post(s);
#endif
    return 0;
}
