/* SPDX-License-Identifier: MIT */
/* Serves the files of a folder by HTTP/1.1: http_files PORT FOLDER. Keep-alive, pipelines, HEAD, ranges; names that lead out
 * of the folder are refused by the kernel (openat2, RESOLVE_BENEATH). The parser is libhttp-parser's.
 *
 * A request that is being answered stops the parser, and the stream; the rest of what has come is kept until the answer is
 * in the kernel. */
#include <pawl/file.h>
#include <pawl/rt.h>
#include <pawl/stream.h>

#include <errno.h>
#include <fcntl.h>
#include <http_parser.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH_ROOM = 1024, RANGE_ROOM = 64 };

static struct pawl_rt *rt;
static int folder;

struct connection {
    http_parser parser;
    struct pawl_stream *stream;
    struct pawl_send_file send;
    struct pawl_slice rest; /* of what has come, behind the request that is answered */
    int fd;
    bool sending, last;
    bool is_range;  /* the header that is read */
    bool path_long; /* longer than there is room for */
    size_t path_bytes, range_bytes;
    char path[PATH_ROOM], range[RANGE_ROOM];
};

/* ---- answers ---- */

static void answer(struct connection *connection, const char *status, const char *more, uint64_t count)
{
    char head[512];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%sContent-Length: %llu\r\n%s\r\n", status, more,
                     (unsigned long long)count, connection->last ? "Connection: close\r\n" : "");

    if (pawl_stream_write(connection->stream, head, (size_t)n) != 0)
        pawl_stream_abort(connection->stream, 0);
}

