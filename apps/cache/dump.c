/* SPDX-License-Identifier: MIT */
/* The keys that there are: `lru_crawler metadump` and `stats cachedump`. A walk through the map in sections of a few dozen
 * items, some 8000 a turn: it goes on when others had theirs, and when the client has taken what was said so far. So
 * however many items there are, they cost no memory and hold up nobody, also if there is nothing to say of them (they were
 * flushed, or their keys cannot stand in a line). It ends when its client has reset or closed both sides. Items that stay while it walks are told of, others perhaps. All stand in
 * class 1. */
#include "turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    BUCKETS_A_STEP = 8, /* some 40 items a section */
    STEPS_A_TURN = 256, /* under a millisecond, where nothing of it is in the cache */
    NUMBERS_MOST = 200, /* bytes of what stands behind a key */
    LINE_MOST = 16 + 3 * CACHE_KEY_MAX + NUMBERS_MOST,
    CLASS = 1,
};

struct cache_dump {
    struct pawl_map_cursor cursor;
    cache_visit_fn *say;
    uint64_t items_left, bytes_left; /* how much more it may say */
};

/* What is said in a turn, of which items. */
struct step {
    struct cache_turn *turn;
    struct cache_dump *dump;
    int64_t unix_now;
};

/* Of the Unix clock; `never` if it does not expire. */
static long long expires_at(const struct step *step, const struct cache_item *item, long long never)
{
    const int64_t ttl = cache_ttl(step->turn->store, item);

    return ttl < 0 ? never : (long long)(step->unix_now + ttl);
}

/* Returns whether there is more to say. */
static bool walk(struct step *step)
{
    struct cache_dump *dump = step->dump;
    const struct cache_reply *reply = step->turn->reply;
    const size_t before = reply->count;
    bool more;

    cache_read(step->turn);
    more = cache_walk(step->turn->store, &dump->cursor, BUCKETS_A_STEP, dump->say, step);
    cache_write(step->turn);
    if (reply->failed)
        return false;
    dump->bytes_left -= reply->count - before < dump->bytes_left ? reply->count - before : dump->bytes_left;
    return more && dump->items_left > 0 && dump->bytes_left > 0;
}

/* ---- lru_crawler metadump ---- */

/* As in an URL. */
static char *put_encoded(char *at, const char *key, size_t count)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < count; i++) {
        const unsigned char c = (unsigned char)key[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '-' || c == '.' || c == '_' || c == '~';

        if (plain) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    return at;
}

static void say_meta(void *arg, const struct cache_item *item)
{
    const struct step *step = arg;
    char *at = cache_reply_room(step->turn->reply, LINE_MOST);

    at = put_encoded(cache_put_bytes(at, "key=", 4), cache_item_key(item), item->key_bytes);
    at += snprintf(at, NUMBERS_MOST, " exp=%lld la=%lld cas=%llu fetch=%s cls=%d size=%zu\n",
                   expires_at(step, item, -1),
                   (long long)(step->unix_now - (int64_t)cache_age(step->turn->store, item)),
                   (unsigned long long)cache_item_cas(item), cache_item_fetched(item) ? "yes" : "no", CLASS,
                   cache_item_bytes(item));
    cache_reply_end(step->turn->reply, at);
}

/* ---- stats cachedump ---- */

/* Could it stand in a line? Memcached asks how the key had come. */
static bool is_text(const struct cache_item *item)
{
    if (cache_item_base64(item))
        return false;
    for (uint32_t i = 0; i < item->key_bytes; i++) {
        const unsigned char c = (unsigned char)cache_item_key(item)[i];

        if (c <= ' ' || c == 127)
            return false;
    }
    return true;
}

static void say_short(void *arg, const struct cache_item *item)
{
    const struct step *step = arg;
    char *at;

    if (step->dump->items_left == 0 || !is_text(item))
        return;
    step->dump->items_left--;
    at = cache_reply_room(step->turn->reply, LINE_MOST);
    at = cache_put_bytes(cache_put_bytes(at, "ITEM ", 5), cache_item_key(item), item->key_bytes);
    at += snprintf(at, NUMBERS_MOST, " [%u b; %lld s]\r\n", cache_item_value_bytes(item),
                   expires_at(step, item, 0));
    cache_reply_end(step->turn->reply, at);
}

/* ---- both ---- */

void cache_dump_free(struct cache_protocol *protocol)
{
    free(protocol->dump);
    protocol->dump = NULL;
}

static bool begin(struct cache_turn *turn, const struct cache_dump *what)
{
    struct cache_dump *dump = malloc(sizeof *dump);

    if (dump == NULL)
        return false;
    *dump = *what;
    turn->protocol->dump = dump;
    turn->protocol->state = CACHE_DUMPS;
    return true;
}

bool cache_dump_begin(struct cache_turn *turn)
{
    return begin(turn,
                 &(struct cache_dump){.say = say_meta, .items_left = UINT64_MAX, .bytes_left = UINT64_MAX});
}

bool cache_dump_class(struct cache_turn *turn, uint32_t class, uint32_t limit)
{
    if (class != CLASS) {
        cache_reply_text(turn->reply, "END\r\n");
        return true;
    }
    return begin(turn, &(struct cache_dump){.say = say_short,
                                            .items_left = limit != 0 ? limit : UINT64_MAX,
                                            .bytes_left = CACHE_REPLY_MOST});
}

int cache_feed_dump(struct cache_turn *turn)
{
    struct cache_protocol *protocol = turn->protocol;
    struct step step = {.turn = turn, .dump = protocol->dump, .unix_now = (int64_t)time(NULL)};
    bool more = true;

    for (int i = 0; more && !cache_reply_full(turn->reply); i++) {
        if (i == STEPS_A_TURN)
            return PROTOCOL_FULL;
        more = walk(&step);
    }
    if (more)
        return 0; /* cache_feed() sees that the reply is full */
    cache_reply_text(turn->reply, "END\r\n");
    cache_dump_free(protocol);
    protocol->state = cache_protocol_next(protocol);
    return 0;
}
