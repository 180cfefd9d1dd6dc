/* SPDX-License-Identifier: MIT */
/* Changes by key. All are the same loop: look at what is there, decide, make the new item, and put it in the place of
 * exactly what was looked at; if that has changed meanwhile, once more. */
#include "number.h"
#include "store_inner.h"

#include <errno.h>
#include <pawl/rcu.h>
#include <string.h>

/* What is in the map under the key, valid or not, and whether it counts.
 *
 * A change belongs to the epoch in which it looked, and so does the item that it makes. Else a cas that looked before a
 * flush, and stores after it, would bring back to life what was flushed. So it is as if it had stored just before: its
 * item is flushed when it comes. */
struct present {
    struct cache_item *item;
    uint32_t epoch;
    bool valid;
};

static struct present look(struct cache_session *session, const struct cache_key *key)
{
    struct cache_item *item = pawl_map_get_by(&session->store->map, key->hash, key, cache_equal);
    const uint32_t epoch = pawl_load_relaxed(&session->store->epoch); /* relaxed: see cache_valid */

    return (struct present){item, epoch, item != NULL && cache_valid_in(session->store, item, epoch)};
}

static enum cache_result result_of(int error)
{
    return error == E2BIG ? CACHE_TOO_LARGE : CACHE_NO_MEMORY;
}

void cache_follow_touch(const struct cache_item *old, struct cache_item *heir, uint32_t copied)
{
    uint32_t touched;

    /* seq_cst: the map's change before the look below; pairs with the fence in cache_touch() */
    pawl_fence_seq_cst();
    touched = pawl_load_relaxed(&old->expires); /* relaxed, both: see item.h */
    if (touched != copied)
        (void)pawl_cas_relaxed(&heir->expires, &copied,
                               touched); /* or somebody has touched the new one since */
}

/* In a section, with `present` from it, whose time the item `keeps`. Returns 0; -EAGAIN: it has changed; -ENOMEM. */
static int put_in_place(struct cache_session *session, const struct cache_key *key, struct cache_item *item,
                        struct cache_item *present, bool keeps)
{
    struct pawl_map *map = &session->store->map;
    const uint32_t expires = pawl_load_relaxed(&item->expires); /* relaxed: ours yet */
    const int error = present != NULL ? pawl_map_replace_object(map, key->hash, present, item)
                                      : pawl_map_insert(map, key->hash, key, item, NULL);

    if (error == 0 && keeps)
        cache_follow_touch(present, item, expires);
    return error == 0 || error == -ENOMEM ? error : -EAGAIN;
}

static void took_place(struct cache_session *session, struct cache_item *item, struct cache_item *present,
                       struct cache_segment *own)
{
    cache_count(&session->counts.stored);
    if (present != NULL)
        cache_item_died(session->store, &session->counts, present);
    cache_item_stored(session, item, own);
}

/* Out of the map, if it is that item. Returns whether it was this call that did it. */
static bool take_out(struct cache_session *session, const struct cache_key *key, struct cache_item *item)
{
    if (pawl_map_del_object(&session->store->map, key->hash, item) != 0)
        return false;
    cache_item_died(session->store, &session->counts, item);
    return true;
}

/* Of the item that is there and so many bytes more. */
static size_t room_for(struct cache_session *session, const struct cache_key *key, uint32_t more)
{
    const struct cache_item *item;
    size_t bytes = cache_item_size(key->count, more, true);

    pawl_rcu_read_lock();
    item = look(session, key).item;
    if (item != NULL)
        bytes += cache_item_value_bytes(item);
    pawl_rcu_read_unlock();
    return bytes;
}

/* ---- set and its kin ---- */

struct decision {
    enum cache_result result; /* CACHE_STORED: go on */
    bool joins;               /* the old value is a part of the new one */
    bool stale;
};

static struct decision decide(const struct cache_change *change, struct present present)
{
    const bool joining = change->mode == CACHE_APPEND || change->mode == CACHE_PREPEND;

    if (!present.valid) {
        if (change->cas != 0)
            return (struct decision){.result = CACHE_NOT_FOUND};
        if (change->mode == CACHE_REPLACE || (joining && !change->vivify))
            return (struct decision){.result = CACHE_NOT_STORED};
        return (struct decision){.result = CACHE_STORED};
    }
    if (change->mode == CACHE_ADD)
        return (struct decision){.result = CACHE_NOT_STORED};
    if (change->cas != 0 && change->cas != cache_item_cas(present.item)) {
        const bool stale = change->if_stale && change->cas < cache_item_cas(present.item);

        return (
            struct decision){.result = stale ? CACHE_STORED : CACHE_EXISTS, .joins = joining, .stale = stale};
    }
    return (struct decision){.result = CACHE_STORED, .joins = joining};
}

