/* SPDX-License-Identifier: MIT */
/* The layouts of snapshot.h. */
#ifndef CACHE_SNAPSHOT_FORMAT_H
#define CACHE_SNAPSHOT_FORMAT_H

#include <pawl/config.h>
#include <stddef.h>
#include <stdint.h>

enum { SNAPSHOT_VERSION = 1, SNAPSHOT_ORDER = 0x01020304 };

#define SNAPSHOT_MAGIC "pawlsnap"
#define SNAPSHOT_BLOCK UINT32_C(0x4b434c42) /* "BLCK" where the low byte comes first */
#define SNAPSHOT_LAST UINT32_C(0x5453414c)

struct snapshot_header {
    char magic[8];
    uint32_t order, version;
    int64_t taken;
    uint64_t next_cas;
    int64_t flush;
    uint64_t id;
    uint32_t zero[3];
    uint32_t sum;
};

struct snapshot_block {
    uint32_t magic, items;
    uint64_t bytes, number;
    uint32_t id, sum;
};

struct snapshot_item {
    uint64_t cas;
    int64_t expires;
    uint32_t flags, size;
    uint8_t key_bytes, heat, queue, base64;
    uint32_t age;
};

PAWL_STATIC_ASSERT(sizeof(struct snapshot_header) == 64 && offsetof(struct snapshot_header, sum) == 60,
                   "as snapshot.h draws it");
PAWL_STATIC_ASSERT(sizeof(struct snapshot_block) == 32 && offsetof(struct snapshot_block, sum) == 28,
                   "as snapshot.h draws it");
PAWL_STATIC_ASSERT(sizeof(struct snapshot_item) == 32, "as snapshot.h draws it");

#endif
