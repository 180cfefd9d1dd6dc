/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include "peer.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <pawl/logring.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LANES = 4 }; /* for threads without restartable sequences: there are few, if any */

struct cache_tap {
    struct pawl_logring *log;
    int fd;
    PAWL_ATOMIC(uint32_t) outside; /* relaxed, all three: who has just come may miss a moment */
    PAWL_ATOMIC(uint32_t) wanted;
    PAWL_ATOMIC(uint32_t) inside[CACHE_TAP_KINDS]; /* how many want it */
};

struct cache_tap *cache_tap_open(void)
{
    const struct pawl_logring_options options = {.lanes = LANES};
    struct cache_tap *tap = calloc(1, sizeof *tap);
    int error;

    if (tap == NULL)
        return NULL;
    tap->fd = pawl_logring_create(CACHE_TAP_NAME, &options);
    if (tap->fd >= 0)
        tap->log = pawl_logring_open(tap->fd);
    if (tap->log != NULL)
        return tap;
    error = errno;
    if (tap->fd >= 0)
        close(tap->fd);
    free(tap);
    errno = error;
    return NULL;
}

void cache_tap_close(struct cache_tap *tap)
{
    if (tap == NULL)
        return;
    pawl_logring_close(tap->log);
    close(tap->fd);
    free(tap);
}

int cache_tap_fd(const struct cache_tap *tap)
{
    return tap->fd;
}

/* ---- who listens ---- */

uint32_t cache_tap_wanted(const struct cache_tap *tap)
{
    return tap != NULL ? pawl_load_relaxed(&tap->wanted) : 0; /* relaxed: see the fields */
}

/* Two at once: each stores what it has seen, and the next look mends it. */
static void sum_up(struct cache_tap *tap)
{
    uint32_t wanted = pawl_load_relaxed(&tap->outside); /* relaxed, all: see the fields */

    for (uint32_t kind = 0; kind < CACHE_TAP_KINDS; kind++)
        if (pawl_load_relaxed(&tap->inside[kind]) != 0)
            wanted |= 1u << kind;
    if (wanted != pawl_load_relaxed(&tap->wanted))
        pawl_store_relaxed(&tap->wanted, wanted);
}

void cache_tap_want(struct cache_tap *tap, uint32_t kinds, bool on)
{
    for (uint32_t kind = 0; kind < CACHE_TAP_KINDS; kind++) {
        if ((kinds >> kind & 1) == 0)
            continue;
        if (on)
            pawl_fetch_add_relaxed(&tap->inside[kind], 1u); /* relaxed, both: see the fields */
        else
            pawl_fetch_sub_relaxed(&tap->inside[kind], 1u);
    }
    sum_up(tap);
}

/* Does somebody hold a lock on these bytes? */
static bool is_locked(const struct cache_tap *tap, uint32_t from, uint32_t count)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from, .l_len = count};

    return fcntl(tap->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void cache_tap_look(struct cache_tap *tap)
{
    uint32_t outside = 0;

    if (is_locked(tap, 0, CACHE_TAP_KINDS))
        for (uint32_t kind = 0; kind < CACHE_TAP_KINDS; kind++)
            outside |= (uint32_t)is_locked(tap, kind, 1) << kind;
    pawl_store_relaxed(&tap->outside, outside); /* relaxed: see the field */
    sum_up(tap);
}

/* ---- what is said ---- */

void cache_tap_say(struct cache_tap *tap, const struct cache_tap_event *event)
{
    union {
        struct cache_tap_record record;
        char room[CACHE_TAP_RECORD_MAX];
    } to;
    struct cache_tap_record *record = &to.record;
    const char *address = event->peer != NULL ? event->peer->address : event->fd >= 0 ? "unknown" : "";

    *record = (struct cache_tap_record){
        .magic = CACHE_TAP_MAGIC,
        .kind = (uint8_t)event->kind,
        .status = event->status,
        .command = event->command,
        .fetched = event->fetched,
        .fd = event->fd,
        .value_bytes = event->value_bytes,
        .ttl = event->ttl,
        .age = event->age,
        .latency_ns = event->latency_ns,
        .reason = event->reason,
        .port = event->peer != NULL ? event->peer->port : 0,
        .address_bytes = (uint8_t)strlen(address),
        .text_bytes = (uint8_t)(event->text_bytes < CACHE_TAP_TEXT_MAX ? event->text_bytes
                                                                       : CACHE_TAP_TEXT_MAX),
    };
    memcpy(to.room + sizeof *record, address, record->address_bytes);
    if (record->text_bytes > 0)
        memcpy(to.room + sizeof *record + record->address_bytes, event->text, record->text_bytes);
    /* Turned away: the ring counts it, and nobody may be held up by it. */
    (void)pawl_logring_push(tap->log, PAWL_LOG_NORMAL, record,
                            sizeof *record + record->address_bytes + record->text_bytes);
}

void cache_tap_item(struct cache_tap *tap, const struct cache_store *store, enum cache_tap_kind kind,
                    const struct cache_item *item)
{
    const int64_t ttl = cache_ttl(store, item);

    cache_tap_say(tap, &(struct cache_tap_event){.kind = kind,
                                                 .fd = -1,
                                                 .fetched = cache_item_fetched(item),
                                                 .value_bytes = cache_item_value_bytes(item),
                                                 .ttl = ttl < 0 ? CACHE_TAP_FOREVER : (uint32_t)ttl,
                                                 .age = cache_age(store, item),
                                                 .text = cache_item_key(item),
                                                 .text_bytes = item->key_bytes});
}
