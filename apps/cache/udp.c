/* SPDX-License-Identifier: MIT */
#include "server_inner.h"
#include "turn.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADER = 8,
    DATAGRAM = 1400, /* bytes of one that is sent, its header included: memcached's */
    PAYLOAD = DATAGRAM - HEADER,
    ANSWER_MOST = CACHE_REPLY_MOST,    /* bytes of all answers to a datagram */
    QUEUE_HIGH = 4 * CACHE_REPLY_MOST, /* what waiting datagrams take beside their bytes is in it */
    WAITING = 256,                     /* bytes that one takes beside them, at most */
    LARGEST = 65535,
};

_Static_assert(ANSWER_MOST / PAYLOAD <= UINT16_MAX, "the header counts all datagrams of an answer");

struct frame {
    uint16_t request, number, count, reserved;
};
_Static_assert(sizeof(struct frame) == HEADER, "as it goes through the network");

/* ---- answers ---- */

/* The bytes of a reply, one part behind the other. */
struct cursor {
    const struct cache_reply *reply;
    struct pawl_slice part; /* what is left of the one that is read */
    size_t next;
};

static size_t cursor_read(struct cursor *cursor, char *to, size_t room)
{
    size_t count = 0;

    while (count < room) {
        const size_t rest = room - count;
        const size_t piece = cursor->part.count < rest ? cursor->part.count : rest;

        if (piece == 0) {
            if (!cache_reply_part(cursor->reply, cursor->next++, &cursor->part))
                break;
            continue;
        }
        memcpy(to + count, cursor->part.bytes, piece);
        cursor->part.bytes += piece;
        cursor->part.count -= piece;
        count += piece;
    }
    return count;
}

/* Sends the reply in datagrams. Returns the bytes, 0: it was dropped. */
static uint64_t send_reply(struct pawl_dgram *dgram, const struct pawl_packet *packet, uint16_t request,
                           const struct cache_reply *reply)
{
    const struct pawl_dgram_target back = {.address = packet->from,
                                           .address_bytes = packet->from_bytes,
                                           .from = &packet->to};
    const uint64_t bytes = reply->count + reply->referred, count = (bytes + PAYLOAD - 1) / PAYLOAD;
    struct cursor cursor = {.reply = reply, .next = 0};
    uint64_t sent = 0;

    if (pawl_dgram_queued(dgram) + bytes + count * (HEADER + WAITING) > QUEUE_HIGH)
        return 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct frame frame = {request, htons((uint16_t)i), htons((uint16_t)count), 0};
        char bytes_of_one[DATAGRAM];
        size_t length;

        memcpy(bytes_of_one, &frame, HEADER);
        length = HEADER + cursor_read(&cursor, bytes_of_one + HEADER, PAYLOAD);
        if (pawl_dgram_write(dgram, &back, bytes_of_one, length) != 0)
            break; /* no memory, or it closes: the client sees that one is missing */
        sent += length;
    }
    return sent;
}

/* ---- requests ---- */

/* What was asked for does not end with the datagram, or wants a connection: an answer instead. */
static void refuse(struct cache_reply *reply, const struct cache_protocol *protocol, const char *text)
{
    cache_reply_clear(reply);
    if (!protocol->binary) /* a binary client would take the text for a packet */
        cache_reply_text(reply, text);
}

static void work(struct worker *worker, struct cache_service *service, const char *bytes, size_t count)
{
    struct cache_protocol protocol;
    int next;

    cache_protocol_init(&protocol, service);
    next = cache_feed(&protocol, worker->session, bytes, count, &worker->reply);
    if (next == PROTOCOL_WATCH)
        refuse(&worker->reply, &protocol, "CLIENT_ERROR watch wants a connection\r\n");
    else if (next == PROTOCOL_FULL || worker->reply.count + worker->reply.referred > ANSWER_MOST)
        refuse(&worker->reply, &protocol, "SERVER_ERROR too much for datagrams\r\n");
    else if (!cache_protocol_between(&protocol))
        refuse(&worker->reply, &protocol, "CLIENT_ERROR a request must be whole in its datagram\r\n");
    cache_protocol_free(&protocol, worker->session);
}

/* The port that it came from is ours: see Loops. */
static bool comes_from_a_server(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    struct sockaddr_storage here = {0};
    socklen_t bytes = sizeof(here);

    /* Both families have the port at the same place. */
    _Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port), "");
    return pawl_dgram_address(dgram, (struct sockaddr *)&here, &bytes) != 0 ||
           ((const struct sockaddr_in *)(const void *)packet->from)->sin_port ==
               ((const struct sockaddr_in *)(const void *)&here)->sin_port;
}

