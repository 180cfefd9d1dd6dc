/* SPDX-License-Identifier: MIT */
/* What the files of the protocol share: a slice that is being worked on, words and numbers of a line, and a command
 * whose value comes behind it. */
#ifndef CACHE_TURN_H
#define CACHE_TURN_H

#include "detail.h"
#include "number.h"
#include "protocol.h"

#include <pawl/config.h>
#include <pawl/rcu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum cache_state {
    CACHE_BEGINS, /* nothing came yet */
    CACHE_LINES,
    CACHE_PACKETS,
    CACHE_VALUE,   /* turn->next was parsed: its value comes */
    CACHE_PENDING, /* the same, and it is in protocol->pending */
    CACHE_SWALLOW,
    CACHE_TOKEN_LINE, /* -Y: the line of a set, whose value ... */
    CACHE_TOKEN,      /* ... is a user and a password */
    CACHE_WATCHES,    /* it is told events; what it sends is not looked at */
    CACHE_DUMPS,      /* it is told keys; what it has sent waits */
};

/* Where a request begins. */
static inline uint8_t cache_protocol_next(const struct cache_protocol *protocol)
{
    return protocol->binary ? CACHE_PACKETS : CACHE_LINES;
}

/* Is all that was fed worked on, so that nothing of a request is still to come? */
static inline bool cache_protocol_between(const struct cache_protocol *protocol)
{
    return protocol->state <= CACHE_PACKETS && protocol->kept_count == 0;
}

enum {
    CACHE_WORDS = 23,             /* a line is cut into so many; only `get` may have more */
    CACHE_LINE_MAX = 2048,        /* of an incomplete line that is no `get` */
    CACHE_GET_LINE_MAX = 1 << 22, /* of a `get` */
    CACHE_OPAQUE_MAX = 32,
    CACHE_READ_AHEAD =
        192, /* bytes of an item that is to be read: most are not longer, of the others the rest comes by itself */
    CACHE_WRITE_AHEAD =
        72, /* the same, of one that is to be replaced: its head, and its key in the next line */
    CACHE_RETURNS_MAX = 4,
    CACHE_BYTES_MAX = INT32_MAX - 2 /* that a line may announce */,
};

enum cache_command_kind { CACHE_CLASSIC, CACHE_META, CACHE_BINARY, CACHE_SASL };

/* A command that stores, when its line or its header was read. */
struct cache_receiving {
    struct cache_change change;
    const char *key;    /* in the line, or in the pending command */
    const char *opaque; /* meta: with its O */
    uint32_t key_bytes;
    uint32_t ending;                 /* bytes behind the value: 2 or none */
    uint8_t kind;                    /* enum cache_command_kind */
    bool compare;                    /* cas: it must be there, with this cas and no other */
    bool silent;                     /* noreply, q, quiet */
    uint8_t opaque_bytes;            /* meta */
    uint8_t opcode;                  /* binary */
    uint32_t packet_opaque;          /* binary, as it came */
    char returns[CACHE_RETURNS_MAX]; /* meta: the flags to be answered, in their order */
};

/* Of a command that was not done with when the reply was full: its rest was kept, or memory is out. */
enum cache_stopped { CACHE_GOES_ON, CACHE_STOPPED, CACHE_STOPPED_FOR_GOOD };

struct cache_turn {
    struct cache_protocol *protocol;
    struct cache_service *service;
    struct cache_session *session;
    const struct cache_store *store;
    struct cache_reply *reply;
    struct cache_command_stats *stats;
    uint32_t watched;    /* kinds of the tap that somebody wants, and CACHE_WATCHED_DETAIL: see tell.h */
    uint64_t began;      /* cycles, if something is watched */
    const char *ahead;   /* in the slice: what stands before it was looked at ahead */
    uint32_t refer_from; /* values of so many bytes are not copied into the reply */
    uint8_t stopped;     /* enum cache_stopped */
    bool silent;         /* the command that is worked on asked for no answer */
    bool reading;        /* in a section of reclamation */
    struct cache_receiving next;
    char key[CACHE_KEY_MAX + 6]; /* of base64: where next.key points to */
};

