/* SPDX-License-Identifier: MIT */
/* executions: 2 (a timed wait that nobody ends is no deadlock; no time passes before what can be taken: of two that wait for
 * the semaphore, one gets it) */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static const struct timespec soon;
static sem_t one;
static atomic_uint word;

static void *taker(void *took)
{
    *(int *)took = sem_timedwait(&one, &soon) == 0;
    return NULL;
}

int main(void)
{
    pthread_t t;
    int mine, other;
    pthread_mutex_lock(&mutex);
    int expired = pthread_cond_timedwait(&never, &mutex, &soon);
    assert(expired == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    long slept = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &soon);
    assert(slept == -1 && errno == ETIMEDOUT);
    int locked = pthread_mutex_timedlock(&mutex, &soon);
    assert(locked == 0);
    pthread_mutex_unlock(&mutex);

    sem_init(&one, 0, 1);
    pthread_create(&t, NULL, taker, &other);
    taker(&mine);
    pthread_join(t, NULL);
    assert(mine + other == 1);
    printf("%d\n", mine);
    return 0;
}
