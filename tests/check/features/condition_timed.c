/* SPDX-License-Identifier: MIT */
/* executions: any
 * A timed wait may end by the signal or by the time. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int ready;

static void *set(void *unused)
{
    pthread_mutex_lock(&m);
    ready = 1;
    pthread_cond_broadcast(&c);
    pthread_mutex_unlock(&m);
    return unused;
}

int main(void)
{
    pthread_t t;
    struct timespec when = {0, 0};
    int error = 0;
    pthread_create(&t, NULL, set, NULL);
    pthread_mutex_lock(&m);
    while (!ready && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&c, &m, &when);
    printf("%d %d\n", ready, error == ETIMEDOUT);
    pthread_mutex_unlock(&m);
    pthread_join(t, NULL);
    return 0;
}
