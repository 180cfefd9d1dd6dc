/* SPDX-License-Identifier: MIT */
/* A line chat: chat [PORT]. What one says, all hear. One worker, so that the list of guests needs no lock. */
#include <pawl/frame.h>
#include <pawl/rt.h>
#include <pawl/stream.h>

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct guest {
    struct guest *next;
    struct pawl_stream *stream;
    struct pawl_frame lines;
};

static struct pawl_rt *rt;
static struct guest *guests;

static void opened(struct pawl_stream *stream)
{
    struct guest *guest = pawl_stream_context(stream);

    guest->stream = stream;
    guest->lines.most = 1000;
    guest->next = guests;
    guests = guest;
    (void)pawl_stream_write(stream, "Welcome.\n", 9);
}

static void say(const struct guest *who, const struct pawl_slice *line)
{
    for (struct guest *guest = guests; guest != NULL; guest = guest->next)
        if (guest != who && !pawl_stream_full(guest->stream)) /* who does not listen misses some */
            (void)pawl_stream_write(guest->stream, line->bytes, line->count);
}

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    struct guest *guest = pawl_stream_context(stream);
    struct pawl_slice line;
    int status;

    pawl_frame_feed(&guest->lines, slice);
    while ((status = pawl_frame_until(&guest->lines, '\n', &line)) == 0)
        say(guest, &line);
    if (status == -EAGAIN)
        status = pawl_frame_keep(&guest->lines);
    if (status != 0)
        pawl_stream_abort(stream, status); /* a line that never ends */
}

static void closed(struct pawl_stream *stream, int reason)
{
    struct guest *guest = pawl_stream_context(stream), **place = &guests;

    (void)reason;
    pawl_frame_free(&guest->lines);
    while (*place != NULL && *place != guest)
        place = &(*place)->next;
    if (*place != NULL)
        *place = guest->next;
}

static void stop(int signal)
{
    (void)signal;
    pawl_rt_stop(rt);
}

int main(int argc, char **argv)
{
    static const struct pawl_stream_config chat = {.opened = opened,
                                                   .received = received,
                                                   .closed = closed,
                                                   .context_bytes = sizeof(struct guest),
                                                   .flags = PAWL_STREAM_READ_ON};
    const struct pawl_rt_config one = {.workers = 1};
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_port = htons(argc > 1 ? (in_port_t)atoi(argv[1]) : 7008)};
    const struct pawl_listener_config here = {.address = (const struct sockaddr *)&any,
                                              .address_bytes = sizeof any,
                                              .stream = &chat};
    struct pawl_listener *listener;
    int status = pawl_rt_open(&rt, &one);

    if (status == 0)
        status = pawl_listener_open(&listener, rt, &here);
    if (status != 0) {
        fprintf(stderr, "chat: %s\n", strerror(-status));
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("chat on port %d\n", ntohs(any.sin_port));
    fflush(stdout);
    pawl_rt_run(rt);
    return pawl_rt_close(rt) == 0 ? 0 : 1;
}
