/* SPDX-License-Identifier: MIT */
/* The groups of the benchmarks of maps, and who takes part. Defined before this is included:
 *
 *   KIND    key or word: the peers' names begin with it; ours begins with pawl
 *
 * and pawl_open, pawl_open_empty, pawl_empty, pawl_close and the loops. Peers that have one
 * kind of keys only stand with the includer. */
#ifndef BENCH_MAP_CONTENDERS_H
#define BENCH_MAP_CONTENDERS_H

#include "keys.h"
#include "peers.h"

#define OPENERS(name)                                            \
    static int name##_open_few(unsigned threads, void **shared)  \
    {                                                            \
        bench_map_set_keys(1000);                                \
        return name##_open(threads, shared);                     \
    }                                                            \
    static int name##_open_many(unsigned threads, void **shared) \
    {                                                            \
        bench_map_set_keys(bench_map_many);                      \
        return name##_open(threads, shared);                     \
    }

#define ROW(label, prefix, loop, size)                                                                   \
    {                                                                                                    \
        .name = label, .setup = prefix##_open_##size, .run = prefix##_##loop, .teardown = prefix##_close \
    }
#define ROW_GROW(label, prefix)                                                                     \
    {                                                                                               \
        .name = label, .setup = prefix##_open_empty, .reset = prefix##_empty, .run = prefix##_grow, \
        .teardown = prefix##_close                                                                  \
    }
/* With threads that register. */
#define ROW_ENTER(label, prefix, loop, size)                                                           \
    {                                                                                                  \
        .name = label, .setup = prefix##_open_##size, .enter = prefix##_enter, .run = prefix##_##loop, \
        .leave = prefix##_leave, .teardown = prefix##_close                                            \
    }
#define ROW_ENTER_GROW(label, prefix)                                                                  \
    {                                                                                                  \
        .name = label, .setup = prefix##_open_empty, .reset = prefix##_empty, .enter = prefix##_enter, \
        .run = prefix##_grow, .leave = prefix##_leave, .teardown = prefix##_close                      \
    }
#define MISSING(label, why)           \
    {                                 \
        .name = label, .missing = why \
    }

/* The kind's peer: its prefix is put together before a row is made of it. */
#define JOIN_(kind, peer) kind##_##peer
#define JOIN(kind, peer) JOIN_(kind, peer)
#define PEER_ROW(row, ...) row(__VA_ARGS__)
#define PEER_OPENERS(peer) PEER_ROW(OPENERS, JOIN(KIND, peer))
#define PEER(label, peer, loop, size) PEER_ROW(ROW, label, JOIN(KIND, peer), loop, size)
#define PEER_GROW(label, peer) PEER_ROW(ROW_GROW, label, JOIN(KIND, peer))

OPENERS(pawl)
#if BENCH_HAVE_URCU
PEER_OPENERS(lfht)
#define LFHT(loop, size) PEER_ROW(ROW_ENTER, "liburcu lfht", JOIN(KIND, lfht), loop, size)
#define LFHT_GROW PEER_ROW(ROW_ENTER_GROW, "liburcu lfht", JOIN(KIND, lfht))
#else
#define LFHT(loop, size) MISSING("liburcu lfht", "built without liburcu-cds (liburcu-dev)")
#define LFHT_GROW LFHT(, )
#endif
#if BENCH_HAVE_CK
PEER_OPENERS(ck)
#define CK(loop, size) PEER("ck_ht, mutex", ck, loop, size)
#define CK_GROW PEER_GROW("ck_ht, mutex", ck)
#else
#define CK(loop, size) MISSING("ck_ht, mutex", "built without Concurrency Kit (libck-dev)")
#define CK_GROW CK(, )
#endif
#if BENCH_HAVE_TBB
PEER_OPENERS(tbb)
PEER_OPENERS(tbb_unordered)
#define TBB(loop, size) \
    PEER("tbb::hash_map", tbb, loop, size), PEER("tbb::unordered_map", tbb_unordered, loop, size)
#define TBB_GROW PEER_GROW("tbb::hash_map", tbb), PEER_GROW("tbb::unordered_map", tbb_unordered)
#else
#define TBB(loop, size) MISSING("tbb::hash_map", "built without oneTBB (libtbb-dev)")
#define TBB_GROW TBB(, )
#endif
#if BENCH_HAVE_CUCKOO
PEER_OPENERS(cuckoo)
#define CUCKOO(loop, size) PEER("libcuckoo", cuckoo, loop, size)
#define CUCKOO_GROW PEER_GROW("libcuckoo", cuckoo)
#else
#define CUCKOO(loop, size) MISSING("libcuckoo", "built without libcuckoo (libcuckoo-dev)")
#define CUCKOO_GROW CUCKOO(, )
#endif
#if BENCH_HAVE_ABSL
PEER_OPENERS(absl)
#define ABSL(loop, size) PEER("absl, 64 mutexes", absl, loop, size)
#define ABSL_GROW PEER_GROW("absl, 64 mutexes", absl)
#else
#define ABSL(loop, size) MISSING("absl, 64 mutexes", "built without Abseil (libabsl-dev)")
#define ABSL_GROW ABSL(, )
#endif

#define PEERS(loop, size) \
    LFHT(loop, size), CK(loop, size), TBB(loop, size), CUCKOO(loop, size), ABSL(loop, size)
#define PEERS_GROW LFHT_GROW, CK_GROW, TBB_GROW, CUCKOO_GROW, ABSL_GROW

#define GROUP(label, text, what)                                                              \
    {                                                                                         \
        .name = label, .about = text, .unit = "key", .threads = {1, 2, 8}, .contenders = what \
    }
/* few_get, many_get and so on are the includer's. */
#define GROUPS                                                                                 \
    {                                                                                          \
        GROUP("get-few", "Get, 1,000 keys.", few_get), GROUP("get", "Get, --keys.", many_get), \
            GROUP("95-few", "One put in 20, 1,000 keys.", few_95),                             \
            GROUP("95", "One put in 20, --keys.", many_95),                                    \
            GROUP("50-few", "Every other one a put, 1,000 keys.", few_50),                     \
            GROUP("50", "Every other one a put, --keys.", many_50),                            \
            GROUP("grow", "Puts into an empty map, which grows.", growing), {0},               \
    }

#endif
