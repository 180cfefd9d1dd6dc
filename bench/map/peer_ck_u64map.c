/* SPDX-License-Identifier: MIT */
/* Concurrency Kit's ck_ht with direct keys and values: readers without a lock, writers under a mutex. */
#include <ck_ht.h>

#include "peers.h"

#include <pthread.h>
#include <stdlib.h>

struct table {
    ck_ht_t ht;
    pthread_mutex_t lock;
};

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

/* The keys are mixed: no other hash is needed. */
static inline void hash_of(ck_ht_hash_t *h, uint64_t key)
{
    h->value = key ^ key >> 32;
}

static inline uint64_t get(struct table *table, uint64_t key)
{
    ck_ht_entry_t entry;
    ck_ht_hash_t h;

    hash_of(&h, key);
    ck_ht_entry_key_set_direct(&entry, key);
    return ck_ht_get_spmc(&table->ht, h, &entry) ? ck_ht_entry_value_direct(&entry) : 0;
}

static inline void put(struct table *table, uint64_t key, uint64_t value)
{
    ck_ht_entry_t entry;
    ck_ht_hash_t h;

    hash_of(&h, key);
    ck_ht_entry_set_direct(&entry, h, key, value);
    pthread_mutex_lock(&table->lock);
    if (!ck_ht_set_spmc(&table->ht, h, &entry))
        abort();
    pthread_mutex_unlock(&table->lock);
}

static void open_table(struct table *table)
{
    if (!ck_ht_init(&table->ht, CK_HT_MODE_DIRECT, NULL, &memory, 64, 0))
        abort();
}

int word_ck_open_empty(unsigned threads, void **shared)
{
    struct table *table = calloc(1, sizeof *table);

    (void)threads;
    if (table == NULL)
        abort();
    open_table(table);
    pthread_mutex_init(&table->lock, NULL);
    *shared = table;
    return 0;
}

void word_ck_empty(void *shared)
{
    struct table *table = shared;

    ck_ht_destroy(&table->ht);
    open_table(table);
}

void word_ck_close(void *shared)
{
    struct table *table = shared;

    ck_ht_destroy(&table->ht);
    free(table);
}

#define LOOP(name) word_ck_##name
#define MAP struct table
#define KEY uint64_t
#define KEY_OF bench_word_of
#define GET(thread, map, key) get((map), (key))
#define PUT(thread, map, key, value) put((map), (key), (value))
#include "loops.h"
