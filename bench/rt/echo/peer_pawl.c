/* SPDX-License-Identifier: MIT */
#include "echo_peers.h"

#include <pawl/fiber_io.h>
#include <pawl/rt.h>
#include <pawl/stream.h>
#include <stddef.h>
#include <unistd.h>

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    (void)pawl_stream_send(stream, slice); /* fails if it ends: then it is closed anyhow */
}

static int serve(const struct echo_place *place, const char *engine)
{
    static const struct pawl_stream_config echo = {.received = received};
    const struct pawl_rt_config config = {.workers = 1, .flags = PAWL_RT_CALLER, .engine = engine};
    const struct pawl_listener_config here = {.address = place->address,
                                              .address_bytes = place->bytes,
                                              .stream = &echo};
    struct pawl_listener *listener;
    struct pawl_rt *rt;
    int status = pawl_rt_open(&rt, &config);

    if (status == 0)
        status = pawl_listener_open(&listener, rt, &here);
    if (status != 0)
        return status;
    echo_ready(place);
    return pawl_rt_run(rt);
}

int echo_pawl_epoll(const struct echo_place *place)
{
    return serve(place, "epoll");
}

int echo_pawl_uring(const struct echo_place *place)
{
    return serve(place, "uring");
}

/* ---- a fiber a connection ---- */

static void talk(void *fd)
{
    struct pawl_conn conn;
    char bytes[ECHO_BUFFER / 4];
    int64_t n;

    if (pawl_conn_adopt(&conn, (int)(intptr_t)fd) != 0) {
        close((int)(intptr_t)fd);
        return;
    }
    echo_no_delay((int)(intptr_t)fd);
    while ((n = pawl_read(&conn, bytes, sizeof bytes)) > 0)
        if (pawl_write(&conn, bytes, (size_t)n) < 0)
            break;
    pawl_conn_close(&conn);
}

static void listen_there(void *argument)
{
    const struct echo_place *place = argument;
    struct pawl_acceptor acceptor;
    int fd;

    if (pawl_acceptor_open(&acceptor, place->address, place->bytes) != 0)
        _exit(1);
    echo_ready(place);
    while ((fd = pawl_accept(&acceptor)) >= 0)
        if (pawl_go(pawl_rt_here(), talk, (void *)(intptr_t)fd) != 0)
            close(fd);
    pawl_acceptor_close(&acceptor);
}

int echo_pawl_fibers(const struct echo_place *place)
{
    const struct pawl_rt_config config = {.workers = 1, .flags = PAWL_RT_CALLER, .engine = "epoll"};
    struct echo_place copy = *place;
    struct pawl_rt *rt;
    int status = pawl_rt_open(&rt, &config);

    if (status == 0)
        status = pawl_go(rt, listen_there, &copy);
    return status == 0 ? pawl_rt_run(rt) : status;
}
