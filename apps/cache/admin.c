/* SPDX-License-Identifier: MIT */
/* Classic commands that do not concern a key: statistics, settings, the connection and the server. */
#include "detail.h"
#include "tap.h"
#include "turn.h"

#include <pawl/config.h>
#include <stdlib.h>

enum { CLASSES = 64 }; /* of memcached's slabs, from 1 on; here all items stand in 1 */

static const char bad_format[] = "CLIENT_ERROR bad command line format\r\n";

static void says_noreply(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    turn->silent = cache_word_is(words[count - 1], "noreply");
}

/* ---- stats ---- */

void cache_stat_line(void *arg, const char *name, const char *value)
{
    struct cache_reply *reply = ((struct cache_stat_answer *)arg)->turn->reply;

    cache_reply_append(reply, "STAT ", 5);
    cache_reply_append(reply, name, strlen(name));
    cache_reply_append(reply, " ", 1);
    cache_reply_append(reply, value, strlen(value));
    cache_reply_append(reply, "\r\n", 2);
}

static void stats_detail(struct cache_turn *turn, struct cache_word what)
{
    struct cache_detail *detail = turn->service->detail;
    const bool on = cache_word_is(what, "on");

    if (on || cache_word_is(what, "off")) {
        if (detail != NULL)
            cache_detail_turn(detail, on);
        turn->watched = cache_watched(turn->service);
        cache_answer(turn, "OK\r\n");
    } else if (cache_word_is(what, "dump")) {
        if (detail != NULL)
            cache_detail_dump(detail, turn->reply);
        cache_answer(turn, "END\r\n");
    } else {
        cache_answer(turn, "CLIENT_ERROR usage: stats detail on|off|dump\r\n");
    }
}

/* stats cachedump CLASS LIMIT */
static void cachedump(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    uint32_t class, limit;

    if (turn->service->no_dump)
        cache_answer(turn, "CLIENT_ERROR stats cachedump not allowed\r\n");
    else if (count < 4)
        cache_answer(turn, "CLIENT_ERROR bad command line\r\n");
    else if (!cache_read_u32(words[2], &class) || !cache_read_u32(words[3], &limit))
        cache_answer(turn, bad_format);
    else if (class >= CLASSES)
        cache_answer(turn, "CLIENT_ERROR Illegal slab id\r\n");
    else if (!cache_dump_class(turn, class, limit))
        cache_answer(turn, "SERVER_ERROR out of memory\r\n");
}

static void stats(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    enum { NAME_MAX_BYTES = 32 };
    struct cache_stat_answer answer = {.turn = turn};
    char what[NAME_MAX_BYTES] = "";

    if (count > 1 && cache_word_is(words[1], "reset")) {
        cache_stats_reset(turn->service, turn->store);
        cache_answer(turn, "RESET\r\n");
        return;
    }
    if (count > 1 && cache_word_is(words[1], "detail")) {
        stats_detail(turn, count > 2 ? words[2] : (struct cache_word){"", 0});
        return;
    }
    if (count > 1 && cache_word_is(words[1], "cachedump")) {
        cachedump(turn, words, count);
        return;
    }
    if (count > 1 && words[1].count < sizeof what) {
        memcpy(what, words[1].at, words[1].count);
        what[words[1].count] = '\0';
    }
    if ((count > 1 && what[0] == '\0') ||
        !cache_stats_say(turn->service, cache_session_store(turn->session), what, cache_stat_line, &answer)) {
        cache_answer(turn, "ERROR\r\n");
        return;
    }
    cache_answer(turn, "END\r\n");
}

/* ---- settings ---- */

