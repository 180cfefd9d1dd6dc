/* SPDX-License-Identifier: MIT */
/* Datagram sockets: their life, and what they are asked for. */
#include "dgram.h"

#include "socket_call.h"
#include "wheel.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { LOW_DEFAULT = 64 << 10, LARGEST_DEFAULT = 2048, LARGEST_UDP = 65535, UNIX_RETRY_MS = 1 };

#define NS_A_MS UINT64_C(1000000)

/* ---- the end ---- */

static bool held(const struct pawl_dgram *dgram)
{
    return dgram->inflight != 0 || dgram->depth != 0 || (dgram->state & DGRAM_LATER) != 0;
}

static void close_fd(struct pawl_dgram *dgram)
{
    if (dgram->source.fd >= 0)
        close(dgram->source.fd);
    dgram->source.fd = -1;
}

static void finalize(struct pawl_dgram *dgram)
{
    close_fd(dgram);
    if (dgram->config->closed != NULL)
        dgram->config->closed(dgram, dgram->reason);
    pawl_dgram_forget_outs_(dgram);
    if (dgram->chunk != NULL)
        pawl_chunk_let_go_(dgram->chunk);
    pawl_slot_give_(&dgram->source);
    free(dgram);
}

void pawl_dgram_landed_(struct pawl_dgram *dgram)
{
    if ((dgram->state & DGRAM_DEAD) != 0 && !held(dgram))
        finalize(dgram);
}

/* The engine knows it no more; submissions may still be answered. */
static void detach(struct pawl_dgram *dgram)
{
    struct pawl_engine *engine = dgram->source.engine;

    if ((dgram->state & DGRAM_WATCHED) != 0)
        engine->class->unwatch(engine, &dgram->source);
    else if ((dgram->state & DGRAM_MULTISHOT) != 0)
        engine->class->packets_stop(engine, dgram);
    dgram->state &= ~(uint32_t)DGRAM_WATCHED;
    if (pawl_timer_armed(&dgram->timer))
        pawl_wheel_del_(&engine->worker->wheel, &dgram->timer);
}

void pawl_dgram_die_(struct pawl_dgram *dgram, int reason)
{
    if ((dgram->state & DGRAM_DEAD) != 0)
        return;
    dgram->state |= DGRAM_DEAD;
    detach(dgram);
    dgram->reason = reason;
    /* io_uring: what is submitted goes by the number, which must not be somebody else's before it is answered */
    if (dgram->inflight == 0)
        close_fd(dgram);
    pawl_dgram_later_(dgram);
}

void pawl_dgram_abort(struct pawl_dgram *dgram, int reason)
{
    pawl_dgram_die_(dgram, reason);
}

void pawl_dgram_close(struct pawl_dgram *dgram)
{
    if ((dgram->state & (DGRAM_DEAD | DGRAM_CLOSING)) != 0)
        return;
    dgram->state |= DGRAM_CLOSING;
    pawl_dgram_later_(dgram); /* leave, there, closes if nothing waits */
}

static void source_stop(struct pawl_source *source)
{
    pawl_dgram_die_(pawl_dgram_of_(source), -ECANCELED);
}

bool pawl_source_is_dgram_(const struct pawl_source *source)
{
    return source->stop == source_stop;
}

/* ---- turns ---- */

void pawl_dgram_later_(struct pawl_dgram *dgram)
{
    if ((dgram->state & DGRAM_LATER) != 0)
        return;
    dgram->state |= DGRAM_LATER;
    pawl_worker_later_(dgram->source.engine->worker, &dgram->later);
}

static void read_on(struct pawl_dgram *dgram)
{
    struct pawl_engine *engine = dgram->source.engine;

    if ((dgram->state & DGRAM_MULTISHOT) != 0)
        engine->class->packets(engine, dgram);
    else
        pawl_dgram_read_on_(dgram);
}

static void run_later(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_dgram *dgram = pawl_mpsc_of(message, struct pawl_dgram, later);

    (void)worker;
    dgram->state &= ~(uint32_t)DGRAM_LATER;
    if ((dgram->state & DGRAM_DEAD) == 0) {
        pawl_dgram_enter_(dgram);
        pawl_dgram_leave_(dgram);
        if (pawl_dgram_reads_(dgram))
            read_on(dgram);
    }
    pawl_dgram_landed_(dgram);
}

