/* SPDX-License-Identifier: MIT */
/* executions: any
 * Loops around timed waits and around attempts end: a round whose time is over and that changed nothing is not counted. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const struct timespec soon;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t posted, value, tried;
static atomic_uint word;
static bool ready, open;

static void *with_condition(void *end)
{
    pthread_mutex_lock(&mutex);
    if (end) {
        ready = true;
        pthread_cond_signal(&condition);
    }
    while (!ready)
        pthread_cond_timedwait(&condition, &mutex, &soon);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void *with_rwlock(void *end)
{
    bool now = false;
    while (end && pthread_rwlock_timedwrlock(&rwlock, &soon) == ETIMEDOUT)
        ;
    if (end) {
        open = true;
        pthread_rwlock_unlock(&rwlock);
        return NULL;
    }
    while (!now) {
        if (pthread_rwlock_timedrdlock(&rwlock, &soon) == ETIMEDOUT)
            continue;
        now = open;
        pthread_rwlock_unlock(&rwlock);
    }
    return NULL;
}

static void *with_semaphores(void *end)
{
    int is = 0;
    if (end) {
        sem_post(&posted);
        sem_post(&tried);
        sem_post(&value);
        return NULL;
    }
    while (sem_timedwait(&posted, &soon) != 0)
        ;
    while (sem_trywait(&tried) != 0)
        ;
    while (is == 0)
        sem_getvalue(&value, &is);
    return NULL;
}

static void *with_futex(void *end)
{
    if (end) {
        atomic_store(&word, 1);
        syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL);
    }
    while (!atomic_load(&word))
        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &soon);
    return NULL;
}

int main(void)
{
    void *(*const pair[])(void *) = {with_condition, with_rwlock, with_semaphores, with_futex};
    sem_init(&posted, 0, 0);
    sem_init(&value, 0, 0);
    sem_init(&tried, 0, 0);
    for (int i = 0; i < 4; i++) {
        pthread_t t;
        pthread_create(&t, NULL, pair[i], &ready);
        pair[i](NULL);
        pthread_join(t, NULL);
    }
    printf("all end\n");
    return 0;
}
