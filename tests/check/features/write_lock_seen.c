/* SPDX-License-Identifier: MIT */
/* executions: 2 or more (a thread polls while it reads: one in which nobody noticed, and one in which another, which had read at the
 * same time and stopped, found that it may not write) */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
static bool done, found_taken;

static void *finish(void *unused)
{
    pthread_mutex_lock(&turn); /* nobody begins to read now */
    pthread_rwlock_rdlock(&l);
    pthread_rwlock_unlock(&l);
    if (pthread_rwlock_trywrlock(&l) != 0)
        found_taken = true;
    else
        pthread_rwlock_unlock(&l);
    pthread_mutex_unlock(&turn);
    pthread_rwlock_wrlock(&l);
    done = true;
    pthread_rwlock_unlock(&l);
    return unused;
}

static bool is_done(void)
{
    pthread_mutex_lock(&turn);
    pthread_rwlock_rdlock(&l);
    pthread_mutex_unlock(&turn);
    bool now = done;
    pthread_rwlock_unlock(&l);
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
