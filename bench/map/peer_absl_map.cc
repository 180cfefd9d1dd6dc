/* SPDX-License-Identifier: MIT */
/* Abseil's flat_hash_map, the best sequential one, behind 64 mutexes, each with a share of the keys. */
#include "peers.h"

#include <absl/container/flat_hash_map.h>
#include <absl/synchronization/mutex.h>

#include <cstring>
#include <string_view>

namespace
{

struct hasher {
    size_t operator()(const bench_key &key) const
    {
        return absl::Hash<std::string_view>()({reinterpret_cast<const char *>(&key), sizeof key});
    }
};

struct same {
    bool operator()(const bench_key &a, const bench_key &b) const
    {
        return std::memcmp(&a, &b, sizeof a) == 0;
    }
};

/* The hash is computed once, and given to the table, which stores nothing of it but 7 bits. */
struct shard {
    absl::Mutex lock;
    absl::flat_hash_map<bench_key, uint64_t, hasher, same> map;
} __attribute__((aligned(BENCH_LINE_PAIR)));

struct shards {
    shard part[64];
};

inline shard &part_of(shards *all, const bench_key *key)
{
    return all->part[hasher()(*key) >> 57 & 63];
}

inline uint64_t get(shards *all, const bench_key *key)
{
    shard &part = part_of(all, key);
    absl::MutexLock lock(&part.lock);
    auto found = part.map.find(*key);

    return found != part.map.end() ? found->second : 0;
}

inline void put(shards *all, const bench_key *key, uint64_t value)
{
    shard &part = part_of(all, key);
    absl::MutexLock lock(&part.lock);

    part.map[*key] = value;
}

} // namespace

int key_absl_open_empty(unsigned, void **shared)
{
    *shared = new shards();
    return 0;
}

void key_absl_empty(void *shared)
{
    for (shard &part : static_cast<shards *>(shared)->part)
        absl::flat_hash_map<bench_key, uint64_t, hasher, same>().swap(part.map);
}

void key_absl_close(void *shared)
{
    delete static_cast<shards *>(shared);
}

#define LOOP(name) key_absl_##name
#define MAP shards
#define KEY bench_key
#define KEY_OF bench_key_of
#define GET(thread, map, key) get((map), &(key))
#define PUT(thread, map, key, value) put((map), &(key), (value))
#include "loops.h"
