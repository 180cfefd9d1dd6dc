/* SPDX-License-Identifier: MIT */
/* expect: memory error
 * What a semaphore holds is asked for when it was freed. */
#include <semaphore.h>
#include <stdlib.h>

int main(void)
{
    int value;
    sem_t *s = malloc(sizeof *s);
    sem_init(s, 0, 0);
#ifdef FIXED
    sem_getvalue(s, &value);
    free(s);
#else
    free(s);
    sem_getvalue(s, &value);
#endif
    return value;
}
