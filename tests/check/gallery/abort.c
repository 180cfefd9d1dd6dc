/* SPDX-License-Identifier: MIT */
/* expect: assertion failure
 * A thread gives up. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int ready;

static void *prepare(void *unused)
{
    atomic_store(&ready, 1);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, prepare, NULL);
#ifdef FIXED
    pthread_join(t, NULL);
#endif
    if (!atomic_load(&ready))
        abort();
#ifndef FIXED
    pthread_join(t, NULL);
#endif
    return 0;
}
