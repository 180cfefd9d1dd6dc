/* SPDX-License-Identifier: MIT */
/* Batches between the caches and the depot.
 *
 * A get that returns NULL has looked into every cache and the depot while nobody was moving a batch and
 * nobody had moved one meanwhile: `moves` was the same before and after, with a zero lower half (V). So no
 * object passed it by:
 *   V1 a mover counts itself (release fence) before it takes anything out; who finds a place empty that it
 *      emptied, and then (acquire fence) looks at `moves`, sees that;
 *   V2 it counts itself out (release) when everything is in its new place; who begins with that value
 *      (acquire) sees it there. */
#include "pool.h"
#include "../sync/fail.h"

#include <pawl/backoff.h>
#include <pawl/cpu.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern inline void *pawl_pool_get(struct pawl_pool *pool);
extern inline void pawl_pool_put(struct pawl_pool *pool, void *object);

#define COUNT_MAX ((size_t)1 << 31)
#define CACHE_MAX 256u
#define CACHE_DEFAULT_MAX 128u
#define ALIGNMENT_DEFAULT 16u
#define ALIGNMENT_MAX 4096u
#define NODES_MAX 1024
#define MOVING UINT64_C(1)        /* in `moves`: a mover more */
#define MOVED (UINT64_C(1) << 32) /* in `moves`: a move more */
#define MOVERS (MOVED - 1)        /* in `moves`: the movers */
#define BATCH_MAX (CACHE_MAX + 1) /* a whole cache, and the object that did not fit */

PAWL_STATIC_ASSERT(sizeof(struct pawl_pool_record) == 32, "the size that the header promises");
PAWL_STATIC_ASSERT(PAWL_POOL_STACK_ + sizeof(struct pawl_percpu_stack) + CACHE_DEFAULT_MAX * sizeof(void *) ==
                       4096,
                   "a page a CPU");

/* ---- objects and numbers ---- */

static void *object_of(const struct pawl_pool *pool, uint32_t number)
{
    return pool->objects + number * pool->stride;
}

/* The number of an object. Multiplying by the rounded reciprocal is exact for multiples of the stride: the
 * error is less than offset / 2^64. */
static uint32_t number_of(const struct pawl_pool *pool, const void *object)
{
    uint64_t offset = (uint64_t)((uintptr_t)object - (uintptr_t)pool->objects);
    __extension__ unsigned __int128 product = (unsigned __int128)offset * pool->reciprocal;
    uint64_t number = pool->stride == 1 ? offset : (uint64_t)(product >> 64);

    if (PAWL_UNLIKELY(number >= pool->count || object_of(pool, (uint32_t)number) != object))
        pawl_sync_fail("pawl_pool_put", "not an object of this pool");
    return (uint32_t)number;
}

/* ---- the depot ---- */

/* Puts a batch into the depot: objects[0..n), n >= 1. */
static void give_batch(struct pawl_pool *pool, void *const *objects, size_t n)
{
    struct pawl_pool_record *first = &pool->records[number_of(pool, objects[0])];

    first->count = (uint32_t)n;
    for (size_t i = 1, k = 0; i < n; k++) {
        struct pawl_pool_record *record = &pool->records[number_of(pool, objects[k])];

        for (size_t m = 0; m < PAWL_POOL_NUMBERS && i < n; m++)
            record->number[m] = number_of(pool, objects[i++]);
    }
    pawl_stack_push(&pool->depot, &first->below); /* release P inside, pairs with the pop in take_batch() */
}

/* numbers[0..n) = those of a batch, which nobody else has. Returns n. */
static size_t read_batch(const struct pawl_pool *pool, struct pawl_stack_node *node,
                         uint32_t numbers[BATCH_MAX])
{
    const struct pawl_pool_record *record = pawl_stack_entry(node, struct pawl_pool_record, below);
    size_t n = record->count;

    if (PAWL_UNLIKELY(n > BATCH_MAX))
        pawl_sync_fail("pawl_pool_close", "an object was put twice"); /* marked already, see below */

    numbers[0] = (uint32_t)(record - pool->records);
    for (size_t i = 1, k = 0; i < n; k++) {
        record = &pool->records[numbers[k]];
        for (size_t m = 0; m < PAWL_POOL_NUMBERS && i < n; m++)
            numbers[i++] = record->number[m];
    }
    return n;
}

