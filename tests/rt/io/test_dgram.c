/* SPDX-License-Identifier: MIT */
/* Datagrams. On both engines; with io_uring, by multishot receive and by readiness. */
#include "io.h"
#include "test_io.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pawl/dgram.h>
#include <sys/un.h>

enum { BY_ITSELF = 0, BY_READINESS = 8000 }; /* `largest`: with io_uring it decides */

/* ---- a socket of the runtime, and one of the test ---- */

static struct {
    struct pawl_dgram *dgram;
    const struct pawl_dgram_config *config;
    struct sockaddr_storage address;
    socklen_t bytes;
    int status, fd;
    PAWL_ATOMIC(uint64_t) received, bytes_received, failed, drained, closed;
    int reason, error;
} box;

static void open_box(void *arg)
{
    (void)arg;
    box.status = box.fd >= 0 ? pawl_dgram_adopt(&box.dgram, box.config, box.fd)
                             : pawl_dgram_open(&box.dgram, box.config, (const struct sockaddr *)&box.address,
                                               box.bytes);
    if (box.status == 0) {
        box.bytes = sizeof box.address;
        assert_int_equal(pawl_dgram_address(box.dgram, (struct sockaddr *)&box.address, &box.bytes), 0);
    }
}

static void address_of(int family, struct sockaddr_storage *address, socklen_t *bytes)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;

    memset(address, 0, sizeof *address);
    address->ss_family = (sa_family_t)family;
    *bytes = sizeof(sa_family_t); /* UNIX: a name of the kernel's choice */
    if (family == AF_INET) {
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *bytes = sizeof *v4;
    } else if (family == AF_INET6) {
        v6->sin6_addr = in6addr_loopback;
        *bytes = sizeof *v6;
    }
}

static void open_socket(struct pawl_rt *rt, int family, const struct pawl_dgram_config *config)
{
    memset((void *)&box, 0, sizeof box);
    box.config = config;
    box.fd = -1;
    address_of(family, &box.address, &box.bytes);
    io_on(rt, 0, open_box, NULL);
    assert_int_equal(box.status, 0);
}

/* A blocking one, bound, that patience is set for. */
static int peer_socket(int family)
{
    const struct timeval patience = {.tv_sec = 60};
    struct sockaddr_storage address;
    socklen_t bytes;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    address_of(family, &address, &bytes);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, bytes), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    return fd;
}

static int connected_peer(int family)
{
    int fd = peer_socket(family);

    assert_int_equal(connect(fd, (const struct sockaddr *)&box.address, box.bytes), 0);
    return fd;
}

static void box_failed(struct pawl_dgram *dgram, const struct pawl_dgram_error *error)
{
    (void)dgram;
    box.error = error->error;
    io_add(&box.failed, 1);
}

static void box_closed(struct pawl_dgram *dgram, int reason)
{
    pawl_dgram_close(dgram); /* nothing */
    pawl_dgram_abort(dgram, 1);
    box.reason = reason;
    io_add(&box.closed, 1);
}

static void close_box(void *arg)
{
    (void)arg;
    pawl_dgram_close(box.dgram);
    pawl_dgram_close(box.dgram);
    assert_int_equal(pawl_dgram_write(box.dgram, NULL, "x", 1), -EPIPE);
}

static void close_socket(struct pawl_rt *rt)
{
    io_on(rt, 0, close_box, NULL);
    io_reach(&box.closed, 1);
    assert_int_equal(box.reason, 0);
}

/* ---- there and back ---- */

static void echo_received(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    const struct pawl_dgram_target back = {.address = packet->from, .address_bytes = packet->from_bytes};
    int status;

    assert_int_equal(packet->flags, 0);
    if (packet->slice.count % 2 == 0) /* both ways */
        status = pawl_dgram_write(dgram, &back, packet->slice.bytes, packet->slice.count);
    else
        status = pawl_dgram_send(dgram, &back, &packet->slice);
    assert_int_equal(status, 0);
    io_add(&box.received, 1);
}

