/* SPDX-License-Identifier: MIT */
#include "detail.h"
#include "turn.h"

#include <pawl/atomic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUCKETS = 1024, COUNTS = 4 };

struct prefix {
    struct prefix *next;
    uint64_t counts[COUNTS]; /* by enum cache_detail_what */
    uint32_t bytes;
    char text[];
};

struct cache_detail {
    PAWL_ATOMIC(bool) on; /* relaxed: a setting; some commands more or less are counted */
    char delimiter;
    pthread_mutex_t lock;
    uint32_t prefixes;
    struct prefix *buckets[BUCKETS];
};

struct cache_detail *cache_detail_open(char delimiter, bool on)
{
    struct cache_detail *detail = calloc(1, sizeof *detail);

    if (detail == NULL)
        return NULL;
    detail->delimiter = delimiter;
    (void)pthread_mutex_init(&detail->lock, NULL);
    cache_detail_turn(detail, on);
    return detail;
}

static void forget_all(struct cache_detail *detail)
{
    for (uint32_t i = 0; i < BUCKETS; i++) {
        while (detail->buckets[i] != NULL) {
            struct prefix *prefix = detail->buckets[i];

            detail->buckets[i] = prefix->next;
            free(prefix);
        }
    }
    detail->prefixes = 0;
}

void cache_detail_close(struct cache_detail *detail)
{
    if (detail == NULL)
        return;
    forget_all(detail);
    (void)pthread_mutex_destroy(&detail->lock);
    free(detail);
}

void cache_detail_turn(struct cache_detail *detail, bool on)
{
    pawl_store_relaxed(&detail->on, on); /* relaxed: see the field */
}

bool cache_detail_is_on(const struct cache_detail *detail)
{
    return pawl_load_relaxed(&detail->on); /* relaxed: see the field */
}

void cache_detail_clear(struct cache_detail *detail)
{
    (void)pthread_mutex_lock(&detail->lock);
    forget_all(detail);
    (void)pthread_mutex_unlock(&detail->lock);
}

/* Under the lock. NULL: there are too many, or no memory for one more. */
static struct prefix *find(struct cache_detail *detail, const char *text, uint32_t bytes)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    struct prefix **bucket, *prefix;

    for (uint32_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    bucket = &detail->buckets[hash % BUCKETS];
    for (prefix = *bucket; prefix != NULL; prefix = prefix->next)
        if (prefix->bytes == bytes && memcmp(prefix->text, text, bytes) == 0)
            return prefix;
    if (detail->prefixes == CACHE_DETAIL_MAX)
        return NULL;
    prefix = calloc(1, sizeof *prefix + bytes);
    if (prefix == NULL)
        return NULL;
    prefix->bytes = bytes;
    memcpy(prefix->text, text, bytes);
    prefix->next = *bucket;
    *bucket = prefix;
    detail->prefixes++;
    return prefix;
}

void cache_detail_count_(struct cache_detail *detail, const char *key, size_t key_bytes,
                         enum cache_detail_what what)
{
    const char *end = memchr(key, detail->delimiter, key_bytes);
    struct prefix *prefix;

    if (end == NULL)
        return; /* it has none */
    (void)pthread_mutex_lock(&detail->lock);
    prefix = find(detail, key, (uint32_t)(end - key));
    if (prefix != NULL)
        prefix->counts[what]++;
    (void)pthread_mutex_unlock(&detail->lock);
}

void cache_detail_dump(struct cache_detail *detail, struct cache_reply *reply)
{
    (void)pthread_mutex_lock(&detail->lock);
    for (uint32_t i = 0; i < BUCKETS; i++) {
        for (const struct prefix *prefix = detail->buckets[i]; prefix != NULL; prefix = prefix->next) {
            const uint64_t *counts = prefix->counts,
                           gets = counts[CACHE_DETAIL_MISS] + counts[CACHE_DETAIL_HIT];
            char text[128];
            const int count = snprintf(text, sizeof text, " get %llu hit %llu set %llu del %llu\r\n",
                                       (unsigned long long)gets, (unsigned long long)counts[CACHE_DETAIL_HIT],
                                       (unsigned long long)counts[CACHE_DETAIL_SET],
                                       (unsigned long long)counts[CACHE_DETAIL_DELETE]);

            cache_reply_append(reply, "PREFIX ", 7);
            cache_reply_append(reply, prefix->text, prefix->bytes);
            cache_reply_append(reply, text, (size_t)count);
        }
    }
    (void)pthread_mutex_unlock(&detail->lock);
}
