/* SPDX-License-Identifier: MIT */
#include "http.h"

#include <errno.h>
#include <http_parser.h>
#include <pawl/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REQUEST_MAX = 8192,
    PATH_BYTES = 128,
    CONNECTIONS_MAX = 32,
    SILENT_MS = 10 * 1000, /* while an answer waits to be taken */
    IDLE_MS = 60 * 1000,
};

#define REQUEST_NS (UINT64_C(10) * 1000 * 1000 * 1000)

/* A connection: the context of its stream. */
struct request {
    struct http_parser parser;
    struct pawl_stream *stream;
    struct pawl_timer timer; /* armed from the first byte of a request to its last */
    uint32_t bytes, path_bytes;
    bool ends; /* nothing more is read of it */
    char path[PATH_BYTES];
};

static struct cache_http *http_of(const struct request *request)
{
    return pawl_stream_get_config(request->stream)->arg;
}

/* ---- answers ---- */

static void stop_timer(struct request *request)
{
    if (pawl_timer_armed(&request->timer))
        (void)pawl_timer_cancel(&request->timer);
}

static void answer(struct request *request, int status, const char *reason,
                   const struct cache_http_answer *what, bool more)
{
    char head[512];
    const int count = snprintf(
        head, sizeof head,
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "connect-src 'self'; img-src data:\r\n%sConnection: %s\r\n\r\n",
        status, reason, what->type, what->count, status == 405 ? "Allow: GET, HEAD\r\n" : "",
        more ? "keep-alive" : "close");
    int error = pawl_stream_write(request->stream, head, (size_t)count);

    stop_timer(request);
    if (error == 0 && request->parser.method != HTTP_HEAD)
        error = pawl_stream_write(request->stream, what->body, what->count);
    if (error == -ENOMEM) {
        request->ends = true;
        pawl_stream_abort(request->stream, error);
    } else if (!more) {
        request->ends = true;
        pawl_stream_close(request->stream);
    }
}

static void answer_error(struct request *request, int status, const char *reason, bool more)
{
    char text[64];
    const int count = snprintf(text, sizeof text, "%d %s\n", status, reason);

    answer(request, status, reason,
           &(struct cache_http_answer){.type = "text/plain", .body = text, .count = (size_t)count}, more);
}

static int completed(http_parser *parser)
{
    struct request *request = parser->data;
    const struct cache_http *http = http_of(request);
    /* Who asks many times at once and takes nothing gets no more. */
    const bool more = http_should_keep_alive(parser) != 0 && !pawl_stream_full(request->stream);
    struct cache_http_answer what = {.body = NULL};
    char *query;

    request->path[request->path_bytes] = '\0';
    query = strchr(request->path, '?');
    if (query != NULL)
        *query = '\0';
    if (parser->method != HTTP_GET && parser->method != HTTP_HEAD)
        answer_error(request, 405, "Method Not Allowed", false);
    else if (!http->answer(http->arg, request->path, &what))
        answer_error(request, 404, "Not Found", more);
    else if (what.body == NULL)
        answer_error(request, 503, "Service Unavailable", false);
    else
        answer(request, 200, "OK", &what, more);
    free(what.owned);
    request->bytes = request->path_bytes = 0;
    return request->ends ? 1 : 0;
}

/* Also of one that came in the same piece as the end of the one before. */
static int begun(http_parser *parser)
{
    struct request *request = parser->data;

    if (!pawl_timer_armed(&request->timer))
        pawl_timer_after(&request->timer, REQUEST_NS);
    return 0;
}

static void late(struct pawl_timer *timer)
{
    answer_error(pawl_timer_of(timer, struct request, timer), 408, "Request Timeout", false);
}

/* What is cut off names nothing that there is. */
static int took_path(http_parser *parser, const char *at, size_t count)
{
    struct request *request = parser->data;
    const size_t room = PATH_BYTES - 1 - request->path_bytes;

    if (count > room)
        count = room;
    memcpy(request->path + request->path_bytes, at, count);
    request->path_bytes += (uint32_t)count;
    return 0;
}

/* ---- connections ---- */

static const struct http_parser_settings settings = {
    .on_message_begin = begun,
    .on_url = took_path,
    .on_message_complete = completed,
};

static void opened(struct pawl_stream *stream)
{
    struct request *request = pawl_stream_context(stream);

    request->stream = stream;
    http_parser_init(&request->parser, HTTP_REQUEST);
    request->parser.data = request;
    pawl_timer_init(&request->timer, late);
    /* relaxed: a limit that a few may pass at once */
    if (pawl_fetch_add_relaxed(&http_of(request)->connections, 1u) >= CONNECTIONS_MAX)
        answer_error(request, 503, "Service Unavailable", false);
}

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    struct request *request = pawl_stream_context(stream);

    if (request->ends)
        return;
    (void)begun(&request->parser); /* with an empty line, too */
    request->bytes += (uint32_t)slice->count;
    (void)http_parser_execute(&request->parser, &settings, slice->bytes, slice->count);
    if (request->ends)
        return;
    if (HTTP_PARSER_ERRNO(&request->parser) != HPE_OK || request->parser.upgrade)
        answer_error(request, 400, "Bad Request", false);
    else if (request->bytes > REQUEST_MAX)
        answer_error(request, 431, "Request Header Fields Too Large", false);
}

static void closed(struct pawl_stream *stream, int reason)
{
    struct request *request = pawl_stream_context(stream);

    (void)reason;
    stop_timer(request);
    pawl_fetch_sub_relaxed(&http_of(request)->connections, 1u); /* relaxed: a limit */
}

void cache_http_init(struct cache_http *http,
                     bool (*answer_to)(void *arg, const char *path, struct cache_http_answer *answer),
                     void *arg)
{
    *http = (struct cache_http){.answer = answer_to, .arg = arg};
    http->stream = (struct pawl_stream_config){
        .opened = opened,
        .received = received,
        .closed = closed,
        .arg = http,
        .context_bytes = sizeof(struct request),
        .idle_ms = IDLE_MS,
        .write_ms = SILENT_MS,
    };
}
