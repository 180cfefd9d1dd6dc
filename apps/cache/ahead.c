/* SPDX-License-Identifier: MIT */
/* A look at the commands that stand one behind the other in a slice, before they are worked on: the memory of their
 * buckets is asked for, then that of their items, so that the misses of the cache overlap. Hints and nothing else: a line
 * that is not understood here is only slower. */
#include "turn.h"

enum {
    AHEAD = 16,         /* commands */
    LENGTH_OF_SET = 3,  /* words between the key of a classic set and behind the length of its value */
    LENGTH_OF_META = 1, /* the same of ms */
};

/* What can be seen of a command. */
struct glimpse {
    struct cache_word key;
    unsigned int length_at; /* the word of the value's length, counted from the key; 0: no value follows */
};

static bool glimpse(const char *at, const char *end, struct glimpse *seen)
{
    struct cache_word name;

    if (!cache_next_word(&at, &end, &name) || !cache_next_word(&at, &end, &seen->key))
        return false;
    if (name.count == 2 && name.at[0] == 'm')
        seen->length_at = name.at[1] == 's' ? LENGTH_OF_META : 0;
    else
        seen->length_at = cache_word_is(name, "set") || cache_word_is(name, "add") ||
                                  cache_word_is(name, "cas")
                              ? LENGTH_OF_SET
                              : 0;
    return true;
}

/* Where the next command begins, if this one's line ends at `line_end`, and what may be its value begins at `at`. */
static const char *behind(const struct glimpse *seen, const char *line_end, const char *at, const char *end)
{
    const char *word_at = seen->key.at + seen->key.count;
    struct cache_word word = {word_at, 0};
    uint32_t bytes;

    if (seen->length_at == 0)
        return at;
    for (unsigned int i = 0; i < seen->length_at; i++)
        if (!cache_next_word(&word_at, &line_end, &word))
            return at;
    if (!cache_read_u32(word, &bytes) || (size_t)(end - at) < (size_t)bytes + CACHE_LINE_END)
        return end;
    return at + bytes + CACHE_LINE_END;
}

void cache_foresee(const struct cache_store *store, const char *bytes, size_t count,
                   struct cache_foreseen *foreseen)
{
    const char *newline = memchr(bytes, '\n', count < CACHE_LINE_MAX ? count : CACHE_LINE_MAX);
    struct cache_key key;
    struct glimpse seen;

    foreseen->bytes = NULL;
    if (newline == NULL || newline == bytes)
        return;
    if (!glimpse(bytes, newline[-1] == '\r' ? newline - 1 : newline, &seen) || seen.key.count > CACHE_KEY_MAX)
        return;
    cache_key_make(store, &key, seen.key.at, seen.key.count);
    cache_prefetch(store, &key);
    *foreseen = (struct cache_foreseen){bytes, key.hash,
                                        seen.length_at == 0 ? CACHE_READ_AHEAD : CACHE_WRITE_AHEAD};
}

void cache_foresee_item(const struct cache_store *store, const struct cache_foreseen *foreseen)
{
    pawl_rcu_read_lock();
    cache_prefetch_item(store, foreseen->hash, foreseen->touched);
    pawl_rcu_read_unlock();
}

const char *cache_look_ahead(struct cache_turn *turn, const char *at, const char *end)
{
    struct {
        uint64_t hash;
        size_t bytes;
    } items[AHEAD];
    uint32_t count = 0;

    while (count < AHEAD && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *line_end = newline;
        struct cache_key key;
        struct glimpse seen;

        if (newline == NULL)
            break;
        if (line_end != at && line_end[-1] == '\r')
            line_end--;
        if (!glimpse(at, line_end, &seen) || seen.key.count > CACHE_KEY_MAX)
            break;
        cache_key_make(turn->store, &key, seen.key.at, seen.key.count);
        cache_prefetch(turn->store, &key);
        items[count].hash = key.hash;
        items[count++].bytes = seen.length_at == 0 ? CACHE_READ_AHEAD : CACHE_WRITE_AHEAD;
        at = behind(&seen, line_end, newline + 1, end);
    }
    if (count > 1) {
        cache_read(turn);
        for (uint32_t i = 0; i < count; i++)
            cache_prefetch_item(turn->store, items[i].hash, items[i].bytes);
    }
    return at;
}
