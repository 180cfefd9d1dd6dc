/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <errno.h>
#include <inttypes.h>
#include <pawl/logring.h>
#include <pawl/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORDS_A_LOOK = 1000,
    BATCH_BYTES = 16384,
    LINE_BYTES =
        1536, /* of one record, and of what was lost before it: each byte of its text may become three */
};

#define LOOK_NS (UINT64_C(20) * 1000 * 1000)

struct cache_watcher {
    struct pawl_timer timer;
    struct cache_watchers *watchers;
    struct cache_tap *tap;
    struct pawl_stream *stream;
    struct pawl_logring_reader *reader;
    uint32_t kinds;
    uint64_t number, lost; /* lines told, and those lost before it got to them */
    int64_t realtime_ns;
    size_t used;
    char batch[BATCH_BYTES];
};

/* ---- lines ---- */

/* As memcached writes keys: what is not plain is %XX. */
static char *put_encoded(char *at, const char *bytes, size_t count)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < count; i++) {
        const unsigned char byte = (unsigned char)bytes[i];
        const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                           (byte >= 'A' && byte <= 'Z') || (byte != '\0' && strchr("-._~", byte) != NULL);

        if (plain) {
            *at++ = (char)byte;
        } else {
            *at++ = '%';
            *at++ = digits[byte >> 4];
            *at++ = digits[byte & 15];
        }
    }
    *at = '\0';
    return at;
}

/* memcached says a ttl of an item without one as 0, but as -1 when it is evicted. */
static long long ttl_of(const struct cache_tap_record *record, int never)
{
    return record->ttl == CACHE_TAP_FOREVER ? never : (long long)record->ttl;
}

static const char *reason_of(int32_t reason)
{
    switch (reason) {
    case 0:
        return "normal";
    case -ETIMEDOUT:
        return "idle_timeout";
    case -ECANCELED:
        return "shutdown";
    default:
        return "error";
    }
}

/* Behind "ts=... gid=... ". Returns where it ends. */
static char *put_event(char *at, size_t room, const struct cache_tap_record *record)
{
    const bool found = record->status == CACHE_TAP_FOUND;
    const char *status = cache_tap_statuses[record->status];
    char key[3 * UINT8_MAX + 1], address[UINT8_MAX + 1];
    int count = 0;

    put_encoded(key, cache_tap_text(record), record->text_bytes);
    memcpy(address, record->text, record->address_bytes);
    address[record->address_bytes] = '\0';
    switch ((enum cache_tap_kind)record->kind) {
    case CACHE_TAP_GET:
    case CACHE_TAP_TOUCH:
        count = snprintf(at, room, "type=item_get key=%s status=%s clsid=%d cfd=%d size=%u\n", key, status,
                         found, record->fd, record->value_bytes);
        break;
    case CACHE_TAP_STORE:
        count = snprintf(at, room,
                         "type=item_store key=%s status=%s cmd=%s ttl=%lld clsid=1 cfd=%d size=%u\n", key,
                         status, cache_tap_commands[record->command], ttl_of(record, 0), record->fd,
                         record->value_bytes);
        break;
    case CACHE_TAP_DELETE:
        count = snprintf(at, room, "type=deleted key=%s cmd=delete clsid=%d size=%u\n", key, found,
                         record->value_bytes);
        break;
    case CACHE_TAP_EVICT:
    case CACHE_TAP_EXPIRE:
        count = snprintf(at, room, "type=eviction key=%s fetch=%s ttl=%lld la=%u clsid=1 size=%u\n", key,
                         record->fetched ? "yes" : "no", ttl_of(record, -1), record->age,
                         record->value_bytes);
        break;
    case CACHE_TAP_OPEN:
        count = snprintf(at, room, "type=conn_new rip=%s rport=%u transport=%s cfd=%d\n", address,
                         record->port, record->port != 0 ? "tcp" : "local", record->fd);
        break;
    case CACHE_TAP_CLOSE:
        count = snprintf(at, room, "type=conn_close rip=%s rport=%u transport=%s reason=%s cfd=%d\n", address,
                         record->port, record->port != 0 ? "tcp" : "local", reason_of(record->reason),
                         record->fd);
        break;
    case CACHE_TAP_LINE:
        count = snprintf(at, room, "<%d %.*s\n", record->fd, (int)record->text_bytes, cache_tap_text(record));
        break;
    case CACHE_TAP_KINDS:
        break;
    }
    return at + count;
}

