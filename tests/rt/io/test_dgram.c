/* SPDX-License-Identifier: MIT */
/* Datagrams: there and back, cut, joined, refused, paused. On both engines; with io_uring, by multishot receive and by
 * readiness. */
#include "dgram_box.h"
#include "test_io.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <pawl/timer.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/un.h>

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
        box_open(rt, families[i / 3], &config);
        fd = box_connected_peer(families[i / 3]);
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
        box_close(rt);
        close(fd);
        io_close(rt);
    }
}

/* ---- what is too long, and where it came to ---- */

static void what_is_too_long_is_cut_and_says_so(void **state)
{
    static char bytes[9000];
    static const uint32_t largest[] = {100, 8000};
    struct pawl_rt *rt;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct pawl_dgram_config config = {.received = box_note,
                                                 .closed = box_closed,
                                                 .largest = largest[i]};
        int fd;

        io_open(&rt, 1);
        box_open(rt, AF_INET, &config);
        fd = box_connected_peer(AF_INET);
        assert_int_equal(send(fd, bytes, largest[i], 0), largest[i]);
        io_reach(&box.received, 1);
        assert_int_equal(box.packets[0].flags, 0);
        assert_int_equal(box.packets[0].slice.count, largest[i]);
        assert_int_equal(send(fd, bytes, largest[i] + 1, 0), largest[i] + 1);
        io_reach(&box.received, 2);
        assert_int_equal(box.packets[1].flags, PAWL_PACKET_TRUNCATED);
        assert_int_equal(box.packets[1].slice.count, largest[i]);
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

    box.packets[io_get(&box.received) % BOX_PACKETS] = *packet;
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
        io_on(rt, 0, box_open_now, NULL);
        assert_int_equal(box.status, 0);
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
        fd = box_peer(AF_INET);
        assert_int_equal(sendto(fd, "x", 1, 0, (const struct sockaddr *)v4, sizeof *v4), 1);
        assert_int_equal(recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &bytes), 1);
        assert_int_equal(from.sin_addr.s_addr, v4->sin_addr.s_addr);
        io_reach(&box.received, 1);
        assert_int_equal(box.packets[0].to.family, AF_INET);
        assert_int_equal(box.packets[0].to.address.v4.s_addr, v4->sin_addr.s_addr);
        assert_int_equal(box.packets[0].to.interface, if_nametoindex("lo"));
        box_close(rt);
        close(fd);
        box_open(rt, AF_INET6, &config);
        fd = box_connected_peer(AF_INET6);
        assert_int_equal(send(fd, "x", 1, 0), 1);
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
        io_reach(&box.received, 1);
        assert_int_equal(box.packets[0].to.family, AF_INET6);
        assert_memory_equal(&box.packets[0].to.address.v6, &v6->sin6_addr,
                            sizeof box.packets[0].to.address.v6);
        close(fd);
        box_close(rt);
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
    const struct pawl_dgram_config config = {.received = box_note,
                                             .closed = box_closed,
                                             .failed = box_failed};
    struct sockaddr_storage to;
    socklen_t to_bytes = sizeof to;
    struct pawl_rt *rt;
    const int room = 8 << 20;
    int fd;

    (void)state;
    io_open(&rt, 1);
    box_open(rt, AF_INET, &config);
    fd = box_peer(AF_INET);
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
    box_close(rt);
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
    box_open(rt, AF_INET, &config);
    fd = box_connected_peer(AF_INET);
    if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0) {
        assert_int_equal(send(fd, bytes, sizeof bytes, 0), sizeof bytes);
        io_reach(&box.bytes_received, sizeof bytes);
        assert_int_equal(gro_datagrams, 40);
        print_message("40 datagrams in %d pieces\n", (int)io_get(&box.received));
    }
    close(fd);
    box_close(rt);
    io_close(rt);
}

/* ---- a narrow route ---- */

static bool bring_up(int mtu)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_mtu = mtu};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_up = ioctl(fd, SIOCSIFMTU, &lo) == 0;

    lo.ifr_flags = IFF_UP;
    is_up = is_up && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    close(fd);
    return is_up;
}

static void leave_network(int before)
{
    assert_int_equal(setns(before, CLONE_NEWNET), 0);
    close(before);
}

/* This thread and those that it makes have a network of their own. Returns the one before, or -1: not permitted. */
static int enter_narrow_network(int mtu)
{
    int before = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

    if (before < 0)
        return -1;
    if (unshare(CLONE_NEWNET) != 0) {
        close(before);
        return -1;
    }
    if (bring_up(mtu))
        return before;
    leave_network(before);
    return -1;
}

