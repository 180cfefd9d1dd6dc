/* SPDX-License-Identifier: MIT */
/* An item: key, value and what the protocol says about them, as it stands in a segment (segment.h).
 *
 *   byte 0     8         12     16    17     18     20
 *        | cas | expires | size | key | heat | seen | key bytes | value bytes | \r\n | flags, if not 0 |
 *
 * Once it is in the map nothing changes but `expires` (touch), `heat`, `seen` and the bit WON of `size`, each a relaxed
 * atomic of its own. To change a value is to put another item in its place. 20 bytes; items stand at multiples of 4. The
 * client's flags are 0 more often than not: 4 bytes behind those that have some. */
#ifndef CACHE_ITEM_H
#define CACHE_ITEM_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    CACHE_KEY_MAX = 250, /* memcached's */
    CACHE_VALUE_MAX = (1 << 30) - 1,
    CACHE_ITEM_ALIGN = 4,
    CACHE_LINE_END = 2, /* the \r\n behind a value, so that both are sent at once */
};

/* In `size`, above the length of the value. */
#define CACHE_STALE_ (UINT32_C(1) << 30) /* meta: invalidated, may still be served (X); never changes */
#define CACHE_WON_ (UINT32_C(1) << 31)   /* meta: somebody was told to make it anew (W, then Z) */

/* The bits of heat. The lowest three are one number, its state: written by readers, who may undo each other's. That costs a hit,
 * or that who finds a dead one in its segment asks the map for it. But none that is in the map may ever look dead. */
enum {
    CACHE_HEAT =
        3, /* 4 to 7: it was hit at all (meta flag h); since it came or was last spared 0 to 3 times */
    CACHE_FETCHED = 4, /* 0: it never was */
    CACHE_DEAD = 2,    /* 2, 3: it is out of the map, and was never hit, or was. There is no 1 */
    CACHE_STATE = CACHE_HEAT | CACHE_FETCHED,
    CACHE_BASE64 = 8,   /* its key came in base64, and is printed so; never changes */
    CACHE_FLAGGED = 16, /* the client's flags stand behind the value; never changes */
    CACHE_EPOCH = 32,   /* times 0 to 7: how many flushes there had been when it came; never changes */
};

struct cache_item {
    uint32_t cas[2]; /* one number, at an address that is good for 32 bits: cache_item_cas() */
    PAWL_ATOMIC(uint32_t)
    expires;                    /* second of the cache's clock; 0: never. Relaxed: an older one is as good */
    PAWL_ATOMIC(uint32_t) size; /* of the value, and two bits; relaxed */
    uint8_t key_bytes;
    PAWL_ATOMIC(uint8_t) heat;  /* relaxed: a lost hit changes what is evicted first, nothing else */
    PAWL_ATOMIC(uint16_t) seen; /* second of the last hit or set, in steps of 4 s; relaxed */
    char bytes[];
};

PAWL_STATIC_ASSERT(offsetof(struct cache_item, bytes) == 20, "a header of 20 bytes");
PAWL_STATIC_ASSERT(_Alignof(struct cache_item) == CACHE_ITEM_ALIGN,
                   "it may stand wherever the last one ended");

static inline const char *cache_item_key(const struct cache_item *item)
{
    return item->bytes;
}

static inline uint64_t cache_item_cas(const struct cache_item *item)
{
    uint64_t cas;

    memcpy(&cas, item->cas, sizeof(cas));
    return cas;
}

/* Of one that is not in the map yet. */
static inline void cache_item_set_cas(struct cache_item *item, uint64_t cas)
{
    memcpy(item->cas, &cas, sizeof(cas));
}

/* Followed by \r\n. */
static inline const char *cache_item_value(const struct cache_item *item)
{
    return item->bytes + item->key_bytes;
}

static inline uint32_t cache_item_value_bytes(const struct cache_item *item)
{
    return pawl_load_relaxed(&item->size) & (uint32_t)CACHE_VALUE_MAX; /* relaxed: this part never changes */
}

static inline bool cache_item_stale(const struct cache_item *item)
{
    return (pawl_load_relaxed(&item->size) & CACHE_STALE_) != 0; /* relaxed: nor does this */
}

/* Was the right to make it anew given away already? */
static inline bool cache_item_won(const struct cache_item *item)
{
    return (pawl_load_relaxed(&item->size) & CACHE_WON_) != 0; /* relaxed: cache_win() decides */
}

static inline bool cache_item_fetched(const struct cache_item *item)
{
    return (pawl_load_relaxed(&item->heat) & CACHE_STATE) > CACHE_DEAD; /* relaxed: it tells of the past */
}

/* By its heat. */
static inline bool cache_heat_dead(uint8_t heat)
{
    return (heat & CACHE_STATE & ~1) == CACHE_DEAD;
}

static inline bool cache_item_dead(const struct cache_item *item)
{
    return cache_heat_dead(pawl_load_relaxed(&item->heat)); /* relaxed: a hint */
}

static inline bool cache_item_base64(const struct cache_item *item)
{
    return (pawl_load_relaxed(&item->heat) & CACHE_BASE64) != 0; /* relaxed: this bit never changes */
}

/* Of one that is not in the map yet. */
static inline void cache_item_set_base64(struct cache_item *item)
{
    /* relaxed, both: the map's release publishes it */
    pawl_store_relaxed(&item->heat, (uint8_t)(pawl_load_relaxed(&item->heat) | CACHE_BASE64));
}

static inline bool cache_item_flagged(const struct cache_item *item)
{
    return (pawl_load_relaxed(&item->heat) & CACHE_FLAGGED) != 0; /* relaxed: this bit never changes */
}

/* The client's. */
static inline uint32_t cache_item_flags(const struct cache_item *item)
{
    uint32_t flags = 0;

    if (cache_item_flagged(item))
        memcpy(&flags, cache_item_value(item) + cache_item_value_bytes(item) + CACHE_LINE_END, sizeof(flags));
    return flags;
}

/* What memcached would count for it, and what -I limits: 48 bytes and a cas, the key with its zero, flags if there are any,
 * the value with \r\n. */
static inline uint64_t cache_item_counted(size_t key_bytes, size_t value_bytes, bool flagged)
{
    enum { HEADER = 48 + 8 + 1, FLAGS = 4 };

    return (uint64_t)HEADER + key_bytes + (flagged ? FLAGS : 0) + value_bytes + CACHE_LINE_END;
}

/* What an item with or without flags takes in a segment. */
static inline size_t cache_item_size(size_t key_bytes, size_t value_bytes, bool flagged)
{
    const size_t size = offsetof(struct cache_item, bytes) + key_bytes + value_bytes + CACHE_LINE_END +
                        (flagged ? sizeof(uint32_t) : 0);

    return (size + CACHE_ITEM_ALIGN - 1) & ~(size_t)(CACHE_ITEM_ALIGN - 1);
}

static inline size_t cache_item_bytes(const struct cache_item *item)
{
    return cache_item_size(item->key_bytes, cache_item_value_bytes(item), cache_item_flagged(item));
}

#endif
