/* SPDX-License-Identifier: MIT */
/* expect: data race
 * Two may sleep on a condition variable that is destroyed when one of them was woken. Repair: wake both. */
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int waiting, ready;

static void *sleeper(void *unused)
{
    pthread_mutex_lock(&m);
    waiting++;
    while (!ready)
        pthread_cond_wait(&c, &m);
    pthread_mutex_unlock(&m);
    return unused;
}

int main(void)
{
    pthread_t t[2];
    pthread_create(&t[0], NULL, sleeper, NULL);
    pthread_create(&t[1], NULL, sleeper, NULL);
    pthread_mutex_lock(&m);
    if (waiting < 2)
        _exit(0);
    ready = 1;
#ifdef FIXED
    pthread_cond_broadcast(&c);
#else
    pthread_cond_signal(&c);
#endif
    pthread_mutex_unlock(&m);
    pthread_cond_destroy(&c);
    return 0;
}
