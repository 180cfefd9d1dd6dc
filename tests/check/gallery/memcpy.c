/* SPDX-License-Identifier: MIT */
/* expect: data race
 * Memory that memcpy() writes, a part of an array. */
#include <pthread.h>
#include <string.h>

char shared[24], own[24];
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *writer(void *unused)
{
#ifdef FIXED
    pthread_mutex_lock(&m);
#endif
    memcpy(shared + 1, own, sizeof shared - 1);
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
