/* SPDX-License-Identifier: MIT */
/* Abseil's flat_hash_map, the best sequential one, behind 64 mutexes, each with a share of the keys. */
#include "map_peers.h"

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

int peer_absl_sharded_open_empty(unsigned, void **shared)
{
    *shared = new shards();
    return 0;
}

int peer_absl_sharded_open(unsigned threads, void **shared)
{
    int status = peer_absl_sharded_open_empty(threads, shared);

    for (uint64_t i = 0; i < bench_map_keys; i++) {
        bench_key key = bench_key_of(i);

        put(static_cast<shards *>(*shared), &key, i + 1);
    }
    return status;
}

void peer_absl_sharded_empty(void *shared)
{
    for (shard &part : static_cast<shards *>(shared)->part)
        absl::flat_hash_map<bench_key, uint64_t, hasher, same>().swap(part.map);
}

void peer_absl_sharded_close(void *shared)
{
    delete static_cast<shards *>(shared);
}

#define LOOP(name) peer_absl_sharded_##name
#define MAP shards
#define GET(thread, map, key) get((map), (key))
#define PUT(thread, map, key, value) put((map), (key), (value))
#include "map_loops.h"
