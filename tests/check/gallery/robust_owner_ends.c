/* SPDX-License-Identifier: MIT */
/* expect: not modelled
 * A robust mutex may be held at its owner's end. What the next owner is told is outside the model: no mistake of the program. */
#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t mutex;

static void *work(void *unused)
{
    pthread_mutex_lock(&mutex);
#ifdef FIXED
    pthread_mutex_unlock(&mutex);
#endif
    return unused;
}

int main(void)
{
    pthread_mutexattr_t robust;
    pthread_t t;

    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutex, &robust);
    pthread_mutexattr_destroy(&robust);
    pthread_create(&t, NULL, work, NULL);
    pthread_join(t, NULL);
    pthread_mutex_destroy(&mutex);
    return 0;
}