/* flush_all [delay] [noreply] */
static void flush_all(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    struct cache_store *store = cache_session_store(turn->session);
    int32_t exptime = 0;

    if (count > 3) {
        cache_answer(turn, "ERROR\r\n");
        return;
    }
    says_noreply(turn, words, count);
    cache_tally(turn->stats, CACHE_CMD_FLUSH);
    if (turn->service->no_flush) {
        cache_answer(turn, "CLIENT_ERROR flush_all not allowed\r\n");
        return;
    }
    if (count != (turn->silent ? 2 : 1) && !cache_read_i32(words[1], &exptime)) {
        cache_answer(turn, "CLIENT_ERROR invalid exptime argument\r\n");
        return;
    }
    cache_flush_after(store, exptime);
    cache_answer(turn, "OK\r\n");
}

static void verbosity(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    enum { VERBOSITY_MAX = 2 };
    uint32_t level;

    if (count != 2 && count != 3) {
        cache_answer(turn, "ERROR\r\n");
        return;
    }
    says_noreply(turn, words, count);
    if (!cache_read_u32(words[1], &level)) {
        cache_answer(turn, bad_format);
        return;
    }
    /* relaxed: a setting; who logs may be late */
    pawl_store_relaxed(&turn->service->verbosity, level > VERBOSITY_MAX ? VERBOSITY_MAX : level);
    cache_answer(turn, "OK\r\n");
}

static void memlimit(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    enum { LEAST = 8, MOST = 1000000000 };
    struct cache_service *service = turn->service;
    uint32_t megabytes;

    if (count != 2 && count != 3) {
        cache_answer(turn, "ERROR\r\n");
        return;
    }
    says_noreply(turn, words, count);
    if (!cache_read_u32(words[1], &megabytes))
        cache_answer(turn, "ERROR\r\n");
    else if (megabytes < LEAST)
        cache_answer(turn, "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n");
    else if (megabytes > MOST)
        cache_answer(turn, "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n");
    else if (service->set_limit != NULL && service->set_limit(service, (size_t)megabytes << 20))
        cache_answer(turn, "OK\r\n");
    else
        cache_answer(turn, "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n");
}

/* ---- commands about what only memcached has: they are understood, and have nothing to do ---- */

static void slabs(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    int32_t from, to;
    uint32_t level;

    if (count == 4 && cache_word_is(words[1], "reassign")) {
        if (!cache_read_i32(words[2], &from) || !cache_read_i32(words[3], &to))
            cache_answer(turn, bad_format);
        else if (from == to)
            cache_answer(turn, "SAME src and dst class are identical\r\n");
        else
            cache_answer(turn, "BADCLASS invalid src or dst class id\r\n");
        return;
    }
    if (count < 3 || !cache_word_is(words[1], "automove")) {
        cache_answer(turn, "ERROR\r\n");
        return;
    }
    says_noreply(turn, words, count);
    if (cache_word_is(words[2], "ratio"))
        cache_answer(turn, count > 3 ? "OK\r\n" : "ERROR\r\n");
    else if (!cache_read_u32(words[2], &level))
        cache_answer(turn, bad_format);
    else
        cache_answer(turn, level <= 2 ? "OK\r\n" : "ERROR\r\n");
}

/* "all", or numbers of classes, from 1 to 63, with commas. */
static bool are_classes(struct cache_word word)
{
    const char *end = word.at + word.count;

    if (cache_word_is(word, "all"))
        return true;
    for (const char *at = word.at; at < end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *behind = comma != NULL ? comma : end;
        const struct cache_word part = {at, (uint32_t)(behind - at)};
        uint32_t number;

        if (part.count != 0 && (!cache_read_u32(part, &number) || number == 0 || number >= CLASSES))
            return false;
        at = behind + 1;
    }
    return true;
}

/* lru_crawler metadump all|hash|CLASSES: whichever, all items are told of. */
static void metadump(struct cache_turn *turn, struct cache_word which)
{
    if (turn->service->no_dump)
        cache_answer(turn, "ERROR metadump not allowed\r\n");
    else if (!cache_word_is(which, "hash") && !are_classes(which))
        cache_answer(turn, "BADCLASS invalid class id\r\n");
    else if (!cache_dump_begin(turn))
        cache_answer(turn, "SERVER_ERROR out of memory\r\n");
}

