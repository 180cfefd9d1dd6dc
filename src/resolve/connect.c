/* SPDX-License-Identifier: MIT */
/* Connecting to a name: a race of its addresses (RFC 8305). */
#include "resolver.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

extern inline void pawl_connect_init(struct pawl_connect *connect,
                                     void (*done)(struct pawl_op *op, int64_t result));

enum {
    V6, /* is preferred */
    V4,
    FAMILIES,
    ATTEMPTS = 16, /* at the same time */
    RESOLUTION_MS = 50,
    ATTEMPT_MS = 250,
};

#define NS_A_MS UINT64_C(1000000)

struct attempt {
    struct pawl_watch watch; /* first */
    struct race *race;
    int fd; /* -1: none */
};

/* What one pawl_connect_name() does. Lives until both lookups have completed, even if it is over before. */
struct race {
    struct pawl_connect *connect; /* NULL: it is over */
    const struct pawl_stream_config *config;
    struct pawl_resolve resolve[FAMILIES];
    size_t tried[FAMILIES]; /* of the addresses of each */
    unsigned lookups;       /* pending */
    unsigned running;       /* attempts */
    unsigned turn;          /* the family that is tried next */
    int error;              /* of what failed last */
    struct pawl_timer timer;
    struct attempt attempt[ATTEMPTS];
};

static void try_next(struct race *race);

/* ---- the end ---- */

static void drop(struct attempt *attempt)
{
    pawl_watch_stop(&attempt->watch);
    if (attempt->fd >= 0)
        close(attempt->fd);
    attempt->fd = -1;
}

static void free_if_done(struct race *race)
{
    if (race->connect != NULL || race->lookups != 0)
        return;
    for (unsigned i = 0; i < FAMILIES; i++)
        pawl_resolve_free(&race->resolve[i]);
    free(race);
}

/* Nothing runs any more but lookups, which were cancelled. */
static void stop(struct race *race)
{
    race->connect->race = NULL;
    race->connect = NULL;
    if (pawl_timer_armed(&race->timer))
        (void)pawl_timer_cancel(&race->timer);
    for (unsigned i = 0; i < ATTEMPTS; i++)
        drop(&race->attempt[i]);
    for (unsigned i = 0; i < FAMILIES; i++)
        (void)pawl_op_cancel(&race->resolve[i].op); /* -EALREADY: it had completed */
    free_if_done(race);
}

static void finish(struct race *race, int result)
{
    struct pawl_connect *connect = race->connect;

    stop(race);
    pawl_op_complete(&connect->op, result);
}

static void withdraw(struct pawl_op *op)
{
    stop(pawl_op_of(op, struct pawl_connect, op)->race);
}

/* Connected: a stream, unless it cannot be one. */
static void win(struct race *race, int fd)
{
    int error = pawl_stream_adopt(&race->connect->stream, race->config, fd);

    if (error != 0)
        close(fd);
    finish(race, error);
}

/* ---- attempts ---- */

/* Has connected, or not. */
static void attempt_ready(struct pawl_watch *watch, uint32_t events)
{
    struct attempt *attempt = (struct attempt *)(void *)watch; /* the first member */
    struct race *race = attempt->race;
    int error = 0, fd = attempt->fd;
    socklen_t bytes = sizeof error;

    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
        error = errno;
    if (error == 0) {
        pawl_watch_stop(&attempt->watch);
        attempt->fd = -1; /* the stream's */
        win(race, fd);
        return;
    }
    drop(attempt);
    race->running--;
    race->error = -error;
    try_next(race);
}

/* The runtime closes. */
static void attempt_stopped(struct pawl_watch *watch)
{
    struct race *race = ((struct attempt *)(void *)watch)->race;
    struct pawl_connect *connect = race->connect;

    stop(race);
    pawl_op_end(&connect->op, -ECANCELED);
}

/* The next address, of the other family than the last if there is one. NULL: there is none at present. */
static const struct pawl_address *next_address(struct race *race)
{
    for (unsigned i = 0; i < FAMILIES; i++) {
        const unsigned family = (race->turn + i) % FAMILIES;
        const struct pawl_resolve *resolve = &race->resolve[family];

        if (!pawl_op_pending(&resolve->op) && race->tried[family] < resolve->count) {
            race->turn = family + 1;
            return &resolve->addresses[race->tried[family]++];
        }
    }
    return NULL;
}

