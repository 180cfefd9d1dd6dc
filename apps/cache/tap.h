/* SPDX-License-Identifier: MIT */
/* The event tap: what the server does, into a ring that overwrites (<pawl/logring.h>), for who listens.
 *
 * Cost       Nobody listens: a test of a word a command. Somebody does: a record a command, of the kinds that are wanted.
 *            Writers know of no reader: one that is slow or dead loses records, nobody waits for it.
 * Who        `watch` (watch.h) by cache_tap_want(); other processes by locks on the ring's memory (tap_record.h). */
#ifndef CACHE_TAP_H
#define CACHE_TAP_H

#include "item.h"
#include "tap_record.h"

#include <pawl/atomic.h>
#include <stdbool.h>

struct cache_peer;
struct cache_store;
struct cache_tap;

/* NULL with errno: there is no memory, or what <pawl/logring.h> says. */
struct cache_tap *cache_tap_open(void);
void cache_tap_close(struct cache_tap *tap); /* NULL is fine */

/* The ring, for pawl_logring_reader_open(). */
int cache_tap_fd(const struct cache_tap *tap);

/* Bits of kinds that somebody wants. NULL: none. */
uint32_t cache_tap_wanted(const struct cache_tap *tap);

/* One more, or one less, in this process that wants these kinds. Any thread. */
void cache_tap_want(struct cache_tap *tap, uint32_t kinds, bool on);

/* Looks for who wants something from outside. Now and then, by one thread. */
void cache_tap_look(struct cache_tap *tap);

struct cache_tap_event {
    enum cache_tap_kind kind;
    uint8_t status, command;
    bool fetched;
    int fd, reason;
    uint32_t value_bytes, ttl, age;
    uint64_t latency_ns;
    const struct cache_peer *peer; /* the client; NULL: not known, or there is none */
    const char *text;              /* of any length: the first 250 bytes are said */
    size_t text_bytes;
};

void cache_tap_say(struct cache_tap *tap, const struct cache_tap_event *event);

/* An item that is evicted, or has expired. */
void cache_tap_item(struct cache_tap *tap, const struct cache_store *store, enum cache_tap_kind kind,
                    const struct cache_item *item);

#endif
