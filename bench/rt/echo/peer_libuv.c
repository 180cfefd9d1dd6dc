/* SPDX-License-Identifier: MIT */
/* libuv, as its guide says, but with uv_try_write first: kinder to it than a request for each write. */
#include "echo_peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

union handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct rest {
    uv_write_t request;
    char bytes[];
};

static uv_loop_t *loop;
static int family;

static void closed(uv_handle_t *handle)
{
    free(handle);
}

static void give_room(uv_handle_t *handle, size_t wish, uv_buf_t *buffer)
{
    static char room[ECHO_BUFFER];

    (void)handle;
    (void)wish;
    *buffer = uv_buf_init(room, sizeof room);
}

static void written(uv_write_t *request, int status)
{
    (void)status;
    free(request);
}

static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    uv_buf_t bytes = uv_buf_init(buffer->base, (unsigned)(n > 0 ? n : 0));
    int sent;

    if (n < 0) {
        uv_close((uv_handle_t *)stream, closed);
        return;
    }
    sent = uv_try_write(stream, &bytes, 1);
    if (sent < 0)
        sent = 0;
    if (sent < n) {
        struct rest *rest = malloc(sizeof *rest + (size_t)(n - sent));

        if (rest == NULL)
            _exit(1);
        memcpy(rest->bytes, buffer->base + sent, (size_t)(n - sent));
        bytes = uv_buf_init(rest->bytes, (unsigned)(n - sent));
        uv_write(&rest->request, stream, &bytes, 1, written);
    }
}

static union handle *new_handle(void)
{
    union handle *handle = calloc(1, sizeof *handle);

    if (handle == NULL)
        _exit(1);
    if (family == AF_UNIX)
        uv_pipe_init(loop, &handle->pipe, 0);
    else
        uv_tcp_init(loop, &handle->tcp);
    return handle;
}

static void connected(uv_stream_t *listener, int status)
{
    union handle *handle = new_handle();

    if (status != 0 || uv_accept(listener, &handle->stream) != 0) {
        uv_close(&handle->handle, closed);
        return;
    }
    if (family != AF_UNIX)
        uv_tcp_nodelay(&handle->tcp, 1);
    uv_read_start(&handle->stream, give_room, received);
}

int echo_libuv(const struct echo_place *place)
{
    union handle *listener;
    int fd = echo_listen(place), status;

    if (fd < 0)
        return fd;
    loop = uv_default_loop();
    family = place->address->sa_family;
    listener = new_handle();
    status = family == AF_UNIX ? uv_pipe_open(&listener->pipe, fd) : uv_tcp_open(&listener->tcp, fd);
    if (status == 0)
        status = uv_listen(&listener->stream, SOMAXCONN, connected);
    if (status != 0)
        return status;
    echo_ready(place);
    uv_run(loop, UV_RUN_DEFAULT);
    return -EIO;
}
