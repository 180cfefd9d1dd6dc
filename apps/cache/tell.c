/* SPDX-License-Identifier: MIT */
#include "tell.h"

#include "peer.h"

#include <pawl/clock.h>

const struct cache_peer *cache_tell_who(struct cache_protocol *protocol)
{
    if (protocol->peer == NULL && protocol->fd >= 0)
        protocol->peer = cache_peer_open(protocol->fd);
    return protocol->peer;
}

/* What all of a turn's events have in common. */
static struct cache_tap_event event_of(struct cache_turn *turn, enum cache_tap_kind kind, const char *text,
                                       size_t text_bytes)
{
    return (struct cache_tap_event){
        .kind = kind,
        .fd = turn->protocol->fd,
        .peer = cache_tell_who(turn->protocol),
        .latency_ns = pawl_clock_cycles_to_ns(pawl_clock_cycles() - turn->began),
        .text = text,
        .text_bytes = text_bytes,
        .ttl = CACHE_TAP_FOREVER,
    };
}

static enum cache_tap_status status_of(enum cache_result result)
{
    static const uint8_t statuses[] = {
        [CACHE_STORED] = CACHE_TAP_STORED,         [CACHE_NOT_STORED] = CACHE_TAP_NOT_STORED,
        [CACHE_EXISTS] = CACHE_TAP_EXISTS,         [CACHE_NOT_FOUND] = CACHE_TAP_NOT_FOUND,
        [CACHE_NOT_NUMBER] = CACHE_TAP_NOT_NUMBER, [CACHE_TOO_LARGE] = CACHE_TAP_TOO_LARGE,
        [CACHE_NO_MEMORY] = CACHE_TAP_NO_MEMORY,
    };

    return (enum cache_tap_status)statuses[result];
}

/* Seconds until then. */
static uint32_t ttl_of(const struct cache_turn *turn, uint32_t expires)
{
    const uint32_t now = cache_now(turn->store);

    return expires == 0 ? CACHE_TAP_FOREVER : expires > now ? expires - now : 0;
}

static void describe(const struct cache_turn *turn, struct cache_tap_event *event,
                     const struct cache_item *item)
{
    event->status = item != NULL ? CACHE_TAP_FOUND : CACHE_TAP_NOT_FOUND;
    if (item == NULL)
        return;
    event->value_bytes = cache_item_value_bytes(item);
    event->ttl = ttl_of(turn, pawl_load_relaxed(&item->expires)); /* relaxed: see item.h */
}

void cache_tell_get_(struct cache_turn *turn, const struct cache_key *key, const struct cache_item *item,
                     bool counted)
{
    struct cache_tap_event event;

    if (counted)
        cache_detail_count(turn, key->bytes, key->count, item != NULL ? CACHE_DETAIL_HIT : CACHE_DETAIL_MISS);
    if ((turn->watched & 1u << CACHE_TAP_GET) == 0)
        return;
    event = event_of(turn, CACHE_TAP_GET, key->bytes, key->count);
    describe(turn, &event, item);
    cache_tap_say(turn->service->tap, &event);
}

void cache_tell_touch_(struct cache_turn *turn, const struct cache_key *key, const struct cache_item *item)
{
    struct cache_tap_event event = event_of(turn, CACHE_TAP_TOUCH, key->bytes, key->count);

    describe(turn, &event, item);
    cache_tap_say(turn->service->tap, &event);
}

void cache_tell_store_(struct cache_turn *turn, const struct cache_receiving *receiving,
                       enum cache_result result)
{
    static const uint8_t commands[] = {[CACHE_SET] = CACHE_TAP_SET,
                                       [CACHE_ADD] = CACHE_TAP_ADD,
                                       [CACHE_REPLACE] = CACHE_TAP_REPLACE,
                                       [CACHE_APPEND] = CACHE_TAP_APPEND,
                                       [CACHE_PREPEND] = CACHE_TAP_PREPEND};
    const struct cache_change *change = &receiving->change;
    struct cache_tap_event event = event_of(turn, CACHE_TAP_STORE, receiving->key, receiving->key_bytes);

    event.status = status_of(result);
    event.command = receiving->compare ? CACHE_TAP_CAS : commands[change->mode];
    event.value_bytes = change->value_bytes;
    event.ttl = ttl_of(turn, change->expires);
    cache_tap_say(turn->service->tap, &event);
}

void cache_tell_sum_(struct cache_turn *turn, const struct cache_key *key, const struct cache_sum *sum,
                     enum cache_result result)
{
    struct cache_tap_event event = event_of(turn, CACHE_TAP_STORE, key->bytes, key->count);

    event.status = status_of(result);
    event.command = sum->down ? CACHE_TAP_DECR : CACHE_TAP_INCR;
    cache_tap_say(turn->service->tap, &event);
}

void cache_tell_delete_(struct cache_turn *turn, const struct cache_key *key, enum cache_result result)
{
    struct cache_tap_event event = event_of(turn, CACHE_TAP_DELETE, key->bytes, key->count);

    event.status = result == CACHE_STORED ? CACHE_TAP_FOUND : status_of(result);
    cache_tap_say(turn->service->tap, &event);
}

void cache_tell_line_(struct cache_turn *turn, const char *line, const char *end)
{
    const struct cache_tap_event event = event_of(turn, CACHE_TAP_LINE, line, (size_t)(end - line));

    cache_tap_say(turn->service->tap, &event);
}
