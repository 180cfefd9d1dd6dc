/* SPDX-License-Identifier: MIT */
#include "slab.h"

#include "block.h"
#include "cache.h"
#include "central.h"
#include "decay.h"
#include "fail.h"
#include "hardened.h"
#include "lock.h"
#include "map.h"
#include "profile.h"
#include "settings.h"
#include "size_class.h"
#include "span.h"
#include "start.h"
#include "system.h"

#include <errno.h>
#include <pawl/malloc.h>
#include <pawl/slab.h>

PAWL_STATIC_ASSERT(PAWL_SLABS_MAX == SLAB_CLASSES, "a class each");

struct pawl_slab {
    uint32_t class;
    uint32_t entry; /* of its class, in a cache */
    bool open;
    size_t bytes; /* of an object, as asked for */
    size_t alignment;
    const char *name;
} PAWL_LINE_PAIR_ALIGNED;

static struct pawl_slab slabs[SLAB_CLASSES];
static struct pawl_mutex lock; /* of which are open */

/* ---- open and close ---- */

/* Whether the kernel knows the node, and we may use it. */
static int try_node(uint32_t node)
{
    void *trial;
    int status;

    if (node == PAWL_SLAB_ANY_NODE)
        return 0;
    trial = pawl_system_map_(PAGE_BYTES);
    if (trial == NULL)
        return -ENOMEM;
    status = pawl_system_bind_(trial, PAGE_BYTES, node);
    pawl_system_unmap_(trial, PAGE_BYTES);
    return status;
}

/* A slot that is free, made one of this kind; NULL: there is none. */
static struct pawl_slab *take_slot(const struct pawl_slab_options *options, size_t alignment)
{
    struct pawl_slab *slab = NULL;

    pawl_mutex_lock(&lock);
    for (uint32_t i = 0; i < SLAB_CLASSES && slab == NULL; i++)
        if (!slabs[i].open)
            slab = &slabs[i];
    if (slab != NULL) {
        slab->class = SIZE_CLASSES + (uint32_t)(slab - slabs);
        slab->entry = entry_of(slab->class);
        slab->open = true;
        slab->bytes = options->object_bytes;
        slab->alignment = alignment;
        slab->name = options->name != NULL ? options->name : "slab";
        pawl_malloc_set_class_(slab->class, (uint32_t)ROUND_UP(options->object_bytes, alignment),
                               options->node);
    }
    pawl_mutex_unlock(&lock);
    return slab;
}

struct pawl_slab *pawl_slab_open(const struct pawl_slab_options *options)
{
    size_t alignment = options->alignment > ALIGNMENT ? options->alignment : ALIGNMENT;
    struct pawl_slab *slab;
    int status;

    if (options->object_bytes == 0 || options->object_bytes > SMALL_MAX || alignment > PAGE_BYTES ||
        (options->alignment & (options->alignment - 1)) != 0) {
        errno = EINVAL;
        return NULL;
    }
    status = started() ? try_node(options->node) : -ENOMEM;
    if (status != 0) {
        errno = -status;
        return NULL;
    }
    slab = take_slot(options, alignment);
    if (slab == NULL)
        errno = ENOSPC;
    return slab;
}

int64_t pawl_slab_close(struct pawl_slab *slab)
{
    uint64_t used;

    if (slab == NULL)
        return 0;
    /* Hardened, its class was never used. */
    if (!pawl_cache_drain_(0))
        return -ENOTSUP;
    pawl_mutex_lock(&lock);
    used = pawl_central_end_(slab->class);
    slab->open = false;
    pawl_mutex_unlock(&lock);
    return (int64_t)used;
}

/* ---- objects ---- */

static struct node *once(struct pawl_slab *slab)
{
    struct node *node;

    if (pawl_settings_.hardened)
        return pawl_hardened_alloc_(slab->bytes, slab->alignment);
    if (pawl_profile_due_(slab->bytes)) {
        node = pawl_profile_alloc_(slab->bytes, slab->alignment);
        if (node != NULL)
            return node;
    }
    node = pawl_cache_alloc_(slab->class);
    return node != NULL ? node_hand_out(node) : NULL;
}

