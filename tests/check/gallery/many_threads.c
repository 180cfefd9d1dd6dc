/* SPDX-License-Identifier: MIT */
/* expect: limit
 * More threads than the checker supports. */
#include <pthread.h>
#include <stddef.h>

#ifdef FIXED
enum { THREADS = 15 };
#else
enum { THREADS = 16 };
#endif

static void *nothing(void *unused)
{
    return unused;
}

int main(void)
{
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, nothing, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    return 0;
}