static void write_wide_segments(void *arg)
{
    static const char bytes[5000];
    const struct pawl_dgram_target target = {.address = arg,
                                             .address_bytes = sizeof(struct sockaddr_in),
                                             .segment = 2000};

    box.status = pawl_dgram_write(box.dgram, &target, bytes, sizeof bytes);
}

/* The kernel does not cut what it would have to send in fragments: each datagram goes by itself. */
static void segments_that_the_route_is_too_narrow_for_go_one_by_one(void **state)
{
    const struct pawl_dgram_config config = {.received = box_note,
                                             .failed = box_failed,
                                             .closed = box_closed};
    const int network = enter_narrow_network(1500);
    struct sockaddr_storage to;
    socklen_t to_bytes = sizeof to;
    char heard[2001];
    struct pawl_rt *rt;
    int fd;

    (void)state;
    if (network < 0)
        skip();
    io_open(&rt, 1);
    box_open(rt, AF_INET, &config);
    fd = box_peer(AF_INET);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &to_bytes), 0);
    io_on(rt, 0, write_wide_segments, &to);
    assert_int_equal(box.status, 0);
    io_on(rt, 0, write_wide_segments, &to); /* it has learnt */
    for (int i = 0; i < 6; i++)
        assert_int_equal(recv(fd, heard, sizeof heard, 0), i % 3 == 2 ? 1000 : 2000);
    assert_int_equal(io_get(&box.failed), 0);
    close(fd);
    box_close(rt);
    io_close(rt);
    leave_network(network);
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
    const struct pawl_dgram_config config = {.received = box_note,
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
    box_open(rt, AF_UNIX, &config);
    fd = box_peer(AF_UNIX);
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
    io_on(rt, 0, box_close_now, NULL);
    for (unsigned i = 0; i < queued; i++)
        assert_int_equal(recv(fd, &answers, sizeof answers, 0), sizeof answers);
    io_reach(&box.closed, 1);
    assert_int_equal(box.reason, 0);
    close(fd);
    io_close(rt);
}

/* ---- without an end ---- */

enum { TURNS = 20 };

static struct sockaddr_storage nobody;
static struct pawl_timer each_turn;
static unsigned turns, told;

static void fill_again(struct pawl_dgram *dgram)
{
    static const char bytes[1000];
    const struct pawl_dgram_target target = {.address = (const struct sockaddr *)&nobody,
                                             .address_bytes = sizeof(struct sockaddr_in)};
    int status = 0;

    told++;
    while (told < 2000 && status == 0)
        status = pawl_dgram_write(dgram, &target, bytes, sizeof bytes);
}

static void count_turn(struct pawl_timer *timer)
{
    if (++turns < TURNS)
        pawl_timer_start(timer, 0); /* in the next one */
    else
        pawl_dgram_abort(box.dgram, 0);
}

static void begin_filling(void *arg)
{
    (void)arg;
    pawl_timer_init(&each_turn, count_turn);
    pawl_timer_start(&each_turn, 0);
    fill_again(box.dgram);
}

/* Nobody reads, and UDP takes all the same: who sends whenever it can does not keep its worker from others. */
static void who_sends_for_ever_lets_others_run(void **state)
{
    const struct pawl_dgram_config config = {.received = box_note,
                                             .failed = box_failed,
                                             .closed = box_closed,
                                             .drained = fill_again,
                                             .high = 10000,
                                             .low = 1000};
    socklen_t bytes = sizeof nobody;
    struct pawl_rt *rt;
    int fd;

    (void)state;
    io_open(&rt, 1);
    box_open(rt, AF_INET, &config);
    fd = box_peer(AF_INET);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&nobody, &bytes), 0);
    turns = told = 0;
    io_on(rt, 0, begin_filling, NULL);
    io_reach(&box.closed, 1);
    assert_true(told > 1 && told <= 3 * TURNS);
    close(fd);
    io_close(rt);
}

static void write_to_all(struct pawl_dgram *dgram)
{
    struct sockaddr_in all = {.sin_family = AF_INET, .sin_port = 9, .sin_addr.s_addr = INADDR_BROADCAST};
    const struct pawl_dgram_target target = {.address = (struct sockaddr *)&all, .address_bytes = sizeof all};

    assert_int_equal(pawl_dgram_write(dgram, &target, "x", 1), 0);
}