static void each_datagram_comes_back_to_whom_it_came_from(void **state)
{
    static const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    static const uint32_t ways[] = {BY_ITSELF, BY_READINESS, 200000};
    uint64_t random = io_seed();
    struct pawl_rt *rt;

    (void)state;
    for (size_t i = 0; i < 9; i++) {
        const struct pawl_dgram_config config = {.received = echo_received,
                                                 .closed = box_closed,
                                                 .largest = ways[i % 3]};
        char bytes[2048], heard[2049];
        int fd;

        io_open(&rt, 1);
        open_socket(rt, families[i / 3], &config);
        fd = connected_peer(families[i / 3]);
        for (int round = 0; round < 20; round++) {
            size_t sizes[8];

            for (size_t k = 0; k < 8; k++) { /* UNIX sockets queue some ten */
                sizes[k] = round == 0 ? k : io_random(&random) % sizeof bytes;
                io_fill(bytes, sizes[k], (uint64_t)round, k);
                assert_int_equal(send(fd, bytes, sizes[k], 0), sizes[k]);
            }
            for (size_t k = 0; k < 8; k++) {
                io_fill(bytes, sizes[k], (uint64_t)round, k);
                assert_int_equal(recv(fd, heard, sizeof heard, 0), sizes[k]);
                assert_memory_equal(heard, bytes, sizes[k]);
            }
        }
        assert_int_equal(io_get(&box.received), 160);
        close_socket(rt);
        close(fd);
        io_close(rt);
    }
}

/* ---- what is too long, and where it came to ---- */

static struct pawl_packet last;

static void note_received(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    (void)dgram;
    last = *packet;
    io_add(&box.bytes_received, packet->slice.count);
    io_add(&box.received, 1);
}

static void what_is_too_long_is_cut_and_says_so(void **state)
{
    static char bytes[9000];
    static const uint32_t largest[] = {100, 8000};
    struct pawl_rt *rt;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct pawl_dgram_config config = {.received = note_received,
                                                 .closed = box_closed,
                                                 .largest = largest[i]};
        int fd;

        io_open(&rt, 1);
        open_socket(rt, AF_INET, &config);
        fd = connected_peer(AF_INET);
        assert_int_equal(send(fd, bytes, largest[i], 0), largest[i]);
        io_reach(&box.received, 1);
        assert_int_equal(last.flags, 0);
        assert_int_equal(last.slice.count, largest[i]);
        assert_int_equal(send(fd, bytes, largest[i] + 1, 0), largest[i] + 1);
        io_reach(&box.received, 2);
        assert_int_equal(last.flags, PAWL_PACKET_TRUNCATED);
        assert_int_equal(last.slice.count, largest[i]);
        close(fd);
        io_close(rt);
        assert_int_equal(box.reason, -ECANCELED); /* the runtime has closed it */
    }
}

static void answer_from_there(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    const struct pawl_dgram_target back = {.address = packet->from,
                                           .address_bytes = packet->from_bytes,
                                           .from = &packet->to};

    last = *packet;
    assert_int_equal(pawl_dgram_send(dgram, &back, &packet->slice), 0);
    io_add(&box.received, 1);
}

/* A socket of all addresses: asked at 127.0.0.2, it answers from there. */
static void it_is_told_where_a_datagram_came_to_and_answers_from_there(void **state)
{
    struct pawl_rt *rt;

    (void)state;
    for (uint32_t largest = BY_ITSELF; largest <= BY_READINESS; largest += BY_READINESS) {
        const struct pawl_dgram_config config = {.received = answer_from_there,
                                                 .closed = box_closed,
                                                 .flags = PAWL_DGRAM_LOCAL,
                                                 .largest = largest};
        struct sockaddr_in *v4 = (struct sockaddr_in *)&box.address, from;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&box.address;
        socklen_t bytes = sizeof from;
        char byte;
        int fd;

        io_open(&rt, 1);
        memset((void *)&box, 0, sizeof box);
        box.config = &config;
        box.fd = -1;
        v4->sin_family = AF_INET;
        box.bytes = sizeof *v4;
        io_on(rt, 0, open_box, NULL);
        assert_int_equal(box.status, 0);
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
        fd = peer_socket(AF_INET);
        assert_int_equal(sendto(fd, "x", 1, 0, (const struct sockaddr *)v4, sizeof *v4), 1);
        assert_int_equal(recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &bytes), 1);
        assert_int_equal(from.sin_addr.s_addr, v4->sin_addr.s_addr);
        assert_int_equal(last.to.family, AF_INET);
        assert_int_equal(last.to.address.v4.s_addr, v4->sin_addr.s_addr);
        assert_int_equal(last.to.interface, if_nametoindex("lo"));
        close_socket(rt);
        close(fd);
        open_socket(rt, AF_INET6, &config);
        fd = connected_peer(AF_INET6);
        assert_int_equal(send(fd, "x", 1, 0), 1);
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
        assert_int_equal(last.to.family, AF_INET6);
        assert_memory_equal(&last.to.address.v6, &v6->sin6_addr, sizeof last.to.address.v6);
        close(fd);
        close_socket(rt);
        io_close(rt);
    }
}

