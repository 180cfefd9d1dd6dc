/* SPDX-License-Identifier: MIT */
#include "slow.h"

#include "peer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct entry {
    int64_t unix_us;
    uint64_t took_ns;
    size_t received, answered;
    char client[CACHE_PEER_TEXT];
    char text[CACHE_SLOW_TEXT];
};

struct cache_slow {
    pthread_mutex_t lock;
    PAWL_ATOMIC(uint64_t) count; /* ever; changed under the lock, relaxed for who only looks */
    struct entry kept[CACHE_SLOW_KEPT];
};

struct cache_slow *cache_slow_open(void)
{
    struct cache_slow *slow = calloc(1, sizeof *slow);

    if (slow != NULL)
        (void)pthread_mutex_init(&slow->lock, NULL);
    return slow;
}

void cache_slow_close(struct cache_slow *slow)
{
    if (slow == NULL)
        return;
    (void)pthread_mutex_destroy(&slow->lock);
    free(slow);
}

/* Up to the end of the line, with dots for what cannot be printed. */
static void show(char *text, size_t room, const char *bytes, size_t count)
{
    size_t i;

    for (i = 0; i < room - 1 && i < count; i++) {
        const char byte = bytes[i];

        if (byte == '\r' || byte == '\n')
            break;
        text[i] = byte;
        if (byte < ' ' || byte >= 127)
            text[i] = '.';
    }
    text[i] = '\0';
}

/* Of a packet the opcode and the key: behind it may stand a password (SASL). */
static void first_packet(char *text, const struct cache_slow_turn *turn)
{
    enum { HEAD = 24 };
    const unsigned char *at = (const unsigned char *)turn->bytes;
    const size_t written = (size_t)snprintf(text, CACHE_SLOW_TEXT, "0x%02x ", turn->received > 1 ? at[1] : 0);
    size_t key_bytes, key_at;

    if (turn->received < HEAD)
        return;
    key_bytes = (size_t)at[2] << 8 | at[3];
    key_at = HEAD + (size_t)at[4];
    if (key_at >= turn->received)
        return;
    if (key_bytes > turn->received - key_at)
        key_bytes = turn->received - key_at;
    show(text + written, CACHE_SLOW_TEXT - written, turn->bytes + key_at, key_bytes);
}

/* The beginning of what was received. */
static void first_request(char *text, const struct cache_slow_turn *turn)
{
    if (turn->inside)
        memcpy(text, "(a value)", sizeof "(a value)");
    else if (turn->binary)
        first_packet(text, turn);
    else
        show(text, CACHE_SLOW_TEXT, turn->bytes, turn->received);
}

void cache_slow_note(struct cache_slow *slow, const struct cache_slow_turn *turn)
{
    struct timespec now;
    struct entry entry = {.took_ns = turn->took_ns, .received = turn->received, .answered = turn->answered};
    uint64_t count;

    clock_gettime(CLOCK_REALTIME, &now);
    entry.unix_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    cache_peer_text(entry.client, turn->fd);
    first_request(entry.text, turn);
    (void)pthread_mutex_lock(&slow->lock);
    count = pawl_load_relaxed(&slow->count); /* relaxed, both: under the lock */
    slow->kept[count % CACHE_SLOW_KEPT] = entry;
    pawl_store_relaxed(&slow->count, count + 1);
    (void)pthread_mutex_unlock(&slow->lock);
}

static void say_entry(const struct entry *entry, uint64_t number, cache_stat_fn *say, void *arg)
{
    char name[48];

    (void)snprintf(name, sizeof name, "slow:%llu:time", (unsigned long long)number);
    cache_stat(say, arg, name, "%lld.%06lld", (long long)(entry->unix_us / 1000000),
               (long long)(entry->unix_us % 1000000));
    (void)snprintf(name, sizeof name, "slow:%llu:us", (unsigned long long)number);
    cache_stat(say, arg, name, "%llu", (unsigned long long)(entry->took_ns / 1000));
    (void)snprintf(name, sizeof name, "slow:%llu:client", (unsigned long long)number);
    cache_stat(say, arg, name, "%s", entry->client);
    (void)snprintf(name, sizeof name, "slow:%llu:received", (unsigned long long)number);
    cache_stat(say, arg, name, "%zu", entry->received);
    (void)snprintf(name, sizeof name, "slow:%llu:answered", (unsigned long long)number);
    cache_stat(say, arg, name, "%zu", entry->answered);
    (void)snprintf(name, sizeof name, "slow:%llu:request", (unsigned long long)number);
    cache_stat(say, arg, name, "%s", entry->text);
}

void cache_slow_say(struct cache_slow *slow, cache_stat_fn *say, void *arg)
{
    const uint64_t count = cache_slow_count(slow);
    const uint64_t kept = count < CACHE_SLOW_KEPT ? count : CACHE_SLOW_KEPT;

    for (uint64_t i = 1; i <= kept; i++) {
        struct entry entry;

        (void)pthread_mutex_lock(&slow->lock);
        entry = slow->kept[(count - i) % CACHE_SLOW_KEPT];
        (void)pthread_mutex_unlock(&slow->lock);
        say_entry(&entry, count - i, say, arg);
    }
}

uint64_t cache_slow_count(const struct cache_slow *slow)
{
    return pawl_load_relaxed(&slow->count); /* relaxed: a figure; entries are read under the lock */
}
