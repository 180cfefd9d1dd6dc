/* SPDX-License-Identifier: MIT */
/* Abseil's flat_hash_map, the best sequential one: behind 64 mutexes, each with a share of the keys, and
 * alone, with no synchronisation at all, which is right for gets only and says what there is to win. */
#include "peers.h"

#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>

namespace
{

using table = absl::flat_hash_map<uint64_t, uint64_t>;

struct shard {
    absl::Mutex lock;
    table map;
} __attribute__((aligned(BENCH_LINE_PAIR)));

struct shards {
    shard part[64];
};

inline shard &part_of(shards *all, uint64_t key)
{
    return all->part[absl::Hash<uint64_t>()(key) >> 57 & 63];
}

inline uint64_t get(shards *all, uint64_t key)
{
    shard &part = part_of(all, key);
    absl::MutexLock lock(&part.lock);
    auto found = part.map.find(key);

    return found != part.map.end() ? found->second : 0;
}

inline void put(shards *all, uint64_t key, uint64_t value)
{
    shard &part = part_of(all, key);
    absl::MutexLock lock(&part.lock);

    part.map[key] = value;
}

inline uint64_t get(table *map, uint64_t key)
{
    auto found = map->find(key);

    return found != map->end() ? found->second : 0;
}

inline void put(table *map, uint64_t key, uint64_t value)
{
    (*map)[key] = value;
}

} // namespace

#define PEER(name, type)                           \
    int name##_open_empty(unsigned, void **shared) \
    {                                              \
        *shared = new type();                      \
        return 0;                                  \
    }                                              \
    void name##_close(void *shared)                \
    {                                              \
        delete static_cast<type *>(shared);        \
    }

PEER(word_absl, shards)
PEER(word_absl_alone, table)

void word_absl_empty(void *shared)
{
    for (shard &part : static_cast<shards *>(shared)->part)
        table().swap(part.map);
}

void word_absl_alone_empty(void *shared)
{
    table().swap(*static_cast<table *>(shared));
}

#define LOOP(name) word_absl_##name
#define MAP shards
#define KEY uint64_t
#define KEY_OF bench_word_of
#define GET(thread, map, key) get((map), (key))
#define PUT(thread, map, key, value) put((map), (key), (value))
#include "loops.h"

#define LOOP(name) word_absl_alone_##name
#define MAP table
#define KEY uint64_t
#define KEY_OF bench_word_of
#define GET(thread, map, key) get((map), (key))
#define PUT(thread, map, key, value) put((map), (key), (value))
#include "loops.h"
