/* SPDX-License-Identifier: MIT */
/* expect: livelock
 * A loop around a timed wait, for what nobody writes any more. */
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static const struct timespec soon;
static bool ready;

static void *set(void *unused)
{
    pthread_mutex_lock(&m);
    ready = true;
    pthread_cond_signal(&c);
    pthread_mutex_unlock(&m);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, set, NULL);
    pthread_mutex_lock(&m);
    while (!ready)
        pthread_cond_timedwait(&c, &m, &soon);
#ifndef FIXED
    ready = false;
    while (!ready)
        pthread_cond_timedwait(&c, &m, &soon);
#endif
    pthread_mutex_unlock(&m);
    pthread_join(t, NULL);
    return 0;
}