/* ---- many at once ---- */

enum { SEGMENT = 1000, SEGMENTS = 150 };

static void write_segments(void *arg)
{
    const struct sockaddr_storage *to = arg;
    const struct pawl_dgram_target target = {.address = (const struct sockaddr *)to,
                                             .address_bytes = sizeof(struct sockaddr_in),
                                             .segment = SEGMENT};
    static char bytes[SEGMENT * SEGMENTS - 500];

    io_fill(bytes, sizeof bytes, 4, 0);
    assert_int_equal(pawl_dgram_write(box.dgram, &target, bytes, sizeof bytes), 0);
    assert_int_equal(pawl_dgram_queued(box.dgram), sizeof bytes);
}

/* By the kernel where it can: a sender without it sends the same datagrams. */
static void a_buffer_goes_out_as_datagrams_of_one_length(void **state)
{
    const struct pawl_dgram_config config = {.received = note_received,
                                             .closed = box_closed,
                                             .failed = box_failed};
    struct sockaddr_storage to;
    socklen_t to_bytes = sizeof to;
    struct pawl_rt *rt;
    const int room = 8 << 20;
    int fd;

    (void)state;
    io_open(&rt, 1);
    open_socket(rt, AF_INET, &config);
    fd = peer_socket(AF_INET);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &to_bytes), 0);
    io_on(rt, 0, write_segments, &to);
    for (size_t i = 0; i < SEGMENTS; i++) {
        char heard[SEGMENT + 1], expected[SEGMENT];
        size_t count = i + 1 == SEGMENTS ? SEGMENT - 500 : SEGMENT;

        assert_int_equal(recv(fd, heard, sizeof heard, 0), count);
        io_fill(expected, count, 4, i * SEGMENT);
        assert_memory_equal(heard, expected, count);
    }
    assert_int_equal(io_get(&box.failed), 0);
    close(fd);
    close_socket(rt);
    io_close(rt);
}

static uint64_t gro_datagrams;

static void gro_received(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    (void)dgram;
    assert_true(packet->segment != 0);
    gro_datagrams += (packet->slice.count + packet->segment - 1) / packet->segment;
    io_add(&box.received, 1);
    io_add(&box.bytes_received, packet->slice.count);
}

static void datagrams_of_a_flow_come_in_one_piece_if_that_is_wanted(void **state)
{
    const struct pawl_dgram_config config = {.received = gro_received,
                                             .closed = box_closed,
                                             .flags = PAWL_DGRAM_GRO};
    static char bytes[SEGMENT * 40];
    struct pawl_rt *rt;
    int fd, segment = SEGMENT;

    (void)state;
    gro_datagrams = 0;
    io_open(&rt, 1);
    open_socket(rt, AF_INET, &config);
    fd = connected_peer(AF_INET);
    if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0) {
        assert_int_equal(send(fd, bytes, sizeof bytes, 0), sizeof bytes);
        io_reach(&box.bytes_received, sizeof bytes);
        assert_int_equal(gro_datagrams, 40);
        print_message("40 datagrams in %d pieces\n", (int)io_get(&box.received));
    }
    close(fd);
    close_socket(rt);
    io_close(rt);
}

/* ---- pressure ---- */

static unsigned queued, answers;

static void box_drained(struct pawl_dgram *dgram)
{
    (void)dgram;
    io_add(&box.drained, 1);
}

static void write_until_full(void *arg)
{
    const struct sockaddr_storage *to = arg;
    const struct pawl_dgram_target target = {.address = (const struct sockaddr *)to,
                                             .address_bytes = sizeof(struct sockaddr_un)};
    struct pawl_dgram_target name = target;
    int status;

    name.address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 6); /* the kernel's names */
    for (queued = 0; (status = pawl_dgram_write(box.dgram, &name, &queued, sizeof queued)) == 0; queued++)
        ;
    assert_int_equal(status, -EAGAIN);
}

