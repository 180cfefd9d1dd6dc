/* SPDX-License-Identifier: MIT */
/* libuv, which receives with recvmmsg if it is asked to, and sends one by one; in the way that is best for it: directly. */
#include "dgram_peers.h"

#include <uv.h>

#include <errno.h>

enum { BATCH = 32, LONGEST = 65536 }; /* libuv cuts the buffer into pieces of 64 KiB */

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    static char bytes[BATCH * LONGEST];

    (void)handle;
    (void)wanted;
    *buffer = uv_buf_init(bytes, sizeof bytes);
}

static void received(uv_udp_t *udp, ssize_t count, const uv_buf_t *buffer, const struct sockaddr *from,
                     unsigned flags)
{
    uv_buf_t answer;

    (void)flags;
    if (count < 0 || from == NULL)
        return;
    answer = uv_buf_init(buffer->base, (unsigned)count);
    (void)uv_udp_try_send(udp, &answer, 1, from);
}

int dgram_libuv(const struct echo_place *place)
{
    static uv_loop_t loop;
    static uv_udp_t udp;
    int status = uv_loop_init(&loop);

    if (status == 0)
        status = uv_udp_init_ex(&loop, &udp, AF_UNSPEC | UV_UDP_RECVMMSG);
    if (status == 0)
        status = uv_udp_bind(&udp, place->address, 0);
    if (status == 0)
        status = uv_udp_recv_start(&udp, give_room, received);
    if (status != 0)
        return status;
    echo_ready(place);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
