/* SPDX-License-Identifier: MIT */
/* Concurrency Kit's ck_ht: readers without a lock, writers under a mutex. Keys stand in memory of their own. */
#include <ck_ht.h>

#include "peers.h"

#include <pthread.h>
#include <stdlib.h>

struct table {
    ck_ht_t ht;
    pthread_mutex_t lock;
};

static void hash(ck_ht_hash_t *result, const void *key, size_t length, uint64_t seed)
{
    (void)length;
    (void)seed;
    result->value = bench_map_hash(key);
}

static void *allocate(size_t bytes)
{
    return malloc(bytes);
}

/* What resizes leave is not freed: readers may be there, and it wants a reclamation of one's own. */
static void release(void *memory, size_t bytes, bool defer)
{
    (void)bytes;
    if (!defer)
        free(memory);
}

static struct ck_malloc memory = {.malloc = allocate, .free = release};

static inline uint64_t get(struct table *table, const struct bench_key *key)
{
    ck_ht_entry_t entry;
    ck_ht_hash_t h;

    ck_ht_hash(&h, &table->ht, key, sizeof *key);
    ck_ht_entry_key_set(&entry, key, sizeof *key);
    if (!ck_ht_get_spmc(&table->ht, h, &entry))
        return 0;
    return *(uint64_t *)ck_ht_entry_value(&entry);
}

struct item {
    struct bench_key key;
    uint64_t value;
};

static inline void put(struct table *table, const struct bench_key *key, uint64_t value)
{
    ck_ht_entry_t entry;
    struct item *item;
    ck_ht_hash_t h;

    pthread_mutex_lock(&table->lock);
    ck_ht_hash(&h, &table->ht, key, sizeof *key);
    ck_ht_entry_key_set(&entry, key, sizeof *key);
    if (ck_ht_get_spmc(&table->ht, h, &entry)) { /* its value changes in place */
        __atomic_store_n((uint64_t *)ck_ht_entry_value(&entry), value, __ATOMIC_RELAXED);
    } else {
        item = malloc(sizeof *item);
        if (item == NULL)
            abort();
        *item = (struct item){*key, value};
        ck_ht_entry_set(&entry, h, &item->key, sizeof item->key, &item->value);
        if (!ck_ht_put_spmc(&table->ht, h, &entry))
            abort();
    }
    pthread_mutex_unlock(&table->lock);
}

int key_ck_open_empty(unsigned threads, void **shared)
{
    struct table *table = calloc(1, sizeof *table);

    (void)threads;
    if (table == NULL || !ck_ht_init(&table->ht, CK_HT_MODE_BYTESTRING, hash, &memory, 64, 0))
        abort();
    pthread_mutex_init(&table->lock, NULL);
    *shared = table;
    return 0;
}

void key_ck_empty(void *shared)
{
    struct table *table = shared;
    ck_ht_iterator_t iterator = CK_HT_ITERATOR_INITIALIZER;
    ck_ht_entry_t *entry;

    while (ck_ht_next(&table->ht, &iterator, &entry))
        free(ck_ht_entry_key(entry));
    ck_ht_destroy(&table->ht);
    if (!ck_ht_init(&table->ht, CK_HT_MODE_BYTESTRING, hash, &memory, 64, 0))
        abort();
}

void key_ck_close(void *shared)
{
    struct table *table = shared;

    key_ck_empty(table);
    ck_ht_destroy(&table->ht);
    free(table);
}

#define LOOP(name) key_ck_##name
#define MAP struct table
#define KEY struct bench_key
#define KEY_OF bench_key_of
#define GET(thread, map, key) get((map), &(key))
#define PUT(thread, map, key, value) put((map), &(key), (value))
#include "loops.h"
