/* SPDX-License-Identifier: MIT */
/* executions: 44
 * A signal lets one of those go who sleep then, whichever it likes. */
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int waiting, tokens, order;

static void *take(void *number)
{
    pthread_mutex_lock(&m);
    waiting++;
    while (tokens == 0)
        pthread_cond_wait(&c, &m);
    tokens--;
    order = order * 10 + *(int *)number;
    pthread_mutex_unlock(&m);
    return NULL;
}

int main(void)
{
    pthread_t t[2];
    int one = 1, two = 2;
    pthread_create(&t[0], NULL, take, &one);
    pthread_create(&t[1], NULL, take, &two);
    for (int i = 0; i < 2; i++) {
        pthread_mutex_lock(&m);
        tokens++;
        order = order * 10 + waiting;
        pthread_cond_signal(&c);
        pthread_mutex_unlock(&m);
    }
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    printf("%d\n", order);
    return 0;
}
