/* SPDX-License-Identifier: MIT */
/* executions: any
 * A bounded buffer of one slot with two condition variables, two producers and one consumer. */
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static int slot;

static void *produce(void *value)
{
    pthread_mutex_lock(&m);
    while (slot)
        pthread_cond_wait(&emptied, &m);
    slot = (int)(long)value;
    pthread_cond_signal(&filled);
    pthread_mutex_unlock(&m);
    return NULL;
}

static int consume(void)
{
    pthread_mutex_lock(&m);
    while (!slot)
        pthread_cond_wait(&filled, &m);
    int value = slot;
    slot = 0;
    pthread_cond_signal(&emptied);
    pthread_mutex_unlock(&m);
    return value;
}

int main(void)
{
    pthread_t t[2];
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, produce, (void *)(i + 1));
    int first = consume(), second = consume();
    printf("%d %d\n", first, second);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    return 0;
}
