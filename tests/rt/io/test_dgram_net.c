/* SPDX-License-Identifier: MIT */
/* Datagrams: what goes wrong, groups, want, and the end. On both engines. */
#include "dgram_box.h"
#include "test_io.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>

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
        const struct pawl_dgram_config plain = {.received = box_note,
                                                .failed = box_failed,
                                                .closed = box_closed,
                                                .largest = largest};
        const struct pawl_dgram_config in_full = {.received = box_note,
                                                  .failed = icmp_failed,
                                                  .closed = box_closed,
                                                  .largest = largest,
                                                  .flags = PAWL_DGRAM_ERRORS};
        int unreached = box_peer(AF_INET), fd;

        /* Bound, so that nobody gets that port; connected to itself, so that nobody else reaches it. */
        assert_int_equal(getsockname(unreached, (struct sockaddr *)&to, &to_bytes), 0);
        assert_int_equal(connect(unreached, (struct sockaddr *)&to, to_bytes), 0);
        io_open(&rt, 1);
        box_open(rt, AF_INET, &plain);
        io_on(rt, 0, connect_box, &to);
        assert_int_equal(box.status, 0);
        for (uint64_t i = 1; i <= 3; i++) { /* it lives on */
            io_on(rt, 0, write_one, NULL);
            assert_int_equal(box.status, 0);
            io_reach(&box.failed, i);
            assert_int_equal(box.error, -ECONNREFUSED);
        }
        box_close(rt);
        box_open(rt, AF_INET, &in_full);
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
        fd = box_connected_peer(AF_INET); /* and receives as before */
        assert_int_equal(send(fd, "x", 1, 0), 1);
        io_reach(&box.received, 1);
        close(fd);
        box_close(rt);
        io_close(rt);
        close(unreached);
    }
}

static void write_badly(void *arg)
{
    struct sockaddr_storage to;
    socklen_t bytes;
    static char much[65536];
    struct pawl_dgram_target target = {.address = (const struct sockaddr *)&to};

    (void)arg;
    box_address(AF_INET, &to, &bytes);
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
    const struct pawl_dgram_config config = {.received = box_note,
                                             .failed = box_failed,
                                             .closed = box_closed};
    struct sockaddr_storage to;
    socklen_t to_bytes = sizeof to;
    struct pawl_rt *rt;
    char bytes[5];
    int fd;

    (void)state;
    io_open(&rt, 1);
    box_open(rt, AF_INET, &config);
    fd = box_peer(AF_INET);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &to_bytes), 0);
    io_on(rt, 0, write_badly, NULL);
    io_on(rt, 0, write_one, &to);
    assert_int_equal(recv(fd, bytes, sizeof bytes, 0), 5);
    io_reach(&box.failed, 2);
    assert_int_equal(box.error, -EDESTADDRREQ);
    assert_int_equal(io_get(&box.failed), 2);
    close(fd);
    box_close(rt);
    box.fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* and what is none */
    io_on(rt, 0, box_open_now, NULL);
    assert_int_equal(box.status, -ENOTSOCK);
    close(box.fd);
    box.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    io_on(rt, 0, box_open_now, NULL);
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

    box_address(family, &group, &bytes);
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
        const struct pawl_dgram_config config = {.received = box_note,
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
        io_on(rt, 0, box_open_now, NULL);
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
            assert_int_equal(box.packets[0].to.family, family);
        } else {
            assert_int_equal(family, AF_INET6); /* where the loopback interface has no route for groups */
            assert_int_equal(errno, ENETUNREACH);
        }
        io_on(rt, 0, leave, &interface);
        assert_int_equal(box.status, 0);
        close(fd);
        box_close(rt);
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
        box_open(rt, AF_INET, &config);
        fd = box_connected_peer(AF_INET);
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
        char bytes[100] = {0};
        int fd;

        io_open(&rt, 1);
        box_open(rt, AF_INET, &config);
        fd = box_connected_peer(AF_INET);
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
        box_close(rt);
        io_close(rt);
    }
}

const struct CMUnitTest dgram_net_tests[] = {
    cmocka_unit_test(what_the_network_says_of_a_datagram_is_told),
    cmocka_unit_test(a_datagram_that_cannot_be_sent_is_reported_and_dropped),
    cmocka_unit_test(a_group_is_heard_between_join_and_leave),
    cmocka_unit_test(a_datagram_that_is_kept_stays_when_the_socket_has_gone),
    cmocka_unit_test(no_memory_costs_datagrams_at_most),
};
const size_t dgram_net_test_count = sizeof dgram_net_tests / sizeof dgram_net_tests[0];
