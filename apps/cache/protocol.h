/* SPDX-License-Identifier: MIT */
/* The protocols: bytes of a connection in, answers out. It knows nothing of sockets.
 *
 * Purpose    memcached's three protocols on one connection's bytes: the classic commands (ascii.c), the meta commands
 *            (meta.c), the binary protocol (binary.c), which is told by its first byte. Answers are memcached 1.6.18's,
 *            byte for byte; where they are not, docs/cache.md says so.
 * Model      cache_feed() takes a slice as it was received, cut anywhere, and works on all that is in it. What is
 *            incomplete stays: a line in a small buffer, a value in one that grows as it comes, and a large value
 *            in the very item it will be. An idle connection has no buffer.
 * Sections   Items are read in one section of reclamation (<pawl/rcu.h>) for some 64 commands. Values that are sent
 *            without copying are held by the reply.
 * Several    Keys of a `get`, and of `get`s that stand one behind the other, are hashed and prefetched together, 16
 *            at a time.
 * Threads    A connection is fed by one thread at a time, with a session and a reply of that thread. */
#ifndef CACHE_PROTOCOL_H
#define CACHE_PROTOCOL_H

#include "command_stats.h"
#include "reply.h"
#include "store.h"

#include <pawl/atomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROTOCOL_CLOSE = 1, /* send the reply, then close */
    PROTOCOL_WATCH = 2, /* the connection wants to be told of events: cache_protocol.watches */
    PROTOCOL_FULL =
        3, /* cache_protocol.left bytes of the slice are to be fed again, when the reply was sent, or if
            * that is short (a dump that has little to say) when others had their turn */
};

enum cache_dialect {
    CACHE_DIALECT_AUTO, /* by the first byte */
    CACHE_DIALECT_ASCII,
    CACHE_DIALECT_BINARY,
};

struct cache_census;
struct cache_detail;
struct cache_peer;
struct cache_tap;

/* What all connections share. Zeroed memory with version, item_max, workers is a good one; hooks may be NULL. */
struct cache_service {
    const char *version; /* of `version` and `stats` */
    size_t
        item_max; /* -I: as memcached counts an item's bytes (its header of 56 and the key's end are in it) */
    uint32_t dialect; /* enum cache_dialect: -B. Authentication by tokens is ASCII, SASL is binary */
    bool sasl;     /* -S: the binary protocol asks for authentication; without `tokens` there is no other */
    bool tokens;   /* -Y: the ASCII protocol does; without `sasl` there is no other */
    bool no_flush; /* -F: flush_all is an error */
    bool may_shutdown;               /* -A */
    PAWL_ATOMIC(uint32_t) verbosity; /* of the command of that name; relaxed: a setting */

    struct cache_command_stats *workers; /* one for each, that its reply counts in */
    uint32_t worker_count;
    PAWL_ATOMIC(uint64_t) reset[CACHE_COUNTERS];              /* the sums at the last `stats reset` */
    PAWL_ATOMIC(uint64_t) reset_figures[CACHE_FIGURES_RESET]; /* the same of the store's figures */
    struct cache_detail *detail;                              /* `stats detail`; NULL: that is an error */
    struct cache_census *census;                              /* `stats sizes`; NULL: always disabled */
    struct cache_tap *tap;                                    /* NULL: nobody can listen */
    bool no_watch; /* -W: `watch` is an error, as it is without a tap */
    bool no_dump;  /* -X: `stats cachedump` and `lru_crawler metadump` are */

    void *arg; /* the hooks' */
    /* Is this the password of this user? For -Y and SASL PLAIN. */
    bool (*authenticate)(struct cache_service *service, const char *user, size_t user_bytes,
                         const char *password, size_t password_bytes);
    void (*shutdown)(struct cache_service *service, bool graceful);
    bool (*set_limit)(struct cache_service *service, size_t bytes); /* cache_memlimit; false: it could not */
    const char *(*refresh_certs)(struct cache_service *service);    /* NULL: done; else what is wrong */
    /* More lines of `stats`, `stats settings`, and those of `stats conns`, `stats slow`. */
    void (*say_general)(struct cache_service *service, cache_stat_fn *say, void *arg);
    void (*say_settings)(struct cache_service *service, cache_stat_fn *say, void *arg);
    void (*reset_general)(struct cache_service *service); /* `stats reset` */
    void (*say_conns)(struct cache_service *service, cache_stat_fn *say, void *arg);
    void (*say_slow)(struct cache_service *service, cache_stat_fn *say, void *arg);
};

struct cache_dump;
struct cache_pending;

/* One connection. */
struct cache_protocol {
    struct cache_service *service;
    struct cache_pending *pending; /* a command whose value is still coming */
    char *kept;                    /* the beginning of a line or of a packet */
    uint32_t kept_count, kept_room;
    uint64_t swallow; /* bytes to be thrown away */
    uint8_t state;    /* enum cache_state */
    bool authenticated;
    bool binary;
    bool quits;              /* the client wanted the end */
    int fd;                  /* for people; -1: there is none */
    size_t left;             /* PROTOCOL_FULL; PROTOCOL_WATCH: what is behind it, for who goes on */
    uint32_t watches;        /* `watch`: kinds of the tap */
    struct cache_dump *dump; /* a dump that goes on in the next turn */
    struct cache_peer *peer; /* when somebody has asked */
};

void cache_protocol_init(struct cache_protocol *protocol, struct cache_service *service);

/* It cannot be told of events: it goes on as before, with the cache_protocol.left bytes behind its `watch`. */
void cache_protocol_unwatch(struct cache_protocol *protocol);

/* Does it wait for more of a value, or of a packet's head, so that what comes next is that? */
bool cache_protocol_in_value(const struct cache_protocol *protocol);

/* Gives back what is kept, with the session of the thread that calls. NULL: it has none, so
 * the connection was never fed. */
void cache_protocol_free(struct cache_protocol *protocol, struct cache_session *session);

/* What the first command of a slice will touch, whoever has it before it is fed. */
struct cache_foreseen {
    const char *bytes; /* of the slice; NULL: nothing is known */
    uint64_t hash;
    size_t touched;
};

/* Asks for the memory of its bucket, if it is a line with a key; some time later for that of the item. */
void cache_foresee(const struct cache_store *store, const char *bytes, size_t count,
                   struct cache_foreseen *foreseen);
void cache_foresee_item(const struct cache_store *store, const struct cache_foreseen *foreseen);

/* Works on all bytes of a slice; answers are appended to the reply. Returns 0, PROTOCOL_CLOSE, PROTOCOL_FULL,
 * or PROTOCOL_WATCH: then nothing more is looked at, until cache_protocol_unwatch(). */
int cache_feed(struct cache_protocol *protocol, struct cache_session *session, const char *bytes,
               size_t count, struct cache_reply *reply);

#endif
