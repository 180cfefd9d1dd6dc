/* SPDX-License-Identifier: MIT */
/* Listeners: on all workers at once, and without descriptors for a while. */
#include "listener.h"

#include "socket_call.h"
#include "stream.h"
#include "wheel.h"

#include <errno.h>
#include <fcntl.h>
#include <pawl/rcu.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPT_BUDGET = 64,
    STARVED_NS = 50 * 1000 * 1000,
};

/* ---- how long it lives ---- */

static void let_go(struct pawl_listener *listener, uint32_t holds)
{
    /* release L: what this worker did with it is done; acquire L: before it is freed */
    if (pawl_fetch_sub_acq_rel(&listener->holds, holds) != holds)
        return;
    if (listener->closed != NULL)
        listener->closed(listener, listener->arg);
    free(listener);
}

static void unstarve(struct pawl_listener_part *part)
{
    struct pawl_listener_part **place = &part->source.engine->io.starved;

    if ((part->state & PART_STARVED) == 0)
        return;
    part->state &= ~(uint32_t)PART_STARVED;
    if (part->timer.link.next != NULL)
        pawl_wheel_del_(&part->worker->wheel, &part->timer);
    while (*place != part)
        place = &(*place)->next_starved;
    *place = part->next_starved;
}

static void close_fd(struct pawl_listener_part *part)
{
    if (part->source.fd >= 0)
        close(part->source.fd);
    part->source.fd = -1;
}

/* Off, and neither the kernel nor the worker's queue has anything of it any more. */
static void part_over(struct pawl_listener_part *part)
{
    if ((part->state & (PART_ON | PART_LATER)) != 0 || part->inflight != 0 ||
        part->source.slot == PAWL_NO_SLOT)
        return;
    close_fd(part);
    pawl_slot_give_(&part->source);
    let_go(part->listener, 1);
}

void pawl_listener_landed_(struct pawl_listener_part *part)
{
    part_over(part);
}

static void part_off(struct pawl_listener_part *part)
{
    struct pawl_engine *engine = part->source.engine;

    if ((part->state & PART_ON) == 0)
        return;
    unstarve(part);
    part->state &= ~(uint32_t)PART_ON;
    engine->class->listen_stop(engine, part);
    /* io_uring: what is submitted goes by the number, which must not be somebody else's before it is answered */
    if (part->inflight == 0)
        close_fd(part);
    part_over(part);
}

/* The runtime closes, and nobody will call pawl_listener_close(): what the opener held goes with the first part. Returns
 * how many holds that are. */
static uint32_t disowned(struct pawl_listener_part *part)
{
    struct pawl_listener *listener = part->listener;
    uint32_t no = 0;

    /* relaxed: pawl_listener_close() by another thread while the runtime closes is a mistake anyhow */
    return part == &listener->part[0] && pawl_cas_relaxed(&listener->closing, &no, 1u) ? 1 : 0;
}

static void part_stop(struct pawl_source *source)
{
    struct pawl_listener_part *part = (struct pawl_listener_part *)(void *)source;
    struct pawl_listener *listener = part->listener;
    uint32_t holds;

    if ((part->state & PART_ON) == 0)
        return;
    holds = disowned(part);
    part_off(part);
    if (holds != 0)
        let_go(listener, holds);
}

/* ---- accepting ---- */

static void accept_later(struct pawl_listener_part *part)
{
    if ((part->state & PART_LATER) != 0)
        return;
    part->state |= PART_LATER;
    pawl_worker_later_(part->worker, &part->later);
}

static void run_later(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_listener_part *part = pawl_mpsc_of(message, struct pawl_listener_part, later);

    (void)worker;
    part->state &= ~(uint32_t)PART_LATER;
    if ((part->state & PART_ON) != 0)
        part->source.engine->class->listen_again(part->source.engine, part);
    else
        part_over(part);
}

static void try_again(struct pawl_listener_part *part)
{
    unstarve(part);
    accept_later(part);
}

static void starved_fire(struct pawl_timer *timer)
{
    try_again(pawl_timer_of(timer, struct pawl_listener_part, timer));
}

/* No descriptor, or no memory: none of the connections that wait is taken until something is given back. */
static void starve(struct pawl_listener_part *part)
{
    struct pawl_io *io = &part->source.engine->io;

    if ((part->state & (PART_STARVED | PART_ON)) != PART_ON)
        return;
    pawl_count_(&io->counts.starved, 1);
    part->state |= PART_STARVED;
    part->next_starved = io->starved;
    io->starved = part;
    part->timer.fire = starved_fire;
    pawl_wheel_add_(&part->worker->wheel, &part->timer, part->worker->now + STARVED_NS);
}

void pawl_listeners_resume_(struct pawl_engine *engine)
{
    while (PAWL_UNLIKELY(engine->io.starved != NULL))
        try_again(engine->io.starved);
}

