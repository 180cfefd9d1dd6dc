/* SPDX-License-Identifier: MIT */
/* A TCP proxy: proxy PORT TARGET_PORT, both on this machine. Bytes go from slice to slice, uncopied; a side whose
 * out-queue is full makes the other one wait; an end is passed on when all before it is. */
#include <pawl/rt.h>
#include <pawl/stream.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct side {
    struct pawl_stream *other; /* NULL: gone */
};

static struct pawl_rt *rt;
static struct sockaddr_in target = {.sin_family = AF_INET};

static struct side *side_of(struct pawl_stream *stream)
{
    return pawl_stream_context(stream);
}

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    struct pawl_stream *other = side_of(stream)->other;

    if (other == NULL || pawl_stream_send(other, slice) != 0)
        pawl_stream_close(stream);
    else if (pawl_stream_full(other))
        pawl_stream_pause(stream); /* until the other is drained */
}

static void drained(struct pawl_stream *stream)
{
    if (side_of(stream)->other != NULL)
        pawl_stream_resume(side_of(stream)->other);
}

static void ended(struct pawl_stream *stream)
{
    if (side_of(stream)->other == NULL || pawl_stream_shutdown(side_of(stream)->other) != 0)
        pawl_stream_close(stream);
}

static void closed(struct pawl_stream *stream, int reason)
{
    struct pawl_stream *other = side_of(stream)->other;

    if (other == NULL)
        return;
    side_of(other)->other = NULL;
    if (reason == 0)
        pawl_stream_close(other);
    else
        pawl_stream_abort(other, reason);
}

static const struct pawl_stream_config to_target = {.received = received,
                                                    .ended = ended,
                                                    .drained = drained,
                                                    .closed = closed,
                                                    .context_bytes = sizeof(struct side),
                                                    .connect_ms = 5000,
                                                    .flags = PAWL_STREAM_READ_ON};

static void opened(struct pawl_stream *stream)
{
    struct pawl_stream *other;
    int status = pawl_stream_connect(&other, &to_target, (const struct sockaddr *)&target, sizeof target);

    if (status != 0) {
        pawl_stream_abort(stream, status);
        return;
    }
    side_of(stream)->other = other; /* what is written before it is connected waits in its queue */
    side_of(other)->other = stream;
}

static void stop(int signal)
{
    (void)signal;
    pawl_rt_stop(rt);
}

int main(int argc, char **argv)
{
    static const struct pawl_stream_config from_client = {.opened = opened,
                                                          .received = received,
                                                          .ended = ended,
                                                          .drained = drained,
                                                          .closed = closed,
                                                          .context_bytes = sizeof(struct side),
                                                          .flags = PAWL_STREAM_READ_ON};
    struct sockaddr_in any = {.sin_family = AF_INET};
    const struct pawl_listener_config here = {.address = (const struct sockaddr *)&any,
                                              .address_bytes = sizeof any,
                                              .stream = &from_client};
    struct pawl_listener *listener;
    int status;

    if (argc != 3) {
        fprintf(stderr, "usage: proxy PORT TARGET_PORT\n");
        return 2;
    }
    any.sin_port = htons((in_port_t)atoi(argv[1]));
    target.sin_port = htons((in_port_t)atoi(argv[2]));
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    status = pawl_rt_open(&rt, NULL);
    if (status == 0)
        status = pawl_listener_open(&listener, rt, &here);
    if (status != 0) {
        fprintf(stderr, "proxy: %s\n", strerror(-status));
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("proxy on port %s for port %s\n", argv[1], argv[2]);
    fflush(stdout);
    pawl_rt_run(rt);
    return pawl_rt_close(rt) == 0 ? 0 : 1;
}