static void refuse(struct connection *connection, const char *status)
{
    answer(connection, status, "", 0);
}

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                           {".txt", "text/plain; charset=utf-8"},
                                           {".css", "text/css"},
                                           {".js", "text/javascript"},
                                           {".json", "application/json"},
                                           {".png", "image/png"},
                                           {".svg", "image/svg+xml"}};
    const char *end = strrchr(path, '.');

    for (size_t i = 0; end != NULL && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(end, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

/* "bytes=first-last", "bytes=first-", "bytes=-count". 1: of that, 0: of all of it, -1: there is no such part. */
static int read_range(const char *text, uint64_t size, uint64_t *first, uint64_t *count)
{
    unsigned long long from, to;
    char behind;

    if (sscanf(text, "bytes=-%llu%c", &to, &behind) == 1) {
        *count = to < size ? to : size;
        *first = size - *count;
        return *count == 0 ? -1 : 1;
    }
    if (sscanf(text, "bytes=%llu-%llu%c", &from, &to, &behind) == 2 && from <= to)
        to = to < size ? to : size - 1;
    else if (sscanf(text, "bytes=%llu-%c", &from, &behind) == 1 && text[strlen(text) - 1] == '-')
        to = size - 1;
    else
        return 0; /* several parts, or another unit: HTTP lets us send it all */
    if (from >= size)
        return -1;
    *first = from;
    *count = to - from + 1;
    return 1;
}

static void answer_file(struct connection *connection, int fd, uint64_t size)
{
    uint64_t first = 0, count = size;
    int part = connection->range_bytes != 0 ? read_range(connection->range, size, &first, &count) : 0;
    char more[256];

    if (part < 0) {
        snprintf(more, sizeof more, "Content-Range: bytes */%llu\r\n", (unsigned long long)size);
        answer(connection, "416 Range Not Satisfiable", more, 0);
        return;
    }
    if (part > 0)
        snprintf(more, sizeof more, "Content-Type: %s\r\nContent-Range: bytes %llu-%llu/%llu\r\n",
                 type_of(connection->path), (unsigned long long)first,
                 (unsigned long long)(first + count - 1), (unsigned long long)size);
    else
        snprintf(more, sizeof more, "Content-Type: %s\r\nAccept-Ranges: bytes\r\n",
                 type_of(connection->path));
    answer(connection, part > 0 ? "206 Partial Content" : "200 OK", more, count);
    if (connection->parser.method == HTTP_HEAD || count == 0)
        return;
    if (pawl_stream_send_file(connection->stream, &connection->send, fd, (int64_t)first, count) != 0) {
        pawl_stream_abort(connection->stream, 0);
        return;
    }
    connection->fd = fd;
    connection->sending = true;
}

/* ---- paths ---- */

static int hex(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

/* Without what is behind ? or #, and with %20 and the like decoded, in place. False: not so, or a zero in it. */
static bool decode(char *path)
{
    char *to = path;

    path[strcspn(path, "?#")] = '\0';
    for (const char *from = path; *from != '\0'; from++) {
        char byte = *from;

        if (byte == '%') {
            const int high = hex(from[1]), low = high >= 0 ? hex(from[2]) : -1;

            if (low < 0 || high + low == 0)
                return false;
            byte = (char)(high * 16 + low);
            from += 2;
        }
        *to++ = byte;
    }
    *to = '\0';
    return true;
}

/* A file inside of the folder. */
static int open_inside(const char *path)
{
    const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};

    return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

static void answer_path(struct connection *connection)
{
    const char *path = connection->path + strspn(connection->path, "/");
    int fd = open_inside(*path != '\0' ? path : "index.html");
    struct stat stat;

    if (fd < 0) {
        refuse(connection, errno == EXDEV || errno == EACCES ? "403 Forbidden" : "404 Not Found");
        return;
    }
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode))
        refuse(connection, "403 Forbidden");
    else
        answer_file(connection, fd, (uint64_t)stat.st_size);
    if (!connection->sending)
        close(fd);
}

/* ---- requests ---- */

static struct connection *of(http_parser *parser)
{
    return (struct connection *)(void *)parser; /* the first member */
}

static int on_begin(http_parser *parser)
{
    struct connection *connection = of(parser);

    connection->path_bytes = connection->range_bytes = 0;
    connection->path_long = connection->is_range = false;
    return 0;
}

static int on_url(http_parser *parser, const char *at, size_t count)
{
    struct connection *connection = of(parser);

    connection->path_long = connection->path_long || count >= PATH_ROOM - connection->path_bytes;
    if (connection->path_long)
        return 0;
    memcpy(connection->path + connection->path_bytes, at, count);
    connection->path_bytes += count;
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t count)
{
    of(parser)->is_range = count == 5 && strncasecmp(at, "range", 5) == 0;
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t count)
{
    struct connection *connection = of(parser);

    if (connection->is_range && count < RANGE_ROOM - connection->range_bytes) {
        memcpy(connection->range + connection->range_bytes, at, count);
        connection->range_bytes += count;
    }
    return 0;
}

static int on_complete(http_parser *parser)
{
    struct connection *connection = of(parser);

    connection->path[connection->path_bytes] = '\0';
    connection->range[connection->range_bytes] = '\0';
    connection->last = http_should_keep_alive(parser) == 0;
    if (connection->path_long)
        refuse(connection, "414 URI Too Long");
    else if (parser->method != HTTP_GET && parser->method != HTTP_HEAD)
        refuse(connection, "405 Method Not Allowed");
    else if (!decode(connection->path))
        refuse(connection, "400 Bad Request");
    else
        answer_path(connection);
    if (connection->sending)
        http_parser_pause(parser, 1);
    else if (connection->last)
        pawl_stream_close(connection->stream);
    return 0;
}

/* ---- the stream ---- */

static const http_parser_settings settings = {.on_message_begin = on_begin,
                                              .on_url = on_url,
                                              .on_header_field = on_field,
                                              .on_header_value = on_value,
                                              .on_message_complete = on_complete};

/* Requests, up to one whose answer takes a while: then the rest is kept. */
static void parse(struct connection *connection, struct pawl_slice slice)
{
    size_t n = http_parser_execute(&connection->parser, &settings, slice.bytes, slice.count);

    if (connection->sending) {
        pawl_stream_pause(connection->stream);
        connection->rest = (struct pawl_slice){slice.bytes + n, slice.count - n, slice.chunk};
        pawl_slice_hold(&connection->rest);
    } else if (n != slice.count || connection->parser.upgrade) {
        connection->last = true;
        refuse(connection, "400 Bad Request");
        pawl_stream_close(connection->stream);
    }
}

/* The file is in the kernel, or will never be. */
static void sent(struct pawl_op *op, int64_t result)
{
    struct connection *connection = pawl_op_of(pawl_op_of(op, struct pawl_send_file, op), struct connection,
                                               send);
    const struct pawl_slice rest = connection->rest;

    close(connection->fd);
    connection->sending = false;
    if (result < 0) {
        pawl_stream_abort(connection->stream, (int)result); /* nothing, if that is what ended it */
    } else if (connection->last) {
        pawl_stream_close(connection->stream);
    } else {
        http_parser_pause(&connection->parser, 0);
        pawl_stream_resume(connection->stream);
        parse(connection, rest);
    }
    pawl_slice_release(&rest);
}

static void opened(struct pawl_stream *stream)
{
    struct connection *connection = pawl_stream_context(stream);

    http_parser_init(&connection->parser, HTTP_REQUEST);
    connection->stream = stream;
    pawl_op_init(&connection->send.op, sent);
}

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    parse(pawl_stream_context(stream), *slice);
}

static void stop(int signal)
{
    (void)signal;
    pawl_rt_stop(rt);
}

static int fail(const char *what, int error)
{
    fprintf(stderr, "http_files: %s: %s\n", what, strerror(error));
    return 1;
}

int main(int argc, char **argv)
{
    static const struct pawl_stream_config http = {.opened = opened,
                                                   .received = received,
                                                   .context_bytes = sizeof(struct connection),
                                                   .idle_ms = 30000,
                                                   .write_ms = 30000};
    struct sockaddr_in any = {.sin_family = AF_INET};
    const struct pawl_listener_config here = {.address = (const struct sockaddr *)&any,
                                              .address_bytes = sizeof any,
                                              .stream = &http};
    struct pawl_listener *listener;
    int status;

    if (argc != 3)
        return fail("usage: http_files PORT FOLDER", EINVAL);
    any.sin_port = htons((in_port_t)atoi(argv[1]));
    folder = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return fail(argv[2], errno);
    status = pawl_rt_open(&rt, NULL);
    if (status == 0)
        status = pawl_listener_open(&listener, rt, &here);
    if (status != 0)
        return fail("listen", -status);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("files on port %d\n", ntohs(any.sin_port));
    fflush(stdout);
    pawl_rt_run(rt);
    return pawl_rt_close(rt) == 0 ? 0 : 1;
}
