/* SPDX-License-Identifier: MIT */
/* The pool beside malloc and free of the same size.
 *
 * By operation, on the CPU's cache: get 0 RMW, put 0 RMW, no fence, no shared line written; 3 RMW for each
 * half cache (32 objects here) that moves to or from the depot.
 *
 * jemalloc is linked (its thread-local data does not fit into a program that runs already), so it is this
 * program's malloc; tcmalloc and tbbmalloc are loaded beside it. All are called through pointers. */
#include "bench.h"

#include <pawl/pool.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum {
    OBJECTS = 4096,
    CACHE = 64,
    BURST = 16,
    BYTES = 64,
    LARGE_BYTES = 65536,
    LARGE_OBJECTS = 256,
    RING = 256,
    THREADS = 64
};

struct source {
    void *(*get)(size_t bytes);
    void (*put)(void *object);
    const char *library;
    const char *get_name, *put_name;
};

/* ---- ours ---- */

static struct pawl_pool *pool;

static int open_pool(unsigned threads, void **shared)
{
    static const struct pawl_pool_options options = {.object_bytes = BYTES, .count = OBJECTS, .cache = CACHE};

    (void)threads;
    pool = pawl_pool_open(&options);
    *shared = pool;
    return pool != NULL ? 0 : -errno;
}

static int open_large_pool(unsigned threads, void **shared)
{
    static const struct pawl_pool_options options = {.object_bytes = LARGE_BYTES,
                                                     .count = LARGE_OBJECTS,
                                                     .cache = CACHE};

    (void)threads;
    pool = pawl_pool_open(&options);
    *shared = pool;
    return pool != NULL ? 0 : -errno;
}

static void close_pool(void *shared)
{
    if (pawl_pool_close(shared, NULL, NULL) != 0)
        abort();
}

static inline void *get_pool(void *from)
{
    return pawl_pool_get(from);
}

static inline void put_pool(void *to, void *object)
{
    pawl_pool_put(to, object);
}

/* ---- a list under a mutex: what one writes first ---- */

struct listed {
    pthread_mutex_t lock;
    void *first PAWL_LINE_PAIR_ALIGNED;
    char objects[OBJECTS][BYTES] PAWL_LINE_PAIR_ALIGNED;
};

static int open_listed(unsigned threads, void **shared)
{
    struct listed *listed = aligned_alloc(BENCH_LINE_PAIR, sizeof *listed);

    (void)threads;
    if (listed == NULL)
        return -ENOMEM;
    pthread_mutex_init(&listed->lock, NULL);
    listed->first = NULL;
    for (int i = 0; i < OBJECTS; i++) {
        *(void **)(void *)listed->objects[i] = listed->first;
        listed->first = listed->objects[i];
    }
    *shared = listed;
    return 0;
}

static inline void *get_listed(void *from)
{
    struct listed *listed = from;
    void *object;

    pthread_mutex_lock(&listed->lock);
    object = listed->first;
    if (object != NULL)
        listed->first = *(void **)object;
    pthread_mutex_unlock(&listed->lock);
    return object;
}

static inline void put_listed(void *to, void *object)
{
    struct listed *listed = to;

    pthread_mutex_lock(&listed->lock);
    *(void **)object = listed->first;
    listed->first = object;
    pthread_mutex_unlock(&listed->lock);
}

/* ---- allocators ---- */

static struct source tcmalloc = {NULL, NULL, "libtcmalloc_minimal.so.4", "malloc", "free"};
static struct source tbbmalloc = {NULL, NULL, "libtbbmalloc.so.2", "scalable_malloc", "scalable_free"};
static struct source glibc = {NULL, NULL, "libc.so.6", "malloc", "free"};
#if BENCH_HAVE_JEMALLOC
static struct source jemalloc = {malloc, free, NULL, NULL, NULL};

static int open_jemalloc(unsigned threads, void **shared)
{
    (void)threads;
    *shared = &jemalloc;
    return 0;
}
#endif

