/* SPDX-License-Identifier: MIT */
/* The classic commands. */
#include "tell.h"
#include "turn.h"

#include <pawl/config.h>

enum { BATCH = 16 }; /* keys that are looked up together */

static const char bad_format[] = "CLIENT_ERROR bad command line format\r\n";

/* ---- get, gets, gat, gats ---- */

enum get_flags {
    LINE_BEGINS = 1, /* it is the first key of a line */
    LINE_ENDS = 2,   /* it is the last: END comes behind it */
    WITH_CAS = 4,
    WITH_TOUCH = 8,
};

struct get_batch {
    uint32_t count, expires;
    struct cache_reply_mark line; /* where the answer to the line begins that is worked on */
    bool begun;                   /* some keys of it were answered already */
    struct cache_key keys[BATCH];
    uint8_t flags[BATCH];
};

/* VALUE key flags bytes [cas]\r\nvalue\r\n */
static void answer_item(struct cache_turn *turn, const struct cache_item *item, uint32_t flags)
{
    enum { WORDS = 64 }; /* what stands around the key: 4 numbers at most */
    struct cache_reply *reply = turn->reply;
    char *at = cache_reply_room(reply, WORDS + CACHE_KEY_MAX);

    at = cache_put_bytes(at, "VALUE ", 6);
    at = cache_put_bytes(at, cache_item_key(item), item->key_bytes);
    *at++ = ' ';
    at = cache_put_number(at, cache_item_flags(item));
    *at++ = ' ';
    at = cache_put_number(at, cache_item_value_bytes(item));
    if (flags & WITH_CAS) {
        *at++ = ' ';
        at = cache_put_number(at, cache_item_cas(item));
    }
    at = cache_put_bytes(at, "\r\n", 2);
    cache_reply_end(reply, at);
    cache_answer_value(turn, item, true);
}

void cache_answer_value(struct cache_turn *turn, const struct cache_item *item, bool line_end)
{
    const size_t count = (size_t)cache_item_value_bytes(item) + (line_end ? CACHE_LINE_END : 0);

    /* A reference holds a whole segment: only what is a fair part of one is worth it. */
    if (cache_item_value_bytes(item) >= turn->refer_from) {
        cache_reply_refer(turn->reply, cache_chunk(turn->session, item), cache_item_value(item), count);
    } else if (count > CACHE_REPLY_LINE) {
        cache_reply_append(turn->reply, cache_item_value(item), count);
    } else {
        char *at = cache_reply_room(turn->reply, count);

        cache_reply_end(turn->reply, cache_put_bytes(at, cache_item_value(item), count));
    }
}

/* Its keys are not set to zero: there is room for many more than most lines have. */
static void begin_batch(struct get_batch *batch)
{
    batch->count = 0;
    batch->expires = 0;
    batch->line = (struct cache_reply_mark){0, 0};
    batch->begun = false;
}

static void get_item(struct cache_turn *turn, struct get_batch *batch, uint32_t i, struct cache_item *item)
{
    const struct cache_key *key = &batch->keys[i];
    const bool touch = (batch->flags[i] & WITH_TOUCH) != 0;

    cache_tally(turn->stats, touch ? CACHE_CMD_TOUCH : CACHE_CMD_GET);
    cache_tell_get(turn, key, item, true);
    if (item == NULL) {
        cache_tally(turn->stats, touch ? CACHE_TOUCH_MISSES : CACHE_GET_MISSES);
        return;
    }
    cache_tally(turn->stats, touch ? CACHE_TOUCH_HITS : CACHE_GET_HITS);
    cache_hit(turn->session, item);
    if (touch)
        item = cache_touch_key(turn->session, key, item, batch->expires);
    answer_item(turn, item, batch->flags[i]);
}

/* Their buckets were asked for when they were added. */
static void get_batch(struct cache_turn *turn, struct get_batch *batch)
{
    const uint32_t count = batch->count;
    struct cache_item *items[BATCH];

    cache_read(turn);
    for (uint32_t i = 0; count > 1 && i < count; i++)
        cache_prefetch_item(turn->store, batch->keys[i].hash, CACHE_READ_AHEAD);
    for (uint32_t i = 0; i < count; i++)
        items[i] = cache_find(turn->session, &batch->keys[i]);
    for (uint32_t i = 0; i < count; i++) {
        if (batch->flags[i] & LINE_BEGINS) {
            batch->line = cache_reply_mark(turn->reply);
            batch->begun = true;
        }
        /* A touch may have ended the time of a key that comes again. */
        if (PAWL_UNLIKELY((batch->flags[i] & WITH_TOUCH) != 0 && i != 0))
            items[i] = cache_find(turn->session, &batch->keys[i]);
        get_item(turn, batch, i, items[i]);
        if (batch->flags[i] & LINE_ENDS) {
            cache_reply_text(turn->reply, "END\r\n");
            batch->begun = false;
        }
    }
    batch->count = 0;
}

