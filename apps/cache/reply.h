/* SPDX-License-Identifier: MIT */
/* What is to be sent: the answers to all commands of one slice, in their order.
 *
 * Purpose    One buffer for each worker, used again for every slice, so that a turn ends in one system call. Lines and
 *            small values are copied into it. Large ones are not (cache_refer_from()): the reply notes where they stand and
 *            holds the chunk that keeps them there.
 * Bound      When cache_reply_full() the command that is worked on, or that part of a long `get`, is the last one until
 *            all of it was sent. So a client that asks and does not read takes some CACHE_REPLY_MOST bytes, and
 *            holds but a few segments.
 * Model      bytes | reference | bytes | reference | ... | bytes. cache_reply_part() lists them.
 * Errors     When memory is out the reply has failed: what is appended from then on goes nowhere, and cache_feed()
 *            answers PROTOCOL_CLOSE. So none of those who write into it needs to ask. */
#ifndef CACHE_REPLY_H
#define CACHE_REPLY_H

#include "command_stats.h"
#include "store.h"

#include <pawl/config.h>
#include <pawl/stream.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    CACHE_REPLY_MOST = 1024 * 1024, /* bytes, copied or not, after which others have their turn */
    CACHE_REPLY_LINE = 4096,        /* the most that is asked for at once by cache_reply_room() */
    CACHE_REPLY_KEEP = 1024 * 1024, /* a larger buffer is given back when it is clear */
};

struct cache_reference {
    size_t at; /* it stands before this byte of the buffer */
    struct pawl_slice slice;
};

struct cache_reply {
    char *bytes;
    size_t count, room;
    struct cache_reference *references;
    size_t reference_count, reference_room;
    uint64_t referred;                 /* bytes that the references stand for */
    struct cache_command_stats *stats; /* of the worker whose reply this is */
    bool failed;
    char spill[CACHE_REPLY_LINE]; /* what is written after it failed */
};

/* Counts what its commands do in `stats`, which no other worker writes to. Takes no memory yet. */
void cache_reply_init(struct cache_reply *reply, struct cache_command_stats *stats);
void cache_reply_free(struct cache_reply *reply);

/* Lets go of all references: what was sent of them is held by the stream. Ready for the next slice. */
void cache_reply_clear(struct cache_reply *reply);

/* Part `index`, counted from 0, of what is to be sent; false: there are no more. The bytes of a part without a chunk are
 * the reply's own, to be copied; such a part may be empty. */
bool cache_reply_part(const struct cache_reply *reply, size_t index, struct pawl_slice *part);

static inline bool cache_reply_full(const struct cache_reply *reply)
{
    return reply->count + reply->referred >= CACHE_REPLY_MOST;
}

/* ---- for those who answer ---- */

char *cache_reply_grow_(struct cache_reply *reply, size_t count);

/* Room for `count` bytes, up to CACHE_REPLY_LINE; then cache_reply_end() behind the last one written. */
static inline char *cache_reply_room(struct cache_reply *reply, size_t count)
{
    if (PAWL_LIKELY(reply->room - reply->count >= count))
        return reply->bytes + reply->count;
    return cache_reply_grow_(reply, count);
}

static inline void cache_reply_end(struct cache_reply *reply, const char *end)
{
    if (PAWL_LIKELY(!reply->failed))
        reply->count = (size_t)(end - reply->bytes);
}

/* Any number of bytes. */
void cache_reply_append(struct cache_reply *reply, const char *bytes, size_t count);

/* Without copying: the chunk of the item is held. */
void cache_reply_refer(struct cache_reply *reply, struct pawl_chunk *chunk, const char *bytes, size_t count);

/* A line, with its \r\n. */
static inline void cache_reply_text(struct cache_reply *reply, const char *text)
{
    const size_t count = strlen(text);
    char *at = cache_reply_room(reply, count);

    memcpy(at, text, count);
    cache_reply_end(reply, at + count);
}

/* To take back what was said since. */
struct cache_reply_mark {
    size_t count, reference_count;
};

static inline struct cache_reply_mark cache_reply_mark(const struct cache_reply *reply)
{
    return (struct cache_reply_mark){reply->count, reply->reference_count};
}

void cache_reply_rollback(struct cache_reply *reply, struct cache_reply_mark mark);

/* The digits of a number, without a zero behind them: up to 20 bytes. Returns where they end. */
char *cache_put_number(char *at, uint64_t number);

static inline char *cache_put_bytes(char *at, const char *bytes, size_t count)
{
    memcpy(at, bytes, count);
    return at + count;
}

#endif
