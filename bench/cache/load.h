/* SPDX-License-Identifier: MIT */
/* The client: one thread, many connections, every byte of every answer checked. */
#ifndef BENCH_CACHE_LOAD_H
#define BENCH_CACHE_LOAD_H

#include "server.h"
#include "speech.h"

#include <stdint.h>

/* What is asked for. */
struct load_shape {
    enum speech_verb verb;
    unsigned sets_of_100; /* so many of 100 requests are sets instead */
    unsigned depth;       /* requests sent together; then all their answers are waited for */
    unsigned keys;        /* of each request */
};

enum { LOAD_DEPTH_MAX = 16 };

struct load_lane;

struct load {
    const struct server *server;
    struct speech speech;
    int epoll;
    unsigned count;
    struct load_lane *lanes;
    uint64_t random;
    uint32_t key_count;
};

/* Connects `connections` times. Keys are 0 to key_count - 1. */
void load_open(struct load *load, const struct server *server, unsigned connections, uint32_t key_count,
               unsigned value_bytes);
void load_close(struct load *load);

/* Stores keys from `from` up to `to`, with one connection of its own. */
void load_fill(const struct server *server, uint32_t from, uint32_t to, unsigned value_bytes);

/* Closed loop: each connection sends `depth` requests, waits for their answers, and begins again, for so long. Returns
 * how many operations were answered (keys, of requests for several). */
uint64_t load_closed(struct load *load, const struct load_shape *shape, uint64_t ns);

/* Open loop: a request every 1/rate seconds, on one connection after the other, whether answers have come or not.
 * Latency is counted from the time at which it was due. Writes up to `room` of them, in ns; returns how many. */
size_t load_open_loop(struct load *load, const struct load_shape *shape, double rate, uint64_t ns,
                      uint64_t *latency, size_t room);

#endif
