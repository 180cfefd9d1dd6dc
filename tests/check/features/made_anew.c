/* SPDX-License-Identifier: MIT */
/* executions: 4 (who comes first, twice)
 * Who has woken all that slept on a condition variable may make a new one in its place, and the last one in a barrier
 * something else, before the sleepers have returned: they look at the one that they came to. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t b;
static int waiting, ready;

static void meet(void)
{
    if (pthread_barrier_wait(&b)) {
        pthread_barrier_destroy(&b);
        pthread_barrier_init(&b, NULL, 1);
        pthread_barrier_wait(&b);
        pthread_barrier_destroy(&b);
        memset(&b, 0, sizeof b);
    }
}

static void *sleeper(void *unused)
{
    pthread_mutex_lock(&m);
    waiting = !ready;
    while (!ready)
        pthread_cond_wait(&c, &m);
    pthread_mutex_unlock(&m);
    meet();
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_barrier_init(&b, NULL, 2);
    pthread_create(&t, NULL, sleeper, NULL);
    pthread_mutex_lock(&m);
    ready = 1;
    int slept = waiting;
    pthread_cond_broadcast(&c);
    pthread_cond_destroy(&c);
    pthread_cond_init(&c, NULL);
    pthread_cond_signal(&c);
    pthread_mutex_unlock(&m);
    meet();
    pthread_join(t, NULL);
    pthread_cond_destroy(&c);
    printf("%d\n", slept);
    return 0;
}