/* What is joined keeps its time, and so does what is stale, with the right to make it anew that was given away. */
static bool keeps_time(struct decision decision, struct present present)
{
    return present.valid && (decision.joins || decision.stale);
}

/* Its time, and whether it is stale. */
static void mark(struct cache_item *item, const struct cache_change *change, struct decision decision,
                 struct present present)
{
    const struct cache_item *old = present.item;
    uint32_t size = pawl_load_relaxed(&item->size); /* relaxed, all: the map's release publishes them */

    pawl_store_relaxed(&item->expires,
                       keeps_time(decision, present) ? pawl_load_relaxed(&old->expires) : change->expires);
    size &= ~(uint32_t)(CACHE_STALE_ | CACHE_WON_);
    if (decision.stale)
        size |= CACHE_STALE_ | (cache_item_won(old) ? CACHE_WON_ : 0);
    pawl_store_relaxed(&item->size, size);
}

/* The value, and what the change says. */
static void fill(struct cache_session *session, struct cache_item *item, const struct cache_change *change,
                 struct decision decision, struct present present)
{
    const struct cache_item *old = present.valid ? present.item : NULL;
    const bool joins = decision.joins && old != NULL;
    const uint32_t before = joins ? cache_item_value_bytes(old) : 0;
    char *value = item->bytes + item->key_bytes;

    if (joins) {
        memcpy(change->mode == CACHE_APPEND ? value : value + change->value_bytes, cache_item_value(old),
               before);
        value += change->mode == CACHE_APPEND ? before : 0;
    }
    if (change->value_bytes > 0)
        memcpy(value, change->value, change->value_bytes);
    mark(item, change, decision, present);
    if (PAWL_UNLIKELY(change->base64) && !joins)
        cache_item_set_base64(item);
    cache_item_set_cas(item, change->new_cas != 0
                                 ? change->new_cas
                                 : cache_next_cas(session, old != NULL ? cache_item_cas(old) : 0));
}

/* For a key that is not there. */
static enum cache_queue queue_for(struct cache_session *session, const struct cache_key *key)
{
    if (!cache_ghost_take(&session->store->ghosts, key->hash))
        return CACHE_SMALL;
    cache_count(&session->counts.ghosts);
    return CACHE_MAIN;
}

/* One try. -EAGAIN: what was there has changed. */
static int try_store(struct cache_session *session, const struct cache_key *key, struct cache_change *change,
                     enum cache_queue *queue, enum cache_result *result)
{
    const struct present present = look(session, key);
    const struct decision decision = decide(change, present);
    struct cache_segment *own;
    struct cache_item *item;
    uint32_t bytes = change->value_bytes, flags = change->flags;
    int error;

    *result = decision.result;
    if (decision.result != CACHE_STORED)
        return 0;
    if (decision.joins) {
        bytes += cache_item_value_bytes(present.item);
        flags = cache_item_flags(present.item);
    }
    /* What is there has not been evicted, so it has no ghost. A second try finds none: what the first one found counts. */
    if (present.item == NULL && *queue == CACHE_SMALL)
        *queue = queue_for(session, key);
    session->grows = present.item == NULL;
    item = cache_item_make(session, *queue, key, bytes, flags, false, &own);
    if (item == NULL) {
        *result = result_of(errno);
        return 0;
    }
    fill(session, item, change, decision, present);
    cache_set_epoch(item, present.epoch);
    error = put_in_place(session, key, item, present.item, keeps_time(decision, present));
    if (error == 0) {
        change->stored_cas = cache_item_cas(item);
        took_place(session, item, present.item, own);
        return 0;
    }
    cache_item_unmake(session, item, own);
    *result = CACHE_NO_MEMORY;
    return error == -EAGAIN ? -EAGAIN : 0;
}

/* Better nothing than what the client wanted to replace. */
static void forget(struct cache_session *session, const struct cache_key *key)
{
    struct cache_item *item = look(session, key).item;

    if (item != NULL)
        (void)take_out(session, key, item);
}

