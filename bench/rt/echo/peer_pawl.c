/* SPDX-License-Identifier: MIT */
#include "echo_peers.h"

#include <pawl/rt.h>
#include <pawl/stream.h>
#include <stddef.h>

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