void pawl_dgram_leave_(struct pawl_dgram *dgram)
{
    uint64_t low = dgram->config->high == 0 ? LOW_DEFAULT : dgram->config->low;
    bool told = false;

    while (dgram->depth == 1 && (dgram->state & DGRAM_DEAD) == 0) {
        pawl_dgram_flush_(dgram);
        if ((dgram->state & DGRAM_REFUSED) == 0 || dgram->weight > low)
            break;
        if (told) { /* refused once more, and gone once more: the kernel may take all there is, for ever */
            pawl_dgram_later_(dgram); /* the others first */
            break;
        }
        dgram->state &= ~(uint32_t)DGRAM_REFUSED;
        if (dgram->config->drained == NULL || (dgram->state & DGRAM_CLOSING) != 0)
            break;
        dgram->config->drained(dgram); /* may send again */
        told = true;
    }
    if (dgram->depth == 1 && (dgram->state & DGRAM_CLOSING) != 0 && dgram->first == NULL)
        pawl_dgram_die_(dgram, 0);
    dgram->depth--;
}

/* Whether it is woken when there is room to send. */
static void watch_room(struct pawl_dgram *dgram, bool wanted)
{
    struct pawl_engine *engine = dgram->source.engine;
    uint32_t events = EPOLLIN | (wanted ? (uint32_t)EPOLLOUT : 0);
    int status;

    if ((dgram->state & DGRAM_WATCHED) == 0 || dgram->source.events == events)
        return;
    engine->class->unwatch(engine, &dgram->source);
    dgram->source.events = events;
    status = engine->class->watch(engine, &dgram->source, events); /* tells what is there already */
    if (status != 0) {
        dgram->state &= ~(uint32_t)DGRAM_WATCHED;
        pawl_dgram_die_(dgram, status);
    }
}

void pawl_dgram_blocked_(struct pawl_dgram *dgram)
{
    struct pawl_engine *engine = dgram->source.engine;

    dgram->state |= DGRAM_BLOCKED;
    if ((dgram->state & DGRAM_UNIX) != 0)
        pawl_dgram_retry_(dgram, UNIX_RETRY_MS); /* the queue of whom it goes to is full: that tells nobody */
    else if ((dgram->state & DGRAM_MULTISHOT) != 0)
        engine->class->packets_room(engine, dgram);
    else
        watch_room(dgram, true);
}

void pawl_dgram_writable_(struct pawl_dgram *dgram)
{
    dgram->state &= ~(uint32_t)DGRAM_BLOCKED;
    watch_room(dgram, false);
}

static void source_ready(struct pawl_source *source, uint32_t events)
{
    struct pawl_dgram *dgram = pawl_dgram_of_(source);

    if ((dgram->state & DGRAM_DEAD) != 0)
        return;
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
        dgram->state |= DGRAM_READABLE;
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 && (dgram->state & DGRAM_BLOCKED) != 0) {
        pawl_dgram_enter_(dgram);
        pawl_dgram_writable_(dgram);
        pawl_dgram_leave_(dgram);
    }
    if (pawl_dgram_reads_(dgram))
        pawl_dgram_read_on_(dgram);
}

static void try_again(struct pawl_timer *timer)
{
    struct pawl_dgram *dgram = pawl_timer_of(timer, struct pawl_dgram, timer);

    dgram->state &= ~(uint32_t)DGRAM_STARVED;
    pawl_dgram_enter_(dgram);
    pawl_dgram_writable_(dgram);
    pawl_dgram_leave_(dgram);
    if (pawl_dgram_reads_(dgram))
        read_on(dgram);
}

void pawl_dgram_retry_(struct pawl_dgram *dgram, uint32_t ms)
{
    struct pawl_worker *worker = dgram->source.engine->worker;

    if (!pawl_timer_armed(&dgram->timer))
        pawl_wheel_add_(&worker->wheel, &dgram->timer, worker->now + ms * NS_A_MS);
}

/* ---- the beginning ---- */

static int set(int fd, int level, int option, bool wanted)
{
    const int on = 1;

    return !wanted || setsockopt(fd, level, option, &on, sizeof on) == 0 ? 0 : -errno;
}

static int set_before_bind(int fd, int family, uint32_t flags)
{
    int status = set(fd, SOL_SOCKET, SO_REUSEPORT, (flags & PAWL_DGRAM_SHARE_PORT) != 0);

    if (status == 0)
        status = set(fd, SOL_SOCKET, SO_REUSEADDR, (flags & PAWL_DGRAM_SHARE_ADDRESS) != 0);
    if (status == 0)
        status = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, family == AF_INET6 && (flags & PAWL_DGRAM_V6_ONLY) != 0);
    return status;
}

