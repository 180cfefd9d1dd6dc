/* SPDX-License-Identifier: MIT */
/* The value of a command: taken from the slice where it is whole, gathered where it is not, then stored and answered. */
#include "tell.h"
#include "turn.h"

#include <errno.h>
#include <stdlib.h>

enum {
    LARGE_VALUE = 64 * 1024, /* from here on it is received into the item it will be */
    FIRST_ROOM = 512,
};

/* A command whose value has not come whole. */
struct cache_pending {
    struct cache_receiving receiving;
    struct cache_item *large;    /* the value goes there, or ... */
    char *value;                 /* ... here, */
    uint64_t have, value_room;   /* of it and its ending */
    char ending[CACHE_LINE_END]; /* of a large one */
    char key[CACHE_KEY_MAX];
    char opaque[CACHE_OPAQUE_MAX];
};

void cache_pending_free(struct cache_protocol *protocol, struct cache_session *session)
{
    struct cache_pending *pending = protocol->pending;

    if (pending == NULL)
        return;
    if (pending->large != NULL)
        cache_large_drop(session, pending->large);
    free(pending->value);
    free(pending);
    protocol->pending = NULL;
}

/* ---- whole ones ---- */

bool cache_too_large(struct cache_turn *turn, uint32_t key_bytes, uint32_t flags, uint32_t value_bytes)
{
    if (PAWL_LIKELY(cache_item_counted(key_bytes, value_bytes, flags != 0) <= turn->service->item_max))
        return false;
    cache_tally(turn->stats, CACHE_STORE_TOO_LARGE);
    return true;
}

void cache_forget(struct cache_turn *turn, const char *key, uint32_t key_bytes)
{
    struct cache_key made;

    cache_write(turn);
    cache_key_make(turn->store, &made, key, key_bytes);
    (void)cache_delete(turn->session, &made, 0);
}

static void count_stored(struct cache_turn *turn, const struct cache_receiving *receiving,
                         enum cache_result result)
{
    if (result == CACHE_TOO_LARGE)
        cache_tally(turn->stats, CACHE_STORE_TOO_LARGE);
    if (result == CACHE_NO_MEMORY)
        cache_tally(turn->stats, CACHE_STORE_NO_MEMORY);
    if (!receiving->compare)
        return;
    if (result == CACHE_STORED)
        cache_tally(turn->stats, CACHE_CAS_HITS);
    else if (result == CACHE_EXISTS)
        cache_tally(turn->stats, CACHE_CAS_BADVAL);
    else if (result == CACHE_NOT_FOUND)
        cache_tally(turn->stats, CACHE_CAS_MISSES);
}

static enum cache_result store(struct cache_turn *turn, struct cache_receiving *receiving, const char *value,
                               struct cache_item *large)
{
    struct cache_key key;
    enum cache_result result;

    cache_key_make(turn->store, &key, receiving->key, receiving->key_bytes);
    if (PAWL_UNLIKELY(receiving->compare && receiving->change.cas == 0)) {
        /* No item has that one. */
        cache_read(turn);
        result = cache_find(turn->session, &key) != NULL ? CACHE_EXISTS : CACHE_NOT_FOUND;
        if (large != NULL)
            cache_large_drop(turn->session, large);
    } else if (large != NULL) {
        cache_write(turn);
        result = cache_large_store(turn->session, &key, large, &receiving->change);
    } else {
        cache_write(turn);
        receiving->change.value = value;
        result = cache_store_item(turn->session, &key, &receiving->change);
        if (result == CACHE_NOT_FOUND && receiving->change.mode >= CACHE_APPEND)
            result = CACHE_NOT_STORED; /* with a cas as without */
    }
    cache_write(turn);
    if ((result == CACHE_TOO_LARGE || result == CACHE_NO_MEMORY) && receiving->change.mode == CACHE_SET)
        (void)cache_delete(turn->session, &key, 0);
    return result;
}

static void answer_stored(struct cache_turn *turn, const struct cache_receiving *receiving,
                          enum cache_result result, bool ends_well)
{
    turn->silent = receiving->silent;
    if (receiving->kind == CACHE_CLASSIC)
        cache_ascii_stored(turn, receiving, result, ends_well);
    else if (receiving->kind == CACHE_META)
        cache_meta_stored(turn, receiving, result, ends_well);
    else
        cache_binary_stored(turn, receiving, result);
}

void cache_receive(struct cache_turn *turn, struct cache_receiving *receiving, const char *value,
                   struct cache_item *large, bool ends_well)
{
    enum cache_result result = CACHE_NOT_STORED;

    turn->protocol->state = cache_protocol_next(turn->protocol);
    if (receiving->kind == CACHE_SASL) {
        cache_binary_sasl(turn, receiving, value);
        return;
    }
    cache_tally(turn->stats, CACHE_CMD_SET);
    if (PAWL_LIKELY(ends_well)) {
        result = store(turn, receiving, value, large);
        count_stored(turn, receiving, result);
        cache_tell_store(turn, receiving, result);
    } else if (large != NULL) {
        cache_large_drop(turn->session, large);
    }
    answer_stored(turn, receiving, result, ends_well);
}

