/* SPDX-License-Identifier: MIT */
/* What the server says of its work, as it stands in the ring: for tap.c, which writes it, for `watch` and `pawl tap`, which
 * read it. In the machine's byte order: the ring is memory. */
#ifndef CACHE_TAP_RECORD_H
#define CACHE_TAP_RECORD_H

#include <pawl/config.h>
#include <stddef.h>
#include <stdint.h>

/* The name of the ring's memory in /proc/PID/fd. */
#define CACHE_TAP_NAME "pawl-cache-tap"

#define CACHE_TAP_MAGIC UINT32_C(0x01706174) /* "tap", and a version that changes with the layout */
#define CACHE_TAP_FOREVER UINT32_MAX         /* a ttl */

/* Who listens from outside holds a read lock (F_OFD_SETLK) on the byte of each kind that he wants: the server asks for
 * conflicts now and then, and a listener that is killed wants nothing any more. */
enum cache_tap_kind {
    CACHE_TAP_GET,
    CACHE_TAP_STORE, /* set and its kin, incr, decr */
    CACHE_TAP_DELETE,
    CACHE_TAP_TOUCH,
    CACHE_TAP_EVICT,
    CACHE_TAP_EXPIRE,
    CACHE_TAP_OPEN, /* a connection */
    CACHE_TAP_CLOSE,
    CACHE_TAP_LINE, /* a classic command as it came */
    CACHE_TAP_KINDS,
};

enum cache_tap_status {
    CACHE_TAP_NOT_FOUND,
    CACHE_TAP_FOUND,
    CACHE_TAP_STORED,
    CACHE_TAP_NOT_STORED,
    CACHE_TAP_EXISTS,
    CACHE_TAP_NOT_NUMBER,
    CACHE_TAP_TOO_LARGE,
    CACHE_TAP_NO_MEMORY,
    CACHE_TAP_STATUSES,
};

enum cache_tap_command {
    CACHE_TAP_NONE,
    CACHE_TAP_SET,
    CACHE_TAP_ADD,
    CACHE_TAP_REPLACE,
    CACHE_TAP_APPEND,
    CACHE_TAP_PREPEND,
    CACHE_TAP_CAS,
    CACHE_TAP_INCR,
    CACHE_TAP_DECR,
    CACHE_TAP_COMMANDS,
};

struct cache_tap_record {
    uint32_t magic;
    uint8_t kind, status, command, fetched; /* fetched: an item that goes had been asked for */
    int32_t fd;                             /* of the connection; -1: none did it */
    uint32_t value_bytes;
    uint32_t ttl, age;   /* seconds; CACHE_TAP_FOREVER */
    uint64_t latency_ns; /* since its bytes were received; 0: not known */
    int32_t reason;      /* of a connection that ended: 0 or a negative errno */
    uint16_t port;       /* of the client; 0: a UNIX socket */
    uint8_t address_bytes, text_bytes;
    char text[]; /* the client's address, then the key, or the line */
};

PAWL_STATIC_ASSERT(sizeof(struct cache_tap_record) == 40, "no holes");

enum { CACHE_TAP_TEXT_MAX = 250, CACHE_TAP_RECORD_MAX = 40 + 64 + CACHE_TAP_TEXT_MAX };

/* Its words, as memcached says them. */
static const char *const cache_tap_kinds[CACHE_TAP_KINDS] = {"get",    "store", "delete", "touch", "evict",
                                                             "expire", "open",  "close",  "line"};
static const char *const cache_tap_statuses[CACHE_TAP_STATUSES] = {"not_found",  "found",    "stored",
                                                                   "not_stored", "exists",   "not_number",
                                                                   "too_large",  "no_memory"};
static const char *const cache_tap_commands[CACHE_TAP_COMMANDS] = {"null",    "set",    "add",
                                                                   "replace", "append", "prepend",
                                                                   "cas",     "incr",   "decr"};

/* Is it whole? What stands in the ring may have been written by anybody. */
static inline const struct cache_tap_record *cache_tap_check(const void *data, size_t bytes)
{
    const struct cache_tap_record *record = data;

    if (bytes < sizeof *record || record->magic != CACHE_TAP_MAGIC || record->kind >= CACHE_TAP_KINDS ||
        record->status >= CACHE_TAP_STATUSES || record->command >= CACHE_TAP_COMMANDS ||
        bytes != sizeof *record + record->address_bytes + record->text_bytes)
        return NULL;
    return record;
}

static inline const char *cache_tap_text(const struct cache_tap_record *record)
{
    return record->text + record->address_bytes;
}

#endif
