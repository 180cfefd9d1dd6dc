/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include <stdlib.h>

void cache_reply_init(struct cache_reply *reply, struct cache_command_stats *stats)
{
    reply->bytes = NULL;
    reply->count = reply->room = 0;
    reply->references = NULL;
    reply->reference_count = reply->reference_room = 0;
    reply->referred = 0;
    reply->stats = stats;
    reply->failed = false;
}

static void let_go(struct cache_reply *reply, size_t from)
{
    for (size_t i = from; i < reply->reference_count; i++) {
        reply->referred -= reply->references[i].slice.count;
        pawl_slice_release(&reply->references[i].slice);
    }
    reply->reference_count = from;
}

void cache_reply_free(struct cache_reply *reply)
{
    let_go(reply, 0);
    free(reply->bytes);
    free(reply->references);
    cache_reply_init(reply, reply->stats);
}

void cache_reply_clear(struct cache_reply *reply)
{
    let_go(reply, 0);
    reply->count = 0;
    reply->failed = false;
    if (reply->room > CACHE_REPLY_KEEP) {
        free(reply->bytes);
        reply->bytes = NULL;
        reply->room = 0;
    }
}

bool cache_reply_part(const struct cache_reply *reply, size_t index, struct pawl_slice *part)
{
    const size_t reference = index / 2;
    size_t from, to;

    if (reference > reply->reference_count || (index % 2 == 1 && reference == reply->reference_count))
        return false;
    if (index % 2 == 1) {
        *part = reply->references[reference].slice;
        return true;
    }
    from = reference == 0 ? 0 : reply->references[reference - 1].at;
    to = reference == reply->reference_count ? reply->count : reply->references[reference].at;
    *part = (struct pawl_slice){reply->bytes != NULL ? reply->bytes + from : "", to - from, NULL};
    return true;
}

/* Nothing more is appended: there is no room from now on, so that all come to cache_reply_grow_(). */
static PAWL_COLD void fail(struct cache_reply *reply)
{
    free(reply->bytes);
    reply->bytes = NULL;
    reply->count = reply->room = 0;
    let_go(reply, 0);
    reply->failed = true;
}

static bool grow(struct cache_reply *reply, size_t count)
{
    size_t room = reply->room == 0 ? (size_t)16 * 1024 : reply->room * 2;
    char *bytes;

    if (reply->failed)
        return false;
    while (room - reply->count < count)
        room *= 2;
    bytes = realloc(reply->bytes, room);
    if (bytes == NULL) {
        fail(reply);
        return false;
    }
    reply->bytes = bytes;
    reply->room = room;
    return true;
}

char *cache_reply_grow_(struct cache_reply *reply, size_t count)
{
    return grow(reply, count) ? reply->bytes + reply->count : reply->spill;
}

void cache_reply_append(struct cache_reply *reply, const char *bytes, size_t count)
{
    if (count == 0 || (reply->room - reply->count < count && !grow(reply, count)))
        return;
    memcpy(reply->bytes + reply->count, bytes, count);
    reply->count += count;
}

void cache_reply_refer(struct cache_reply *reply, struct pawl_chunk *chunk, const char *bytes, size_t count)
{
    struct cache_reference *reference;

    if (reply->failed)
        return;
    if (reply->reference_count == reply->reference_room) {
        const size_t room = reply->reference_room == 0 ? 16 : reply->reference_room * 2;

        reference = realloc(reply->references, room * sizeof *reference);
        if (reference == NULL) {
            fail(reply);
            return;
        }
        reply->references = reference;
        reply->reference_room = room;
    }
    reference = &reply->references[reply->reference_count++];
    *reference = (struct cache_reference){reply->count, {bytes, count, chunk}};
    reply->referred += count;
    pawl_slice_hold(&reference->slice);
}

void cache_reply_rollback(struct cache_reply *reply, struct cache_reply_mark mark)
{
    if (reply->failed)
        return;
    let_go(reply, mark.reference_count);
    reply->count = mark.count;
}

char *cache_put_number(char *at, uint64_t number)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    char digits[20];
    size_t from = sizeof digits;

    if (number < 10) { /* most flags */
        *at = (char)('0' + number);
        return at + 1;
    }
    while (number >= 100) {
        from -= 2;
        memcpy(digits + from, pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10) {
        from -= 2;
        memcpy(digits + from, pairs + number * 2, 2);
    } else {
        digits[--from] = (char)('0' + number);
    }
    memcpy(at, digits + from, sizeof digits - from);
    return at + (sizeof digits - from);
}