static bool ends_well(const struct cache_receiving *receiving, const char *ending)
{
    return receiving->ending == 0 || (ending[0] == '\r' && ending[1] == '\n');
}

/* There is no room for a large value: the answer that it would have got in the end; its bytes are thrown away. */
static PAWL_COLD int refuse_large(struct cache_turn *turn, const struct cache_receiving *receiving, int error)
{
    const enum cache_result result = error == E2BIG ? CACHE_TOO_LARGE : CACHE_NO_MEMORY;

    count_stored(turn, receiving, result);
    if (receiving->change.mode == CACHE_SET)
        cache_forget(turn, receiving->key, receiving->key_bytes);
    answer_stored(turn, receiving, result, true);
    cache_swallow(turn, (uint64_t)receiving->change.value_bytes + receiving->ending);
    return 0;
}

/* ---- in pieces ---- */

/* What has come of the value is less than all: the command is kept, with copies of what stands in the slice. */
static int begin_pending(struct cache_turn *turn)
{
    struct cache_protocol *protocol = turn->protocol;
    struct cache_receiving *receiving = &turn->next;
    struct cache_pending *pending = malloc(sizeof *pending);
    const bool whole = receiving->kind != CACHE_SASL && receiving->change.mode <= CACHE_REPLACE;

    if (pending == NULL)
        return PROTOCOL_CLOSE;
    pending->receiving = *receiving;
    pending->large = NULL;
    pending->value = NULL;
    pending->have = pending->value_room = 0;
    if (whole && receiving->change.value_bytes > LARGE_VALUE) {
        struct cache_key key;

        cache_key_make(turn->store, &key, receiving->key, receiving->key_bytes);
        cache_write(turn);
        pending->large = cache_large_open(turn->session, &key, receiving->change.value_bytes,
                                          receiving->change.flags);
        if (pending->large == NULL) {
            const int error = errno;

            free(pending);
            return refuse_large(turn, receiving, error);
        }
    }
    if (receiving->key_bytes != 0)
        memcpy(pending->key, receiving->key, receiving->key_bytes);
    pending->receiving.key = pending->key;
    if (receiving->opaque_bytes != 0)
        memcpy(pending->opaque, receiving->opaque, receiving->opaque_bytes);
    pending->receiving.opaque = pending->opaque;
    protocol->pending = pending;
    protocol->state = CACHE_PENDING;
    return 0;
}

int cache_feed_value(struct cache_turn *turn, const char **at, const char *end)
{
    struct cache_receiving *receiving = &turn->next;
    const uint64_t need = (uint64_t)receiving->change.value_bytes + receiving->ending;
    const char *value = *at;

    if (PAWL_UNLIKELY((uint64_t)(end - *at) < need))
        return begin_pending(turn);
    *at += need;
    cache_receive(turn, receiving, value, NULL, ends_well(receiving, value + receiving->change.value_bytes));
    return 0;
}

/* Room for so many bytes more of a value. It grows as it comes: who announces much and sends nothing costs nothing. */
static bool make_room(struct cache_pending *pending, uint64_t need, uint64_t count)
{
    uint64_t room = pending->value_room == 0 ? FIRST_ROOM : pending->value_room;
    char *value;

    if (pending->value != NULL && pending->have + count <= pending->value_room)
        return true;
    while (room < pending->have + count)
        room *= 2;
    if (room > need)
        room = need;
    value = realloc(pending->value, room);
    if (value == NULL)
        return false;
    pending->value = value;
    pending->value_room = room;
    return true;
}

int cache_feed_pending(struct cache_turn *turn, const char **at, const char *end)
{
    struct cache_pending *pending = turn->protocol->pending;
    struct cache_receiving *receiving = &pending->receiving;
    const uint64_t value_bytes = receiving->change.value_bytes, need = value_bytes + receiving->ending;
    uint64_t count = (uint64_t)(end - *at);

    if (count > need - pending->have)
        count = need - pending->have;
    if (pending->large != NULL) {
        char *value = cache_large_value(pending->large);

        if (pending->have < value_bytes && count > value_bytes - pending->have)
            count = value_bytes - pending->have; /* the ending is for the next round */
        if (pending->have < value_bytes)
            memcpy(value + pending->have, *at, count);
        else
            memcpy(pending->ending + (pending->have - value_bytes), *at, count);
    } else {
        if (!make_room(pending, need, count))
            return PROTOCOL_CLOSE;
        memcpy(pending->value + pending->have, *at, count);
    }
    *at += count;
    pending->have += count;
    if (pending->have == need) {
        const char *ending = pending->large != NULL ? pending->ending : pending->value + value_bytes;
        struct cache_item *large = pending->large;

        pending->large = NULL; /* cache_receive() stores or drops it */
        cache_receive(turn, receiving, pending->value, large, ends_well(receiving, ending));
        cache_pending_free(turn->protocol, turn->session);
    }
    return 0;
}