/* What the kernel tells beside each datagram. */
static int set_told(struct pawl_dgram *dgram)
{
    int fd = dgram->source.fd, status = 0;
    uint32_t flags = dgram->config->flags;

    if ((dgram->state & DGRAM_UNIX) != 0)
        return 0;
    status = set(fd, SOL_SOCKET, SO_BROADCAST, (flags & PAWL_DGRAM_BROADCAST) != 0);
    if (status == 0 && dgram->family == AF_INET6) {
        status = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, (flags & PAWL_DGRAM_LOCAL) != 0);
        if (status == 0)
            status = set(fd, IPPROTO_IPV6, IPV6_RECVERR, (flags & PAWL_DGRAM_ERRORS) != 0);
    }
    if (status == 0 && dgram->family == AF_INET)
        status = set(fd, IPPROTO_IP, IP_PKTINFO, (flags & PAWL_DGRAM_LOCAL) != 0);
    /* those of IPv4 too, through a socket of both */
    if (status == 0 && set(fd, IPPROTO_IP, IP_RECVERR, (flags & PAWL_DGRAM_ERRORS) != 0) != 0 &&
        dgram->family == AF_INET)
        status = -errno;
    /* kernels without it hand over one by one */
    (void)set(fd, IPPROTO_UDP, UDP_GRO, (flags & PAWL_DGRAM_GRO) != 0);
    return status;
}

static bool cuts_segments(const struct pawl_dgram *dgram)
{
    int value;
    socklen_t bytes = sizeof value;

    return (dgram->state & DGRAM_UNIX) == 0 &&
           getsockopt(dgram->source.fd, IPPROTO_UDP, UDP_SEGMENT, &value, &bytes) == 0;
}

static uint32_t largest_of(const struct pawl_dgram_config *config)
{
    if (config->largest != 0)
        return config->largest;
    return (config->flags & PAWL_DGRAM_GRO) != 0 ? (uint32_t)LARGEST_UDP : (uint32_t)LARGEST_DEFAULT;
}

static int attach(struct pawl_engine *engine, struct pawl_dgram *dgram)
{
    int status;

    if (engine->class->packets != NULL && dgram->largest <= PAWL_DGRAM_MULTISHOT_MAX_) {
        dgram->state |= DGRAM_MULTISHOT;
        pawl_dgram_later_(dgram); /* arms it */
        return 0;
    }
    dgram->source.events = EPOLLIN; /* EPOLLOUT would come for each datagram that has been heard */
    status = engine->class->watch(engine, &dgram->source, dgram->source.events);
    if (status == 0)
        dgram->state |= DGRAM_WATCHED;
    return status;
}

static int begin(struct pawl_dgram **out, struct pawl_engine *engine, const struct pawl_dgram_config *config,
                 int fd, int family)
{
    struct pawl_dgram *dgram;
    size_t bytes;
    int status;

    if (__builtin_add_overflow(sizeof *dgram, config->context_bytes, &bytes) || config->largest > INT32_MAX)
        return -EINVAL;
    dgram = calloc(1, bytes); /* malloc aligns to 16 */
    if (dgram == NULL)
        return -ENOMEM;
    dgram->source.ready = source_ready;
    dgram->source.stop = source_stop;
    dgram->source.fd = fd;
    dgram->config = config;
    dgram->largest = largest_of(config);
    dgram->family = family;
    dgram->state = family == AF_UNIX ? DGRAM_UNIX : 0;
    dgram->later.run = run_later;
    dgram->timer.fire = try_again;
    status = set_told(dgram);
    dgram->state |= cuts_segments(dgram) ? (uint32_t)DGRAM_SEGMENTS : 0;
    if (status == 0)
        status = pawl_slot_take_(engine, &dgram->source);
    if (status == 0) {
        status = attach(engine, dgram);
        if (status != 0)
            pawl_slot_give_(&dgram->source);
    }
    if (status != 0)
        free(dgram);
    else
        *out = dgram;
    return status;
}

static int engine_here(struct pawl_engine **engine)
{
    struct pawl_worker *worker = pawl_worker_here_();

    if (worker == NULL)
        return -EPERM;
    *engine = worker->engine;
    return worker->engine->io.stopping ? -EPIPE : 0;
}

