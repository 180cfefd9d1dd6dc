/* SPDX-License-Identifier: MIT */
#include "dgram_box.h"

#include <arpa/inet.h>

struct box box;

void box_open_now(void *arg)
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

void box_address(int family, struct sockaddr_storage *address, socklen_t *bytes)
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

void box_open(struct pawl_rt *rt, int family, const struct pawl_dgram_config *config)
{
    memset((void *)&box, 0, sizeof box);
    box.config = config;
    box.fd = -1;
    box_address(family, &box.address, &box.bytes);
    io_on(rt, 0, box_open_now, NULL);
    assert_int_equal(box.status, 0);
}

/* A blocking one, bound, that patience is set for. */
int box_peer(int family)
{
    const struct timeval patience = {.tv_sec = 60};
    struct sockaddr_storage address;
    socklen_t bytes;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    box_address(family, &address, &bytes);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, bytes), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    return fd;
}

int box_connected_peer(int family)
{
    int fd = box_peer(family);

    assert_int_equal(connect(fd, (const struct sockaddr *)&box.address, box.bytes), 0);
    return fd;
}

void box_failed(struct pawl_dgram *dgram, const struct pawl_dgram_error *error)
{
    (void)dgram;
    box.error = error->error;
    io_add(&box.failed, 1);
}

void box_closed(struct pawl_dgram *dgram, int reason)
{
    pawl_dgram_close(dgram); /* nothing */
    pawl_dgram_abort(dgram, 1);
    box.reason = reason;
    io_add(&box.closed, 1);
}

void box_close_now(void *arg)
{
    (void)arg;
    pawl_dgram_close(box.dgram);
    pawl_dgram_close(box.dgram);
    assert_int_equal(pawl_dgram_write(box.dgram, NULL, "x", 1), -EPIPE);
}

void box_close(struct pawl_rt *rt)
{
    io_on(rt, 0, box_close_now, NULL);
    io_reach(&box.closed, 1);
    assert_int_equal(box.reason, 0);
}

void box_note(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    (void)dgram;
    box.packets[io_get(&box.received) % BOX_PACKETS] = *packet;
    io_add(&box.bytes_received, packet->slice.count);
    io_add(&box.received, 1);
}
