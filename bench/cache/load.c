/* SPDX-License-Identifier: MIT */
#include "load.h"

#include "bench.h"
#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    DUE_MAX = 32,           /* requests under way on a connection, in an open loop */
    WANTED_ROOM = 8 * 1024, /* bytes of answers under way on a connection */
    FILL_BATCH = 64,
    HEARD_ROOM = 64 * 1024,
};

#define SECOND 1e9

struct load_lane {
    int fd;
    uint32_t wanted, heard; /* bytes of `answer` that must come, and that came */
    uint32_t due_first, due_count;
    struct {
        uint32_t end; /* in `answer` */
        uint64_t due_ns;
    } due[DUE_MAX];
    char answer[WANTED_ROOM];
};

/* An answer for a key: the value, and what stands around it. */
enum { AROUND = 64, VALUE_MAX = WANTED_ROOM / LOAD_DEPTH_MAX - AROUND };

void load_open(struct load *load, const struct server *server, unsigned connections, uint32_t key_count,
               unsigned value_bytes)
{
    *load = (struct load){
        .server = server,
        .speech = {server_dialect(server->program), value_bytes},
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .count = connections,
        .lanes = calloc(connections, sizeof(struct load_lane)),
        .random = 1,
        .key_count = key_count,
    };
    if (load->epoll < 0 || load->lanes == NULL)
        server_die("the client", strerror(errno));
    if (value_bytes > VALUE_MAX)
        server_die("the client", "values are too long for it");
    for (unsigned i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};

        load->lanes[i].fd = server_connect(server);
        if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, load->lanes[i].fd, &event) != 0)
            server_die("epoll_ctl", strerror(errno));
    }
}

void load_close(struct load *load)
{
    for (unsigned i = 0; i < load->count; i++)
        close(load->lanes[i].fd);
    close(load->epoll);
    free(load->lanes);
}

static void send_all(const struct server *server, int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        const ssize_t n = send(fd, bytes, count, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            server_die(server_name(server->program), "it takes no more requests");
        bytes += n;
        count -= (size_t)n;
    }
}

void load_fill(const struct server *server, uint32_t from, uint32_t to, unsigned value_bytes)
{
    const struct speech speech = {server_dialect(server->program), value_bytes};
    static char requests[FILL_BATCH * SPEECH_REQUEST_MAX], wanted[FILL_BATCH * 16], heard[FILL_BATCH * 16];
    const int fd = server_connect(server);

    while (from < to) {
        char *request = requests, *answer = wanted;
        size_t got = 0;

        for (int i = 0; i < FILL_BATCH && from < to; i++, from++) {
            request = speech_request(&speech, SPEECH_SET, &from, 1, request);
            answer = speech_answer(&speech, SPEECH_SET, &from, 1, answer);
        }
        send_all(server, fd, requests, (size_t)(request - requests));
        while (got < (size_t)(answer - wanted)) {
            const ssize_t n = recv(fd, heard + got, (size_t)(answer - wanted) - got, 0);

            if (n <= 0)
                server_die(server_name(server->program), "it closed a connection");
            got += (size_t)n;
        }
        if (memcmp(heard, wanted, got) != 0)
            server_die(server_name(server->program), "a set was not stored");
    }
    close(fd);
}

/* ---- requests ---- */

/* One request to `to`, and its answer to the lane. Returns where the request ends. */
static char *ask(struct load *load, const struct load_shape *shape, struct load_lane *lane, char *to)
{
    const bool sets = shape->sets_of_100 != 0 && bench_random(&load->random) % 100 < shape->sets_of_100;
    const enum speech_verb verb = sets ? SPEECH_SET : shape->verb;
    const unsigned count = sets ? 1 : shape->keys;
    uint32_t keys[SPEECH_KEYS_MAX];

    for (unsigned i = 0; i < count; i++)
        keys[i] = (uint32_t)((uint64_t)bench_random(&load->random) * load->key_count >> 32);
    lane->wanted = (uint32_t)(speech_answer(&load->speech, verb, keys, count, lane->answer + lane->wanted) -
                              lane->answer);
    return speech_request(&load->speech, verb, keys, count, to);
}

