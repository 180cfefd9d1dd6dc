/* SPDX-License-Identifier: MIT */
/* oneTBB: concurrent_hash_map (a lock an element) and concurrent_unordered_map (lock-free, values changed in place). */
#include "map_peers.h"

#include <tbb/concurrent_hash_map.h>
#include <tbb/concurrent_unordered_map.h>

#include <atomic>
#include <cstring>

namespace
{

struct same {
    bool operator()(const bench_key &a, const bench_key &b) const
    {
        return std::memcmp(&a, &b, sizeof a) == 0;
    }
};

struct hasher {
    size_t operator()(const bench_key &key) const
    {
        return bench_map_hash(&key);
    }
};

struct hash_compare {
    size_t hash(const bench_key &key) const
    {
        return bench_map_hash(&key);
    }
    bool equal(const bench_key &a, const bench_key &b) const
    {
        return std::memcmp(&a, &b, sizeof a) == 0;
    }
};

using hash_map = tbb::concurrent_hash_map<bench_key, uint64_t, hash_compare>;

struct word {
    std::atomic<uint64_t> value;
    explicit word(uint64_t v) : value(v)
    {
    }
};
using unordered = tbb::concurrent_unordered_map<bench_key, word, hasher, same>;

inline uint64_t get(hash_map *map, const bench_key *key)
{
    hash_map::const_accessor found;

    return map->find(found, *key) ? found->second : 0;
}

inline void put(hash_map *map, const bench_key *key, uint64_t value)
{
    hash_map::accessor found;

    map->insert(found, *key);
    found->second = value;
}

inline uint64_t get(unordered *map, const bench_key *key)
{
    auto found = map->find(*key);

    return found != map->end() ? found->second.value.load(std::memory_order_relaxed) : 0;
}

inline void put(unordered *map, const bench_key *key, uint64_t value)
{
    auto found = map->find(*key);

    if (found == map->end())
        found = map->emplace(*key, value).first;
    found->second.value.store(value, std::memory_order_relaxed);
}

template <class Map> int fill(void **shared)
{
    Map *map = new Map();

    for (uint64_t i = 0; i < bench_map_keys; i++) {
        bench_key key = bench_key_of(i);

        put(map, &key, i + 1);
    }
    *shared = map;
    return 0;
}

} // namespace

#define OPEN(name, type)                           \
    int name##_open_empty(unsigned, void **shared) \
    {                                              \
        *shared = new type();                      \
        return 0;                                  \
    }                                              \
    int name##_open(unsigned, void **shared)       \
    {                                              \
        return fill<type>(shared);                 \
    }                                              \
    void name##_empty(void *shared)                \
    {                                              \
        type fresh;                                \
                                                   \
        static_cast<type *>(shared)->swap(fresh);  \
    }                                              \
    void name##_close(void *shared)                \
    {                                              \
        delete static_cast<type *>(shared);        \
    }

OPEN(peer_tbb_hash_map, hash_map)
#define LOOP(name) peer_tbb_hash_map_##name
#define MAP hash_map
#define GET(thread, map, key) get((map), (key))
#define PUT(thread, map, key, value) put((map), (key), (value))
#include "map_loops.h"

OPEN(peer_tbb_unordered, unordered)
#define LOOP(name) peer_tbb_unordered_##name
#define MAP unordered
#define GET(thread, map, key) get((map), (key))
#define PUT(thread, map, key, value) put((map), (key), (value))
#include "map_loops.h"
