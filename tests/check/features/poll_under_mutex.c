/* SPDX-License-Identifier: MIT */
/* executions: any (one, and one more where a compiler leaves other traces in registers after the first round)
 * A thread polls a plain flag under a mutex: a round that finds nothing is not counted. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static bool done;
static int order;

static void *finish(void *unused)
{
    pthread_mutex_lock(&m);
    order = order * 10 + 1;
    done = true;
    pthread_mutex_unlock(&m);
    return unused;
}

static void *poll_it(void *unused)
{
    for (;;) {
        pthread_mutex_lock(&m);
        bool seen = done;
        pthread_mutex_unlock(&m);
        if (seen)
            return unused;
        usleep(100);
    }
}

int main(void)
{
    pthread_t t[2];
    pthread_create(&t[0], NULL, poll_it, NULL);
    pthread_create(&t[1], NULL, finish, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    printf("%d\n", order);
    return 0;
}