/* The keys of a line. What has been answered of it is taken back when one of them is too long. Returns where it
 * stopped, before a key, when the reply is full; else NULL. */
static const char *get_line(struct cache_turn *turn, struct get_batch *batch, const char *at, const char *end,
                            uint8_t flags)
{
    uint8_t begins = LINE_BEGINS;
    struct cache_word word;

    while (cache_next_word(&at, &end, &word)) {
        if (PAWL_UNLIKELY(word.count > CACHE_KEY_MAX)) {
            get_batch(turn, batch); /* as gat has touched what stands before it */
            if (batch->begun)
                cache_reply_rollback(turn->reply, batch->line);
            batch->begun = false;
            cache_answer_error(turn, bad_format);
            return NULL;
        }
        if (batch->count == BATCH) {
            get_batch(turn, batch);
            cache_write(turn); /* no section is longer than this, however many keys there are */
            if (begins == 0 && PAWL_UNLIKELY(cache_reply_full(turn->reply)))
                return word.at;
        }
        cache_key_make(turn->store, &batch->keys[batch->count], word.at, word.count);
        cache_prefetch(turn->store, &batch->keys[batch->count]);
        batch->flags[batch->count++] = (uint8_t)(flags | begins);
        begins = 0;
    }
    if (begins != 0) {
        get_batch(turn, batch);
        cache_answer_error(turn, flags & WITH_TOUCH ? "END\r\n" : "ERROR\r\n");
        return NULL;
    }
    batch->flags[batch->count - 1] |= LINE_ENDS;
    return NULL;
}

/* What is left of a `get` becomes a line of its own that has not come to its end: the next one. */
static void stop_get(struct cache_turn *turn, struct cache_word command, const char *rest, const char *end)
{
    turn->stopped = cache_keep_again(turn->protocol, command,
                                     (struct cache_word){rest, (uint32_t)(end - rest)})
                        ? CACHE_STOPPED
                        : CACHE_STOPPED_FOR_GOOD;
}

const char *cache_ascii_gets(struct cache_turn *turn, const char *at, const char *end)
{
    struct get_batch batch;

    begin_batch(&batch);
    turn->silent = false;
    while (end - at > 4 && memcmp(at, "get ", 4) == 0 && batch.count < BATCH) {
        const char *newline = memchr(at + 4, '\n', (size_t)(end - at) - 4), *line_end = newline, *stopped;

        if (newline == NULL)
            break;
        if (line_end[-1] == '\r')
            line_end--;
        stopped = get_line(turn, &batch, at + 4, line_end, 0);
        if (PAWL_UNLIKELY(stopped != NULL)) {
            stop_get(turn, (struct cache_word){at, 3}, stopped, line_end);
            return newline + 1;
        }
        at = newline + 1;
    }
    get_batch(turn, &batch);
    return at;
}

static void get(struct cache_turn *turn, struct cache_word name, const char *at, const char *end,
                uint8_t flags)
{
    struct get_batch batch;
    struct cache_word word;
    const char *stopped;
    int32_t exptime;

    begin_batch(&batch);
    if (flags & WITH_TOUCH) {
        if (!cache_next_word(&at, &end, &word)) {
            cache_answer_error(turn, "ERROR\r\n");
            return;
        }
        if (!cache_read_i32(word, &exptime)) {
            cache_answer_error(turn, "CLIENT_ERROR invalid exptime argument\r\n");
            return;
        }
        batch.expires = cache_expiry(turn->store, exptime);
    }
    stopped = get_line(turn, &batch, at, end, flags);
    if (PAWL_UNLIKELY(stopped != NULL))
        stop_get(turn, (struct cache_word){name.at, (uint32_t)(at - name.at)}, stopped, end);
    else
        get_batch(turn, &batch);
}

/* ---- those that store ---- */

static bool says_noreply(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    turn->silent = cache_word_is(words[count - 1], "noreply");
    return turn->silent;
}

/* set key flags exptime bytes [noreply], cas key flags exptime bytes cas [noreply] */
static void update(struct cache_turn *turn, const struct cache_word *words, uint32_t count,
                   enum cache_mode mode, bool compare)
{
    const struct cache_word key = words[1];
    const uint32_t least = compare ? 6 : 5;
    uint32_t flags;
    int32_t exptime, bytes;
    uint64_t cas = 0;