static void burst(struct load *load, const struct load_shape *shape, struct load_lane *lane)
{
    static char requests[LOAD_DEPTH_MAX * SPEECH_REQUEST_MAX];
    char *end = requests;

    lane->wanted = lane->heard = 0;
    for (unsigned i = 0; i < shape->depth; i++)
        end = ask(load, shape, lane, end);
    send_all(load->server, lane->fd, requests, (size_t)(end - requests));
}

/* What has come must be what is wanted next. */
static void hear(const struct load *load, struct load_lane *lane)
{
    static char bytes[HEARD_ROOM];
    const ssize_t n = recv(lane->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        server_die(server_name(load->server->program), "it closed a connection");
    if ((size_t)n > lane->wanted - lane->heard || memcmp(bytes, lane->answer + lane->heard, (size_t)n) != 0)
        server_die(server_name(load->server->program), "a wrong answer");
    lane->heard += (uint32_t)n;
}

uint64_t load_closed(struct load *load, const struct load_shape *shape, uint64_t ns)
{
    const uint64_t end = bench_now_ns() + ns;
    unsigned under_way = load->count;
    uint64_t bursts = 0;

    for (unsigned i = 0; i < load->count; i++)
        burst(load, shape, &load->lanes[i]);
    while (under_way > 0) {
        struct epoll_event events[EVENTS];
        const int n = epoll_wait(load->epoll, events, EVENTS, -1);
        const bool more = bench_now_ns() < end;

        for (int i = 0; i < n; i++) {
            struct load_lane *lane = &load->lanes[events[i].data.u32];

            hear(load, lane);
            if (lane->heard < lane->wanted)
                continue;
            bursts++;
            if (more)
                burst(load, shape, lane);
            else
                under_way--;
        }
    }
    return bursts * shape->depth * shape->keys;
}

/* ---- open loop ---- */

/* False: as much is under way there as may be; it is sent later, and its latency has begun. */
static bool ask_one(struct load *load, const struct load_shape *shape, struct load_lane *lane,
                    uint64_t due_ns)
{
    char request[SPEECH_REQUEST_MAX];
    const char *end;
    uint32_t place;

    if (lane->due_count == 0)
        lane->wanted = lane->heard = 0;
    if (lane->due_count == DUE_MAX || lane->wanted + AROUND + VALUE_MAX > WANTED_ROOM)
        return false;
    end = ask(load, shape, lane, request);
    place = (lane->due_first + lane->due_count++) % DUE_MAX;
    lane->due[place].end = lane->wanted;
    lane->due[place].due_ns = due_ns;
    send_all(load->server, lane->fd, request, (size_t)(end - request));
    return true;
}

static size_t answered(struct load_lane *lane, uint64_t *latency, size_t room)
{
    const uint64_t now = bench_now_ns();
    size_t count = 0;

    while (lane->due_count > 0 && lane->due[lane->due_first].end <= lane->heard) {
        if (count < room)
            latency[count++] = now - lane->due[lane->due_first].due_ns;
        lane->due_first = (lane->due_first + 1) % DUE_MAX;
        lane->due_count--;
    }
    return count;
}

size_t load_open_loop(struct load *load, const struct load_shape *shape, double rate, uint64_t ns,
                      uint64_t *latency, size_t room)
{
    const uint64_t began = bench_now_ns();
    const uint64_t requests = (uint64_t)((double)ns / SECOND * rate);
    uint64_t sent = 0;
    size_t done = 0;

    for (unsigned i = 0; i < load->count; i++)
        load->lanes[i].wanted = load->lanes[i].heard = load->lanes[i].due_first = load->lanes[i]
                                                                                      .due_count = 0;
    if (requests < room)
        room = requests;
    while (done < room) {
        struct epoll_event events[EVENTS];
        uint64_t due = began + (uint64_t)((double)sent * SECOND / rate);
        int n;

        while (sent < room && due <= bench_now_ns() &&
               ask_one(load, shape, &load->lanes[sent % load->count], due))
            due = began + (uint64_t)((double)++sent * SECOND / rate);
        n = epoll_wait(load->epoll, events, EVENTS, 0);
        for (int i = 0; i < n; i++) {
            struct load_lane *lane = &load->lanes[events[i].data.u32];

            hear(load, lane);
            done += answered(lane, latency + done, room - done);
        }
    }
    return done;
}
