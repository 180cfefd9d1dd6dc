/* SPDX-License-Identifier: MIT */
/* Tasks are handed out under a mutex by threads that outnumber the CPUs; who does not get it in time does something else. */
#include <pawl/mutex.h>

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 8, TASKS = 100000 };

static struct pawl_mutex lock = PAWL_MUTEX_INIT;
static int next_task, done[THREADS];
static PAWL_ATOMIC(int) late;

static void *work(void *mine)
{
    for (;;) {
        int task;

        if (pawl_mutex_timedlock(&lock, pawl_deadline(50000000)) != 0) { /* 50 ms from now */
            pawl_fetch_add_relaxed(&late, 1); /* relaxed: read when all have ended */
            continue;
        }
        task = next_task < TASKS ? next_task++ : -1;
        pawl_mutex_unlock(&lock);
        if (task < 0)
            return NULL;
        (*(int *)mine)++;
    }
}

int main(void)
{
    pthread_t threads[THREADS];
    int sum = 0;

    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, &done[i]) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += done[i];
    }
    printf("%d tasks, %d times late\n", sum, pawl_load_relaxed(&late));
    return sum == TASKS ? 0 : 1;
}
