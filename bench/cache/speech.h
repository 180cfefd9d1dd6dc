/* SPDX-License-Identifier: MIT */
/* What is said to the servers, and what they must answer: both are made from the key alone, so every byte of an answer
 * can be checked. */
#ifndef BENCH_CACHE_SPEECH_H
#define BENCH_CACHE_SPEECH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum speech_dialect { SPEECH_MEMCACHED, SPEECH_REDIS };

enum speech_verb { SPEECH_GET, SPEECH_SET, SPEECH_META_GET };

enum {
    SPEECH_KEY = 10,        /* bytes of a key */
    SPEECH_VALUE_MAX = 512, /* of a value */
    SPEECH_KEYS_MAX = 64,   /* of one request */
    SPEECH_REQUEST_MAX = 64 + SPEECH_KEYS_MAX * (SPEECH_KEY + 16) + SPEECH_VALUE_MAX,
    SPEECH_ANSWER_MAX = 64 + SPEECH_KEYS_MAX * (SPEECH_KEY + 32 + SPEECH_VALUE_MAX),
};

struct speech {
    enum speech_dialect dialect;
    unsigned value_bytes;
};

/* One request for `count` keys (more than one: SPEECH_GET only). Returns where it ends. */
char *speech_request(const struct speech *speech, enum speech_verb verb, const uint32_t *keys, unsigned count,
                     char *to);

/* The answer to it, when all keys are there. Returns where it ends. */
char *speech_answer(const struct speech *speech, enum speech_verb verb, const uint32_t *keys, unsigned count,
                    char *to);

enum speech_heard { SPEECH_INCOMPLETE = -1, SPEECH_WRONG = -2 };

/* Reads an answer to a SPEECH_GET of which any keys may be missing: there[i] says which are. Returns its bytes, or one of
 * the above. */
long speech_listen(const struct speech *speech, const uint32_t *keys, unsigned count, const char *bytes,
                   size_t heard, bool *there);

/* A question that any server of the dialect answers at once, and how the answer begins. */
const char *speech_hello(enum speech_dialect dialect);
const char *speech_welcome(enum speech_dialect dialect);

#endif