/* objects[0..n) = a batch of the depot. Returns n, at most BATCH_MAX; 0: there is none. */
static size_t take_batch(struct pawl_pool *pool, void **objects)
{
    struct pawl_stack_node *node = pawl_stack_pop(&pool->depot); /* acquire P inside */
    uint32_t numbers[BATCH_MAX];
    size_t n;

    if (node == NULL)
        return 0;
    n = read_batch(pool, node, numbers);
    for (size_t i = 0; i < n; i++)
        objects[i] = object_of(pool, numbers[i]);
    return n;
}

/* ---- moving ---- */

static void begin_move(struct pawl_pool *pool)
{
    /* Its line comes while this CPU waits for that of `moves`. */
    pawl_prefetch_write(&pool->depot.top);
    pawl_fetch_add_relaxed(&pool->moves, MOVING); /* relaxed: the fence releases it */
    pawl_fence_release();                         /* V1: pairs with the acquire fence in look_everywhere() */
}

static void end_move(struct pawl_pool *pool)
{
    /* release V2: pairs with the acquire in until_nobody_moves() */
    pawl_fetch_add_release(&pool->moves, MOVED - MOVING);
}

static uint64_t until_nobody_moves(struct pawl_pool *pool)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    for (;;) {
        uint64_t moves = pawl_load_acquire(&pool->moves); /* acquire V2 */

        if ((moves & MOVERS) == 0)
            return moves;
        pawl_backoff_wait(&backoff);
    }
}

/* A cache holds nothing until it has a capacity. Somebody else may set it first, or have detached it: no
 * matter. */
static void set_capacity(struct pawl_pool *pool)
{
    (void)pawl_percpu_cas(pool->region, PAWL_POOL_STACK_ + offsetof(struct pawl_percpu_stack, capacity), 0,
                          (long)pool->cache);
}

/* Puts objects[0..n) into the cache of this CPU, what does not fit into the depot. */
static void fill_cache(struct pawl_pool *pool, void *const *objects, size_t n)
{
    long moved;

    set_capacity(pool);
    moved = pawl_percpu_stack_push_many(pool->region, PAWL_POOL_STACK_, objects, n);
    if (moved < 0)
        moved = 0; /* detached at this moment */
    if ((size_t)moved < n)
        give_batch(pool, objects + moved, n - (size_t)moved);
}

static void *refill(struct pawl_pool *pool)
{
    void *objects[BATCH_MAX];
    size_t n;

    begin_move(pool);
    n = take_batch(pool, objects);
    if (n > 1)
        fill_cache(pool, objects + 1, n - 1);
    end_move(pool);
    return n > 0 ? objects[0] : NULL;
}

/* The count of a slot's cache, as other CPUs may read it. */
typedef PAWL_ATOMIC(size_t) count_t;

static struct pawl_percpu_stack *stack_of(void *slice)
{
    return (struct pawl_percpu_stack *)(void *)((char *)slice + PAWL_POOL_STACK_);
}

/* Empties the cache of a slot into the depot, but for one object. NULL: it is empty, or another empties
 * it. */
static void *empty_cache(struct pawl_pool *pool, uint32_t slot)
{
    void *objects[CACHE_MAX];
    void *slice;
    size_t n = 0;

    begin_move(pool);
    slice = pawl_percpu_detach(pool->region, slot);
    if (slice != NULL) {
        struct pawl_percpu_stack *cache = stack_of(slice);

        n = cache->count;
        memcpy(objects, cache->item, n * sizeof objects[0]);
        /* relaxed: attaching publishes it to the CPU, V1 and V2 to others */
        pawl_store_relaxed((count_t *)&cache->count, (size_t)0);
        (void)pawl_percpu_attach(pool->region, slot, slice); /* 0: this thread detached it */
        if (n > 1)
            give_batch(pool, objects + 1, n - 1);
    }
    end_move(pool);
    return n > 0 ? objects[0] : NULL;
}

static void *empty_other_caches(struct pawl_pool *pool)
{
    void *slice;
    uint32_t slot;

    pawl_percpu_each (pool->region, slot, slice) {
        void *object;

        /* relaxed: what is put meanwhile may be missed; what was put before is seen (coherence, and V2) */
        if (pawl_load_relaxed((count_t *)&stack_of(slice)->count) == 0)
            continue;
        object = empty_cache(pool, slot);
        if (object != NULL)
            return object;
    }
    return NULL;
}