    if (count != least && count != least + 1) {
        cache_answer(turn, "ERROR\r\n");
        return;
    }
    says_noreply(turn, words, count);
    if (key.count > CACHE_KEY_MAX || !cache_read_u32(words[2], &flags) ||
        !cache_read_i32(words[3], &exptime) || !cache_read_i32(words[4], &bytes) ||
        (compare && !cache_read_u64(words[5], &cas)) || bytes < 0 || bytes > CACHE_BYTES_MAX) {
        cache_answer(turn, bad_format);
        return;
    }
    cache_detail_count(turn, key.at, key.count, CACHE_DETAIL_SET);
    if (PAWL_UNLIKELY(cache_too_large(turn, key.count, flags, (uint32_t)bytes))) {
        cache_answer(turn, "SERVER_ERROR object too large for cache\r\n");
        if (mode == CACHE_SET && !compare)
            cache_forget(turn, key.at, key.count);
        cache_swallow(turn, (uint64_t)bytes + CACHE_LINE_END);
        return;
    }
    turn->next = (struct cache_receiving){
        .change = {.mode = mode,
                   .flags = flags,
                   .expires = cache_expiry(turn->store, exptime),
                   .cas = cas,
                   .value_bytes = (uint32_t)bytes},
        .key = key.at,
        .key_bytes = key.count,
        .ending = CACHE_LINE_END,
        .kind = CACHE_CLASSIC,
        .compare = compare,
        .silent = turn->silent,
    };
    turn->protocol->state = CACHE_VALUE;
}

void cache_ascii_stored(struct cache_turn *turn, const struct cache_receiving *receiving,
                        enum cache_result result, bool ends_well)
{
    const bool adds = receiving->change.mode == CACHE_APPEND || receiving->change.mode == CACHE_PREPEND;

    if (!ends_well) {
        cache_answer(turn, "CLIENT_ERROR bad data chunk\r\n");
        return;
    }
    switch (result) {
    case CACHE_STORED:
        cache_answer(turn, "STORED\r\n");
        break;
    case CACHE_EXISTS:
        cache_answer(turn, "EXISTS\r\n");
        break;
    case CACHE_NOT_FOUND:
        cache_answer(turn, "NOT_FOUND\r\n");
        break;
    case CACHE_TOO_LARGE:
        cache_answer(turn, adds ? "NOT_STORED\r\n" : "SERVER_ERROR object too large for cache\r\n");
        break;
    case CACHE_NO_MEMORY:
        cache_answer(turn, adds ? "NOT_STORED\r\n" : "SERVER_ERROR out of memory storing object\r\n");
        break;
    case CACHE_NOT_STORED:
    case CACHE_NOT_NUMBER:
        cache_answer(turn, "NOT_STORED\r\n");
        break;
    }
}

/* ---- incr, decr, delete, touch ---- */

/* Of incr, decr and touch: a key, a number, and perhaps noreply. False: it was answered. */
static bool key_and_number(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    if (count != 3 && count != 4) {
        cache_answer(turn, "ERROR\r\n");
        return false;
    }
    says_noreply(turn, words, count);
    if (words[1].count > CACHE_KEY_MAX) {
        cache_answer(turn, bad_format);
        return false;
    }
    return true;
}

