/* SPDX-License-Identifier: MIT */
#include "meta_flags.h"

#include "base64.h"

static const char bad_format[] = "CLIENT_ERROR bad command line format\r\n";
static const char bad_token[] = "CLIENT_ERROR bad token in command line format\r\n";
const char cache_long_opaque[] = "CLIENT_ERROR opaque token too long\r\n";

/* ---- flags ---- */

static const char *read_expiry(struct cache_turn *turn, struct cache_word token, uint32_t *expires)
{
    int32_t exptime;

    if (!cache_read_i32(token, &exptime))
        return bad_token;
    *expires = cache_expiry(turn->store, exptime);
    return NULL;
}

/* One flag and its token. Returns what is wrong, or NULL; *fatal: nothing behind it is looked at. */
static const char *read_flag(struct cache_turn *turn, struct cache_meta *meta, struct cache_word flag,
                             bool *fatal)
{
    const struct cache_word token = {flag.at + 1, flag.count - 1};

    switch (flag.at[0]) {
    case 'b':
        meta->base64 = true;
        meta->key.count = (uint32_t)cache_base64_decode(turn->key, meta->key.at, meta->key.count);
        meta->key.at = turn->key;
        return meta->key.count != 0 ? NULL : "CLIENT_ERROR error decoding key\r\n";
    case 'N':
        meta->vivify = true;
        return read_expiry(turn, token, &meta->vivify_expires);
    case 'T':
        meta->new_ttl = true;
        return read_expiry(turn, token, &meta->expires);
    case 'R':
        meta->has_recache = true;
        return read_expiry(turn, token, &meta->recache_expires);
    case 'v':
        meta->value = true;
        return NULL;
    case 'u':
        meta->no_update = true;
        return NULL;
    case 'q':
        meta->quiet = true;
        return NULL;
    case 'I':
        meta->stale = true;
        return NULL;
    case 'F':
        return cache_read_u32(token, &meta->client_flags) ? NULL : bad_format;
    case 'C':
        meta->has_cas = true;
        return cache_read_u64(token, &meta->cas) ? NULL : bad_token;
    case 'E':
        return cache_read_u64(token, &meta->new_cas) ? NULL : bad_token;
    case 'M':
        if (flag.count != 2)
            return "CLIENT_ERROR incorrect length for M token\r\n";
        meta->mode = token.at[0];
        return NULL;
    case 'J':
        return cache_read_u64(token, &meta->initial) ? NULL
                                                     : "CLIENT_ERROR invalid numeric initial value\r\n";
    case 'D':
        return cache_read_u64(token, &meta->delta) ? NULL : "CLIENT_ERROR invalid numeric delta value\r\n";
    case 'c': /* what the answer shall have */
    case 'f':
    case 'h':
    case 'k':
    case 'l':
    case 's':
    case 't':
    case 'O':
    case 'L': /* of proxies */
    case 'P':
        return NULL;
    default:
        *fatal = true;
        return "CLIENT_ERROR invalid flag\r\n";
    }
}

/* The flags of a line, from word `first` on. Returns what is wrong, of several the last, or NULL. */
const char *cache_meta_read(struct cache_turn *turn, struct cache_meta *meta, const struct cache_word *words,
                            uint32_t count, uint32_t first)
{
    uint64_t seen[2] = {0, 0};
    const char *wrong = NULL;

    *meta = (struct cache_meta){.flags = words + first, .count = count - first, .key = words[1], .delta = 1};
    for (uint32_t i = 0; i < meta->count; i++) {
        const unsigned char name = (unsigned char)meta->flags[i].at[0];
        const uint64_t bit = UINT64_C(1) << name % 64;
        bool fatal = false;
        const char *error;

        if (name >= 127 || (seen[name / 64] & bit) != 0)
            return "CLIENT_ERROR duplicate flag\r\n";
        seen[name / 64] |= bit;
        error = read_flag(turn, meta, meta->flags[i], &fatal);
        if (error != NULL && (wrong == NULL || name != 'F'))
            wrong = error; /* that of F is the general one, which yields to others */
        if (fatal)
            return wrong;
    }
    return wrong;
}

/* ---- pieces of an answer ---- */

char *cache_put_flag(char *at, char flag, uint64_t number)
{
    *at++ = ' ';
    *at++ = flag;
    return cache_put_number(at, number);
}

char *cache_put_key(char *at, const char *key, uint32_t count, bool base64)
{
    at = cache_put_bytes(at, " k", 2);
    if (!base64)
        return cache_put_bytes(at, key, count);
    at += cache_base64_encode(at, key, count);
    return cache_put_bytes(at, " b", 2);
}

char *cache_put_opaque(char *at, struct cache_word flag)
{
    *at++ = ' ';
    return cache_put_bytes(at, flag.at, flag.count);
}

char *cache_put_ttl(char *at, int64_t ttl)
{
    if (ttl >= 0)
        return cache_put_flag(at, 't', (uint64_t)ttl);
    return cache_put_bytes(at, " t-1", 4);
}

/* The flags that an answer has without an item. False: the opaque is too long. */
static bool put_request(char **at, const struct cache_meta *meta)
{
    for (uint32_t i = 0; i < meta->count; i++) {
        if (meta->flags[i].at[0] == 'O') {
            if (meta->flags[i].count > CACHE_OPAQUE_MAX)
                return false;
            *at = cache_put_opaque(*at, meta->flags[i]);
        } else if (meta->flags[i].at[0] == 'k') {
            *at = cache_put_key(*at, meta->key.at, meta->key.count, meta->base64);
        }
    }
    return true;
}

/* Two letters, then what the request said. */
void cache_meta_status(struct cache_turn *turn, const struct cache_meta *meta, const char *status)
{
    char *at = cache_put_bytes(cache_reply_room(turn->reply, META_TAIL), status, 2);

    if (!put_request(&at, meta)) {
        cache_answer_error(turn, cache_long_opaque);
        return;
    }
    cache_reply_end(turn->reply, cache_put_bytes(at, "\r\n", 2));
}
