/* SPDX-License-Identifier: MIT */
/* GLib's GHashTable behind a lock for readers and writers, as it is mostly used. */
#include <glib.h>

#include "peers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct table {
    GHashTable *hash;
    pthread_rwlock_t lock;
};

struct item {
    struct bench_key key;
    uint64_t value;
};

static guint hash(gconstpointer key)
{
    return (guint)bench_map_hash(key);
}

static gboolean equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(struct bench_key)) == 0;
}

static inline uint64_t get(struct table *table, const struct bench_key *key)
{
    const struct item *item;
    uint64_t value;

    pthread_rwlock_rdlock(&table->lock);
    item = g_hash_table_lookup(table->hash, key);
    value = item != NULL ? item->value : 0;
    pthread_rwlock_unlock(&table->lock);
    return value;
}

static inline void put(struct table *table, const struct bench_key *key, uint64_t value)
{
    struct item *item;

    pthread_rwlock_wrlock(&table->lock);
    item = g_hash_table_lookup(table->hash, key);
    if (item == NULL) {
        item = g_malloc(sizeof *item);
        item->key = *key;
        g_hash_table_insert(table->hash, item, item);
    }
    item->value = value;
    pthread_rwlock_unlock(&table->lock);
}

int key_glib_open_empty(unsigned threads, void **shared)
{
    struct table *table = g_malloc(sizeof *table);

    (void)threads;
    table->hash = g_hash_table_new_full(hash, equal, NULL, g_free);
    pthread_rwlock_init(&table->lock, NULL);
    *shared = table;
    return 0;
}

void key_glib_empty(void *shared)
{
    struct table *table = shared;

    g_hash_table_destroy(table->hash);
    table->hash = g_hash_table_new_full(hash, equal, NULL, g_free);
}

void key_glib_close(void *shared)
{
    struct table *table = shared;

    g_hash_table_destroy(table->hash);
    g_free(table);
}

#define LOOP(name) key_glib_##name
#define MAP struct table
#define KEY struct bench_key
#define KEY_OF bench_key_of
#define GET(thread, map, key) get((map), &(key))
#define PUT(thread, map, key, value) put((map), &(key), (value))
#include "loops.h"
