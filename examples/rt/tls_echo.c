/* SPDX-License-Identifier: MIT */
/* The echo server with TLS: tls_echo PORT CHAIN.pem KEY.pem. What differs from echo.c is `tls`. Talk to it by
 *     openssl s_client -connect localhost:PORT -quiet */
#include <pawl/rt.h>
#include <pawl/stream.h>
#include <pawl/tls.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pawl_rt *rt;

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    if (pawl_stream_send(stream, slice) != 0)
        pawl_stream_abort(stream, 0);
}

static void closed(struct pawl_stream *stream, int reason)
{
    if (reason != 0)
        fprintf(stderr, "tls_echo: %s: %s\n", strerror(-reason), pawl_tls_error(stream));
}

static void stop(int signal)
{
    (void)signal;
    pawl_rt_stop(rt);
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "tls_echo: %s: %s\n", what, why);
    return 1;
}

int main(int argc, char **argv)
{
    struct pawl_stream_config echo = {.received = received, .closed = closed, .idle_ms = 60000};
    struct sockaddr_in any = {.sin_family = AF_INET};
    const struct pawl_listener_config here = {.address = (const struct sockaddr *)&any,
                                              .address_bytes = sizeof any,
                                              .stream = &echo};
    struct pawl_listener *listener;
    struct pawl_tls *tls;
    int status;

    if (argc != 4)
        return fail("usage", "tls_echo PORT CHAIN.pem KEY.pem");
    any.sin_port = htons((in_port_t)atoi(argv[1]));
    if (pawl_tls_open(&tls, &(struct pawl_tls_config){.flags = PAWL_TLS_SERVER,
                                                      .chain_file = argv[2],
                                                      .key_file = argv[3]}) != 0)
        return fail("certificate", pawl_tls_failure());
    echo.layer = pawl_tls_layer(tls);
    status = pawl_rt_open(&rt, NULL);
    if (status == 0)
        status = pawl_listener_open(&listener, rt, &here);
    if (status != 0)
        return fail("listen", strerror(-status));
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("echo with TLS on port %d\n", ntohs(any.sin_port));
    fflush(stdout);
    pawl_rt_run(rt);
    status = pawl_rt_close(rt);
    pawl_tls_close(tls);
    return status == 0 ? 0 : 1;
}
