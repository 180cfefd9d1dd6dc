/* SPDX-License-Identifier: MIT */
/* executions: 2 (a loop of attempts to take a mutex is a wait: either order of the sections) */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <threads.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static mtx_t c11;
static int order, count;

static void *enter(void *number)
{
    while (pthread_mutex_trylock(&m) != 0)
        sched_yield();
    order = order * 10 + *(int *)number;
    while (mtx_trylock(&c11) != thrd_success)
        thrd_yield();
    count++;
    mtx_unlock(&c11);
    pthread_mutex_unlock(&m);
    return NULL;
}

int main(void)
{
    pthread_t t;
    int one = 1, two = 2;
    mtx_init(&c11, mtx_plain);
    pthread_create(&t, NULL, enter, &one);
    enter(&two);
    pthread_join(t, NULL);
    assert(count == 2);
    printf("%d\n", order);
    return 0;
}
