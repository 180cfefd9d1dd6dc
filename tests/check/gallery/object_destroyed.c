/* SPDX-License-Identifier: MIT */
/* expect: data race
 * A mutex is destroyed before the thread that uses it has ended: which of the two comes first in the checker's order makes
 * no difference. */
#include <pthread.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *user(void *unused)
{
    pthread_mutex_lock(&m);
    pthread_mutex_unlock(&m);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, user, NULL);
#ifdef FIXED
    pthread_join(t, NULL);
    pthread_mutex_destroy(&m);
#else
    pthread_mutex_destroy(&m);
    pthread_join(t, NULL);
#endif
    return 0;
}
