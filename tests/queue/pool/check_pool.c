/* SPDX-License-Identifier: MIT */
/* Closures of the pool for the model checker, which has no sequences: the locked slots take their place. Each
 * thread takes an object, writes to it plainly, and gives it back, GETS times. COUNT objects: with one for
 * each, nobody is ever refused, wherever the others have moved them. -DWAIT=1: one object for all, who
 * waits gets it. -DKEEP=1: nobody gives anything back. */
#include <pawl/pool.h>

#include <assert.h>
#include <pthread.h>

#ifndef THREADS
#define THREADS 2
#endif
#ifndef GETS
#define GETS 1
#endif
#ifndef COUNT
#define COUNT THREADS
#endif

#ifndef CACHE
#define CACHE 4 /* two a batch: the second is in the cache of the first, when another looks for it */
#endif

static struct pawl_pool *pool;

static void *use(void *unused)
{
    for (int i = 0; i < GETS; i++) {
#if WAIT
        int *object = pawl_pool_get_wait(pool, PAWL_FOREVER);
#else
        int *object = pawl_pool_get(pool);
#endif

        assert(object != NULL);
        ++*object; /* a race, if another has it */
#if !KEEP
        pawl_pool_put(pool, object);
#endif
    }
    return unused;
}

static void add(void *object, void *argument)
{
    *(int *)argument += *(int *)object;
}

int main(void)
{
    static const struct pawl_pool_options options = {.object_bytes = sizeof(int),
                                                     .count = COUNT,
                                                     .cache = CACHE,
                                                     .flags = PAWL_POOL_LAZY};
    pthread_t threads[THREADS];
    int sum = 0;

    pool = pawl_pool_open(&options);
    assert(pool != NULL);
    for (int i = 1; i < THREADS; i++)
        pthread_create(&threads[i], NULL, use, NULL);
    use(NULL);
    for (int i = 1; i < THREADS; i++)
        pthread_join(threads[i], NULL);
#if !KEEP
    assert(pawl_pool_free_count(pool) == COUNT);
    for (int i = 0; i < COUNT; i++)
        assert(pawl_pool_get(pool) != NULL);
#endif
    assert(pawl_pool_get(pool) == NULL);
    assert(pawl_pool_close(pool, add, &sum) == COUNT); /* all leaked */
    assert(sum == THREADS * GETS);
    return 0;
}
