/* SPDX-License-Identifier: MIT */
/* executions: 1
 * A thread that waits for ever is no deadlock of a program whose main() returned. */
#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void *serve(void *unused)
{
    pthread_mutex_lock(&m);
    for (;;)
        pthread_cond_wait(&never, &m);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, serve, NULL);
    pthread_detach(t);
    return 0;
}