/* NULL: there is nothing anywhere. */
static void *look_everywhere(struct pawl_pool *pool)
{
    for (;;) {
        uint64_t moves = until_nobody_moves(pool);
        void *object = empty_other_caches(pool);

        if (object == NULL && !pawl_stack_empty(&pool->depot))
            object = refill(pool);
        if (object != NULL)
            return object;
        pawl_fence_acquire(); /* V1: pairs with the release fence in begin_move() */
        /* relaxed: the fence acquires */
        if (pawl_load_relaxed(&pool->moves) == moves)
            return NULL;
        /* again: somebody moved a batch */
    }
}

static void *get_elsewhere(struct pawl_pool *pool)
{
    void *object = pawl_stack_empty(&pool->depot) ? NULL : refill(pool);

    return object != NULL ? object : look_everywhere(pool);
}

void *pawl_pool_get_elsewhere_(struct pawl_pool *pool)
{
    int saved = errno;
    void *object = get_elsewhere(pool);

    errno = object != NULL ? saved : EAGAIN;
    return object;
}

void pawl_pool_put_elsewhere_(struct pawl_pool *pool, void *object)
{
    void *objects[BATCH_MAX];
    long n;

    set_capacity(pool);
    if (pawl_percpu_stack_push(pool->region, PAWL_POOL_STACK_, object) == 0)
        return; /* it had none, or this is another CPU */
    begin_move(pool);
    n = pawl_percpu_stack_pop_many(pool->region, PAWL_POOL_STACK_, objects, (pool->cache + 1) / 2);
    if (n < 0)
        n = 0; /* detached at this moment */
    objects[n] = object;
    give_batch(pool, objects, (size_t)n + 1);
    end_move(pool);
}

/* ---- waiting ---- */

struct waiting_get {
    struct pawl_pool *pool;
    void *object;
};

static int attempt_get(void *op)
{
    struct waiting_get *get = op;

    if (pawl_percpu_stack_pop(get->pool->region, PAWL_POOL_STACK_, &get->object) == 0)
        return 0;
    get->object = get_elsewhere(get->pool);
    return get->object != NULL ? 0 : -EAGAIN;
}

void *pawl_pool_get_wait(struct pawl_pool *pool, uint64_t deadline)
{
    struct waiting_get get = {pool, NULL};
    int saved = errno;
    int status = pawl_handover_pop_wait(&pool->waiting, attempt_get, &get, deadline);

    errno = status == 0 ? saved : -status;
    return status == 0 ? get.object : NULL;
}

/* ---- opening and closing ---- */

static int check_options(const struct pawl_pool_options *o)
{
    size_t alignment = o->alignment != 0 ? o->alignment : ALIGNMENT_DEFAULT;

    if (o->object_bytes == 0 || o->count == 0 || o->count > COUNT_MAX || alignment > ALIGNMENT_MAX ||
        (alignment & (alignment - 1)) != 0 || (o->cache != 0 && (o->cache < 2 || o->cache > CACHE_MAX)) ||
        (o->flags & ~(PAWL_POOL_HUGE | PAWL_POOL_LAZY)) != 0 || o->node < PAWL_POOL_ALL_NODES ||
        o->node > NODES_MAX)
        return -EINVAL;
    if (o->object_bytes > SIZE_MAX / 4 / o->count - ALIGNMENT_MAX)
        return -EOVERFLOW;
    return 0;
}

static size_t default_cache(const struct pawl_pool *pool)
{
    size_t cache = pool->count / (2 * (size_t)pawl_cpu_allowed());

    if (cache > CACHE_DEFAULT_MAX)
        cache = CACHE_DEFAULT_MAX;
    return cache < 2 ? 2 : cache;
}

/* All objects into the depot, the first on top. */
static void fill_depot(struct pawl_pool *pool)
{
    void *objects[CACHE_MAX] = {NULL};
    size_t batch = (pool->cache + 1) / 2;

    for (size_t end = pool->count, n; end > 0; end -= n) {
        n = end % batch != 0 ? end % batch : batch;
        for (size_t i = 0; i < n; i++)
            objects[i] = object_of(pool, (uint32_t)(end - n + i));
        give_batch(pool, objects, n);
    }
}