/* No client says so: see Loops. */
static bool is_an_error(const char *bytes, size_t count)
{
    static const char *const errors[] = {"ERROR", "CLIENT_ERROR", "SERVER_ERROR"};

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        const size_t length = strlen(errors[i]);

        if (count >= length && memcmp(bytes, errors[i], length) == 0)
            return true;
    }
    return false;
}

static void received(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    struct cache_server *server = pawl_dgram_get_config(dgram)->arg;
    struct worker *worker = cache_worker_here(server);
    const uint64_t began = pawl_clock_cycles();
    const size_t count = packet->slice.count;
    struct frame frame;
    uint64_t sent;

    if (worker == NULL || count <= HEADER || comes_from_a_server(dgram, packet) ||
        is_an_error(packet->slice.bytes + HEADER, count - HEADER))
        return; /* lost: no memory, or nothing that could be answered */
    memcpy(&frame, packet->slice.bytes, HEADER);
    if (frame.number != 0 || frame.count != htons(1) || (packet->flags & PAWL_PACKET_TRUNCATED) != 0)
        cache_reply_text(&worker->reply, "SERVER_ERROR multi-packet request not supported\r\n");
    else
        work(worker, &server->service, packet->slice.bytes + HEADER, count - HEADER);
    sent = send_reply(dgram, packet, frame.request, &worker->reply);
    cache_reply_clear(&worker->reply);
    cache_tally_many(worker->reply.stats, CACHE_BYTES_WRITTEN, sent);
    cache_latency_add(&worker->latency, pawl_clock_cycles() - began);
}

/* ---- sockets ---- */

static int complain(const char *what, const char *why, int error)
{
    fprintf(stderr, "pawl-cache: cannot listen on %s by UDP: %s\n", what, why);
    return error;
}

static int bind_one(struct cache_udp *udp, const struct addrinfo *at)
{
    const int on = 1;
    int fd, error;

    if (udp->count == CACHE_UDP_SOCKETS_MAX)
        return -E2BIG;
    fd = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* The wildcard of IPv4 has a socket of its own. */
    if ((at->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
        bind(fd, at->ai_addr, at->ai_addrlen) != 0) {
        error = -errno;
        close(fd);
        return error;
    }
    udp->fds[udp->count++] = fd;
    return 0;
}

/* On all addresses that the name has. NULL: all of this machine, which may have no IPv6. */
static int bind_all(struct cache_udp *udp, const char *text, uint16_t port)
{
    const unsigned before = udp->count;
    struct addrinfo *found;
    int error = cache_listen_resolve(text, port, port, SOCK_DGRAM, &found), failed = 0;

    if (error != 0)
        return error;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        const int result = bind_one(udp, at);

        failed = result != 0 ? result : failed;
    }
    freeaddrinfo(found);
    if (failed == 0 || (text == NULL && udp->count > before))
        return 0;
    return complain(text != NULL ? text : "all interfaces", strerror(-failed), failed);
}

/* A socket belongs to a worker, so a worker opens it. */
static enum pawl_task_next open_here(struct pawl_task *task)
{
    struct cache_udp *udp = pawl_task_of(task, struct cache_udp, opener);
    struct pawl_dgram *dgram;

    for (unsigned i = 0; udp->status == 0 && i < udp->count; i++) {
        udp->status = pawl_dgram_adopt(&dgram, &udp->config, udp->fds[i]);
        if (udp->status == 0)
            udp->fds[i] = -1;
    }
    return PAWL_TASK_DONE;
}

static int hand_over(struct cache_server *server)
{
    struct cache_udp *udp = &server->udp;
    int error;

    pawl_task_init(&udp->opener, open_here, 0);
    error = pawl_task_spawn(server->rt, &udp->opener);
    if (error == 0)
        error = pawl_task_join(&udp->opener);
    if (error == 0)
        error = udp->status;
    return error == 0 ? 0 : complain("a socket", strerror(-error), error);
}

int cache_udp_open(struct cache_server *server)
{
    const struct cache_options *options = server->options;
    struct cache_udp *udp = &server->udp;
    int error = 0;

    udp->config = (struct pawl_dgram_config){
        .received = received,
        .arg = server,
        .high = QUEUE_HIGH,
        .low = QUEUE_HIGH / 2,
        .largest = LARGEST,
        .flags = PAWL_DGRAM_LOCAL,
    };
    if (options->address_count == 0)
        error = bind_all(udp, NULL, options->udp_port);
    for (unsigned i = 0; error == 0 && i < options->address_count; i++)
        error = bind_all(udp, options->addresses[i], options->udp_port);
    if (error == 0)
        error = hand_over(server);
    for (unsigned i = 0; error != 0 && i < udp->count; i++) {
        if (udp->fds[i] >= 0)
            close(udp->fds[i]);
    }
    return error;
}
