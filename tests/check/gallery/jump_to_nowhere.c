/* SPDX-License-Identifier: MIT */
/* expect: fault
 * A call through a pointer that another thread has not set yet. */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

typedef void action(void);
static _Atomic(action *) hook;

static void nothing(void)
{
}

static void *install(void *unused)
{
    atomic_store(&hook, nothing);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, install, NULL);
    action *a = atomic_load(&hook);
#ifdef FIXED
    if (a)
#endif
        a();
    pthread_join(t, NULL);
    return 0;
}
