/* SPDX-License-Identifier: MIT */
/* expect: misuse
 * A semaphore is taken after its end, which comes first in every execution: no race, and still wrong. Repair: make it
 * anew. */
#include <semaphore.h>

static sem_t s;

int main(void)
{
    sem_init(&s, 0, 1);
    sem_destroy(&s);
#ifdef FIXED
    sem_init(&s, 0, 1);
#endif
    return sem_wait(&s);
}
