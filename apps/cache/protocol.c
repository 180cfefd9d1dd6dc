/* SPDX-License-Identifier: MIT */
/* One connection: which protocol it speaks, and what of its bytes is not complete yet. */
#include "tell.h"
#include "turn.h"

#include <errno.h>
#include <pawl/clock.h>
#include <pawl/rcu.h>
#include <stdlib.h>

enum {
    COMMANDS_A_SECTION = 64,
    FIRST_ROOM = 512,
    TOKEN_MAX = 4096, /* bytes of a user, a blank and a password */
};

void cache_protocol_init(struct cache_protocol *protocol, struct cache_service *service)
{
    *protocol = (struct cache_protocol){.service = service, .state = CACHE_BEGINS, .fd = -1};
}

void cache_protocol_unwatch(struct cache_protocol *protocol)
{
    protocol->state = CACHE_LINES;
    protocol->watches = 0;
}

uint32_t cache_watched(const struct cache_service *service)
{
    const bool detail = service->detail != NULL && cache_detail_is_on(service->detail);

    return cache_tap_wanted(service->tap) | (detail ? CACHE_WATCHED_DETAIL : 0);
}

bool cache_protocol_in_value(const struct cache_protocol *protocol)
{
    return protocol->state >= CACHE_VALUE || (protocol->binary && protocol->kept_count != 0);
}

void cache_protocol_free(struct cache_protocol *protocol, struct cache_session *session)
{
    cache_pending_free(protocol, session);
    cache_dump_free(protocol);
    free(protocol->kept);
    free(protocol->peer);
    protocol->kept = NULL;
    protocol->peer = NULL;
    protocol->kept_count = protocol->kept_room = 0;
}

/* ---- what is incomplete ---- */

bool cache_keep(struct cache_protocol *protocol, const char *bytes, size_t count)
{
    const size_t need = protocol->kept_count + count;

    if (need > protocol->kept_room) {
        size_t room = protocol->kept_room == 0 ? FIRST_ROOM : protocol->kept_room;
        char *kept;

        while (room < need)
            room *= 2;
        kept = room <= UINT32_MAX ? realloc(protocol->kept, room) : NULL;
        if (kept == NULL)
            return false;
        protocol->kept = kept;
        protocol->kept_room = (uint32_t)room;
    }
    memcpy(protocol->kept + protocol->kept_count, bytes, count);
    protocol->kept_count = (uint32_t)need;
    return true;
}

bool cache_keep_again(struct cache_protocol *protocol, struct cache_word command, struct cache_word rest)
{
    const uintptr_t kept = (uintptr_t)protocol->kept, at = (uintptr_t)rest.at;

    if (protocol->kept == NULL || at < kept || at >= kept + protocol->kept_room)
        return cache_keep(protocol, command.at, command.count) && cache_keep(protocol, " ", 1) &&
               cache_keep(protocol, rest.at, rest.count);
    memmove(protocol->kept, command.at, command.count);
    protocol->kept[command.count] = ' ';
    memmove(protocol->kept + command.count + 1, rest.at, rest.count);
    protocol->kept_count = command.count + 1 + rest.count;
    return true;
}

void cache_swallow(struct cache_turn *turn, uint64_t count)
{
    if (count == 0)
        return;
    turn->protocol->swallow = count;
    turn->protocol->state = CACHE_SWALLOW;
}

static void feed_swallow(struct cache_protocol *protocol, const char **at, const char *end)
{
    const uint64_t count = (uint64_t)(end - *at) < protocol->swallow ? (uint64_t)(end - *at)
                                                                     : protocol->swallow;

    *at += count;
    protocol->swallow -= count;
    if (protocol->swallow == 0)
        protocol->state = cache_protocol_next(protocol);
}

/* ---- lines ---- */

/* May a line be so long without an end? Only a `get` with its many keys. */
static bool may_grow(const char *line, size_t count)
{
    const char *at = line, *end = line + count;

    if (count <= CACHE_LINE_MAX)
        return true;
    while (at != end && *at == ' ')
        at++;
    return at - line <= 100 && count <= CACHE_GET_LINE_MAX && end - at >= 5 &&
           (memcmp(at, "get ", 4) == 0 || memcmp(at, "gets ", 5) == 0);
}

static int keep_line(struct cache_turn *turn, const char **at, const char *end)
{
    if (!cache_keep(turn->protocol, *at, (size_t)(end - *at)))
        return PROTOCOL_CLOSE;
    *at = end;
    return may_grow(turn->protocol->kept, turn->protocol->kept_count) ? 0 : PROTOCOL_CLOSE;
}