static void put_line(struct cache_watcher *watcher, uint64_t stamp_ns, const struct cache_tap_record *record)
{
    const uint64_t us = (stamp_ns + (uint64_t)watcher->realtime_ns) / 1000;
    char *at = watcher->batch + watcher->used;
    const int count = snprintf(at, LINE_BYTES, "ts=%" PRIu64 ".%06" PRIu64 " gid=%" PRIu64 " ", us / 1000000,
                               us % 1000000, ++watcher->number);

    at = put_event(at + count, LINE_BYTES - (size_t)count, record);
    watcher->used = (size_t)(at - watcher->batch);
}

/* ---- looking ---- */

static void flush(struct cache_watcher *watcher)
{
    if (watcher->used > 0)
        (void)pawl_stream_write(watcher->stream, watcher->batch, watcher->used); /* it ends: `closed` comes */
    watcher->used = 0;
}

/* Behind the first record of a look: what was lost before it. Of all kinds, as nobody knows what the lost ones were. */
static void tell_lost(struct cache_watcher *watcher)
{
    struct pawl_logring_counts counts;
    uint64_t lost = 0;

    pawl_logring_get_counts(watcher->reader, &counts);
    for (int i = 0; i < PAWL_LOGRING_CLASSES; i++)
        lost += counts.lost[i];
    if (lost == watcher->lost)
        return;
    watcher->used += (size_t)snprintf(watcher->batch + watcher->used, LINE_BYTES, "skipped=%" PRIu64 "\n",
                                      lost - watcher->lost);
    pawl_fetch_add_relaxed(&watcher->watchers->skipped, lost - watcher->lost); /* relaxed: a figure */
    watcher->lost = lost;
}

static void look(struct pawl_timer *timer)
{
    struct cache_watcher *watcher = pawl_timer_of(timer, struct cache_watcher, timer);
    const uint64_t before = watcher->number;
    struct pawl_logring_record from;

    for (int i = 0; i < RECORDS_A_LOOK && !pawl_stream_full(watcher->stream) &&
                    pawl_logring_read(watcher->reader, &from) == 0;
         i++) {
        const struct cache_tap_record *record = cache_tap_check(from.data, from.bytes);

        if (i == 0)
            tell_lost(watcher);
        if (record == NULL || (watcher->kinds >> record->kind & 1) == 0)
            continue;
        put_line(watcher, from.stamp_ns, record);
        if (BATCH_BYTES - watcher->used < LINE_BYTES)
            flush(watcher);
    }
    flush(watcher);
    pawl_fetch_add_relaxed(&watcher->watchers->sent, watcher->number - before); /* relaxed: a figure */
}

/* ---- coming and going ---- */

static struct cache_watcher *refuse(struct pawl_stream *stream, const char *why)
{
    (void)pawl_stream_write(stream, why, strlen(why));
    return NULL;
}

struct cache_watcher *cache_watcher_open(struct cache_watchers *watchers, struct cache_tap *tap,
                                         struct pawl_stream *stream, uint32_t kinds)
{
    static const char failed[] = "WATCHER_FAILED failed to add log watcher\r\n";
    struct cache_watcher *watcher;
    struct pawl_logring_counts counts;

    if (pawl_load_relaxed(&watchers->count) >= CACHE_WATCHERS_MAX) /* relaxed: see the field */
        return refuse(stream, "WATCHER_TOO_MANY log watcher limit reached\r\n");
    watcher = calloc(1, sizeof *watcher);
    if (watcher == NULL)
        return refuse(stream, failed);
    watcher->reader = pawl_logring_reader_open(cache_tap_fd(tap), PAWL_LOGRING_NOW);
    if (watcher->reader == NULL) {
        free(watcher);
        return refuse(stream, failed);
    }
    pawl_logring_get_counts(watcher->reader, &counts);
    for (int i = 0; i < PAWL_LOGRING_CLASSES; i++)
        watcher->lost += counts.lost[i];
    watcher->realtime_ns = counts.realtime_ns;
    watcher->watchers = watchers;
    watcher->tap = tap;
    watcher->stream = stream;
    watcher->kinds = kinds;
    pawl_fetch_add_relaxed(&watchers->count, 1u); /* relaxed: see the field */
    cache_tap_want(tap, kinds, true);
    pawl_timer_init(&watcher->timer, look);
    pawl_timer_every(&watcher->timer, 0, LOOK_NS);
    (void)pawl_stream_write(stream, "OK\r\n", 4);
    return watcher;
}

void cache_watcher_close(struct cache_watcher *watcher)
{
    if (watcher == NULL)
        return;
    (void)pawl_timer_cancel(&watcher->timer);
    cache_tap_want(watcher->tap, watcher->kinds, false);
    pawl_fetch_sub_relaxed(&watcher->watchers->count, 1u); /* relaxed: see the field */
    pawl_logring_reader_close(watcher->reader);
    free(watcher);
}
