/* SPDX-License-Identifier: MIT */
/* Single operations of the allocator and of its peers, in one process: each peer is loaded beside libc's
 * malloc and called through pointers, ours too. Peers that cannot be loaded late (thread-local storage)
 * are left out; bench/malloc/suite preloads each instead. */
#include "api.h"
#include "bench.h"

#include <dlfcn.h>
#include <errno.h>
#include <pawl/slab.h>
#include <stdlib.h>

#define BATCH 64u
#define HELD 1000u

struct allocator {
    void *(*allocate)(size_t size);
    void (*release)(void *block);
};

static struct allocator ours = {pawl_malloc, pawl_free};
static struct allocator libc = {malloc, free};

static struct allocator *load(const char *library, struct allocator *allocator)
{
    if (allocator->allocate == NULL) {
        void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);

        if (handle != NULL) {
            *(void **)&allocator->release = dlsym(handle, "free");
            *(void **)&allocator->allocate = dlsym(handle, "malloc");
        }
    }
    return allocator;
}

#define OPEN(name, expression)                              \
    static int open_##name(unsigned threads, void **shared) \
    {                                                       \
        (void)threads;                                      \
        *shared = expression;                               \
        return 0;                                           \
    }
#define PEER(name, library)                                                                         \
    static struct allocator peer_##name;                                                            \
    static const char *without_##name(void)                                                         \
    {                                                                                               \
        return load(library, &peer_##name)->allocate != NULL ? NULL : "cannot be loaded: " library; \
    }                                                                                               \
    OPEN(name, &peer_##name)

OPEN(ours, &ours)
OPEN(libc, &libc)
PEER(jemalloc, "libjemalloc.so.2")
PEER(tcmalloc, "libtcmalloc_minimal.so.4")
PEER(mimalloc, "libmimalloc.so.2.0")

/* Objects of 64 bytes, whatever is asked for. */
static struct pawl_slab *slab;

static void *slab_allocate(size_t size)
{
    (void)size;
    return pawl_slab_alloc(slab);
}

static void slab_release(void *object)
{
    pawl_slab_free(slab, object);
}

static struct allocator slab_allocator = {slab_allocate, slab_release};

static int open_slab(unsigned threads, void **shared)
{
    const struct pawl_slab_options options = {.object_bytes = 64};

    (void)threads;
    if (slab == NULL)
        slab = pawl_slab_open(&options);
    *shared = &slab_allocator;
    return slab != NULL ? 0 : -errno;
}

static void pair(struct bench_thread *thread, uint64_t iterations)
{
    const struct allocator a = *(const struct allocator *)thread->shared;

    for (uint64_t i = 0; i < iterations; i++) {
        void *block = a.allocate(64);

        bench_keep_pointer(block);
        a.release(block);
    }
}

static void batch(struct bench_thread *thread, uint64_t iterations)
{
    const struct allocator a = *(const struct allocator *)thread->shared;
    void *block[BATCH];

    for (uint64_t i = 0; i < iterations; i++) {
        for (unsigned int k = 0; k < BATCH; k++)
            block[k] = a.allocate(64);
        for (unsigned int k = 0; k < BATCH; k++)
            a.release(block[k]);
    }
}

static void mixed(struct bench_thread *thread, uint64_t iterations)
{
    const struct allocator a = *(const struct allocator *)thread->shared;
    uint64_t state = thread->random;
    void *block[HELD] = {NULL};

    for (uint64_t i = 0; i < iterations; i++) {
        uint32_t r = bench_random(&state);
        void **mine = &block[r % HELD];

        a.release(*mine);
        *mine = a.allocate(1 + r / HELD % 1000);
    }
    for (unsigned int k = 0; k < HELD; k++)
        a.release(block[k]);
}

#define CONTENDERS(loop, ...)                                                                                \
    {                                                                                                        \
        {.name = "pawl-malloc", .setup = open_ours, .run = loop},                                            \
            __VA_ARGS__{.name = "libc", .setup = open_libc, .run = loop},                                    \
            {.name = "jemalloc", .unavailable = without_jemalloc, .setup = open_jemalloc, .run = loop},      \
            {.name = "tcmalloc", .unavailable = without_tcmalloc, .setup = open_tcmalloc, .run = loop},      \
            {.name = "mimalloc", .unavailable = without_mimalloc, .setup = open_mimalloc, .run = loop}, {0}, \
    }
#define SLAB(loop) {.name = "pawl-slab", .setup = open_slab, .run = loop},

static const struct bench_contender pairs[] = CONTENDERS(pair, SLAB(pair));
static const struct bench_contender batches[] = CONTENDERS(batch, SLAB(batch));
static const struct bench_contender mixes[] = CONTENDERS(mixed, );

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "pair",
         .about = "malloc(64) and free, back to back.",
         .unit = "pair",
         .threads = {1, BENCH_EACH_CPU},
         .contenders = pairs},
        {.name = "batch",
         .about = "64 blocks of 64 bytes, freed in the order in which they came.",
         .unit = "pair",
         .threads = {1},
         .ops = BATCH,
         .contenders = batches},
        {.name = "mixed",
         .about = "1 to 1000 bytes, 1000 held, in random order.",
         .unit = "pair",
         .threads = {1},
         .contenders = mixes},
        {0},
    };
    static const struct bench_program program = {"malloc", "malloc and free, single operations.", groups};

    return bench_main(argc, argv, &program);
}