/* A UNIX socket that is not read takes a few; the rest waits here, and then no more is taken. */
static void a_queue_that_is_full_says_so_and_drains(void **state)
{
    const struct pawl_dgram_config config = {.received = note_received,
                                             .closed = box_closed,
                                             .failed = box_failed,
                                             .drained = box_drained,
                                             .high = 20000,
                                             .low = 1000};
    struct sockaddr_storage to;
    socklen_t to_bytes = sizeof to;
    struct pawl_rt *rt;
    int fd;

    (void)state;
    io_open(&rt, 1);
    open_socket(rt, AF_UNIX, &config);
    fd = peer_socket(AF_UNIX);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &to_bytes), 0);
    assert_int_equal(to_bytes, offsetof(struct sockaddr_un, sun_path) + 6);
    io_on(rt, 0, write_until_full, &to);
    assert_true(queued > 40 && queued < 20000 / 4);
    assert_int_equal(io_get(&box.drained), 0);
    for (unsigned i = 0; i < queued; i++) {
        assert_int_equal(recv(fd, &answers, sizeof answers, 0), sizeof answers);
        assert_int_equal(answers, i);
    }
    io_reach(&box.drained, 1);
    assert_int_equal(io_get(&box.failed), 0);
    io_on(rt, 0, write_until_full, &to); /* and one that closes with a full queue sends it */
    io_on(rt, 0, close_box, NULL);
    for (unsigned i = 0; i < queued; i++)
        assert_int_equal(recv(fd, &answers, sizeof answers, 0), sizeof answers);
    io_reach(&box.closed, 1);
    assert_int_equal(box.reason, 0);
    close(fd);
    io_close(rt);
}

static void pause_box(void *arg)
{
    (void)arg;
    pawl_dgram_pause(box.dgram);
    pawl_dgram_pause(box.dgram);
}

static void resume_box(void *arg)
{
    (void)arg;
    pawl_dgram_resume(box.dgram);
    pawl_dgram_resume(box.dgram);
}

static void a_paused_socket_hears_nothing_until_it_is_resumed(void **state)
{
    struct pawl_rt *rt;

    (void)state;
    for (uint32_t largest = BY_ITSELF; largest <= BY_READINESS; largest += BY_READINESS) {
        const struct pawl_dgram_config config = {.received = note_received,
                                                 .closed = box_closed,
                                                 .largest = largest};
        int fd;

        io_open(&rt, 1);
        open_socket(rt, AF_INET, &config);
        fd = connected_peer(AF_INET);
        assert_int_equal(send(fd, "x", 1, 0), 1);
        io_reach(&box.received, 1);
        io_on(rt, 0, pause_box, NULL);
        for (int i = 0; i < 3; i++)
            io_on(rt, 0, pause_box, NULL); /* turns: what was under way has come */
        assert_int_equal(send(fd, "x", 1, 0), 1);
        for (int i = 0; i < 20; i++)
            io_on(rt, 0, pause_box, NULL);
        assert_int_equal(io_get(&box.received), 1);
        io_on(rt, 0, resume_box, NULL);
        io_reach(&box.received, 2);
        io_on(rt, 0, pause_box, NULL); /* and both at once */
        io_on(rt, 0, resume_box, NULL);
        assert_int_equal(send(fd, "x", 1, 0), 1);
        io_reach(&box.received, 3);
        close(fd);
        close_socket(rt);
        io_close(rt);
    }
}

/* ---- errors ---- */

static void connect_box(void *arg)
{
    const struct sockaddr_storage *to = arg;

    box.status = pawl_dgram_connect(box.dgram, (const struct sockaddr *)to, sizeof(struct sockaddr_in));
}

static void write_one(void *arg)
{
    const struct sockaddr_storage *to = arg;
    const struct pawl_dgram_target target = {.address = (const struct sockaddr *)to,
                                             .address_bytes = sizeof(struct sockaddr_in)};

    box.status = pawl_dgram_write(box.dgram, to == NULL ? NULL : &target, "hello", 5);
}

static struct {
    struct sockaddr_in to;
    uint8_t origin, type, code;
    char bytes[5];
    PAWL_ATOMIC(uint64_t) told;
} icmp;

