/* SPDX-License-Identifier: MIT */
/* An echo server on all processors: echo [PORT]. Ends with SIGINT or SIGTERM. */
#include <pawl/rt.h>
#include <pawl/stream.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pawl_rt *rt;

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    if (pawl_stream_send(stream, slice) != 0) /* held until it is sent, not copied */
        pawl_stream_abort(stream, 0);
}

static void stop(int signal)
{
    (void)signal;
    pawl_rt_stop(rt);
}

int main(int argc, char **argv)
{
    static const struct pawl_stream_config echo = {.received = received, .idle_ms = 60000};
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_port = htons(argc > 1 ? (in_port_t)atoi(argv[1]) : 7007)};
    const struct pawl_listener_config here = {.address = (const struct sockaddr *)&any,
                                              .address_bytes = sizeof any,
                                              .stream = &echo};
    struct pawl_listener *listener;
    int status = pawl_rt_open(&rt, NULL);

    if (status == 0)
        status = pawl_listener_open(&listener, rt, &here);
    if (status != 0) {
        fprintf(stderr, "echo: %s\n", strerror(-status));
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("echo on port %d, %u workers, %s\n", ntohs(any.sin_port), pawl_rt_workers(rt), pawl_rt_engine(rt));
    fflush(stdout);
    pawl_rt_run(rt); /* until it is stopped */
    return pawl_rt_close(rt) == 0 ? 0 : 1;
}