static void try_again(struct pawl_dgram *dgram, const struct pawl_dgram_error *error)
{
    assert_int_equal(error->error, -EACCES); /* it was not opened for that */
    if (++told < 2000)
        write_to_all(dgram);
}

static void begin_to_try(void *arg)
{
    (void)arg;
    pawl_timer_init(&each_turn, count_turn);
    pawl_timer_start(&each_turn, 0);
    write_to_all(box.dgram);
}

static void who_tries_for_ever_lets_others_run(void **state)
{
    const struct pawl_dgram_config config = {.received = box_note, .failed = try_again, .closed = box_closed};
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 1);
    box_open(rt, AF_INET, &config);
    turns = told = 0;
    io_on(rt, 0, begin_to_try, NULL);
    io_reach(&box.closed, 1);
    assert_true(told > 1 && told < 2000);
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
        const struct pawl_dgram_config config = {.received = box_note,
                                                 .closed = box_closed,
                                                 .largest = largest};
        int fd;

        io_open(&rt, 1);
        box_open(rt, AF_INET, &config);
        fd = box_connected_peer(AF_INET);
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
        box_close(rt);
        io_close(rt);
    }
}

/* ---- ends while more is coming ---- */

enum { FLOOD = 50 }; /* fewer than the engine has buffers, more than the kernel receives at once */

static uint64_t ends_at;

static void abort_at(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    (void)packet;
    io_add(&box.received, 1);
    if (io_get(&box.received) == ends_at)
        pawl_dgram_abort(dgram, -ECONNABORTED);
}

/* By the worker, which cannot read meanwhile. */
static void flood(void *peer)
{
    for (int i = 0; i < FLOOD; i++)
        assert_int_equal(send(*(const int *)peer, "x", 1, 0), 1);
}

static const struct pawl_dgram_config aborting = {.received = abort_at, .closed = box_closed};

/* Returns the peer. */
static int open_and_flood(struct pawl_rt *rt)
{
    int fd;

    box_open(rt, AF_INET, &aborting);
    fd = box_connected_peer(AF_INET);
    io_on(rt, 0, flood, &fd);
    return fd;
}

/* All is there when it begins to receive. */
static int flood_and_adopt(struct pawl_rt *rt)
{
    int fd;

    memset((void *)&box, 0, sizeof box);
    box.config = &aborting;
    box.fd = box_peer(AF_INET);
    box.bytes = sizeof box.address;
    assert_int_equal(getsockname(box.fd, (struct sockaddr *)&box.address, &box.bytes), 0);
    fd = box_connected_peer(AF_INET);
    flood(&fd);
    io_on(rt, 0, box_open_now, NULL);
    assert_int_equal(box.status, 0);
    return fd;
}

/* The kernel may be about to try a receive again when it is taken back. */
static void a_socket_ends_at_whichever_of_many_datagrams(void **state)
{
    int (*const ways[])(struct pawl_rt * rt) = {open_and_flood, flood_and_adopt};
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 1);
    for (ends_at = 1; ends_at <= FLOOD; ends_at++)
        for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
            int fd = ways[i](rt);

            io_reach(&box.closed, 1);
            assert_int_equal(box.reason, -ECONNABORTED);
            assert_int_equal(io_get(&box.received), ends_at);
            close(fd);
        }
    io_close(rt);
}

const struct CMUnitTest dgram_tests[] = {
    cmocka_unit_test(each_datagram_comes_back_to_whom_it_came_from),
    cmocka_unit_test(what_is_too_long_is_cut_and_says_so),
    cmocka_unit_test(it_is_told_where_a_datagram_came_to_and_answers_from_there),
    cmocka_unit_test(a_buffer_goes_out_as_datagrams_of_one_length),
    cmocka_unit_test(datagrams_of_a_flow_come_in_one_piece_if_that_is_wanted),
    cmocka_unit_test(segments_that_the_route_is_too_narrow_for_go_one_by_one),
    cmocka_unit_test(a_queue_that_is_full_says_so_and_drains),
    cmocka_unit_test(who_sends_for_ever_lets_others_run),
    cmocka_unit_test(who_tries_for_ever_lets_others_run),
    cmocka_unit_test(a_paused_socket_hears_nothing_until_it_is_resumed),
    cmocka_unit_test(a_socket_ends_at_whichever_of_many_datagrams),
};
const size_t dgram_test_count = sizeof dgram_tests / sizeof dgram_tests[0];
