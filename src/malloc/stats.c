/* SPDX-License-Identifier: MIT */
/* Statistics: counted when somebody asks, from spans and chains. The fast path counts nothing. */
#include "cache.h"
#include "central.h"
#include "decay.h"
#include "large.h"
#include "meta.h"
#include "page_heap.h"
#include "profile.h"
#include "settings.h"
#include "size_class.h"
#include "slab.h"
#include "start.h"
#include "text.h"

#include <errno.h>
#include <pawl/malloc.h>
#include <string.h>

PAWL_STATIC_ASSERT(PAWL_MALLOC_CLASSES == SIZE_CLASSES - 1, "class 0 is none");

static const char *mode_name(void)
{
    static const char *const names[] = {
        [CACHE_NONE] = "none", [CACHE_CPU] = "cpu", [CACHE_LOCKED] = "locked"};

    return names[pawl_settings_.hardened ? CACHE_NONE : pawl_cache_mode_];
}

static void count_classes(struct pawl_malloc_stats *stats)
{
    uint64_t cached[CLASSES];

    pawl_cache_count_(cached);
    for (uint32_t c = 1; c < SIZE_CLASSES; c++) {
        struct central_counts counts = pawl_central_count_(c);
        struct pawl_malloc_class_stats *class = &stats->classes[c - 1];
        uint64_t elsewhere;

        class->size = pawl_malloc_class_[c].size;
        class->spans = counts.spans;
        class->memory = counts.pages << PAGE_SHIFT;
        class->blocks = counts.objects;
        class->cached = cached[c];
        class->moving = counts.moving;
        elsewhere = counts.left + class->cached + class->moving;
        class->used = elsewhere < class->blocks ? class->blocks - elsewhere : 0;
        stats->used += class->used * class->size;
        stats->cached += (class->cached + class->moving) * class->size;
        stats->fragmented += counts.left * class->size;
    }
}

void pawl_malloc_get_stats(struct pawl_malloc_stats *stats)
{
    struct page_counts pages;
    uint64_t sampled;
    uint64_t sampled_bytes;

    memset(stats, 0, sizeof *stats);
    stats->mode = "none";
    if (!started())
        return;
    stats->mode = mode_name();
    stats->hardened = pawl_settings_.hardened;
    count_classes(stats);
    pawl_slabs_count_(stats);
    pawl_large_count_(&stats->large_blocks, &stats->large);
    stats->large <<= PAGE_SHIFT;
    pawl_profile_live_(&sampled, &sampled_bytes);
    stats->used += stats->large + sampled_bytes;
    pages = pawl_pages_count_();
    stats->idle = pages.idle << PAGE_SHIFT;
    stats->mapped = pages.mapped << PAGE_SHIFT;
    stats->peak = pages.peak << PAGE_SHIFT;
    stats->returned = pages.returned << PAGE_SHIFT;
    stats->metadata = pawl_meta_bytes_();
    stats->caches = pawl_cache_used_();
}

/* ---- writing ---- */

static uint64_t percent(uint64_t part, uint64_t whole)
{
    return whole != 0 ? (part * 100 + whole / 2) / whole : 0;
}

static void write_text(struct text *text, const struct pawl_malloc_stats *s)
{
    const struct {
        const char *name;
        uint64_t value;
        const char *meaning;
    } lines[] = {
        {"used", s->used, "in blocks of the program"},
        {"large", s->large, "of that, in blocks of whole pages"},
        {"cached", s->cached, "free, in caches and on the way between them"},
        {"fragmented", s->fragmented, "free, between blocks in use"},
        {"idle", s->idle, "free pages that hold memory"},
        {"mapped", s->mapped, "addresses"},
        {"metadata", s->metadata, "what the allocator knows"},
        {"peak", s->peak, "most pages in use at a time"},
        {"returned", s->returned, "to the kernel, in all"},
    };

    pawl_text_add_(text, "pawl-malloc: caches: %u, mode %s%s\n", (uint64_t)s->caches, s->mode,
                   s->hardened ? ", hardened" : "");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        pawl_text_add_(text, "pawl-malloc: %w%u KiB %w%s  %s\n", 12, (lines[i].value + 1023) / 1024, 10,
                       lines[i].name, lines[i].meaning);
    pawl_text_add_(text, "pawl-malloc:   size    spans      KiB     used   cached   moving  free %%\n");
    for (uint32_t c = 0; c < PAWL_MALLOC_CLASSES; c++) {
        const struct pawl_malloc_class_stats *k = &s->classes[c];

        if (k->spans > 0)
            pawl_text_add_(text, "pawl-malloc: %w%u %w%u %w%u %w%u %w%u %w%u %w%u\n", 6, (uint64_t)k->size, 8,
                           k->spans, 8, k->memory / 1024, 8, k->used, 8, k->cached, 8, k->moving, 7,
                           percent(k->blocks - k->used, k->blocks));
    }
}

