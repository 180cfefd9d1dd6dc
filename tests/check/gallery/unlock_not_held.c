/* SPDX-License-Identifier: MIT */
/* expect: misuse
 * A failed trylock is followed by an unlock all the same. */
#include <pthread.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static int counter;

static void *count(void *unused)
{
#ifdef FIXED
    if (pthread_mutex_trylock(&m))
        return unused;
    counter++;
#else
    if (!pthread_mutex_trylock(&m))
        counter++;
#endif
    pthread_mutex_unlock(&m);
    return unused;
}

int main(void)
{
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, count, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    return counter < 1;
}
