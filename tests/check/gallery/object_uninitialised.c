/* SPDX-License-Identifier: MIT */
/* expect: uninitialised read
 * A reader-writer lock in a fresh block, which nobody made one. */
#include <pthread.h>
#include <stdlib.h>

int main(void)
{
    pthread_rwlock_t *l = malloc(sizeof *l);
#ifdef FIXED
    pthread_rwlock_init(l, NULL);
#endif
    pthread_rwlock_rdlock(l);
    pthread_rwlock_unlock(l);
    free(l);
    return 0;
}
