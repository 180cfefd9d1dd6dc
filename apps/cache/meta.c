/* SPDX-License-Identifier: MIT */
/* The meta commands: mg ms md ma mn me. A key, then flags of one letter, some with a token behind it; the answer repeats
 * those that ask for something, in their order. */
#include "base64.h"
#include "meta_flags.h"
#include "tell.h"

#include <pawl/config.h>
#include <stdio.h>

static const char bad_format[] = "CLIENT_ERROR bad command line format\r\n";
static const char bad_flag[] = "CLIENT_ERROR invalid or duplicate flag\r\n";

static struct cache_item *find(struct cache_turn *turn, const struct cache_key *key)
{
    cache_read(turn);
    return cache_find(turn->session, key);
}

static bool opaque_fits(const struct cache_meta *meta)
{
    for (uint32_t i = 0; i < meta->count; i++)
        if (meta->flags[i].at[0] == 'O' && meta->flags[i].count > CACHE_OPAQUE_MAX)
            return false;
    return true;
}

/* ---- mg ---- */

/* One flag of mg but T, of an item that is there. NULL: the opaque is too long. Not `timed`: it has no expiry yet. */
static char *put_of_item(struct cache_turn *turn, struct cache_item *item, struct cache_word flag, bool timed,
                         char *at)
{
    switch (flag.at[0]) {
    case 's':
        return cache_put_flag(at, 's', cache_item_value_bytes(item));
    case 't':
        return cache_put_ttl(at, timed ? cache_ttl(turn->store, item) : -1);
    case 'c':
        return cache_put_flag(at, 'c', cache_item_cas(item));
    case 'f':
        return cache_put_flag(at, 'f', cache_item_flags(item));
    case 'l':
        return cache_put_flag(at, 'l', cache_age(turn->store, item));
    case 'h':
        return cache_put_flag(at, 'h', cache_item_fetched(item));
    case 'O':
        return flag.count > CACHE_OPAQUE_MAX ? NULL : cache_put_opaque(at, flag);
    case 'k':
        return cache_put_key(at, cache_item_key(item), item->key_bytes, cache_item_base64(item));
    default:
        return at;
    }
}

/* Z: somebody makes it anew. X: it is stale. W: you are the one to make it anew. */
static char *put_win(const struct cache_meta *meta, struct cache_item *item, uint32_t expires, bool created,
                     char *at)
{
    const bool recache = meta->has_recache && !created && expires != 0 && expires < meta->recache_expires;
    const bool stale = cache_item_stale(item), wanted = created || recache || stale;
    const bool won = wanted && !cache_item_won(item) && cache_win(item);

    if (!won && cache_item_won(item))
        at = cache_put_bytes(at, " Z", 2);
    if (stale)
        at = cache_put_bytes(at, " X", 2);
    return won ? cache_put_bytes(at, " W", 2) : at;
}

/* An empty item, for who will fill it; its expiry is set when its N is read. NULL: somebody else made one, or there is no room. */
static struct cache_item *vivify(struct cache_turn *turn, const struct cache_key *key)
{
    struct cache_change change = {.mode = CACHE_ADD, .value = ""};

    cache_write(turn);
    if (cache_store_item(turn->session, key, &change) != CACHE_STORED)
        return NULL;
    return find(turn, key);
}

/* Returns the item. Another one: that came in its place while T touched it, and nothing is answered yet. */
static struct cache_item *answer_hit(struct cache_turn *turn, const struct cache_meta *meta,
                                     const struct cache_key *key, struct cache_item *item, bool created)
{
    struct cache_reply *reply = turn->reply;
    uint32_t expires = 0;
    bool timed = !created; /* what is made here never expires until its N was read */
    char *at = cache_reply_room(reply, META_LINE);

    at = cache_put_bytes(at, meta->value ? "VA " : "HD", meta->value ? 3 : 2);
    if (meta->value)
        at = cache_put_number(at, cache_item_value_bytes(item));
    for (uint32_t i = 0; i < meta->count; i++) {
        timed = timed || meta->flags[i].at[0] == 'N' || meta->flags[i].at[0] == 'T';
        if (meta->flags[i].at[0] == 'T') {
            struct cache_item *touched = cache_touch_key(turn->session, key, item, meta->expires);

            if (touched != item && !created)
                return touched;
        }
        if (created && meta->flags[i].at[0] == 'N')
            (void)cache_touch(turn->session, item, meta->vivify_expires);
        if (meta->flags[i].at[0] == 'R')
            expires = pawl_load_relaxed(&item->expires); /* relaxed: see item.h. Behind a T: the new one */
        at = put_of_item(turn, item, meta->flags[i], timed, at);
        if (at == NULL) {
            if (created)
                (void)cache_touch(turn->session, item, meta->vivify_expires);
            cache_answer_error(turn, cache_long_opaque);
            return item;
        }
    }
    if (PAWL_UNLIKELY(created || meta->has_recache || cache_item_stale(item) || cache_item_won(item)))
        at = put_win(meta, item, expires, created, at);
    cache_reply_end(reply, cache_put_bytes(at, "\r\n", 2));
    if (meta->value)
        cache_answer_value(turn, item, true);
    return item;
}