static PAWL_COLD void *alloc_slow(struct pawl_slab *slab)
{
    struct node *node = once(slab);

    if (PAWL_UNLIKELY(node == NULL)) {
        /* What lies in caches may be the missing pages. */
        pawl_decay_gather_();
        node = once(slab);
        if (node == NULL)
            errno = ENOMEM;
    }
    return node;
}

void *pawl_slab_alloc(struct pawl_slab *slab)
{
#if PAWL_PERCPU_SEQUENCES
    if (PAWL_LIKELY(fast_max() != 0)) {
        void *object = node_hand_out(cache_seq_take(&pawl_cache_table_.pc, slab->entry));

        if (PAWL_LIKELY(object != NULL))
            return object;
    }
#endif
    return alloc_slow(slab);
}

static PAWL_COLD void free_slow(struct pawl_slab *slab, void *object)
{
    const struct span *span;

    if (object == NULL)
        return;
    span = span_at(object);
    if (span == NULL || (span->use == SPAN_OBJECTS && !pawl_settings_.hardened && span->class != slab->class))
        pawl_malloc_fail_("pawl_slab_free() of an address that is no object of this slab", object);
    pawl_block_free_(object);
}

void pawl_slab_free(struct pawl_slab *slab, void *object)
{
#if PAWL_PERCPU_SEQUENCES
    size_t page = page_of(object);

    if (PAWL_LIKELY(page < fast_pages()) && PAWL_LIKELY(pawl_map_.kind[page] == slab->entry)) {
        if (PAWL_UNLIKELY(!cache_seq_give(&pawl_cache_table_.pc, slab->entry, object)))
            pawl_block_overflow_(object, slab->entry);
        return;
    }
#endif
    free_slow(slab, object);
}

/* ---- statistics ---- */

void pawl_slab_get_stats(struct pawl_slab *slab, struct pawl_slab_stats *stats)
{
    struct central_counts counts = pawl_central_count_(slab->class);
    uint64_t cached[CLASSES];
    uint64_t elsewhere;

    pawl_cache_count_(cached);
    stats->object_bytes = pawl_malloc_class_[slab->class].size;
    stats->spans = counts.spans;
    stats->memory = counts.pages << PAGE_SHIFT;
    stats->objects = counts.objects;
    stats->cached = cached[slab->class];
    stats->moving = counts.moving;
    elsewhere = counts.left + stats->cached + stats->moving;
    stats->used = elsewhere < stats->objects ? stats->objects - elsewhere : 0;
}

void pawl_slabs_count_(struct pawl_malloc_stats *stats)
{
    pawl_mutex_lock(&lock);
    for (uint32_t i = 0; i < SLAB_CLASSES; i++) {
        struct pawl_slab_stats one;
        uint64_t elsewhere;

        if (!slabs[i].open)
            continue;
        pawl_slab_get_stats(&slabs[i], &one);
        elsewhere = one.used + one.cached + one.moving;
        stats->used += one.used * one.object_bytes;
        stats->cached += (one.cached + one.moving) * one.object_bytes;
        stats->fragmented += (one.objects > elsewhere ? one.objects - elsewhere : 0) * one.object_bytes;
    }
    pawl_mutex_unlock(&lock);
}

void pawl_slabs_leaks_(struct text *text, uint64_t *blocks, uint64_t *bytes)
{
    pawl_mutex_lock(&lock);
    for (uint32_t i = 0; i < SLAB_CLASSES; i++) {
        struct pawl_slab_stats one;

        if (!slabs[i].open)
            continue;
        pawl_slab_get_stats(&slabs[i], &one);
        if (one.used == 0)
            continue;
        *blocks += one.used;
        *bytes += one.used * one.object_bytes;
        pawl_text_add_(text, "pawl-malloc: not freed: %w%u objects of %w%u bytes, %s\n", 8, one.used, 5,
                       (uint64_t)one.object_bytes, slabs[i].name);
    }
    pawl_mutex_unlock(&lock);
}

void pawl_slabs_lock_(void)
{
    pawl_mutex_lock(&lock);
}

void pawl_slabs_unlock_(bool child)
{
    lock_release(&lock, child);
}
