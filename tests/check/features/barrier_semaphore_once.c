/* SPDX-License-Identifier: MIT */
/* executions: any
 * What is written before a barrier is seen behind it; a semaphore hands on; once is once. */
#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

static pthread_barrier_t barrier;
static pthread_once_t control = PTHREAD_ONCE_INIT;
static sem_t items;
static int written[2], initialised, serial;

static void initialise(void)
{
    initialised++;
}

static void *work(void *number)
{
    long me = (long)number;
    pthread_once(&control, initialise);
    assert(initialised == 1);
    written[me] = 1;
    int role = pthread_barrier_wait(&barrier);
    assert(written[1 - me]);
    if (role == PTHREAD_BARRIER_SERIAL_THREAD)
        serial = (int)me;
    sem_post(&items);
    return NULL;
}

int main(void)
{
    pthread_t t[2];
    pthread_barrier_init(&barrier, NULL, 2);
    sem_init(&items, 0, 0);
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, work, (void *)i);
    sem_wait(&items);
    sem_wait(&items);
    printf("%d %d\n", serial, sem_trywait(&items));
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    pthread_barrier_destroy(&barrier);
    return 0;
}