static void write_json(struct text *text, const struct pawl_malloc_stats *s)
{
    const char *comma = "";

    pawl_text_add_(
        text,
        "{\"mode\":\"%s\",\"hardened\":%s,\"caches\":%u,\"used\":%u,\"large\":%u,\"large_blocks\":%u,"
        "\"cached\":%u,\"fragmented\":%u,\"idle\":%u,\"mapped\":%u,\"metadata\":%u,\"peak\":%u,"
        "\"returned\":%u,\"classes\":[",
        s->mode, s->hardened ? "true" : "false", (uint64_t)s->caches, s->used, s->large, s->large_blocks,
        s->cached, s->fragmented, s->idle, s->mapped, s->metadata, s->peak, s->returned);
    for (uint32_t c = 0; c < PAWL_MALLOC_CLASSES; c++) {
        const struct pawl_malloc_class_stats *k = &s->classes[c];

        if (k->spans == 0)
            continue;
        pawl_text_add_(
            text,
            "%s{\"size\":%u,\"spans\":%u,\"memory\":%u,\"blocks\":%u,\"used\":%u,\"cached\":%u,\"moving\":%u}",
            comma, (uint64_t)k->size, k->spans, k->memory, k->blocks, k->used, k->cached, k->moving);
        comma = ",";
    }
    pawl_text_add_(text, "]}\n");
}

int pawl_malloc_stats_write(int fd, enum pawl_malloc_format format)
{
    struct pawl_malloc_stats stats;
    struct text text;

    pawl_malloc_get_stats(&stats);
    pawl_text_begin_(&text, fd);
    if (format == PAWL_MALLOC_JSON)
        write_json(&text, &stats);
    else
        write_text(&text, &stats);
    return pawl_text_end_(&text);
}

uint64_t pawl_malloc_leaks(int fd)
{
    struct pawl_malloc_stats stats;
    struct text text;
    uint64_t blocks;
    uint64_t bytes;
    uint64_t sampled;
    uint64_t sampled_bytes;

    if (started())
        pawl_decay_gather_();
    pawl_malloc_get_stats(&stats);
    blocks = stats.large_blocks;
    bytes = stats.large;
    pawl_text_begin_(&text, fd);
    if (stats.large_blocks > 0)
        pawl_text_add_(&text, "pawl-malloc: not freed: %w%u blocks above %u bytes, %u bytes\n", 8,
                       stats.large_blocks, (uint64_t)SMALL_MAX, stats.large);
    for (uint32_t c = 0; c < PAWL_MALLOC_CLASSES; c++) {
        const struct pawl_malloc_class_stats *k = &stats.classes[c];

        if (k->used == 0)
            continue;
        blocks += k->used;
        bytes += k->used * k->size;
        pawl_text_add_(&text, "pawl-malloc: not freed: %w%u blocks of %w%u bytes\n", 8, k->used, 5,
                       (uint64_t)k->size);
    }
    pawl_slabs_leaks_(&text, &blocks, &bytes);
    pawl_profile_live_(&sampled, &sampled_bytes);
    if (sampled > 0)
        pawl_text_add_(&text, "pawl-malloc: not freed: %w%u sampled blocks, %u bytes\n", 8, sampled,
                       sampled_bytes);
    blocks += sampled;
    bytes += sampled_bytes;
    pawl_text_add_(&text, "pawl-malloc: not freed: %u blocks, %u bytes in all\n", blocks, bytes);
    (void)pawl_text_end_(&text);
    return blocks;
}

/* ---- steering ---- */

int pawl_malloc_profile_start(size_t bytes)
{
    if (!started())
        return -ENOMEM;
    if (!pawl_profile_open_(bytes > 0 ? bytes : pawl_settings_.sample_bytes))
        return -EBUSY;
    pawl_store_relaxed(&pawl_map_.fast_max, (size_t)0); /* relaxed: see fast_max() */
    return 0;
}

int pawl_malloc_profile_write(int fd)
{
    return pawl_profile_is_on_() ? pawl_profile_write_(fd) : -EINVAL;
}

size_t pawl_malloc_release(size_t keep)
{
    if (!started())
        return 0;
    pawl_decay_gather_();
    return pawl_pages_release_(keep >> PAGE_SHIFT) << PAGE_SHIFT;
}

int pawl_malloc_background_start(void)
{
    return pawl_decay_start_();
}

void pawl_malloc_background_stop(void)
{
    pawl_decay_stop_();
}