/* Before items are looked at: a section begins, or goes on. */
static inline void cache_read(struct cache_turn *turn)
{
    if (!turn->reading)
        pawl_rcu_read_lock();
    turn->reading = true;
}

/* Before something is stored, which may have to wait for those who read: it ends. Items found in it are gone. */
static inline void cache_write(struct cache_turn *turn)
{
    if (turn->reading)
        pawl_rcu_read_unlock();
    turn->reading = false;
}

/* ---- words of a line ---- */

struct cache_word {
    const char *at;
    uint32_t count;
};

/* Where the first blank or zero is, from `p` on; `end` if there is none. */
static inline const char *cache_word_end(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;

    /* Eight bytes at once: the lowest byte whose top bit is set here is the first of them that is a blank or a zero. */
    while (end - p >= 8) {
        uint64_t word, blank, found;

        memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        blank = word ^ ones * ' ';
        found = (((word - ones) & ~word) | ((blank - ones) & ~blank)) & tops;
        if (found != 0)
            return p + (__builtin_ctzll(found) >> 3);
        p += 8;
    }
    while (p != end && *p != ' ' && *p != '\0')
        p++;
    return p;
}

/* The next word at or after `*at`; false: there is none. Words are parted by blanks only; a zero ends the line. */
static inline bool cache_next_word(const char **at, const char **end, struct cache_word *word)
{
    const char *p = *at, *start;

    while (p != *end && *p == ' ')
        p++;
    start = p;
    p = cache_word_end(p, *end);
    if (PAWL_UNLIKELY(p != *end && *p == '\0'))
        *end = p;
    *at = p;
    *word = (struct cache_word){start, (uint32_t)(p - start)};
    return p != start;
}

static inline bool cache_word_is(struct cache_word word, const char *text)
{
    return word.count == strlen(text) && memcmp(word.at, text, word.count) == 0;
}

/* number.h, of a word. */
static inline bool cache_read_u64(struct cache_word word, uint64_t *number)
{
    return cache_number_read(word.at, word.count, number);
}

static inline bool cache_read_u32(struct cache_word word, uint32_t *number)
{
    return cache_number_read_u32(word.at, word.count, number);
}

static inline bool cache_read_i32(struct cache_word word, int32_t *number)
{
    return cache_number_read_i32(word.at, word.count, number);
}

/* ---- answers ---- */

/* A line, unless the command wants no answer. */
static inline void cache_answer(struct cache_turn *turn, const char *text)
{
    if (!turn->silent)
        cache_reply_text(turn->reply, text);
}

/* A line in any case. */
static inline void cache_answer_error(struct cache_turn *turn, const char *text)
{
    cache_reply_text(turn->reply, text);
}

/* The value of an item, with the \r\n behind it or without. */
void cache_answer_value(struct cache_turn *turn, const struct cache_item *item, bool line_end);

/* One statistic, as a line or as a packet. `arg` is a struct cache_stat_answer. */
struct cache_stat_answer {
    struct cache_turn *turn;
    uint32_t packet_opaque;
};
cache_stat_fn cache_stat_line;
cache_stat_fn cache_stat_packet;

/* ---- commands ---- */

/* What it closes for else is an error. */
static inline int cache_quit(struct cache_turn *turn)
{
    turn->protocol->quits = true;
    return PROTOCOL_CLOSE;
}

/* A line without its end. Returns 0 or PROTOCOL_CLOSE. May have parsed turn->next: then the state is CACHE_VALUE. */
int cache_ascii_line(struct cache_turn *turn, const char *line, const char *end);
int cache_meta_line(struct cache_turn *turn, const struct cache_word *words, uint32_t count);
int cache_admin_line(struct cache_turn *turn, const struct cache_word *words, uint32_t count);

