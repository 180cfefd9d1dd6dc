/* SPDX-License-Identifier: MIT */
/* expect: uninitialised read
 * A mutex is destroyed that nobody made. */
#include <pthread.h>
#include <stdlib.h>

int main(void)
{
    pthread_mutex_t *m = malloc(sizeof *m);
#ifdef FIXED
    pthread_mutex_init(m, NULL);
#endif
    pthread_mutex_destroy(m);
    free(m);
    return 0;
}
