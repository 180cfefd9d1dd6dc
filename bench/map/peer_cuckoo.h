/* SPDX-License-Identifier: MIT */
/* libcuckoo: buckets of four behind spinning locks, of which an operation takes two. Defined before this is
 * included:
 *
 *   LOOP, KEY, KEY_OF    as loops.h wants them
 *   HASH(key)            the hash of a key */
#include "peers.h"

#include <libcuckoo/cuckoohash_map.hh>

#include <cstring>

namespace
{

struct hasher {
    size_t operator()(const KEY &key) const
    {
        return HASH(key);
    }
};

struct same {
    bool operator()(const KEY &a, const KEY &b) const
    {
        return std::memcmp(&a, &b, sizeof a) == 0;
    }
};

using table = libcuckoo::cuckoohash_map<KEY, uint64_t, hasher, same>;

inline uint64_t get(table *map, const KEY &key)
{
    uint64_t value = 0;

    map->find(key, value);
    return value;
}

inline void put(table *map, const KEY &key, uint64_t value)
{
    map->insert_or_assign(key, value);
}

} // namespace

/* NOLINTBEGIN(misc-definitions-in-headers): included for its definitions, as loops.h */
int LOOP(open_empty)(unsigned, void **shared)
{
    *shared = new table();
    return 0;
}

void LOOP(empty)(void *shared)
{
    *static_cast<table *>(shared) = table();
}

void LOOP(close)(void *shared)
{
    delete static_cast<table *>(shared);
}
/* NOLINTEND(misc-definitions-in-headers) */

#define MAP table
#define GET(thread, map, key) get((map), (key))
#define PUT(thread, map, key, value) put((map), (key), (value))
#include "loops.h"