static void lru_crawler(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    enum { SECOND = 1000000 };
    uint32_t number;

    if (count == 2 && (cache_word_is(words[1], "enable") || cache_word_is(words[1], "disable"))) {
        cache_answer(turn, "OK\r\n");
    } else if (count == 3 && cache_word_is(words[1], "crawl")) {
        cache_answer(turn, are_classes(words[2]) ? "OK\r\n" : "BADCLASS invalid class id\r\n");
    } else if (count == 3 && cache_word_is(words[1], "metadump")) {
        metadump(turn, words[2]);
    } else if (count == 3 && (cache_word_is(words[1], "tocrawl") || cache_word_is(words[1], "sleep"))) {
        if (!cache_read_u32(words[2], &number))
            cache_answer(turn, bad_format);
        else if (words[1].at[0] == 's' && number > SECOND)
            cache_answer(turn, "CLIENT_ERROR sleep must be one second or less\r\n");
        else
            cache_answer(turn, "OK\r\n");
    } else {
        cache_answer(turn, "ERROR\r\n");
    }
}

static bool read_factor(struct cache_word word, double *factor)
{
    char text[32], *end;

    if (word.count >= sizeof text)
        return false;
    memcpy(text, word.at, word.count);
    text[word.count] = '\0';
    *factor = strtod(text, &end);
    return end != text && *end == '\0';
}

/* lru tune HOT_PERCENT WARM_PERCENT HOT_FACTOR WARM_FACTOR */
static const char *tune(const struct cache_word *words)
{
    enum { PERCENT_MAX = 80 };
    uint32_t hot, warm;
    double hot_factor, warm_factor;

    if (!cache_read_u32(words[0], &hot) || !cache_read_u32(words[1], &warm) ||
        !read_factor(words[2], &hot_factor) || !read_factor(words[3], &warm_factor))
        return "ERROR\r\n";
    if ((uint64_t)hot + warm > PERCENT_MAX)
        return "ERROR hot and warm pcts must not exceed 80\r\n";
    return hot_factor > 0 && warm_factor > 0 ? "OK\r\n"
                                             : "ERROR hot/warm age factors must be greater than 0\r\n";
}

static void lru(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    int32_t ttl;

    says_noreply(turn, words, count);
    if (count >= 3 && cache_word_is(words[1], "mode"))
        cache_answer(turn, cache_word_is(words[2], "flat") || cache_word_is(words[2], "segmented")
                               ? "OK\r\n"
                               : "ERROR\r\n");
    else if (count >= 3 && cache_word_is(words[1], "temp_ttl"))
        cache_answer(turn, cache_read_i32(words[2], &ttl) ? "OK\r\n" : "ERROR\r\n");
    else if (count >= 6 && cache_word_is(words[1], "tune"))
        cache_answer(turn, tune(words + 2));
    else
        cache_answer(turn, "ERROR\r\n");
}

/* ---- the server ---- */

static int shut_down(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    struct cache_service *service = turn->service;
    const bool graceful = count == 2 && cache_word_is(words[1], "graceful");

    if (!service->may_shutdown) {
        cache_answer(turn, "ERROR: shutdown not enabled\r\n");
        return 0;
    }
    if (count != 1 && !graceful) {
        cache_answer(turn, "CLIENT_ERROR invalid shutdown mode\r\n");
        return 0;
    }
    if (service->shutdown != NULL)
        service->shutdown(service, graceful);
    return cache_quit(turn);
}

static void refresh_certs(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    struct cache_service *service = turn->service;
    const char *wrong;

    if (service->refresh_certs == NULL) {
        cache_answer_error(turn, "Error TLS not enabled\r\n");
        return;
    }
    says_noreply(turn, words, count);
    wrong = service->refresh_certs(service);
    if (wrong == NULL) {
        cache_answer(turn, "OK\r\n");
    } else {
        cache_reply_append(turn->reply, wrong, strlen(wrong));
        cache_reply_append(turn->reply, "\r\n", 2);
    }
}