static void meta_get(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    struct cache_item *item, *answered;
    struct cache_key key;
    struct cache_meta meta;
    bool created = false;
    const char *wrong;

    if (count > META_WORDS) {
        cache_answer_error(turn, "CLIENT_ERROR options flags are too long\r\n");
        return;
    }
    wrong = cache_meta_read(turn, &meta, words, count, 2);
    if (wrong != NULL) {
        cache_answer_error(turn, wrong);
        return;
    }
    cache_key_make(turn->store, &key, meta.key.at, meta.key.count);
    item = find(turn, &key);
    if (item == NULL && meta.vivify) {
        item = vivify(turn, &key);
        created = item != NULL;
        if (item == NULL)
            item = find(turn, &key);
    }
    cache_tell_get(turn, &key, item, false);
    cache_tally(turn->stats, meta.new_ttl && item != NULL ? CACHE_CMD_TOUCH : CACHE_CMD_GET);
    if (item == NULL) {
        cache_tally(turn->stats, CACHE_GET_MISSES);
        if (!meta.quiet || !opaque_fits(&meta))
            cache_meta_status(turn, &meta, "EN");
        return;
    }
    cache_tally(turn->stats, meta.new_ttl ? CACHE_TOUCH_HITS : CACHE_GET_HITS);
    while ((answered = answer_hit(turn, &meta, &key, item, created)) != item)
        item = answered;
    if (!meta.no_update)
        cache_hit(turn->session, item); /* now: h and l are of before */
}

/* ---- ms ---- */

static bool set_mode(const struct cache_meta *meta, enum cache_mode *mode)
{
    switch (meta->mode) {
    case 0:
    case 'S':
        *mode = CACHE_SET;
        return true;
    case 'E':
        *mode = CACHE_ADD;
        return true;
    case 'A':
        *mode = CACHE_APPEND;
        return true;
    case 'P':
        *mode = CACHE_PREPEND;
        return true;
    case 'R':
        *mode = CACHE_REPLACE;
        return true;
    default:
        return false;
    }
}

/* What the answer to a set shall have is kept until its value is there. False: the opaque is too long. */
static bool keep_returns(struct cache_receiving *next, const struct cache_meta *meta)
{
    uint32_t returns = 0;

    for (uint32_t i = 0; i < meta->count; i++) {
        const struct cache_word flag = meta->flags[i];

        if (flag.at[0] != 'O' && flag.at[0] != 'k' && flag.at[0] != 'c')
            continue;
        if (flag.at[0] == 'O') {
            if (flag.count > CACHE_OPAQUE_MAX)
                return false;
            next->opaque = flag.at;
            next->opaque_bytes = (uint8_t)flag.count;
        }
        next->returns[returns++] = flag.at[0];
    }
    return true;
}