static void arithmetic(struct cache_turn *turn, const struct cache_word *words, uint32_t count, bool down)
{
    struct cache_sum sum = {.down = down};
    struct cache_key key;
    char *at;

    if (!key_and_number(turn, words, count))
        return;
    if (!cache_read_u64(words[2], &sum.delta)) {
        cache_answer(turn, "CLIENT_ERROR invalid numeric delta argument\r\n");
        return;
    }
    cache_key_make(turn->store, &key, words[1].at, words[1].count);
    cache_write(turn);
    switch (cache_tell_sum(turn, &key, &sum, cache_add_number(turn->session, &key, &sum))) {
    case CACHE_STORED:
        cache_tally(turn->stats, down ? CACHE_DECR_HITS : CACHE_INCR_HITS);
        if (turn->silent)
            return;
        at = cache_put_number(cache_reply_room(turn->reply, CACHE_NUMBER_MAX + CACHE_LINE_END), sum.value);
        cache_reply_end(turn->reply, cache_put_bytes(at, "\r\n", 2));
        return;
    case CACHE_NOT_NUMBER:
        cache_answer(turn, "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
        return;
    case CACHE_TOO_LARGE:
    case CACHE_NO_MEMORY:
        cache_answer(turn, "SERVER_ERROR out of memory\r\n");
        return;
    default:
        cache_tally(turn->stats, down ? CACHE_DECR_MISSES : CACHE_INCR_MISSES);
        cache_answer(turn, "NOT_FOUND\r\n");
    }
}

/* delete key [0] [noreply] */
static void delete_key(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    struct cache_key key;

    if (count < 2 || count > 4) {
        cache_answer(turn, "ERROR\r\n");
        return;
    }
    if (count > 2) {
        const bool zero = cache_word_is(words[2], "0"), noreply = says_noreply(turn, words, count);

        if (!(count == 3 ? zero || noreply : zero && noreply)) {
            cache_answer(turn, "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n");
            return;
        }
    }
    if (words[1].count > CACHE_KEY_MAX) {
        cache_answer(turn, bad_format);
        return;
    }
    cache_detail_count(turn, words[1].at, words[1].count, CACHE_DETAIL_DELETE);
    cache_key_make(turn->store, &key, words[1].at, words[1].count);
    cache_write(turn);
    if (cache_tell_delete(turn, &key, cache_delete(turn->session, &key, 0)) == CACHE_STORED) {
        cache_tally(turn->stats, CACHE_DELETE_HITS);
        cache_answer(turn, "DELETED\r\n");
    } else {
        cache_tally(turn->stats, CACHE_DELETE_MISSES);
        cache_answer(turn, "NOT_FOUND\r\n");
    }
}

static void touch(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    struct cache_item *item;
    struct cache_key key;
    int32_t exptime;

    if (!key_and_number(turn, words, count))
        return;
    if (!cache_read_i32(words[2], &exptime)) {
        cache_answer(turn, "CLIENT_ERROR invalid exptime argument\r\n");
        return;
    }
    cache_key_make(turn->store, &key, words[1].at, words[1].count);
    cache_read(turn);
    item = cache_find(turn->session, &key);
    cache_tally(turn->stats, CACHE_CMD_TOUCH);
    cache_tally(turn->stats, item != NULL ? CACHE_TOUCH_HITS : CACHE_TOUCH_MISSES);
    if (item != NULL) {
        cache_hit(turn->session, item);
        item = cache_touch_key(turn->session, &key, item, cache_expiry(turn->store, exptime));
    }
    cache_tell_touch(turn, &key, item);
    cache_answer(turn, item != NULL ? "TOUCHED\r\n" : "NOT_FOUND\r\n");
}

/* ---- by the first letter ---- */

/* Those with a letter of their own, which clients send all the time. False: it is none of them. */
static bool frequent(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    const struct cache_word name = words[0];

    switch (name.at[0]) {
    case 's':
        if (!cache_word_is(name, "set"))
            return false;
        update(turn, words, count, CACHE_SET, false);
        return true;
    case 'a':
        if (cache_word_is(name, "add"))
            update(turn, words, count, CACHE_ADD, false);
        else if (cache_word_is(name, "append"))
            update(turn, words, count, CACHE_APPEND, false);
        else
            return false;
        return true;
    case 'c':
        if (!cache_word_is(name, "cas"))
            return false;
        update(turn, words, count, CACHE_SET, true);
        return true;
    case 'd':
        if (cache_word_is(name, "delete"))
            delete_key(turn, words, count);
        else if (cache_word_is(name, "decr"))
            arithmetic(turn, words, count, true);
        else
            return false;
        return true;
    case 'i':
        if (!cache_word_is(name, "incr"))
            return false;
        arithmetic(turn, words, count, false);
        return true;
    case 'p':
        if (!cache_word_is(name, "prepend"))
            return false;
        update(turn, words, count, CACHE_PREPEND, false);
        return true;
    case 'r':
        if (!cache_word_is(name, "replace"))
            return false;
        update(turn, words, count, CACHE_REPLACE, false);
        return true;
    case 't':
        if (!cache_word_is(name, "touch"))
            return false;
        touch(turn, words, count);
        return true;
    default:
        return false;
    }
}

static bool any_get(struct cache_turn *turn, struct cache_word name, const char *at, const char *end)
{
    if (name.at[0] != 'g' && name.at[0] != 'b')
        return false;
    if (cache_word_is(name, "get") || cache_word_is(name, "bget"))
        get(turn, name, at, end, 0);
    else if (cache_word_is(name, "gets"))
        get(turn, name, at, end, WITH_CAS);
    else if (cache_word_is(name, "gat"))
        get(turn, name, at, end, WITH_TOUCH);
    else if (cache_word_is(name, "gats"))
        get(turn, name, at, end, WITH_TOUCH | WITH_CAS);
    else
        return false;
    return true;
}

int cache_ascii_line(struct cache_turn *turn, const char *line, const char *end)
{
    struct cache_word words[CACHE_WORDS];
    uint32_t count = 1;

    if (!cache_next_word(&line, &end, &words[0]) || words[0].count < 2) {
        cache_answer(turn, "ERROR\r\n");
        return 0;
    }
    if (any_get(turn, words[0], line, end))
        return 0;
    while (count < CACHE_WORDS && cache_next_word(&line, &end, &words[count]))
        count++;
    if (words[0].at[0] == 'm' && words[0].count == 2)
        return cache_meta_line(turn, words, count);
    if (frequent(turn, words, count))
        return 0;
    return cache_admin_line(turn, words, count);
}