static void icmp_failed(struct pawl_dgram *dgram, const struct pawl_dgram_error *error)
{
    (void)dgram;
    box.error = error->error;
    assert_non_null(error->to);
    memcpy(&icmp.to, error->to, sizeof icmp.to);
    icmp.origin = error->origin;
    icmp.type = error->type;
    icmp.code = error->code;
    assert_int_equal(error->count, sizeof icmp.bytes);
    memcpy(icmp.bytes, error->bytes, sizeof icmp.bytes);
    assert_non_null(error->by);
    io_add(&box.failed, 1);
}

/* Nobody has that port: the network says so. A connected socket hears of it, and another one if it asks to. */
static void what_the_network_says_of_a_datagram_is_told(void **state)
{
    struct sockaddr_storage to;
    struct sockaddr_in *nobody = (struct sockaddr_in *)&to;
    socklen_t to_bytes = sizeof to;
    struct pawl_rt *rt;

    (void)state;
    for (uint32_t largest = BY_ITSELF; largest <= BY_READINESS; largest += BY_READINESS) {
        const struct pawl_dgram_config plain = {.received = note_received,
                                                .failed = box_failed,
                                                .closed = box_closed,
                                                .largest = largest};
        const struct pawl_dgram_config in_full = {.received = note_received,
                                                  .failed = icmp_failed,
                                                  .closed = box_closed,
                                                  .largest = largest,
                                                  .flags = PAWL_DGRAM_ERRORS};
        int fd = peer_socket(AF_INET);

        assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &to_bytes), 0);
        close(fd);
        io_open(&rt, 1);
        open_socket(rt, AF_INET, &plain);
        io_on(rt, 0, connect_box, &to);
        assert_int_equal(box.status, 0);
        for (uint64_t i = 1; i <= 3; i++) { /* it lives on */
            io_on(rt, 0, write_one, NULL);
            assert_int_equal(box.status, 0);
            io_reach(&box.failed, i);
            assert_int_equal(box.error, -ECONNREFUSED);
        }
        close_socket(rt);
        open_socket(rt, AF_INET, &in_full);
        for (uint64_t i = 1; i <= 2; i++) {
            io_on(rt, 0, write_one, &to);
            io_reach(&box.failed, i);
        }
        assert_int_equal(box.error, -ECONNREFUSED);
        assert_int_equal(icmp.to.sin_port, nobody->sin_port);
        assert_int_equal(icmp.origin, 2); /* SO_EE_ORIGIN_ICMP */
        assert_int_equal(icmp.type, 3);   /* unreachable, */
        assert_int_equal(icmp.code, 3);   /* the port */
        assert_memory_equal(icmp.bytes, "hello", 5);
        fd = connected_peer(AF_INET); /* and receives as before */
        assert_int_equal(send(fd, "x", 1, 0), 1);
        io_reach(&box.received, 1);
        close(fd);
        close_socket(rt);
        io_close(rt);
    }
}

static void write_badly(void *arg)
{
    struct sockaddr_storage to;
    socklen_t bytes;
    static char much[65536];
    struct pawl_dgram_target target = {.address = (const struct sockaddr *)&to};

    (void)arg;
    address_of(AF_INET, &to, &bytes);
    ((struct sockaddr_in *)&to)->sin_port = htons(9);
    target.address_bytes = bytes;
    assert_int_equal(pawl_dgram_write(box.dgram, &target, much, sizeof much), -EMSGSIZE);
    assert_int_equal(pawl_dgram_write(box.dgram, &target, much, 65530), 0); /* the kernel's limit is lower */
    target.address_bytes = sizeof to;
    assert_int_equal(pawl_dgram_write(box.dgram, &target, much, 1), -EINVAL);
    assert_int_equal(pawl_dgram_write(box.dgram, NULL, much, 1), 0); /* to whom? */
}