/* A line that is understood, but for its flags. Returns what is wrong with them. */
static const char *read_set(struct cache_turn *turn, const struct cache_word *words, uint32_t count,
                            uint32_t bytes)
{
    struct cache_receiving *next = &turn->next;
    struct cache_meta meta;
    enum cache_mode mode;
    const char *wrong = cache_meta_read(turn, &meta, words, count, 3);
    bool compare, fits;

    if (wrong != NULL)
        return wrong;
    *next = (struct cache_receiving){.ending = CACHE_LINE_END, .kind = CACHE_META};
    fits = keep_returns(next, &meta);
    if (!set_mode(&meta, &mode))
        return "CLIENT_ERROR invalid mode for ms M token\r\n";
    if (!fits)
        return cache_long_opaque;
    if (cache_too_large(turn, meta.key.count, meta.client_flags, bytes)) {
        cache_forget(turn, meta.key.at, meta.key.count);
        return "SERVER_ERROR object too large for cache\r\n";
    }
    compare = meta.has_cas && (mode == CACHE_SET || mode == CACHE_REPLACE);
    next->change = (struct cache_change){
        .mode = compare ? CACHE_SET : mode,
        .flags = meta.client_flags,
        .expires = meta.vivify && !meta.new_ttl && mode >= CACHE_APPEND ? meta.vivify_expires : meta.expires,
        .cas = mode == CACHE_ADD ? 0 : meta.cas,
        .new_cas = meta.new_cas,
        .if_stale = meta.stale && compare,
        .vivify = meta.vivify && mode >= CACHE_APPEND,
        .base64 = meta.base64,
        .value_bytes = bytes,
    };
    next->key = meta.key.at;
    next->key_bytes = meta.key.count;
    next->compare = compare;
    next->silent = meta.quiet;
    return NULL;
}

static void meta_set(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    const char *wrong;
    int32_t bytes;

    if (count == 2) {
        cache_answer_error(turn, bad_format);
        return;
    }
    if (count > META_WORDS) {
        cache_answer_error(turn, "CLIENT_ERROR options flags too long\r\n");
        return;
    }
    if (!cache_read_i32(words[2], &bytes) || bytes < 0 || bytes > CACHE_BYTES_MAX) {
        cache_answer_error(turn, bad_format);
        return;
    }
    wrong = read_set(turn, words, count, (uint32_t)bytes);
    if (wrong != NULL) {
        cache_answer_error(turn, wrong);
        cache_swallow(turn, (uint64_t)bytes + CACHE_LINE_END);
        return;
    }
    turn->protocol->state = CACHE_VALUE;
}

void cache_meta_stored(struct cache_turn *turn, const struct cache_receiving *receiving,
                       enum cache_result result, bool ends_well)
{
    static const char statuses[][3] = {
        [CACHE_STORED] = "HD",    [CACHE_NOT_STORED] = "NS", [CACHE_EXISTS] = "EX",
        [CACHE_NOT_FOUND] = "NF", [CACHE_NOT_NUMBER] = "NS", [CACHE_TOO_LARGE] = "NS",
        [CACHE_NO_MEMORY] = "NS"};
    const bool adds = receiving->change.mode == CACHE_APPEND || receiving->change.mode == CACHE_PREPEND;
    char *at;

    if (!ends_well) {
        cache_answer_error(turn, "CLIENT_ERROR bad data chunk\r\n");
        return;
    }
    if (!adds && (result == CACHE_TOO_LARGE || result == CACHE_NO_MEMORY)) {
        cache_answer_error(turn, result == CACHE_TOO_LARGE ? "SERVER_ERROR object too large for cache\r\n"
                                                           : "SERVER_ERROR out of memory storing object\r\n");
        return;
    }
    if (result == CACHE_STORED && receiving->silent)
        return;
    at = cache_put_bytes(cache_reply_room(turn->reply, META_TAIL), statuses[result], 2);
    for (uint32_t i = 0; i < CACHE_RETURNS_MAX && receiving->returns[i] != '\0'; i++) {
        if (receiving->returns[i] == 'O')
            at = cache_put_opaque(at, (struct cache_word){receiving->opaque, receiving->opaque_bytes});
        else if (receiving->returns[i] == 'k')
            at = cache_put_key(at, receiving->key, receiving->key_bytes, receiving->change.base64);
        else
            at = cache_put_flag(at, 'c', result == CACHE_STORED ? receiving->change.stored_cas : 0);
    }
    cache_reply_end(turn->reply, cache_put_bytes(at, "\r\n", 2));
}

/* ---- md ---- */

/* Lines of md and ma answer with fewer words what is wrong. False: it was answered. */
static bool read_short(struct cache_turn *turn, struct cache_meta *meta, const struct cache_word *words,
                       uint32_t count)
{
    if (count > META_WORDS)
        cache_answer_error(turn, "CLIENT_ERROR options flags too long\r\n");
    else if (cache_meta_read(turn, meta, words, count, 2) != NULL)
        cache_answer_error(turn, bad_flag);
    else
        return true;
    return false;
}

