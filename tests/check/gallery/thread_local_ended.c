/* SPDX-License-Identifier: MIT */
/* expect: memory error
 * A thread registers its thread-local record and ends; who walks the list may still be at it. Repair: the list is walked
 * before the thread is let go. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>

static _Thread_local _Atomic int record;
static _Atomic(_Atomic int *) list;
static sem_t walked;

static void *member(void *unused)
{
    atomic_store(&list, &record);
#ifdef FIXED
    sem_wait(&walked);
#endif
    return unused;
}

int main(void)
{
    pthread_t t;
    sem_init(&walked, 0, 0);
    pthread_create(&t, NULL, member, NULL);
    _Atomic int *r = atomic_load(&list);
    if (r)
        atomic_store(r, 1);
    sem_post(&walked);
    pthread_join(t, NULL);
    return 0;
}
