/* SPDX-License-Identifier: MIT */
#include "speech.h"

#include <string.h>

static char *put(char *to, const char *text)
{
    const size_t count = strlen(text);

    memcpy(to, text, count);
    return to + count;
}

static char *put_number(char *to, unsigned number)
{
    char digits[10];
    unsigned n = 0;

    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

/* "k" and nine digits. */
static char *put_key(char *to, uint32_t key)
{
    to[0] = 'k';
    for (int i = SPEECH_KEY - 1; i > 0; i--, key /= 10)
        to[i] = (char)('0' + key % 10);
    return to + SPEECH_KEY;
}

/* The key, then what is the same in all; or less of it. */
static char *put_value(const struct speech *speech, char *to, uint32_t key)
{
    memset(to, 'v', speech->value_bytes);
    if (speech->value_bytes >= SPEECH_KEY)
        put_key(to, key);
    return to + speech->value_bytes;
}

static char *put_bulk(const struct speech *speech, char *to, uint32_t key)
{
    *to++ = '$';
    to = put(put_number(to, speech->value_bytes), "\r\n");
    return put(put_value(speech, to, key), "\r\n");
}

static char *put_bulk_key(char *to, uint32_t key)
{
    to = put(to, "\r\n$10\r\n");
    return put_key(to, key);
}

static char *redis_request(const struct speech *speech, enum speech_verb verb, const uint32_t *keys,
                           unsigned count, char *to)
{
    if (verb == SPEECH_SET) {
        to = put_bulk_key(put(to, "*3\r\n$3\r\nSET"), keys[0]);
        return put_bulk(speech, put(to, "\r\n"), keys[0]);
    }
    *to++ = '*';
    to = put_number(to, 1 + count);
    to = put(to, count == 1 ? "\r\n$3\r\nGET" : "\r\n$4\r\nMGET");
    for (unsigned i = 0; i < count; i++)
        to = put_bulk_key(to, keys[i]);
    return put(to, "\r\n");
}

char *speech_request(const struct speech *speech, enum speech_verb verb, const uint32_t *keys, unsigned count,
                     char *to)
{
    if (speech->dialect == SPEECH_REDIS)
        return redis_request(speech, verb, keys, count, to);
    switch (verb) {
    case SPEECH_SET:
        to = put(put_key(put(to, "set "), keys[0]), " 0 0 ");
        to = put(put_number(to, speech->value_bytes), "\r\n");
        return put(put_value(speech, to, keys[0]), "\r\n");
    case SPEECH_META_GET:
        return put(put_key(put(to, "mg "), keys[0]), " v\r\n");
    case SPEECH_GET:
        to = put(to, "get");
        for (unsigned i = 0; i < count; i++) {
            *to++ = ' ';
            to = put_key(to, keys[i]);
        }
        return put(to, "\r\n");
    }
    return to;
}

/* A key of a `get` that is there. */
static char *put_item(const struct speech *speech, char *to, uint32_t key)
{
    to = put(put_key(put(to, "VALUE "), key), " 0 ");
    to = put(put_number(to, speech->value_bytes), "\r\n");
    return put(put_value(speech, to, key), "\r\n");
}

char *speech_answer(const struct speech *speech, enum speech_verb verb, const uint32_t *keys, unsigned count,
                    char *to)
{
    const bool redis = speech->dialect == SPEECH_REDIS;

    if (verb == SPEECH_SET)
        return put(to, redis ? "+OK\r\n" : "STORED\r\n");
    if (verb == SPEECH_META_GET) {
        to = put(put_number(put(to, "VA "), speech->value_bytes), "\r\n");
        return put(put_value(speech, to, keys[0]), "\r\n");
    }
    if (redis && count > 1)
        to = put(put_number(put(to, "*"), count), "\r\n");
    for (unsigned i = 0; i < count; i++)
        to = redis ? put_bulk(speech, to, keys[i]) : put_item(speech, to, keys[i]);
    return redis ? to : put(to, "END\r\n");
}

/* Do these bytes begin with the text? 1, 0, or -1: too few to tell. */
static int begins(const char *bytes, size_t heard, const char *text, size_t count)
{
    if (memcmp(bytes, text, heard < count ? heard : count) != 0)
        return 0;
    return heard < count ? -1 : 1;
}

long speech_listen(const struct speech *speech, const uint32_t *keys, unsigned count, const char *bytes,
                   size_t heard, bool *there)
{
    const bool redis = speech->dialect == SPEECH_REDIS;
    char text[SPEECH_KEY + 32 + SPEECH_VALUE_MAX];
    size_t at = 0;
    int same;

    if (redis && count > 1) {
        const char *end = put(put_number(put(text, "*"), count), "\r\n");

        same = begins(bytes, heard, text, (size_t)(end - text));
        if (same != 1)
            return same == 0 ? SPEECH_WRONG : SPEECH_INCOMPLETE;
        at += (size_t)(end - text);
    }
    for (unsigned i = 0; i < count; i++) {
        const char *end = redis ? put_bulk(speech, text, keys[i]) : put_item(speech, text, keys[i]);

        same = begins(bytes + at, heard - at, text, (size_t)(end - text));
        if (same < 0)
            return SPEECH_INCOMPLETE;
        there[i] = same == 1;
        at += same == 1 ? (size_t)(end - text) : 0;
        if (same == 1 || !redis)
            continue;
        same = begins(bytes + at, heard - at, "$-1\r\n", 5);
        if (same != 1)
            return same == 0 ? SPEECH_WRONG : SPEECH_INCOMPLETE;
        at += 5;
    }
    if (redis)
        return (long)at;
    same = begins(bytes + at, heard - at, "END\r\n", 5);
    return same == 1 ? (long)at + 5 : same == 0 ? SPEECH_WRONG : SPEECH_INCOMPLETE;
}

const char *speech_hello(enum speech_dialect dialect)
{
    return dialect == SPEECH_REDIS ? "PING\r\n" : "version\r\n";
}

const char *speech_welcome(enum speech_dialect dialect)
{
    return dialect == SPEECH_REDIS ? "+PONG" : "VERSION";
}