static void meta_delete(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    enum cache_result result = CACHE_NOT_FOUND;
    struct cache_key key;
    struct cache_meta meta;
    bool there;

    if (!read_short(turn, &meta, words, count))
        return;
    if (!opaque_fits(&meta)) {
        cache_answer_error(turn, cache_long_opaque);
        return;
    }
    cache_key_make(turn->store, &key, meta.key.at, meta.key.count);
    there = meta.has_cas && meta.cas == 0 && find(turn, &key) != NULL;
    cache_write(turn);
    if (meta.has_cas && meta.cas == 0)
        result = there ? CACHE_EXISTS : CACHE_NOT_FOUND; /* no item has that one */
    else if (meta.stale)
        result = cache_invalidate(turn->session, &key, meta.cas, meta.new_ttl, meta.expires);
    else
        result = cache_delete(turn->session, &key, meta.cas);
    (void)cache_tell_delete(turn, &key, result);
    if (result == CACHE_STORED) {
        if (!meta.stale)
            cache_tally(turn->stats, CACHE_DELETE_HITS);
        if (!meta.quiet)
            cache_meta_status(turn, &meta, "HD");
        return;
    }
    cache_tally(turn->stats, CACHE_DELETE_MISSES);
    if (result == CACHE_NO_MEMORY || result == CACHE_TOO_LARGE)
        cache_answer_error(turn, "SERVER_ERROR out of memory\r\n");
    else
        cache_meta_status(turn, &meta, result == CACHE_EXISTS ? "EX" : "NF");
}

/* ---- ma ---- */

static bool sum_mode(const struct cache_meta *meta, bool *down)
{
    *down = meta->mode == 'D' || meta->mode == '-';
    return *down || meta->mode == 0 || meta->mode == 'I' || meta->mode == '+';
}

/* The number is there: its line, with what is known of its item. */
static void answer_sum(struct cache_turn *turn, const struct cache_meta *meta, const struct cache_key *key,
                       const struct cache_sum *sum, bool created)
{
    char *at = cache_reply_room(turn->reply, META_LINE), digits[CACHE_NUMBER_MAX];
    bool timed = !created; /* see answer_hit() */
    const size_t count = (size_t)(cache_put_number(digits, sum->value) - digits);
    struct cache_item *item = find(turn, key); /* it may be gone again: then t is 0 */

    at = cache_put_bytes(at, meta->value ? "VA " : "HD", meta->value ? 3 : 2);
    if (meta->value)
        at = cache_put_number(at, count);
    for (uint32_t i = 0; i < meta->count; i++) {
        const struct cache_word flag = meta->flags[i];

        timed = timed || flag.at[0] == 'N' || flag.at[0] == 'T';
        if (flag.at[0] == 'c')
            at = cache_put_flag(at, 'c', sum->stored_cas);
        else if (flag.at[0] == 't')
            at = cache_put_ttl(at, item == NULL ? 0 : timed ? cache_ttl(turn->store, item) : -1);
        else if (flag.at[0] == 'T' && item != NULL)
            item = cache_touch_key(turn->session, key, item, meta->expires);
        else if (flag.at[0] == 'N' && item != NULL && created)
            (void)cache_touch(turn->session, item, meta->vivify_expires);
        else if (flag.at[0] == 'k')
            at = cache_put_key(at, meta->key.at, meta->key.count, meta->base64);
        else if (flag.at[0] == 'O')
            at = cache_put_opaque(at, flag);
    }
    at = cache_put_bytes(at, "\r\n", 2);
    if (meta->value)
        at = cache_put_bytes(cache_put_bytes(at, digits, count), "\r\n", 2);
    cache_reply_end(turn->reply, at);
}

/* In two steps, as the answer depends on whether it was there. */
static enum cache_result add_number(struct cache_turn *turn, const struct cache_meta *meta,
                                    const struct cache_key *key, struct cache_sum *sum, bool *created)
{
    enum cache_result result;

    cache_write(turn);
    result = cache_add_number(turn->session, key, sum);
    *created = result == CACHE_NOT_FOUND && meta->vivify;
    if (!*created)
        return result;
    sum->vivify = true;
    return cache_add_number(turn->session, key, sum);
}