/* watch [fetchers|mutations|evictions|...]: from now on this connection is told of them, and nothing else. */
static int watch(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    static const struct {
        const char *name;
        uint32_t kinds;
    } streams[] = {
        {"fetchers", 1u << CACHE_TAP_GET},
        {"mutations", 1u << CACHE_TAP_STORE},
        {"evictions", 1u << CACHE_TAP_EVICT},
        {"connevents", 1u << CACHE_TAP_OPEN | 1u << CACHE_TAP_CLOSE},
        {"rawcmds", 1u << CACHE_TAP_LINE},
        {"deletions", 1u << CACHE_TAP_DELETE}, /* of later versions */
        /* nothing happens here that they would tell of */
        {"sysevents", 0},
        {"proxyreqs", 0},
        {"proxyevents", 0},
        {"proxyuser", 0},
    };
    uint32_t kinds = count > 1 ? 0 : 1u << CACHE_TAP_GET;

    if (turn->service->tap == NULL || turn->service->no_watch) {
        cache_answer(turn, "CLIENT_ERROR watch commands not allowed\r\n");
        return 0;
    }
    if (turn->reply->count != 0) {
        cache_answer(turn, "ERROR cannot pipeline other commands before watch\r\n");
        return 0;
    }
    for (uint32_t i = 1; i < count; i++) {
        size_t at = 0;

        while (at < sizeof streams / sizeof streams[0] && !cache_word_is(words[i], streams[at].name))
            at++;
        if (at == sizeof streams / sizeof streams[0]) {
            cache_answer(turn, "ERROR\r\n");
            return 0;
        }
        kinds |= streams[at].kinds;
    }
    turn->protocol->watches = kinds;
    turn->protocol->state = CACHE_WATCHES;
    return PROTOCOL_WATCH;
}

static void version(struct cache_turn *turn)
{
    cache_reply_append(turn->reply, "VERSION ", 8);
    cache_reply_append(turn->reply, turn->service->version, strlen(turn->service->version));
    cache_reply_append(turn->reply, "\r\n", 2);
}

/* A browser, or one who makes it send to us what a page says: not another byte of it. */
static bool is_http(const struct cache_word *words, uint32_t count)
{
    const struct cache_word last = words[count - 1];

    /* Of names with these letters memcached knows that they are no command before it looks at the rest. */
    return strchr("gsacidt", words[0].at[0]) == NULL && last.count >= 5 && memcmp(last.at, "HTTP/", 5) == 0;
}

int cache_admin_line(struct cache_turn *turn, const struct cache_word *words, uint32_t count)
{
    const struct cache_word name = words[0];

    if (cache_word_is(name, "stats"))
        stats(turn, words, count);
    else if (cache_word_is(name, "version"))
        version(turn);
    else if (cache_word_is(name, "quit"))
        return cache_quit(turn);
    else if (cache_word_is(name, "flush_all"))
        flush_all(turn, words, count);
    else if (cache_word_is(name, "verbosity"))
        verbosity(turn, words, count);
    else if (cache_word_is(name, "cache_memlimit"))
        memlimit(turn, words, count);
    else if (cache_word_is(name, "shutdown"))
        return shut_down(turn, words, count);
    else if (cache_word_is(name, "refresh_certs"))
        refresh_certs(turn, words, count);
    else if (cache_word_is(name, "slabs"))
        slabs(turn, words, count);
    else if (cache_word_is(name, "lru_crawler"))
        lru_crawler(turn, words, count);
    else if (cache_word_is(name, "lru"))
        lru(turn, words, count);
    else if (cache_word_is(name, "watch"))
        return watch(turn, words, count);
    else if (is_http(words, count))
        return PROTOCOL_CLOSE;
    else
        cache_answer(turn, "ERROR\r\n");
    return 0;
}