/* The next line, from what was kept or from the slice. False: it has no end yet. */
static bool next_line(struct cache_turn *turn, const char **at, const char *end, struct cache_word *line,
                      int *result)
{
    struct cache_protocol *protocol = turn->protocol;
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));

    *result = 0;
    if (newline == NULL) {
        *result = keep_line(turn, at, end);
        return false;
    }
    if (PAWL_UNLIKELY(protocol->kept_count != 0)) {
        if (!cache_keep(protocol, *at, (size_t)(newline - *at))) {
            *result = PROTOCOL_CLOSE;
            return false;
        }
        *line = (struct cache_word){protocol->kept, protocol->kept_count};
        protocol->kept_count = 0; /* its memory stays until the end of the turn */
    } else {
        *line = (struct cache_word){*at, (uint32_t)(newline - *at)};
    }
    *at = newline + 1;
    return true;
}

/* A `get` stopped because the reply is full: the next line begins in what was kept, and ends where this one does. */
static PAWL_COLD int stop_line(struct cache_turn *turn, const char **at)
{
    --*at;
    return turn->stopped == CACHE_STOPPED ? 0 : PROTOCOL_CLOSE;
}

static int feed_lines(struct cache_turn *turn, const char **at, const char *end)
{
    struct cache_word line;
    int result;

    if (turn->protocol->kept_count == 0 && (turn->watched & 1u << CACHE_TAP_LINE) == 0 && end - *at > 4 &&
        memcmp(*at, "get ", 4) == 0) {
        const char *stopped = cache_ascii_gets(turn, *at, end);

        if (stopped != *at) {
            *at = stopped;
            return PAWL_LIKELY(turn->stopped == CACHE_GOES_ON) ? 0 : stop_line(turn, at);
        }
    }
    if (*at >= turn->ahead && turn->protocol->kept_count == 0)
        turn->ahead = cache_look_ahead(turn, *at, end);
    if (!next_line(turn, at, end, &line, &result))
        return result;
    if (line.count > 1 && line.at[line.count - 1] == '\r')
        line.count--;
    turn->silent = false;
    cache_tell_line(turn, line.at, line.at + line.count);
    result = cache_ascii_line(turn, line.at, line.at + line.count);
    return PAWL_LIKELY(turn->stopped == CACHE_GOES_ON) ? result : stop_line(turn, at);
}

/* ---- authentication by a token: "set any 0 0 N\r\nuser password\r\n" ---- */

static int feed_token_line(struct cache_turn *turn, const char **at, const char *end)
{
    struct cache_word line, words[5] = {{NULL, 0}};
    const char *next, *line_end;
    uint32_t count = 0, bytes = 0;
    int result;

    if (!next_line(turn, at, end, &line, &result))
        return result;
    next = line.at;
    line_end = line.at + line.count;
    while (count < 5 && cache_next_word(&next, &line_end, &words[count]))
        count++;
    if (count < 5 || !cache_word_is(words[0], "set") || !cache_read_u32(words[4], &bytes)) {
        cache_answer_error(turn, "CLIENT_ERROR unauthenticated\r\n");
        return 0;
    }
    if (bytes > TOKEN_MAX)
        return PROTOCOL_CLOSE;
    turn->protocol->swallow = bytes + CACHE_LINE_END; /* what the token takes */
    turn->protocol->state = CACHE_TOKEN;
    return 0;
}

static void check_token(struct cache_turn *turn, const char *token, size_t count)
{
    struct cache_service *service = turn->service;
    struct cache_word user, password;
    const char *at = token, *end = token + count - CACHE_LINE_END;

    turn->protocol->state = CACHE_TOKEN_LINE;
    if (memcmp(end, "\r\n", 2) != 0) {
        cache_answer_error(turn, "CLIENT_ERROR bad command line termination\r\n");
        return;
    }
    if (!cache_next_word(&at, &end, &user) || !cache_next_word(&at, &end, &password)) {
        cache_answer_error(turn, "CLIENT_ERROR bad authentication token format\r\n");
        return;
    }
    cache_tally(turn->stats, CACHE_AUTH_CMDS);
    if (service->authenticate != NULL &&
        service->authenticate(service, user.at, user.count, password.at, password.count)) {
        turn->protocol->authenticated = true;
        turn->protocol->state = CACHE_LINES;
        cache_answer_error(turn, "STORED\r\n");
    } else {
        cache_tally(turn->stats, CACHE_AUTH_ERRORS);
        cache_answer_error(turn, "CLIENT_ERROR authentication failure\r\n");
    }
}