enum cache_result cache_store_item(struct cache_session *session, const struct cache_key *key,
                                   struct cache_change *change)
{
    enum cache_queue queue = CACHE_SMALL;
    enum cache_result result;
    unsigned tries = 0;

    do {
        cache_prepare(session);
        pawl_rcu_read_lock();
        while (try_store(session, key, change, &queue, &result) == -EAGAIN)
            ;
        pawl_rcu_read_unlock();
    } while (result == CACHE_NO_MEMORY &&
             cache_wait_for_room(session, room_for(session, key, change->value_bytes), false, tries++));
    if (PAWL_UNLIKELY(result == CACHE_TOO_LARGE || result == CACHE_NO_MEMORY) && change->mode == CACHE_SET &&
        change->cas == 0) {
        pawl_rcu_read_lock();
        forget(session, key);
        pawl_rcu_read_unlock();
    }
    return result;
}

/* ---- large values ---- */

static bool is_there(struct cache_session *session, const struct cache_key *key)
{
    bool is;

    pawl_rcu_read_lock();
    is = look(session, key).item != NULL;
    pawl_rcu_read_unlock();
    return is;
}

struct cache_item *cache_large_open(struct cache_session *session, const struct cache_key *key,
                                    uint32_t value_bytes, uint32_t flags)
{
    struct cache_segment *own;
    struct cache_item *item;
    unsigned tries = 0;

    session->grows = session->store->no_eviction && !is_there(session, key);
    do
        item = cache_item_make(session, CACHE_SMALL, key, value_bytes, flags, true, &own);
    while (item == NULL && errno == ENOMEM &&
           cache_wait_for_room(session, cache_item_size(key->count, value_bytes, flags != 0), true, tries++));
    return item;
}

char *cache_large_value(struct cache_item *item)
{
    return item->bytes + item->key_bytes;
}

/* What fits twice into a segment does not keep one for itself, of which it would fill as little as a thirtieth: it joins the
 * others, by one copy of what came with many system calls. */
static bool joins_others(const struct cache_session *session, const struct cache_item *item)
{
    return cache_item_bytes(item) <=
           (session->store->pool.segment_bytes - offsetof(struct cache_segment, items)) / 2;
}

enum cache_result cache_large_store(struct cache_session *session, const struct cache_key *key,
                                    struct cache_item *item, struct cache_change *change)
{
    struct cache_segment *own = cache_segment_of(&session->store->pool, item);
    enum cache_result result = CACHE_NO_MEMORY;
    int error = 0;

    if (joins_others(session, item)) {
        change->value = cache_item_value(item);
        change->value_bytes = cache_item_value_bytes(item);
        change->flags = cache_item_flags(item);
        result = cache_store_item(session, key, change);
        if (result != CACHE_NO_MEMORY) {
            cache_large_drop(session, item);
            return result;
        }
    }
    pawl_rcu_read_lock();
    do {
        const struct present present = look(session, key);
        const struct decision decision = decide(change, present);

        result = decision.result;
        if (result != CACHE_STORED)
            break;
        /* Not the epoch of when its first bytes came: there may have been flushes since. */
        cache_set_epoch(item, present.epoch);
        mark(item, change, decision, present);
        if (change->base64)
            cache_item_set_base64(item);
        cache_item_set_cas(item,
                           change->new_cas != 0
                               ? change->new_cas
                               : cache_next_cas(session, present.valid ? cache_item_cas(present.item) : 0));
        error = put_in_place(session, key, item, present.item, keeps_time(decision, present));
        if (error == 0) {
            change->stored_cas = cache_item_cas(item);
            took_place(session, item, present.item, own);
        } else if (error != -EAGAIN) {
            result = CACHE_NO_MEMORY;
        }
    } while (error == -EAGAIN);
    pawl_rcu_read_unlock();
    if (result != CACHE_STORED)
        cache_large_drop(session, item);
    return result;
}

void cache_large_drop(struct cache_session *session, struct cache_item *item)
{
    cache_item_unmake(session, item, cache_segment_of(&session->store->pool, item));
}

/* ---- numbers ---- */

static bool parse_number(const struct cache_item *item, uint64_t *number)
{
    return cache_number_read(cache_item_value(item), cache_item_value_bytes(item), number);
}

