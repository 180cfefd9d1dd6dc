/* SPDX-License-Identifier: MIT */
/* executions: 2 or more (a loop gives back, in each round, the mutex that it holds; who takes it meanwhile ends the loop: the other took
 * it first, or in between) */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static bool started, saw_start;
static atomic_bool done;

static void *finish(void *unused)
{
    pthread_mutex_lock(&m);
    saw_start = started;
    atomic_store(&done, true);
    pthread_mutex_unlock(&m);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, finish, NULL);
    pthread_mutex_lock(&m);
    started = true;
    while (!atomic_load(&done)) {
        pthread_mutex_unlock(&m);
        pthread_mutex_lock(&m);
    }
    pthread_mutex_unlock(&m);
    pthread_join(t, NULL);
    printf("%d\n", saw_start);
    return 0;
}
