/* SPDX-License-Identifier: MIT */
/* executions: 6 (a timed wait ends either way: the lock before or after the other thread's, or not; times the semaphore
 * given, or not; keys have values and destructors) */
#include <assert.h>
#include <semaphore.h>
#include <stdio.h>
#include <threads.h>
#include <time.h>

static mtx_t m;
static sem_t s;
static tss_t key;
static int shared, destroyed;

static void destroy(void *p)
{
    assert(p == &shared);
    destroyed++;
}

static int other(void *unused)
{
    (void)unused;
    assert(tss_get(key) == NULL && tss_set(key, &shared) == thrd_success);
    mtx_lock(&m);
    shared++;
    mtx_unlock(&m);
    sem_post(&s);
    return 0;
}

int main(void)
{
    const struct timespec soon = {0};
    thrd_t t;
    mtx_init(&m, mtx_timed);
    sem_init(&s, 0, 0);
    tss_create(&key, destroy);
    thrd_create(&t, other, NULL);
    int locked = mtx_timedlock(&m, &soon);
    assert(locked == thrd_success || locked == thrd_timedout);
    if (locked == thrd_success) {
        printf("%d ", shared);
        mtx_unlock(&m);
    }
    printf("%d\n", sem_timedwait(&s, &soon));
    thrd_join(t, NULL);
    assert(destroyed == 1 && tss_get(key) == NULL);
    tss_delete(key);
    return 0;
}