bool pawl_listener_accepted_(struct pawl_listener_part *part, int result)
{
    const struct pawl_listener *listener = part->listener;

    if (PAWL_LIKELY(result >= 0))
        result = pawl_stream_accepted_(part->source.engine, listener, result);
    switch (result) {
    case 0:
    case -EINTR:
    /* of that connection alone: it was reset, or its network is down */
    case -ECONNABORTED:
    case -EPROTO:
    case -EPERM:
    case -ENETDOWN:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -EHOSTUNREACH:
    case -ENONET:
    case -ENOPROTOOPT:
    case -EOPNOTSUPP:
    case -ETIMEDOUT:
        return true;
    case -EAGAIN:
    case -ECANCELED:
        return false;
    default: /* EMFILE, ENFILE, ENOMEM, ENOBUFS; ENOSPC: as many watches as a user may have */
        starve(part);
        return false;
    }
}

void pawl_listener_accept_(struct pawl_listener_part *part)
{
    for (unsigned n = 0; n < ACCEPT_BUDGET; n++) {
        int fd;

        if ((part->state & (PART_ON | PART_STARVED)) != PART_ON)
            return;
        pawl_count_(&part->source.engine->io.counts.syscalls, 1);
        fd = accept4(part->source.fd, NULL, NULL, SOCK_CLOEXEC);
        if (!pawl_listener_accepted_(part, fd >= 0 ? fd : -errno))
            return;
    }
    accept_later(part);
}

static void part_ready(struct pawl_source *source, uint32_t events)
{
    (void)events;
    pawl_listener_accept_((struct pawl_listener_part *)(void *)source);
}

/* ---- messages: each holds the runtime until it has run ---- */

/* It will not be on: the message that was to start it lets go. */
static void give_up(struct pawl_listener_part *part)
{
    uint32_t holds = 1;

    part->state |= PART_STARTED;
    close_fd(part);
    if (part->worker->engine->io.stopping)
        holds += disowned(part);
    let_go(part->listener, holds);
}

static int start(struct pawl_listener_part *part, struct pawl_engine *engine)
{
    int status = pawl_slot_take_(engine, &part->source);

    if (status != 0)
        return status;
    status = engine->class->listen(engine, part, part->listener->shared);
    if (status != 0)
        pawl_slot_give_(&part->source);
    return status;
}

static void run_start(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_listener_part *part = pawl_mpsc_of(message, struct pawl_listener_part, start);
    int status;

    if (worker->engine->io.stopping || (part->state & PART_STOPPED) != 0)
        status = -ECANCELED;
    else
        status = start(part, worker->engine);
    if (status == -ENOMEM || status == -ENOSPC) {
        pawl_worker_later_(worker, &part->start); /* again and again, until there is memory */
        return;
    }
    if (status != 0)
        give_up(part); /* the other workers go on without this one */
    else
        part->state |= PART_STARTED | PART_ON; /* `holds` counts it from now on */
    pawl_rt_release_(worker->rt);
}

static void run_stop(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_listener_part *part = pawl_mpsc_of(message, struct pawl_listener_part, stop);
    struct pawl_listener *listener = part->listener;

    if ((part->state & PART_STARTED) == 0)
        part->state |= PART_STOPPED;
    part_off(part);
    let_go(listener, 1);
    pawl_rt_release_(worker->rt);
}

/* ---- what programs call ---- */

static int bind_one(struct pawl_listener *listener, const struct pawl_listener_config *config,
                    const struct sockaddr *address, socklen_t bytes, int *out)
{
    const int on = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), status = 0;

    if (fd < 0)
        return -errno;
    if (address->sa_family != AF_UNIX) {
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
            status = -errno;
        else if (!listener->shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
            status = -errno;
    } else {
        listener->bytes_only = pawl_refuse_descriptors_(fd);
    }
    if (status == 0 && bind(fd, address, bytes) != 0)
        status = -errno;
    if (status == 0 && listen(fd, config->backlog == 0 ? SOMAXCONN : config->backlog) != 0)
        status = -errno;
    if (status != 0) {
        close(fd);
        return status;
    }
    *out = fd;
    return 0;
}

/* A copy of the socket that was given. */
static int copy_given(int given, int *out)
{
    int on = 0, type = 0, flags;
    socklen_t bytes = sizeof on;
    int fd;

    if (getsockopt(given, SOL_SOCKET, SO_TYPE, &type, &bytes) != 0 ||
        getsockopt(given, SOL_SOCKET, SO_ACCEPTCONN, &on, &bytes) != 0)
        return errno == EBADF ? -EBADF : -EINVAL;
    if (type != SOCK_STREAM || on == 0)
        return -EINVAL;
    flags = fcntl(given, F_GETFL);
    if (flags < 0 || fcntl(given, F_SETFL, flags | O_NONBLOCK) != 0)
        return -errno;
    fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    *out = fd;
    return 0;
}