static void meta_sum(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    const struct cache_reply_mark mark = cache_reply_mark(turn->reply);
    struct cache_sum sum = {.vivify = false};
    struct cache_key key;
    struct cache_meta meta;
    bool created;

    if (!read_short(turn, &meta, words, count))
        return;
    if (!sum_mode(&meta, &sum.down)) {
        cache_answer_error(turn, "CLIENT_ERROR invalid mode for ma M token\r\n");
        return;
    }
    sum.delta = meta.delta;
    sum.cas = meta.cas;
    sum.new_cas = meta.new_cas;
    sum.initial = meta.initial;
    sum.expires = meta.vivify_expires;
    cache_key_make(turn->store, &key, meta.key.at, meta.key.count);
    switch (cache_tell_sum(turn, &key, &sum, add_number(turn, &meta, &key, &sum, &created))) {
    case CACHE_STORED:
        cache_tally(turn->stats, sum.down ? CACHE_DECR_HITS : CACHE_INCR_HITS);
        if (!opaque_fits(&meta)) {
            cache_answer_error(turn, cache_long_opaque);
            return;
        }
        answer_sum(turn, &meta, &key, &sum, created);
        if (meta.quiet && !created)
            cache_reply_rollback(turn->reply, mark);
        return;
    case CACHE_NOT_NUMBER:
        cache_answer_error(turn, "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
        return;
    case CACHE_TOO_LARGE:
    case CACHE_NO_MEMORY:
        cache_answer_error(turn, "SERVER_ERROR out of memory\r\n");
        return;
    case CACHE_EXISTS:
        cache_meta_status(turn, &meta, "EX");
        return;
    default:
        cache_tally(turn->stats, sum.down ? CACHE_DECR_MISSES : CACHE_INCR_MISSES);
        cache_meta_status(turn, &meta, "NF");
    }
}

/* ---- me ---- */

/* For people who look for mistakes. exp is what memcached prints there: -1 for never, else the seconds left, below 0. */
static void meta_debug(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    struct cache_word name = words[1];
    const struct cache_item *item;
    struct cache_key key;
    int64_t ttl;
    char *at;

    if (count >= 3 && words[2].count == 1 && words[2].at[0] == 'b') {
        name = (struct cache_word){turn->key, (uint32_t)cache_base64_decode(turn->key, name.at, name.count)};
        if (name.count == 0) {
            cache_answer(turn, bad_format);
            return;
        }
    }
    cache_tally(turn->stats, CACHE_CMD_META);
    cache_key_make(turn->store, &key, name.at, name.count);
    item = find(turn, &key);
    if (item == NULL) {
        cache_answer(turn, "EN\r\n");
        return;
    }
    ttl = cache_ttl(turn->store, item);
    at = cache_put_bytes(cache_reply_room(turn->reply, META_LINE), "ME ", 3);
    if (cache_item_base64(item))
        at += cache_base64_encode(at, name.at, name.count);
    else
        at = cache_put_bytes(at, name.at, name.count);
    at += snprintf(at, META_TAIL, " exp=%lld la=%u cas=%llu fetch=%s cls=1 size=%zu\r\n",
                   (long long)(ttl < 0 ? -1 : -ttl), cache_age(turn->store, item),
                   (unsigned long long)cache_item_cas(item), cache_item_fetched(item) ? "yes" : "no",
                   cache_item_bytes(item));
    cache_reply_end(turn->reply, at);
}

int cache_meta_line(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    const char name = words[0].at[1];

    if (name == 'n') {
        cache_answer(turn, "MN\r\n");
        return 0;
    }
    if (strchr("gsdae", name) == NULL || (count < 2 && name != 'e')) {
        cache_answer(turn, "ERROR\r\n");
        return 0;
    }
    if (count < 2 || words[1].count > CACHE_KEY_MAX) {
        cache_answer(turn, bad_format);
        return 0;
    }
    if (name == 'g')
        meta_get(turn, words, count);
    else if (name == 's')
        meta_set(turn, words, count);
    else if (name == 'd')
        meta_delete(turn, words, count);
    else if (name == 'a')
        meta_sum(turn, words, count);
    else
        meta_debug(turn, words, count);
    return 0;
}