static int feed_token(struct cache_turn *turn, const char **at, const char *end)
{
    struct cache_protocol *protocol = turn->protocol;
    size_t count = (size_t)(end - *at);

    if (count > protocol->swallow - protocol->kept_count)
        count = (size_t)protocol->swallow - protocol->kept_count;
    if (!cache_keep(protocol, *at, count))
        return PROTOCOL_CLOSE;
    *at += count;
    if (protocol->kept_count == protocol->swallow) {
        protocol->swallow = 0;
        count = protocol->kept_count;
        protocol->kept_count = 0;
        check_token(turn, protocol->kept, count);
    }
    return 0;
}

/* ---- all of them ---- */

enum { BINARY_MAGIC = 0x80 };

static void begin(struct cache_protocol *protocol, const char *at)
{
    const struct cache_service *service = protocol->service;
    const bool packets = service->dialect == CACHE_DIALECT_BINARY || (service->sasl && !service->tokens) ||
                         (service->dialect == CACHE_DIALECT_AUTO && (unsigned char)*at == BINARY_MAGIC);

    /* Who gives a password gives it by his own protocol, or not at all. */
    if (service->tokens && !(service->sasl && packets)) {
        protocol->state = CACHE_TOKEN_LINE;
        return;
    }
    protocol->binary = packets;
    protocol->state = cache_protocol_next(protocol);
}

static int feed_one(struct cache_turn *turn, const char **at, const char *end)
{
    switch ((enum cache_state)turn->protocol->state) {
    case CACHE_BEGINS:
        begin(turn->protocol, *at);
        return 0;
    case CACHE_LINES:
        return feed_lines(turn, at, end);
    case CACHE_PACKETS:
        return cache_binary_feed(turn, at, end);
    case CACHE_VALUE:
        return cache_feed_value(turn, at, end);
    case CACHE_PENDING:
        return cache_feed_pending(turn, at, end);
    case CACHE_SWALLOW:
        feed_swallow(turn->protocol, at, end);
        return 0;
    case CACHE_TOKEN_LINE:
        return feed_token_line(turn, at, end);
    case CACHE_TOKEN:
        return feed_token(turn, at, end);
    case CACHE_WATCHES:
        *at = end;
        return 0;
    case CACHE_DUMPS:
        return cache_feed_dump(turn);
    }
    return PROTOCOL_CLOSE;
}

/* What comes behind `reading` is written before it is read: half a kilobyte, which need not be zeros for each slice. */
static void begin_turn(struct cache_turn *turn, struct cache_protocol *protocol,
                       struct cache_session *session, const char *bytes, struct cache_reply *reply)
{
    turn->protocol = protocol;
    turn->service = protocol->service;
    turn->session = session;
    turn->store = cache_session_store(session);
    turn->reply = reply;
    turn->stats = reply->stats;
    turn->watched = cache_watched(protocol->service);
    turn->began = 0;
    turn->ahead = bytes + 1; /* not for one command alone */
    turn->refer_from = cache_refer_from(turn->store);
    turn->stopped = CACHE_GOES_ON;
    turn->silent = false;
    turn->reading = false;
}

int cache_feed(struct cache_protocol *protocol, struct cache_session *session, const char *bytes,
               size_t count, struct cache_reply *reply)
{
    struct cache_turn turn;
    const char *at = bytes, *end = bytes + count;
    uint32_t commands = 0;
    int result = 0;

    begin_turn(&turn, protocol, session, bytes, reply);
    if (PAWL_UNLIKELY(turn.watched != 0))
        turn.began = pawl_clock_cycles();
    /* A value of no bytes without an ending (binary) is complete before a byte of it comes; so is a pending command of
     * which nothing is here but its line. A dump wants no bytes at all. */
    while ((at != end || protocol->state == CACHE_VALUE || protocol->state == CACHE_DUMPS) && result == 0) {
        result = feed_one(&turn, &at, end);
        if (PAWL_UNLIKELY(++commands == COMMANDS_A_SECTION)) {
            cache_write(&turn);
            commands = 0;
        }
        if (PAWL_UNLIKELY(cache_reply_full(reply)) && result == 0 &&
            (at != end || protocol->state == CACHE_DUMPS))
            result = PROTOCOL_FULL;
    }
    cache_write(&turn);
    protocol->left = result == PROTOCOL_FULL || result == PROTOCOL_WATCH ? (size_t)(end - at) : 0;
    cache_tally_many(turn.stats, CACHE_BYTES_READ, count - protocol->left);
    if (PAWL_UNLIKELY(protocol->kept != NULL) && protocol->kept_count == 0) {
        free(protocol->kept);
        protocol->kept = NULL;
        protocol->kept_room = 0;
    }
    return reply->failed ? PROTOCOL_CLOSE : result;
}