static struct attempt *free_attempt(struct race *race)
{
    for (unsigned i = 0; i < ATTEMPTS; i++)
        if (race->attempt[i].fd < 0)
            return &race->attempt[i];
    return NULL;
}

/* 0: it runs, or -EISCONN: it is connected already, or why it does not. */
static int begin(struct attempt *attempt, const struct pawl_address *address)
{
    int error;

    attempt->fd = socket(address->socket.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (attempt->fd < 0)
        return -errno;
    if (connect(attempt->fd, &address->socket.any, address->bytes) == 0)
        return -EISCONN;
    if (errno != EINPROGRESS && errno != EINTR)
        error = -errno;
    else
        error = pawl_watch_start(&attempt->watch, attempt->fd, EPOLLOUT);
    if (error != 0)
        drop(attempt);
    return error;
}

static void try_next(struct race *race)
{
    struct attempt *attempt;

    while ((attempt = free_attempt(race)) != NULL) {
        const struct pawl_address *address = next_address(race);
        int error;

        if (address == NULL)
            break;
        error = begin(attempt, address);
        if (error == -EISCONN) {
            int fd = attempt->fd;

            attempt->fd = -1;
            win(race, fd);
            return;
        }
        if (error == 0) {
            race->running++;
            pawl_timer_after(&race->timer, ATTEMPT_MS * NS_A_MS);
            return;
        }
        race->error = error;
    }
    if (race->running == 0 && race->lookups == 0)
        finish(race, race->error);
}

static void time_for_another(struct pawl_timer *timer)
{
    try_next(pawl_timer_of(timer, struct race, timer));
}

/* ---- lookups ---- */

static void looked_up(struct race *race, unsigned family, int64_t result)
{
    race->lookups--;
    if (race->connect == NULL) {
        free_if_done(race);
        return;
    }
    if (result == -ECANCELED) {
        finish(race, -ECANCELED); /* the resolver or the runtime closes */
        return;
    }
    /* no address of this family is no news if the other has said more */
    if (result < 0 && (race->error == 0 || race->error == -ENOENT))
        race->error = (int)result;
    if (race->running != 0 && pawl_timer_armed(&race->timer))
        return; /* its addresses have their turn */
    if (family == V4 && result > 0 && race->lookups != 0)
        pawl_timer_after(&race->timer, RESOLUTION_MS * NS_A_MS); /* IPv6 may follow */
    else
        try_next(race);
}

static void looked_up_v6(struct pawl_op *op, int64_t result)
{
    looked_up(pawl_op_of(op, struct race, resolve[V6].op), V6, result);
}

static void looked_up_v4(struct pawl_op *op, int64_t result)
{
    looked_up(pawl_op_of(op, struct race, resolve[V4].op), V4, result);
}

int pawl_connect_name(struct pawl_connect *connect, struct pawl_resolver *resolver,
                      const struct pawl_stream_config *config, const char *name, uint16_t port)
{
    static const int families[FAMILIES] = {[V6] = AF_INET6, [V4] = AF_INET};
    struct race *race;
    int error;

    if (name[0] == '\0')
        return -EINVAL;
    race = calloc(1, sizeof *race);
    if (race == NULL)
        return -ENOMEM;
    pawl_timer_init(&race->timer, time_for_another);
    pawl_resolve_init(&race->resolve[V6], looked_up_v6);
    pawl_resolve_init(&race->resolve[V4], looked_up_v4);
    for (unsigned i = 0; i < ATTEMPTS; i++)
        race->attempt[i] = (struct attempt){.watch = {.ready = attempt_ready, .stopped = attempt_stopped},
                                            .race = race,
                                            .fd = -1};
    race->config = config;
    error = pawl_op_begin(&connect->op, resolver, withdraw);
    if (error != 0) {
        free(race);
        return error;
    }
    race->connect = connect;
    connect->race = race;
    connect->stream = NULL;
    for (unsigned i = 0; i < FAMILIES; i++) {
        error = pawl_resolve_name(&race->resolve[i], resolver, name, port, families[i]);
        if (error == 0)
            race->lookups++;
        else
            race->error = error;
    }
    if (race->lookups == 0) {
        stop(race);
        pawl_op_end(&connect->op, error); /* 0 is returned: it had begun */
    }
    return 0;
}