static int make(struct pawl_pool *pool, const struct pawl_pool_options *o)
{
    size_t alignment = o->alignment != 0 ? o->alignment : ALIGNMENT_DEFAULT;
    int status;

    pool->count = o->count;
    pool->stride = (o->object_bytes + alignment - 1) / alignment * alignment;
    pool->reciprocal = UINT64_MAX / pool->stride + 1;
    pool->cache = o->cache != 0 ? o->cache : default_cache(pool);
    pawl_handover_init(&pool->waiting, PAWL_PRIVATE);
    pawl_stack_init(&pool->depot);
    pool->records = aligned_alloc(sizeof *pool->records, pool->count * sizeof *pool->records);
    if (pool->records == NULL)
        return -ENOMEM;
    memset((void *)pool->records, 0, pool->count * sizeof *pool->records); /* touches them */
    pool->region = pawl_percpu_open(PAWL_POOL_STACK_ + sizeof(struct pawl_percpu_stack) +
                                        pool->cache * sizeof(void *),
                                    PAWL_PERCPU_BY_ANY);
    status = pool->region != NULL ? pawl_pool_map(pool, o) : -ENOMEM;
    if (status != 0) {
        pawl_percpu_close(pool->region);
        free(pool->records);
        return status;
    }
    fill_depot(pool);
    return 0;
}

struct pawl_pool *pawl_pool_open(const struct pawl_pool_options *options)
{
    struct pawl_pool *pool;
    int status = check_options(options);

    if (status != 0) {
        errno = -status;
        return NULL;
    }
    pool = aligned_alloc(_Alignof(struct pawl_pool), sizeof *pool);
    if (pool == NULL)
        return NULL; /* errno ENOMEM */
    memset(pool, 0, sizeof *pool);
    status = make(pool, options);
    if (status == 0)
        return pool;
    free(pool);
    errno = -status;
    return NULL;
}

/* Calls found(pool, number, argument) for every free object. Nobody gets, puts or moves. */
static void each_free(struct pawl_pool *pool,
                      void (*found)(struct pawl_pool *pool, uint32_t number, void *argument), void *argument)
{
    /* relaxed, all: nobody is there */
    struct pawl_stack_node
        *node = (struct pawl_stack_node *)(uintptr_t)pawl_load_pair_relaxed(&pool->depot.top).lo;
    void *slice;
    uint32_t slot;

    pawl_percpu_each (pool->region, slot, slice)
        for (size_t i = 0, n = pawl_load_relaxed((count_t *)&stack_of(slice)->count); i < n; i++)
            found(pool, number_of(pool, stack_of(slice)->item[i]), argument);
    for (; node != NULL; node = pawl_stack_next(node)) {
        uint32_t numbers[BATCH_MAX];
        size_t n = read_batch(pool, node, numbers);

        for (size_t i = 0; i < n; i++)
            found(pool, numbers[i], argument);
    }
}

static void count_one(struct pawl_pool *pool, uint32_t number, void *argument)
{
    (void)pool;
    (void)number;
    ++*(size_t *)argument;
}

size_t pawl_pool_free_count(struct pawl_pool *pool)
{
    size_t n = 0;

    each_free(pool, count_one, &n);
    return n;
}

/* In `count` of an object's record, when the pool is closed: it was found to be free. No batch is as large. */
#define FREE_MARK UINT32_MAX

static void mark_one(struct pawl_pool *pool, uint32_t number, void *argument)
{
    (void)argument;
    if (pool->records[number].count == FREE_MARK)
        pawl_sync_fail("pawl_pool_close", "an object was put twice");
    pool->records[number].count = FREE_MARK;
}

size_t pawl_pool_close(struct pawl_pool *pool, void (*leaked)(void *object, void *argument), void *argument)
{
    size_t missing = 0;

    if (pool == NULL)
        return 0;
    each_free(pool, mark_one, NULL);
    for (uint32_t i = 0; i < pool->count; i++)
        if (pool->records[i].count != FREE_MARK) {
            missing++;
            if (leaked != NULL)
                leaked(object_of(pool, i), argument);
        }
    pawl_pool_unmap(pool);
    pawl_percpu_close(pool->region);
    free(pool->records);
    free(pool);
    return missing;
}

void pawl_pool_after_fork(struct pawl_pool *pool)
{
    uint64_t moves = pawl_load_relaxed(&pool->moves); /* relaxed, both: one thread is there */

    pawl_store_relaxed(&pool->moves, moves & ~MOVERS);
}