/* One that cannot go does not keep those behind it. */
static void a_datagram_that_cannot_be_sent_is_reported_and_dropped(void **state)
{
    const struct pawl_dgram_config config = {.received = note_received,
                                             .failed = box_failed,
                                             .closed = box_closed};
    struct sockaddr_storage to;
    socklen_t to_bytes = sizeof to;
    struct pawl_rt *rt;
    char bytes[5];
    int fd;

    (void)state;
    io_open(&rt, 1);
    open_socket(rt, AF_INET, &config);
    fd = peer_socket(AF_INET);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &to_bytes), 0);
    io_on(rt, 0, write_badly, NULL);
    io_on(rt, 0, write_one, &to);
    assert_int_equal(recv(fd, bytes, sizeof bytes, 0), 5);
    io_reach(&box.failed, 2);
    assert_int_equal(box.error, -EDESTADDRREQ);
    assert_int_equal(io_get(&box.failed), 2);
    close(fd);
    close_socket(rt);
    box.fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* and what is none */
    io_on(rt, 0, open_box, NULL);
    assert_int_equal(box.status, -ENOTSOCK);
    close(box.fd);
    box.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    io_on(rt, 0, open_box, NULL);
    assert_int_equal(box.status, -EPROTOTYPE);
    close(box.fd);
    assert_int_equal(pawl_dgram_adopt(&box.dgram, &config, 0), -EPERM);
    io_close(rt);
}

/* ---- multicast ---- */

static struct sockaddr_storage group;

static void join(void *arg)
{
    const uint32_t *interface = arg;

    box.status = pawl_dgram_join(box.dgram, (const struct sockaddr *)&group, *interface, NULL);
}

static void leave(void *arg)
{
    const uint32_t *interface = arg;

    box.status = pawl_dgram_leave(box.dgram, (const struct sockaddr *)&group, *interface, NULL);
}

static void group_of(int family)
{
    socklen_t bytes;

    address_of(family, &group, &bytes);
    if (family == AF_INET)
        assert_int_equal(inet_pton(AF_INET, "239.255.77.7", &((struct sockaddr_in *)&group)->sin_addr), 1);
    else
        assert_int_equal(inet_pton(AF_INET6, "ff01::7777", &((struct sockaddr_in6 *)&group)->sin6_addr), 1);
}

/* Through the loopback interface, which need not know of multicast: the sender names it. */
static void a_group_is_heard_between_join_and_leave(void **state)
{
    struct pawl_rt *rt;
    uint32_t interface = if_nametoindex("lo");

    (void)state;
    for (int i = 0; i < 2; i++) {
        const int family = i == 0 ? AF_INET : AF_INET6;
        const struct pawl_dgram_config config = {.received = note_received,
                                                 .closed = box_closed,
                                                 .flags = PAWL_DGRAM_SHARE_ADDRESS | PAWL_DGRAM_LOCAL};
        const struct ip_mreqn v4_interface = {.imr_ifindex = (int)interface};
        int fd, level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;

        io_open(&rt, 1);
        group_of(family);
        memset((void *)&box, 0, sizeof box);
        box.config = &config;
        box.fd = -1;
        box.address.ss_family = (sa_family_t)family; /* of all addresses */
        box.bytes = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        io_on(rt, 0, open_box, NULL);
        assert_int_equal(box.status, 0);
        ((struct sockaddr_in *)&group)->sin_port = ((struct sockaddr_in *)&box.address)->sin_port;
        io_on(rt, 0, leave, &interface);
        assert_int_equal(box.status, -EADDRNOTAVAIL);
        io_on(rt, 0, join, &interface);
        assert_int_equal(box.status, 0);
        fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (family == AF_INET)
            assert_int_equal(setsockopt(fd, level, IP_MULTICAST_IF, &v4_interface, sizeof v4_interface), 0);
        else
            assert_int_equal(setsockopt(fd, level, IPV6_MULTICAST_IF, &interface, sizeof interface), 0);
        if (sendto(fd, "x", 1, 0, (const struct sockaddr *)&group, box.bytes) == 1) {
            io_reach(&box.received, 1);
            assert_int_equal(last.to.family, family);
        } else {
            assert_int_equal(family, AF_INET6); /* where the loopback interface has no route for groups */
            assert_int_equal(errno, ENETUNREACH);
        }
        io_on(rt, 0, leave, &interface);
        assert_int_equal(box.status, 0);
        close(fd);
        close_socket(rt);
        io_close(rt);
    }
}

/* ---- want, and the end ---- */

static struct pawl_slice kept[3];

static void keep_received(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    uint64_t n = io_get(&box.received);

    if (n < 3) {
        kept[n] = packet->slice;
        pawl_slice_hold(&kept[n]);
    }
    io_add(&box.received, 1);
    if (io_get(&box.received) == 3)
        pawl_dgram_abort(dgram, -EINTR);
}

