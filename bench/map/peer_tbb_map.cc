/* SPDX-License-Identifier: MIT */
/* oneTBB: concurrent_hash_map (a lock an element) and concurrent_unordered_map (lock-free, values changed in
 * place). */
#include "peers.h"

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

} // namespace

#define OPEN(name, type)                           \
    int name##_open_empty(unsigned, void **shared) \
    {                                              \
        *shared = new type();                      \
        return 0;                                  \
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

OPEN(key_tbb, hash_map)
#define LOOP(name) key_tbb_##name
#define MAP hash_map
#define KEY bench_key
#define KEY_OF bench_key_of
#define GET(thread, map, key) get((map), &(key))
#define PUT(thread, map, key, value) put((map), &(key), (value))
#include "loops.h"

OPEN(key_tbb_unordered, unordered)
#define LOOP(name) key_tbb_unordered_##name
#define MAP unordered
#define KEY bench_key
#define KEY_OF bench_key_of
#define GET(thread, map, key) get((map), &(key))
#define PUT(thread, map, key, value) put((map), &(key), (value))
#include "loops.h"