static const char *load(struct source *source)
{
    void *library = source->get == NULL ? dlopen(source->library, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
                                        : NULL;

    if (library != NULL) {
        void *get = dlsym(library, source->get_name), *put = dlsym(library, source->put_name);

        if (get != NULL && put != NULL) {
            *(void **)(void *)&source->get = get;
            *(void **)(void *)&source->put = put;
        }
    }
    return source->get != NULL ? NULL : "the library is not installed";
}

#define ALLOCATOR(name)                                     \
    static const char *no_##name(void)                      \
    {                                                       \
        return load(&name);                                 \
    }                                                       \
    static int open_##name(unsigned threads, void **shared) \
    {                                                       \
        (void)threads;                                      \
        *shared = &name;                                    \
        return 0;                                           \
    }
ALLOCATOR(tcmalloc)
ALLOCATOR(tbbmalloc)
ALLOCATOR(glibc)

static inline void *get_source(void *from)
{
    return ((struct source *)from)->get(BYTES);
}

static inline void put_source(void *to, void *object)
{
    ((struct source *)to)->put(object);
}

static inline void *get_large_source(void *from)
{
    return ((struct source *)from)->get(LARGE_BYTES);
}

static inline void put_large_source(void *to, void *object)
{
    ((struct source *)to)->put(object);
}

/* ---- the loops ---- */

/* From thread 2k to thread 2k + 1: a ring of pointers, NULL where there is none. */
static struct {
    PAWL_ATOMIC(void *) slot[RING] PAWL_LINE_PAIR_ALIGNED;
} rings[THREADS / 2];

static void hand(unsigned ring, uint64_t at, void *object)
{
    while (pawl_load_acquire(&rings[ring].slot[at % RING]) != NULL)
        sched_yield();
    pawl_store_release(&rings[ring].slot[at % RING], object);
}

static void *take(unsigned ring, uint64_t at)
{
    void *object;

    while ((object = pawl_load_acquire(&rings[ring].slot[at % RING])) == NULL)
        sched_yield();
    pawl_store_release(&rings[ring].slot[at % RING], NULL);
    return object;
}

/* The first word of each object is written: nobody takes an object to leave it alone. */
#define PAIRS(name)                                                   \
    static void pairs_##name(struct bench_thread *thread, uint64_t n) \
    {                                                                 \
        for (uint64_t i = 0; i < n; i++) {                            \
            void *object = get_##name(thread->shared);                \
                                                                      \
            *(uint64_t *)object = i;                                  \
            bench_keep_pointer(object);                               \
            put_##name(thread->shared, object);                       \
        }                                                             \
    }

#define LOOPS(name)                                                                     \
    PAIRS(name)                                                                         \
    static void bursts_##name(struct bench_thread *thread, uint64_t n)                  \
    {                                                                                   \
        for (uint64_t i = 0; i < n; i++) {                                              \
            void *objects[BURST];                                                       \
                                                                                        \
            for (int k = 0; k < BURST; k++) {                                           \
                objects[k] = get_##name(thread->shared);                                \
                *(uint64_t *)objects[k] = i;                                            \
            }                                                                           \
            bench_keep_pointer(objects);                                                \
            for (int k = 0; k < BURST; k++)                                             \
                put_##name(thread->shared, objects[k]);                                 \
        }                                                                               \
    }                                                                                   \
    static void handed_##name(struct bench_thread *thread, uint64_t n)                  \
    {                                                                                   \
        for (uint64_t i = 0; i < n; i++)                                                \
            if (thread->index % 2 == 0) {                                               \
                void *object = get_##name(thread->shared);                              \
                                                                                        \
                *(uint64_t *)object = i;                                                \
                hand(thread->index / 2 % (THREADS / 2), i, object);                     \
            } else {                                                                    \
                put_##name(thread->shared, take(thread->index / 2 % (THREADS / 2), i)); \
            }                                                                           \
    }                                                                                   \
    /* Both halves by one thread: to count what they cost. */                           \
    static void handed_alone_##name(struct bench_thread *thread, uint64_t n)            \
    {                                                                                   \
        for (uint64_t i = 0; i < n / 2; i++) {                                          \
            void *object = get_##name(thread->shared);                                  \
                                                                                        \
            *(uint64_t *)object = i;                                                    \
            hand(0, i, object);                                                         \
        }                                                                               \
        for (uint64_t i = 0; i < n / 2; i++)                                            \
            put_##name(thread->shared, take(0, i));                                     \
    }
LOOPS(pool)
LOOPS(listed)
LOOPS(source)
PAIRS(large_source)

/* ---- who takes part ---- */

/* What stands for a loop when one thread's costs are counted. */
#define ALONE_pairs pairs
#define ALONE_pairs_large pairs_large
#define ALONE_bursts bursts
#define ALONE_handed handed_alone
#define JOIN_(loop, name) loop##_##name
#define JOIN(loop, name) JOIN_(loop, name)
#define SOURCE(title, of, loop)                                                          \
    {                                                                                    \
        .name = title, .unavailable = no_##of, .setup = open_##of, .run = loop##_source, \
        .alone = JOIN(ALONE_##loop, source)                                              \
    }
#if BENCH_HAVE_JEMALLOC
#define JEMALLOC(loop)                                                    \
    {                                                                     \
        .name = "jemalloc", .setup = open_jemalloc, .run = loop##_source, \
        .alone = JOIN(ALONE_##loop, source)                               \
    }
#else
#define JEMALLOC(loop)                                                            \
    {                                                                             \
        .name = "jemalloc", .missing = "built without jemalloc (libjemalloc-dev)" \
    }
#endif
#define ALL(loop)                                                                                     \
    {                                                                                                 \
        {.name = "pawl_pool",                                                                         \
         .setup = open_pool,                                                                          \
         .run = loop##_pool,                                                                          \
         .alone = JOIN(ALONE_##loop, pool),                                                           \
         .teardown = close_pool},                                                                     \
            SOURCE("tcmalloc", tcmalloc, loop), JEMALLOC(loop), SOURCE("tbbmalloc", tbbmalloc, loop), \
            SOURCE("glibc malloc", glibc, loop),                                                      \
            {.name = "list and mutex",                                                                \
             .setup = open_listed,                                                                    \
             .run = loop##_listed,                                                                    \
             .alone = JOIN(ALONE_##loop, listed),                                                     \
             .teardown = free},                                                                       \
            {0},                                                                                      \
    }

static const struct bench_contender pairs[] = ALL(pairs);
static const struct bench_contender large[] = {
    {.name = "pawl_pool", .setup = open_large_pool, .run = pairs_pool, .teardown = close_pool},
    SOURCE("tcmalloc", tcmalloc, pairs_large),
    JEMALLOC(pairs_large),
    SOURCE("tbbmalloc", tbbmalloc, pairs_large),
    SOURCE("glibc malloc", glibc, pairs_large),
    {0},
};
static const struct bench_contender bursts[] = ALL(bursts);
static const struct bench_contender handed[] = ALL(handed);

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "pairs",
         .about = "Get 64 bytes, write a word, put them. pawl_pool: 0 RMW, 0 fences, no shared line written.",
         .unit = "get+put",
         .threads = {1, 2, 8},
         .contenders = pairs},
        {.name = "large",
         .about = "Get 64 KiB, write a word, put them.",
         .unit = "get+put",
         .threads = {1, 2},
         .contenders = large},
        {.name = "bursts",
         .about = "Get sixteen, then put them.",
         .unit = "get+put",
         .threads = {1, 2},
         .ops = BURST,
         .contenders = bursts},
        {.name = "handed",
         .about = "Get in one thread, put in the next, a ring of 256 between.",
         .unit = "half",
         .threads = {2, 8},
         .threads_fixed = true,
         .batch = 64,
         .contenders = handed},
        {0},
    };
    static const struct bench_program program = {"pool", "Pools of objects, and allocators.", groups};

    return bench_main(argc, argv, &program);
}
