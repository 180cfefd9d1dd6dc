/* SPDX-License-Identifier: MIT */
/* Closures of the spin locks for the model checker: exclusion and publication. -DLOCK=spin, ticket or mcs. */
#include <pawl/lock.h>

#include <assert.h>
#include <pthread.h>

#ifndef THREADS
#define THREADS 2
#endif
#define PASTE_(a, b, c) a##b##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define CALL(verb) PASTE(PASTE(pawl_, LOCK, _), verb, )

static struct PASTE(pawl_, LOCK, ) lock;
static int count; /* plain: the lock is all that orders it */

static void *add(void *try)
{
#if MCS
    struct pawl_mcs_node node;
#define ARGUMENTS &lock, &node
#else
#define ARGUMENTS &lock
#endif
    if (try == NULL || CALL(trylock)(ARGUMENTS) != 0)
        CALL(lock)(ARGUMENTS);
    count++;
    CALL(unlock)(ARGUMENTS);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];

    for (int i = 1; i < THREADS; i++)
        pthread_create(&threads[i], NULL, add, i % 2 != 0 ? &count : NULL);
    add(NULL);
    for (int i = 1; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert(count == THREADS);
    return 0;
}
