/* SPDX-License-Identifier: MIT */
/* A connection without sockets: bytes in, what would be sent out. */
#ifndef CACHE_TEST_LOOP_H
#define CACHE_TEST_LOOP_H

#include "detail.h"
#include "protocol.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loop {
    struct cache_store *store;
    struct cache_session *session;
    struct cache_service service;
    struct cache_command_stats stats;
    struct cache_reply reply;
    char *sent;
    size_t sent_count, sent_room;
    unsigned full; /* how often the reply was */
};

static inline void loop_check(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "loop: %s\n", what);
    abort();
}

static inline bool loop_authenticate(struct cache_service *service, const char *user, size_t user_bytes,
                                     const char *password, size_t password_bytes)
{
    (void)service;
    return user_bytes == 4 && memcmp(user, "user", 4) == 0 && password_bytes == 4 &&
           memcmp(password, "pass", 4) == 0;
}

static inline void loop_open_with(struct loop *loop, size_t limit, size_t item_max)
{
    const struct cache_store_config config = {.limit = limit, .item_max = item_max};

    memset(loop, 0, sizeof *loop);
    loop_check(cache_store_open(&loop->store, &config) == 0, "cache_store_open");
    loop->session = cache_session_open(loop->store);
    loop_check(loop->session != NULL, "cache_session_open");
    loop->service.version = "1.6.18";
    loop->service.item_max = item_max;
    loop->service.workers = &loop->stats;
    loop->service.worker_count = 1;
    loop->service.authenticate = loop_authenticate;
    loop->service.detail = cache_detail_open(':', false);
    loop_check(loop->service.detail != NULL, "cache_detail_open");
    cache_reply_init(&loop->reply, &loop->stats);
}

static inline void loop_open(struct loop *loop, size_t item_max)
{
    loop_open_with(loop, (size_t)16 << 20, item_max);
}

static inline void loop_close(struct loop *loop)
{
    free(loop->sent);
    cache_reply_free(&loop->reply);
    cache_detail_close(loop->service.detail);
    cache_session_close(loop->session);
    cache_store_close(loop->store);
}

static inline void loop_send(struct loop *loop, const char *bytes, size_t count)
{
    if (count == 0)
        return;
    if (loop->sent == NULL || loop->sent_room - loop->sent_count < count) {
        loop->sent_room = (loop->sent_room + count) * 2;
        loop->sent = realloc(loop->sent, loop->sent_room);
        loop_check(loop->sent != NULL, "realloc");
    }
    memcpy(loop->sent + loop->sent_count, bytes, count);
    loop->sent_count += count;
}

/* The slice is gone when this returns, as a runtime's buffer would be. */
static inline int loop_feed(struct loop *loop, struct cache_protocol *protocol, const char *bytes,
                            size_t count)
{
    char *slice = malloc(count == 0 ? 1 : count);
    struct cache_foreseen foreseen;
    struct pawl_slice part;
    size_t at = 0;
    int result;

    loop_check(slice != NULL, "malloc");
    if (count != 0)
        memcpy(slice, bytes, count);
    cache_foresee(loop->store, slice, count, &foreseen); /* a hint: whatever stands there */
    if (foreseen.bytes != NULL)
        cache_foresee_item(loop->store, &foreseen);
    do {
        result = cache_feed(protocol, loop->session, slice + at, count - at, &loop->reply);
        at = count - protocol->left;
        for (size_t i = 0; cache_reply_part(&loop->reply, i, &part); i++)
            loop_send(loop, part.bytes, part.count);
        cache_reply_clear(&loop->reply);
    } while (result == PROTOCOL_FULL && ++loop->full != 0);
    free(slice);
    return result;
}

/* A connection that sends these bytes, cut at `cuts` places (in rising order), then closes. What was answered is in
 * loop->sent. Returns whether the server closed first. */
static inline bool loop_converse(struct loop *loop, const char *bytes, size_t count, const size_t *cuts,
                                 size_t cut_count)
{
    struct cache_protocol protocol;
    size_t at = 0;
    int result = 0;

    loop->sent_count = loop->full = 0;
    cache_protocol_init(&protocol, &loop->service);
    for (size_t i = 0; i <= cut_count && result == 0; i++) {
        const size_t to = cuts == NULL || i == cut_count ? count : cuts[i];

        result = loop_feed(loop, &protocol, bytes + at, to - at);
        at = to;
    }
    cache_protocol_free(&protocol, loop->session);
    return result != 0;
}

/* Nothing is left of what was stored before. */
static inline void loop_flush(struct loop *loop)
{
    cache_flush(loop->store, cache_now(loop->store));
    while (cache_maintain(loop->session))
        ;
}

/* Does the server close, whole and cut at every byte? */
static inline bool loop_closes(struct loop *loop, const char *input)
{
    enum { MOST = 8192 };
    const size_t count = strlen(input);
    size_t cuts[MOST];
    bool whole, cut;

    loop_check(count <= MOST, "input too long");
    for (size_t i = 0; i < count; i++)
        cuts[i] = i;
    whole = loop_converse(loop, input, count, NULL, 0);
    cut = loop_converse(loop, input, count, cuts, count);
    loop_check(whole == cut, "it closes by how it is cut");
    return whole;
}

#endif
