/* SPDX-License-Identifier: MIT */
/* executions: 4
 * Who has woken all that slept on a condition variable may destroy it, and free it, before they have returned; so may the
 * last one in a barrier. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t *c;
static pthread_barrier_t b;
static int waiting, ready;

static void *wake(void *unused)
{
    pthread_mutex_lock(&m);
    ready = 1;
    int asleep = waiting;
    if (asleep)
        pthread_cond_broadcast(c);
    pthread_mutex_unlock(&m);
    if (asleep) {
        pthread_cond_destroy(c);
        free(c);
    }
    if (pthread_barrier_wait(&b))
        pthread_barrier_destroy(&b);
    return unused;
}

int main(void)
{
    pthread_t t;
    c = malloc(sizeof *c);
    pthread_cond_init(c, NULL);
    pthread_barrier_init(&b, NULL, 2);
    pthread_create(&t, NULL, wake, NULL);
    pthread_mutex_lock(&m);
    int slept = waiting = !ready;
    while (!ready)
        pthread_cond_wait(c, &m);
    pthread_mutex_unlock(&m);
    if (!slept)
        free(c);
    if (pthread_barrier_wait(&b))
        pthread_barrier_destroy(&b);
    pthread_join(t, NULL);
    printf("%d\n", slept);
    return 0;
}
