/* SPDX-License-Identifier: MIT */
#include "tls_peers.h"

#include <errno.h>
#include <pawl/rt.h>
#include <pawl/stream.h>
#include <pawl/tls.h>
#include <stdio.h>

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    static const struct pawl_slice bulk = {.bytes = tls_bulk, .count = TLS_BULK};

    (void)pawl_stream_send(stream,
                           slice->bytes[0] == 0 ? slice : &bulk); /* fails if it ends: then it is closed */
}

static int serve(const struct echo_place *place, const char *engine)
{
    struct pawl_stream_config served = {.received = received};
    const struct pawl_rt_config config = {.workers = 1, .flags = PAWL_RT_CALLER, .engine = engine};
    const struct pawl_listener_config here = {.address = place->address,
                                              .address_bytes = place->bytes,
                                              .stream = &served};
    struct pawl_listener *listener;
    struct pawl_tls *tls;
    struct pawl_rt *rt;
    int status = pawl_tls_open(&tls, &(struct pawl_tls_config){.flags = PAWL_TLS_SERVER,
                                                               .chain_file = tls_chain_file,
                                                               .key_file = tls_key_file});

    if (status != 0) {
        fprintf(stderr, "%s\n", pawl_tls_failure());
        return status;
    }
    served.layer = pawl_tls_layer(tls);
    status = pawl_rt_open(&rt, &config);
    if (status == 0)
        status = pawl_listener_open(&listener, rt, &here);
    if (status != 0)
        return status;
    echo_ready(place);
    return pawl_rt_run(rt);
}

int tls_pawl_epoll(const struct echo_place *place)
{
    return serve(place, "epoll");
}

int tls_pawl_uring(const struct echo_place *place)
{
    return serve(place, "uring");
}
