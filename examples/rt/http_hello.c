/* SPDX-License-Identifier: MIT */
/* HTTP/1.1, "hello" to every request: http_hello [PORT]. The parser is libhttp-parser's; pipelined requests are answered in
 * order and, as they come in one slice, sent in one piece. */
#include <pawl/rt.h>
#include <pawl/stream.h>

#include <http_parser.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pawl_rt *rt;

/* A request is complete. */
static int answer(http_parser *parser)
{
    static const char hello[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n";
    struct pawl_stream *stream = parser->data;

    if (pawl_stream_write(stream, hello, sizeof hello - 1) != 0)
        return 1;
    if (!http_should_keep_alive(parser))
        pawl_stream_close(stream); /* after it is sent */
    return 0;
}

static void opened(struct pawl_stream *stream)
{
    http_parser *parser = pawl_stream_context(stream);

    http_parser_init(parser, HTTP_REQUEST);
    parser->data = stream;
}

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    static const http_parser_settings settings = {.on_message_complete = answer};
    static const char bad[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    http_parser *parser = pawl_stream_context(stream);

    if (http_parser_execute(parser, &settings, slice->bytes, slice->count) == slice->count &&
        !parser->upgrade)
        return;
    (void)pawl_stream_write(stream, bad,
                            sizeof bad - 1); /* says no if it is being closed: then all was said */
    pawl_stream_close(stream);
}

static void stop(int signal)
{
    (void)signal;
    pawl_rt_stop(rt);
}

int main(int argc, char **argv)
{
    static const struct pawl_stream_config http = {.opened = opened,
                                                   .received = received,
                                                   .context_bytes = sizeof(http_parser),
                                                   .idle_ms = 30000,
                                                   .write_ms = 30000};
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_port = htons(argc > 1 ? (in_port_t)atoi(argv[1]) : 8080)};
    const struct pawl_listener_config here = {.address = (const struct sockaddr *)&any,
                                              .address_bytes = sizeof any,
                                              .stream = &http};
    struct pawl_listener *listener;
    int status = pawl_rt_open(&rt, NULL);

    if (status == 0)
        status = pawl_listener_open(&listener, rt, &here);
    if (status != 0) {
        fprintf(stderr, "http_hello: %s\n", strerror(-status));
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("http on port %d\n", ntohs(any.sin_port));
    fflush(stdout);
    pawl_rt_run(rt);
    return pawl_rt_close(rt) == 0 ? 0 : 1;
}
