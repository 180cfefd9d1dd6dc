/* SPDX-License-Identifier: MIT */
/* A free list a CPU, in fifteen lines of C: objects are taken and given back without an atomic instruction. */
#include <pawl/restartable.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct object {
    struct object *next;
    char payload[56];
};

struct cache {
    struct object *free;
};

PAWL_RESTARTABLE(struct object *, cache_get, (struct pawl_percpu * pc), (pc))
{
    struct cache *cache = PAWL_RS_BEGIN(pc, struct cache);
    struct object *object = PAWL_RS_LOAD(cache->free);

    if (object == NULL)
        return NULL;
    PAWL_RS_COMMIT(cache->free, PAWL_RS_LOAD(object->next)); /* objects are never unmapped: rule 6 */
    return object;
}

PAWL_RESTARTABLE(long, cache_put, (struct pawl_percpu * pc, struct object *object), (pc, object))
{
    struct cache *cache = PAWL_RS_BEGIN(pc, struct cache);

    PAWL_RS_SCRATCH(object->next, PAWL_RS_LOAD(cache->free)); /* ours until the commit: rule 5 */
    PAWL_RS_COMMIT(cache->free, object);
    return 0;
}

static void *work(void *pc)
{
    for (int i = 0; i < 1000000; i++) {
        struct object *object = cache_get(pc);

        if (object == NULL)
            object = malloc(sizeof *object);
        if (object == NULL || cache_put(pc, object) != 0)
            abort();
    }
    return NULL;
}

int main(void)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(struct cache), PAWL_PERCPU_BY_ANY);
    pthread_t threads[4];
    struct cache *cache;
    uint32_t slot;
    int objects = 0;

    if (pc == NULL)
        return 1;
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, work, pc) != 0)
            return 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    pawl_percpu_each (pc, slot, cache)
        while (cache->free != NULL) {
            struct object *object = cache->free;

            cache->free = object->next;
            free(object);
            objects++;
        }
    printf("4000000 objects were used, %d were allocated\n", objects);
    pawl_percpu_close(pc);
    return objects >= 1 && objects <= 1000 ? 0 : 1;
}
