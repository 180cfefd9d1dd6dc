/* SPDX-License-Identifier: MIT */
/* executions: 2 or more (a thread polls under a mutex: one in which nobody noticed, and one in which another found the mutex taken, and went
 * on to what ends the loop) */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static bool done, found_taken;

static void *finish(void *unused)
{
    if (pthread_mutex_trylock(&m) != 0)
        found_taken = true;
    else
        pthread_mutex_unlock(&m);
    pthread_mutex_lock(&m);
    done = true;
    pthread_mutex_unlock(&m);
    return unused;
}

static bool is_done(void)
{
    pthread_mutex_lock(&m);
    bool now = done;
    pthread_mutex_unlock(&m);
    return now;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, finish, NULL);
    while (!is_done())
        ;
    pthread_join(t, NULL);
    printf("%d\n", found_taken);
    return 0;
}