int pawl_dgram_open(struct pawl_dgram **out, const struct pawl_dgram_config *config,
                    const struct sockaddr *address, socklen_t address_bytes)
{
    int family = address->sa_family, fd, status;
    struct pawl_engine *engine;

    status = engine_here(&engine);
    if (status != 0)
        return status;
    if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
        return -EAFNOSUPPORT;
    fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    status = family == AF_UNIX ? 0 : set_before_bind(fd, family, config->flags);
    if (status == 0 && bind(fd, address, address_bytes) != 0)
        status = -errno;
    if (status == 0)
        status = begin(out, engine, config, fd, family);
    if (status != 0)
        close(fd);
    return status;
}

int pawl_dgram_adopt(struct pawl_dgram **out, const struct pawl_dgram_config *config, int fd)
{
    struct sockaddr_storage address = {0};
    struct pawl_engine *engine;
    socklen_t bytes = sizeof address, type_bytes = sizeof(int);
    int type, status = engine_here(&engine);

    if (status != 0)
        return status;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_bytes) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &bytes) != 0)
        return -errno;
    if (type != SOCK_DGRAM)
        return -EPROTOTYPE;
    if (address.ss_family != AF_INET && address.ss_family != AF_INET6 && address.ss_family != AF_UNIX)
        return -EAFNOSUPPORT;
    pawl_make_blocking_(fd);
    return begin(out, engine, config, fd, address.ss_family);
}

/* ---- what programs call ---- */

int pawl_dgram_connect(struct pawl_dgram *dgram, const struct sockaddr *address, socklen_t address_bytes)
{
    return connect(dgram->source.fd, address, address_bytes) == 0 ? 0 : -errno;
}

void *pawl_dgram_context(struct pawl_dgram *dgram)
{
    return dgram + 1;
}

const struct pawl_dgram_config *pawl_dgram_get_config(const struct pawl_dgram *dgram)
{
    return dgram->config;
}

int pawl_dgram_fd(const struct pawl_dgram *dgram)
{
    return dgram->source.fd;
}

int pawl_dgram_address(const struct pawl_dgram *dgram, struct sockaddr *address, socklen_t *address_bytes)
{
    socklen_t room = *address_bytes;

    if (getsockname(dgram->source.fd, address, address_bytes) != 0)
        return -errno;
    return *address_bytes > room ? -EINVAL : 0;
}

size_t pawl_dgram_queued(const struct pawl_dgram *dgram)
{
    return dgram->bytes;
}

void pawl_dgram_pause(struct pawl_dgram *dgram)
{
    struct pawl_engine *engine = dgram->source.engine;

    if ((dgram->state & (DGRAM_PAUSED | DGRAM_DEAD)) != 0)
        return;
    dgram->state |= DGRAM_PAUSED;
    if ((dgram->state & DGRAM_MULTISHOT) != 0)
        engine->class->packets_stop(engine, dgram);
}

void pawl_dgram_resume(struct pawl_dgram *dgram)
{
    if ((dgram->state & (DGRAM_PAUSED | DGRAM_DEAD)) != DGRAM_PAUSED)
        return;
    dgram->state &= ~(uint32_t)DGRAM_PAUSED;
    pawl_dgram_later_(dgram);
}

static socklen_t length_of(const struct sockaddr *address)
{
    return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static int membership(const struct pawl_dgram *dgram, const struct sockaddr *group, uint32_t interface,
                      const struct sockaddr *source, bool join)
{
    int level = dgram->family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, status;
    struct group_source_req with_source = {.gsr_interface = interface};
    struct group_req request = {.gr_interface = interface};

    if (group->sa_family != dgram->family || (dgram->state & DGRAM_UNIX) != 0 ||
        (source != NULL && source->sa_family != dgram->family))
        return -EAFNOSUPPORT;
    memcpy(&request.gr_group, group, length_of(group));
    if (source == NULL) {
        status = setsockopt(dgram->source.fd, level, join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &request,
                            sizeof request);
    } else {
        memcpy(&with_source.gsr_group, group, length_of(group));
        memcpy(&with_source.gsr_source, source, length_of(source));
        status = setsockopt(dgram->source.fd, level,
                            join ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP, &with_source,
                            sizeof with_source);
    }
    return status == 0 ? 0 : -errno;
}

int pawl_dgram_join(struct pawl_dgram *dgram, const struct sockaddr *group, uint32_t interface,
                    const struct sockaddr *source)
{
    return membership(dgram, group, interface, source, true);
}

int pawl_dgram_leave(struct pawl_dgram *dgram, const struct sockaddr *group, uint32_t interface,
                     const struct sockaddr *source)
{
    return membership(dgram, group, interface, source, false);
}
