/* SPDX-License-Identifier: MIT */
/* expect: data race
 * Memory that memset() writes: a compiler that knows how many bytes stores them without a call. */
#include <pthread.h>
#include <string.h>

char shared[24];
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *writer(void *unused)
{
#ifdef FIXED
    pthread_mutex_lock(&m);
#endif
    memset(shared, 1, sizeof shared);
#ifdef FIXED
    pthread_mutex_unlock(&m);
#endif
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, writer, NULL);
    writer(&m); /* any address */
    pthread_join(t, NULL);
    return 0;
}
