/* SPDX-License-Identifier: MIT */
/* executions: 96 (four threads, a barrier of two: of both pairs, each may be the first to say that its round is complete) */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>

static pthread_barrier_t pair;

static void *meet(void *last)
{
    *(int *)last = pthread_barrier_wait(&pair) == PTHREAD_BARRIER_SERIAL_THREAD;
    return NULL;
}

int main(void)
{
    pthread_t t[4];
    int last[4];
    pthread_barrier_init(&pair, NULL, 2);
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, meet, &last[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    assert(last[0] + last[1] + last[2] + last[3] == 2);
    printf("%d%d%d%d\n", last[0], last[1], last[2], last[3]);
    return 0;
}
