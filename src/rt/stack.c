/* SPDX-License-Identifier: MIT */
#include "stack.h"

#include "../core/sync/lsan.h"

#include <pawl/config.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

/* valgrind takes a jump of less than 2 MB for one within a stack, unless it is told. */
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(low, top) 0
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

enum {
    GUARD_BYTES = 16384, /* a frame of up to so much cannot step over it */
    DEFAULT_BYTES = 65536,
    LEAST_BYTES = 4096,
    REFILL = 16,
    COLOUR_BYTES = PAWL_CACHELINE_PAIR,
};

static const size_t MOST_BYTES = (size_t)1 << 30;

struct pawl_stack_slab {
    struct pawl_stack_slab *next;
    char *memory;
    struct pawl_stack stacks[PAWL_STACKS_SLAB_];
};

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_up(size_t bytes, size_t page)
{
    return (bytes + page - 1) / page * page;
}

bool pawl_stacks_acceptable_(size_t bytes)
{
    return bytes == 0 || (bytes >= LEAST_BYTES && bytes <= MOST_BYTES);
}

int pawl_stacks_init_(struct pawl_stacks *stacks, size_t bytes, unsigned workers)
{
    size_t page = page_bytes();

    if (bytes == 0)
        bytes = DEFAULT_BYTES;
    *stacks = (struct pawl_stacks){
        .bytes = round_up(bytes + (size_t)(PAWL_STACK_COLOURS_ - 1) * COLOUR_BYTES, page),
        .guard = round_up(GUARD_BYTES, page),
        .light_guards = true,
        .workers = workers,
    };
    pawl_mutex_init(&stacks->lock, PAWL_PRIVATE);
    stacks->caches = aligned_alloc(PAWL_CACHELINE_PAIR, workers * sizeof *stacks->caches);
    if (stacks->caches == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < workers; i++)
        stacks->caches[i] = (struct pawl_stack_cache){NULL, 0};
    return 0;
}

static size_t slab_bytes(const struct pawl_stacks *stacks)
{
    return PAWL_STACKS_SLAB_ * (stacks->guard + stacks->bytes);
}

void pawl_stacks_fini_(struct pawl_stacks *stacks)
{
    struct pawl_stack_slab *slab = stacks->slabs;

    while (slab != NULL) {
        struct pawl_stack_slab *next = slab->next;

        for (int i = 0; i < PAWL_STACKS_SLAB_; i++) {
            pawl_lsan_look_away_(slab->stacks[i].low, stacks->bytes);
            VALGRIND_STACK_DEREGISTER(slab->stacks[i].valgrind);
        }
        munmap(slab->memory, slab_bytes(stacks));
        free(slab);
        slab = next;
    }
    free(stacks->caches);
}

/* Nobody may touch it from here on. */
static int guard(struct pawl_stacks *stacks, char *memory)
{
    if (stacks->light_guards && madvise(memory, stacks->guard, MADV_GUARD_INSTALL) == 0)
        return 0;
    stacks->light_guards = false;
    return mprotect(memory, stacks->guard, PROT_NONE) == 0 ? 0 : -ENOMEM;
}

/* A slab's stacks become cold ones. Under the lock. Returns 0 or -ENOMEM. */
static int make_slab(struct pawl_stacks *stacks)
{
    size_t bytes = slab_bytes(stacks), each = stacks->guard + stacks->bytes;
    struct pawl_stack_slab *slab = malloc(sizeof *slab);
    char *memory;

    if (slab == NULL)
        return -ENOMEM;
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        free(slab);
        return -ENOMEM;
    }
    /* The first touch of a stack must not bring a huge page. Where there are none the call fails, and is not needed. */
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < PAWL_STACKS_SLAB_; i++)
        if (guard(stacks, memory + i * each) != 0) {
            munmap(memory, bytes);
            free(slab);
            return -ENOMEM;
        }
    for (size_t i = 0; i < PAWL_STACKS_SLAB_; i++) {
        struct pawl_stack *stack = &slab->stacks[i];
        size_t colour = stacks->made++ % PAWL_STACK_COLOURS_ * COLOUR_BYTES;
        char *low = memory + i * each + stacks->guard;

        *stack = (struct pawl_stack){.next = stacks->cold, .low = low, .top = low + stacks->bytes - colour};
        pawl_lsan_look_into_(low, stacks->bytes); /* not into the guard */
        stack->valgrind = (uint32_t)VALGRIND_STACK_REGISTER(low, low + stacks->bytes);
        stacks->cold = stack;
    }
    slab->memory = memory;
    slab->next = stacks->slabs;
    stacks->slabs = slab;
    return 0;
}

/* Under the lock. */
static struct pawl_stack *take_shared(struct pawl_stacks *stacks)
{
    struct pawl_stack *stack = stacks->warm;

    if (stack != NULL) {
        stacks->warm = stack->next;
        stacks->warm_count--;
        return stack;
    }
    if (stacks->cold == NULL && make_slab(stacks) != 0)
        return NULL;
    stack = stacks->cold;
    stacks->cold = stack->next;
    return stack;
}

/* Under the lock. */
static void give_shared(struct pawl_stacks *stacks, struct pawl_stack *stack)
{
    if (stacks->warm_count < PAWL_STACKS_WARM_) {
        stack->next = stacks->warm;
        stacks->warm = stack;
        stacks->warm_count++;
        return;
    }
    (void)madvise(stack->low, stacks->bytes, MADV_DONTNEED); /* it cannot fail, or the memory merely stays */
    stack->next = stacks->cold;
    stacks->cold = stack;
}

struct pawl_stack *pawl_stacks_get_(struct pawl_stacks *stacks, int worker)
{
    struct pawl_stack_cache *cache = worker < 0 ? NULL : &stacks->caches[worker];
    struct pawl_stack *stack;

    if (cache == NULL || cache->free == NULL) {
        pawl_mutex_lock(&stacks->lock);
        stack = take_shared(stacks);
        for (int i = 0; cache != NULL && i < REFILL && stacks->warm != NULL; i++) {
            struct pawl_stack *more = take_shared(stacks);

            more->next = cache->free;
            cache->free = more;
            cache->count++;
        }
        pawl_mutex_unlock(&stacks->lock);
        if (stack == NULL)
            return NULL;
    } else {
        stack = cache->free;
        cache->free = stack->next;
        cache->count--;
    }
#ifdef WITH_ASAN
    __asan_unpoison_memory_region(stack->low,
                                  stacks->bytes); /* frames of an earlier fiber that never returned */
#endif
    return stack;
}

void pawl_stacks_put_(struct pawl_stacks *stacks, struct pawl_stack *stack, int worker)
{
    struct pawl_stack_cache *cache = worker < 0 ? NULL : &stacks->caches[worker];

    if (cache != NULL && cache->count < PAWL_STACKS_CACHE_) {
        stack->next = cache->free;
        cache->free = stack;
        cache->count++;
        return;
    }
    pawl_mutex_lock(&stacks->lock);
    give_shared(stacks, stack);
    /* half of a full cache too: the next ones go without the lock */
    for (int i = 0; cache != NULL && i < PAWL_STACKS_CACHE_ / 2; i++) {
        stack = cache->free;
        cache->free = stack->next;
        cache->count--;
        give_shared(stacks, stack);
    }
    pawl_mutex_unlock(&stacks->lock);
}