/* A descriptor for each part: copies of one, or sockets of their own on the port of the first. */
static int bind_all(struct pawl_listener *listener, const struct pawl_listener_config *config)
{
    struct sockaddr *address = (struct sockaddr *)&listener->address;
    int *first = &listener->part[0].source.fd;
    int status = (config->flags & PAWL_LISTENER_GIVEN) != 0
                     ? copy_given(config->fd, first)
                     : bind_one(listener, config, config->address, config->address_bytes, first);

    if (status != 0)
        return status;
    listener->address_bytes = sizeof listener->address;
    if (getsockname(listener->part[0].source.fd, address, &listener->address_bytes) != 0)
        status = -errno;
    listener->unix_socket = address->sa_family == AF_UNIX;
    for (uint32_t i = 1; i < listener->parts && status == 0; i++) {
        int *fd = &listener->part[i].source.fd;

        if (!listener->shared)
            status = bind_one(listener, config, address, listener->address_bytes, fd);
        else if ((*fd = fcntl(listener->part[0].source.fd, F_DUPFD_CLOEXEC, 0)) < 0)
            status = -errno;
    }
    if (status != 0)
        for (uint32_t i = 0; i < listener->parts; i++)
            if (listener->part[i].source.fd >= 0)
                close(listener->part[i].source.fd);
    return status;
}

static struct pawl_listener *make(struct pawl_rt *rt, const struct pawl_listener_config *config)
{
    uint32_t parts = pawl_rt_workers(rt);
    size_t bytes = sizeof(struct pawl_listener) + parts * sizeof(struct pawl_listener_part);
    struct pawl_listener *listener = aligned_alloc(PAWL_CACHELINE_PAIR, bytes);

    if (listener == NULL)
        return NULL;
    memset(listener, 0, bytes);
    listener->parts = parts;
    listener->given = (config->flags & PAWL_LISTENER_GIVEN) != 0;
    listener->shared = listener->given || (config->flags & PAWL_LISTENER_SHARED) != 0 ||
                       (config->address != NULL && config->address->sa_family == AF_UNIX);
    listener->stream = config->stream;
    listener->closed = config->closed;
    listener->arg = config->arg;
    /* relaxed: nobody has it yet. Each part, and the caller, who lets go in pawl_listener_close() */
    pawl_store_relaxed(&listener->holds, parts + 1);
    for (uint32_t i = 0; i < parts; i++) {
        struct pawl_listener_part *part = &listener->part[i];

        part->source = (struct pawl_source){.ready = part_ready,
                                            .stop = part_stop,
                                            .fd = -1,
                                            .slot = PAWL_NO_SLOT};
        part->listener = listener;
        part->worker = &rt->worker[i];
        part->start.run = run_start;
        part->stop.run = run_stop;
        part->later.run = run_later;
    }
    return listener;
}

/* The runtime is held. */
static int open_held(struct pawl_listener **out, struct pawl_rt *rt,
                     const struct pawl_listener_config *config)
{
    struct pawl_listener *listener;
    int status;

    if (pawl_rt_closing_(rt)) /* not by its own workers either */
        return -EPIPE;
    listener = make(rt, config);
    if (listener == NULL)
        return -ENOMEM;
    status = bind_all(listener, config);
    if (status != 0) {
        free(listener);
        return status;
    }
    *out = listener;
    pawl_rt_hold_more_(rt, listener->parts);
    for (uint32_t i = 0, parts = listener->parts; i < parts; i++)
        pawl_worker_send_(listener->part[i].worker, &listener->part[i].start);
    return 0;
}

int pawl_listener_open(struct pawl_listener **out, struct pawl_rt *rt,
                       const struct pawl_listener_config *config)
{
    int status;

    if (config->stream == NULL || config->stream->received == NULL ||
        (config->address == NULL && (config->flags & PAWL_LISTENER_GIVEN) == 0))
        return -EINVAL;
    status = pawl_rt_hold_(rt);
    if (status != 0)
        return status;
    status = open_held(out, rt, config);
    pawl_rt_release_(rt);
    return status;
}

void pawl_listener_close(struct pawl_listener *listener)
{
    pawl_store_relaxed(&listener->closing, 1u); /* relaxed: the messages publish it */
    /* relaxed: the caller holds it. A message to each, instead of the caller's one */
    (void)pawl_fetch_add_relaxed(&listener->holds, listener->parts - 1);
    pawl_rcu_read_lock();
    pawl_rt_hold_more_(listener->part[0].worker->rt, listener->parts);
    for (uint32_t i = 0, parts = listener->parts; i < parts; i++)
        pawl_worker_send_(listener->part[i].worker, &listener->part[i].stop);
    pawl_rcu_read_unlock();
}

int pawl_listener_address(const struct pawl_listener *listener, struct sockaddr *address,
                          socklen_t *address_bytes)
{
    if (*address_bytes < listener->address_bytes)
        return -EINVAL;
    *address_bytes = listener->address_bytes;
    memcpy(address, &listener->address, listener->address_bytes);
    return 0;
}