static void a_datagram_that_is_kept_stays_when_the_socket_has_gone(void **state)
{
    static const uint32_t ways[] = {BY_ITSELF, BY_READINESS, 200000};
    struct pawl_rt *rt;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct pawl_dgram_config config = {.received = keep_received,
                                                 .closed = box_closed,
                                                 .largest = ways[i]};
        int fd;

        io_open(&rt, 1);
        open_socket(rt, AF_INET, &config);
        fd = connected_peer(AF_INET);
        for (int k = 0; k < 10; k++) {
            char bytes[3] = {(char)('a' + k), (char)('b' + k), (char)('c' + k)};

            (void)send(fd, bytes, 3, 0); /* refused, when it has gone */
        }
        io_reach(&box.closed, 1);
        assert_int_equal(box.reason, -EINTR);
        assert_int_equal(io_get(&box.received), 3);
        assert_memory_equal(kept[0].bytes, "abc", 3);
        assert_memory_equal(kept[1].bytes, "bcd", 3);
        assert_memory_equal(kept[2].bytes, "cde", 3);
        for (int k = 0; k < 3; k++)
            pawl_slice_release(&kept[k]);
        close(fd);
        io_close(rt);
    }
}

static void swallow(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    const struct pawl_dgram_target back = {.address = packet->from, .address_bytes = packet->from_bytes};
    int status = pawl_dgram_write(dgram, &back, packet->slice.bytes, packet->slice.count);

    assert_true(status == 0 || status == -ENOMEM);
    io_add(&box.received, 1);
}

static void no_memory_costs_datagrams_at_most(void **state)
{
    struct pawl_rt *rt;
    uint64_t random = io_seed();
    const struct timeval soon = {.tv_usec = 1000};

    (void)state;
    for (uint32_t largest = BY_ITSELF; largest <= BY_READINESS; largest += BY_READINESS) {
        const struct pawl_dgram_config config = {.received = swallow,
                                                 .failed = box_failed,
                                                 .closed = box_closed,
                                                 .largest = largest};
        char bytes[100];
        int fd;

        io_open(&rt, 1);
        open_socket(rt, AF_INET, &config);
        fd = connected_peer(AF_INET);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon), 0);
        for (int i = 0; i < (io_long() ? 5000 : 100); i++) {
            io_fail_every(1 + (uint32_t)(io_random(&random) % 3));
            for (int k = 0; k < 4; k++)
                assert_int_equal(send(fd, bytes, sizeof bytes, 0), sizeof bytes);
            if (i % 10 == 0)
                (void)recv(fd, bytes, sizeof bytes, 0);
            io_fail_every(0);
        }
        while (recv(fd, bytes, sizeof bytes, 0) > 0)
            ;
        do /* it works as before */
            assert_int_equal(send(fd, bytes, sizeof bytes, 0), sizeof bytes);
        while (recv(fd, bytes, sizeof bytes, 0) < 0);
        close(fd);
        close_socket(rt);
        io_close(rt);
    }
}

const struct CMUnitTest dgram_tests[] = {
    cmocka_unit_test(each_datagram_comes_back_to_whom_it_came_from),
    cmocka_unit_test(what_is_too_long_is_cut_and_says_so),
    cmocka_unit_test(it_is_told_where_a_datagram_came_to_and_answers_from_there),
    cmocka_unit_test(a_buffer_goes_out_as_datagrams_of_one_length),
    cmocka_unit_test(datagrams_of_a_flow_come_in_one_piece_if_that_is_wanted),
    cmocka_unit_test(a_queue_that_is_full_says_so_and_drains),
    cmocka_unit_test(a_paused_socket_hears_nothing_until_it_is_resumed),
    cmocka_unit_test(what_the_network_says_of_a_datagram_is_told),
    cmocka_unit_test(a_datagram_that_cannot_be_sent_is_reported_and_dropped),
    cmocka_unit_test(a_group_is_heard_between_join_and_leave),
    cmocka_unit_test(a_datagram_that_is_kept_stays_when_the_socket_has_gone),
    cmocka_unit_test(no_memory_costs_datagrams_at_most),
};
const size_t dgram_test_count = sizeof dgram_tests / sizeof dgram_tests[0];