/* Works on `get` lines as long as they are complete and stand behind each other. `at` is at the first; returns where it
 * stopped: at it if that one is not complete. */
const char *cache_ascii_gets(struct cache_turn *turn, const char *at, const char *end);

/* The memory is asked for that the commands from `at` on will touch. Returns where those behind them begin. */
const char *cache_look_ahead(struct cache_turn *turn, const char *at, const char *end);

/* A packet, or the part of it that is there. *at is moved. */
int cache_binary_feed(struct cache_turn *turn, const char **at, const char *end);

/* The value of turn->next, or of what is pending, as far as it is there. *at is moved. */
int cache_feed_value(struct cache_turn *turn, const char **at, const char *end);
int cache_feed_pending(struct cache_turn *turn, const char **at, const char *end);

/* The connection ends: what came of a value goes. */
void cache_pending_free(struct cache_protocol *protocol, struct cache_session *session);

/* The value of turn->next is there, with its ending: stored and answered, by one of the three below. */
void cache_receive(struct cache_turn *turn, struct cache_receiving *receiving, const char *value,
                   struct cache_item *large, bool ends_well);
void cache_ascii_stored(struct cache_turn *turn, const struct cache_receiving *receiving,
                        enum cache_result result, bool ends_well);
void cache_meta_stored(struct cache_turn *turn, const struct cache_receiving *receiving,
                       enum cache_result result, bool ends_well);
void cache_binary_stored(struct cache_turn *turn, const struct cache_receiving *receiving,
                         enum cache_result result);
void cache_binary_sasl(struct cache_turn *turn, const struct cache_receiving *receiving, const char *value);

/* Would memcached refuse it? Then it is counted. */
bool cache_too_large(struct cache_turn *turn, uint32_t key_bytes, uint32_t flags, uint32_t value_bytes);

/* The beginning of a line or a packet is kept until the rest comes. False: memory is out. */
bool cache_keep(struct cache_protocol *protocol, const char *bytes, size_t count);

/* A line anew: its beginning, a blank, and its rest. The two may stand in what was kept, in that order. */
bool cache_keep_again(struct cache_protocol *protocol, struct cache_word command, struct cache_word rest);

/* Throws away what follows, then goes on. */
void cache_swallow(struct cache_turn *turn, uint64_t count);

/* Deletes without an answer: an old value must not outlive a set that failed. */
void cache_forget(struct cache_turn *turn, const char *key, uint32_t key_bytes);

/* ---- dump.c ---- */

/* lru_crawler metadump: the state is CACHE_DUMPS, until all was said. False: memory is out. */
bool cache_dump_begin(struct cache_turn *turn);
/* stats cachedump, in the same way: some of the items, `limit` at most; 0: what a reply takes. */
bool cache_dump_class(struct cache_turn *turn, uint32_t class, uint32_t limit);
/* As much as the reply takes, and a turn may. Returns 0, or PROTOCOL_FULL: others have their turn, then it goes on. */
int cache_feed_dump(struct cache_turn *turn);
void cache_dump_free(struct cache_protocol *protocol);

/* ---- `stats detail` ---- */

/* In turn->watched, above the kinds of the tap: `stats detail` is on. */
#define CACHE_WATCHED_DETAIL (UINT32_C(1) << 31)

/* Who listens at present. */
uint32_t cache_watched(const struct cache_service *service);

enum cache_detail_what { CACHE_DETAIL_MISS, CACHE_DETAIL_HIT, CACHE_DETAIL_SET, CACHE_DETAIL_DELETE };

void cache_detail_count_(struct cache_detail *detail, const char *key, size_t key_bytes,
                         enum cache_detail_what what);

static inline void cache_detail_count(struct cache_turn *turn, const char *key, size_t key_bytes,
                                      enum cache_detail_what what)
{
    if (PAWL_UNLIKELY((turn->watched & CACHE_WATCHED_DETAIL) != 0))
        cache_detail_count_(turn->service->detail, key, key_bytes, what);
}

#endif