static uint32_t print_number(char *text, uint64_t number)
{
    char reversed[CACHE_NUMBER_MAX];
    uint32_t count = 0;

    do {
        reversed[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (uint32_t i = 0; i < count; i++)
        text[i] = reversed[count - 1 - i];
    return count;
}

static uint64_t add_to(const struct cache_sum *sum, uint64_t number)
{
    if (!sum->down)
        return number + sum->delta;
    return number > sum->delta ? number - sum->delta : 0;
}

/* Its heat goes on. Memcached writes a number over the old one, if there is room for it: then it stays stale, and who was told to
 * make it anew is. Else it makes an item of which it knows neither that nor how its key had come. */
static void keep_marks(struct cache_item *item, const struct cache_item *old, uint32_t digits)
{
    /* relaxed, all: see item.h; the map's release publishes what is stored */
    const unsigned int heat = pawl_load_relaxed(&old->heat);
    const uint32_t marks = pawl_load_relaxed(&old->size) & (CACHE_STALE_ | CACHE_WON_);

    if (digits <= cache_item_value_bytes(old)) {
        pawl_store_relaxed(&item->heat, (uint8_t)heat);
        pawl_store_relaxed(&item->size, pawl_load_relaxed(&item->size) | marks);
    } else {
        pawl_store_relaxed(&item->heat, (uint8_t)(heat & ~(unsigned int)CACHE_BASE64));
    }
}

/* One try. -EAGAIN: what was there has changed. */
static int try_add(struct cache_session *session, const struct cache_key *key, struct cache_sum *sum,
                   enum cache_result *result)
{
    const struct present present = look(session, key);
    char text[CACHE_NUMBER_MAX];
    struct cache_segment *own;
    struct cache_item *item;
    uint64_t number = 0;
    uint32_t digits, bytes;
    int error;

    *result = CACHE_NOT_FOUND;
    if (!present.valid && !sum->vivify)
        return 0;
    if (present.valid && cache_item_value_bytes(present.item) == 0)
        *result = CACHE_NOT_NUMBER; /* whatever its cas: memcached looks in this order */
    else if (present.valid && sum->cas != 0 && sum->cas != cache_item_cas(present.item))
        *result = CACHE_EXISTS;
    else if (present.valid && !parse_number(present.item, &number))
        *result = CACHE_NOT_NUMBER;
    else
        *result = CACHE_STORED;
    if (*result != CACHE_STORED)
        return 0;
    number = present.valid ? add_to(sum, number) : sum->initial;
    digits = print_number(text, number);
    /* A number that becomes shorter keeps its length, as clients of memcached expect. */
    bytes = present.valid && digits < cache_item_value_bytes(present.item)
                ? cache_item_value_bytes(present.item)
                : digits;
    session->grows = present.item == NULL;
    item = cache_item_make(session, CACHE_SMALL, key, bytes,
                           present.valid ? cache_item_flags(present.item) : 0, false, &own);
    if (item == NULL) {
        *result = result_of(errno);
        return 0;
    }
    memcpy(item->bytes + key->count, text, digits);
    memset(item->bytes + key->count + digits, ' ', bytes - digits);
    /* relaxed, all: the map's release publishes them; see item.h */
    pawl_store_relaxed(&item->expires, present.valid && !sum->touch
                                           ? pawl_load_relaxed(&present.item->expires)
                                           : sum->expires);
    if (present.valid)
        keep_marks(item, present.item, digits);
    else
        cache_set_epoch(item, present.epoch);
    cache_item_set_cas(item, sum->new_cas != 0
                                 ? sum->new_cas
                                 : cache_next_cas(session, present.valid ? cache_item_cas(present.item) : 0));
    error = put_in_place(session, key, item, present.item, present.valid && !sum->touch);
    if (error == 0) {
        sum->value = number;
        sum->stored_cas = cache_item_cas(item);
        took_place(session, item, present.item, own);
        return 0;
    }
    cache_item_unmake(session, item, own);
    *result = CACHE_NO_MEMORY;
    return error == -EAGAIN ? -EAGAIN : 0;
}

enum cache_result cache_add_number(struct cache_session *session, const struct cache_key *key,
                                   struct cache_sum *sum)
{
    enum cache_result result;
    unsigned tries = 0;

    do {
        cache_prepare(session);
        pawl_rcu_read_lock();
        while (try_add(session, key, sum, &result) == -EAGAIN)
            ;
        pawl_rcu_read_unlock();
    } while (result == CACHE_NO_MEMORY &&
             cache_wait_for_room(session, room_for(session, key, 0), false, tries++));
    return result;
}

/* ---- deletion, staleness, time ---- */

enum cache_result cache_delete(struct cache_session *session, const struct cache_key *key, uint64_t cas)
{
    enum cache_result result = CACHE_NOT_FOUND;

    pawl_rcu_read_lock();
    for (;;) {
        const struct present present = look(session, key);

        if (present.item == NULL)
            break;
        if (present.valid && cas != 0 && cache_item_cas(present.item) != cas) {
            result = CACHE_EXISTS;
            break;
        }
        if (!take_out(session, key, present.item))
            continue;
        if (present.valid)
            result = CACHE_STORED;
        break;
    }
    pawl_rcu_read_unlock();
    return result;
}

/* One try. -EAGAIN: what was there has changed. */
static int try_invalidate(struct cache_session *session, const struct cache_key *key, uint64_t cas,
                          bool touch, uint32_t expires, enum cache_result *result)
{
    const struct present present = look(session, key);
    struct cache_segment *own;
    struct cache_item *item;
    uint32_t bytes;
    int error;

    *result = CACHE_NOT_FOUND;
    if (!present.valid)
        return 0;
    *result = CACHE_EXISTS;
    if (cas != 0 && cache_item_cas(present.item) != cas)
        return 0;
    bytes = cache_item_value_bytes(present.item);
    session->grows = false;
    item = cache_item_make(session, CACHE_SMALL, key, bytes, cache_item_flags(present.item), false, &own);
    if (item == NULL) {
        *result = result_of(errno);
        return 0;
    }
    memcpy(item->bytes + key->count, cache_item_value(present.item), bytes);
    cache_item_set_cas(item, cache_next_cas(session, cache_item_cas(present.item)));
    /* relaxed, all: the map's release publishes them; see item.h. The right to make it anew is to be had again. */
    pawl_store_relaxed(&item->size, bytes | CACHE_STALE_);
    pawl_store_relaxed(&item->heat, pawl_load_relaxed(&present.item->heat));
    pawl_store_relaxed(&item->expires, touch ? expires : pawl_load_relaxed(&present.item->expires));
    error = put_in_place(session, key, item, present.item, !touch);
    if (error != 0) {
        cache_item_unmake(session, item, own);
        *result = CACHE_NO_MEMORY;
        return error == -EAGAIN ? -EAGAIN : 0;
    }
    took_place(session, item, present.item, own);
    *result = CACHE_STORED;
    return 0;
}

enum cache_result cache_invalidate(struct cache_session *session, const struct cache_key *key, uint64_t cas,
                                   bool touch, uint32_t expires)
{
    enum cache_result result;
    unsigned tries = 0;

    do {
        cache_prepare(session);
        pawl_rcu_read_lock();
        while (try_invalidate(session, key, cas, touch, expires, &result) == -EAGAIN)
            ;
        pawl_rcu_read_unlock();
    } while (result == CACHE_NO_MEMORY &&
             cache_wait_for_room(session, room_for(session, key, 0), false, tries++));
    return result;
}

bool cache_touch(struct cache_session *session, struct cache_item *item, uint32_t expires)
{
    const struct cache_key key = {item->bytes, item->key_bytes,
                                  pawl_hash_bytes(item->bytes, item->key_bytes, &session->store->map.seed)};

    for (;;) {
        struct cache_item *now;

        pawl_store_relaxed(&item->expires, expires); /* relaxed: see item.h */
        cache_note_expiry(cache_segment_of(&session->store->pool, item), expires);
        /* seq_cst: the store above before the look at the map; pairs with the fence in cache_follow_touch(). Who copies
         * the item sees the new expiry, or we see the copy. */
        pawl_fence_seq_cst();
        now = pawl_map_get(&session->store->map, key.hash, &key);
        if (now == NULL || now == item)
            return true;
        if (cache_item_cas(now) != cache_item_cas(item))
            return false;
        item = now;
    }
}

struct cache_item *cache_touch_key(struct cache_session *session, const struct cache_key *key,
                                   struct cache_item *item, uint32_t expires)
{
    while (!cache_touch(session, item, expires)) {
        struct cache_item *now = cache_find(session, key);

        if (now == NULL)
            break; /* as if it had gone behind the touch */
        item = now;
    }
    return item;
}

bool cache_win(struct cache_item *item)
{
    /* relaxed: one caller sees the bit unset */
    return (pawl_fetch_or_relaxed(&item->size, CACHE_WON_) & CACHE_WON_) == 0;
}
