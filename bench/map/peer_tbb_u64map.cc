/* SPDX-License-Identifier: MIT */
/* oneTBB: concurrent_hash_map and concurrent_unordered_map, whose values are atomic, as it locks nothing. */
#include "peers.h"

#include <atomic>
#include <memory>
#include <tbb/concurrent_hash_map.h>
#include <tbb/concurrent_unordered_map.h>

namespace
{

using locked = tbb::concurrent_hash_map<uint64_t, uint64_t>;
using unordered = tbb::concurrent_unordered_map<uint64_t, std::atomic<uint64_t>>;

/* Neither can be emptied and keep no memory: it is made anew. */
template <class M> struct holder {
    std::unique_ptr<M> map{new M()};
};

inline uint64_t get(holder<locked> *h, uint64_t key)
{
    locked::const_accessor at;

    return h->map->find(at, key) ? at->second : 0;
}

inline void put(holder<locked> *h, uint64_t key, uint64_t value)
{
    locked::accessor at;

    h->map->insert(at, key);
    at->second = value;
}

inline uint64_t get(holder<unordered> *h, uint64_t key)
{
    auto found = h->map->find(key);

    return found != h->map->end() ? found->second.load(std::memory_order_acquire) : 0;
}

inline void put(holder<unordered> *h, uint64_t key, uint64_t value)
{
    auto made = h->map->emplace(key, value);

    if (!made.second)
        made.first->second.store(value, std::memory_order_release);
}

} // namespace

#define PEER(name, type)                                            \
    int name##_open_empty(unsigned, void **shared)                  \
    {                                                               \
        *shared = new holder<type>();                               \
        return 0;                                                   \
    }                                                               \
    void name##_empty(void *shared)                                 \
    {                                                               \
        static_cast<holder<type> *>(shared)->map.reset(new type()); \
    }                                                               \
    void name##_close(void *shared)                                 \
    {                                                               \
        delete static_cast<holder<type> *>(shared);                 \
    }

PEER(word_tbb, locked)
PEER(word_tbb_unordered, unordered)

#define LOOP(name) word_tbb_##name
#define MAP holder<locked>
#define KEY uint64_t
#define KEY_OF bench_word_of
#define GET(thread, map, key) get((map), (key))
#define PUT(thread, map, key, value) put((map), (key), (value))
#include "loops.h"

#define LOOP(name) word_tbb_unordered_##name
#define MAP holder<unordered>
#define KEY uint64_t
#define KEY_OF bench_word_of
#define GET(thread, map, key) get((map), (key))
#define PUT(thread, map, key, value) put((map), (key), (value))
#include "loops.h"
