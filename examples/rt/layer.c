/* SPDX-License-Identifier: MIT */
/* A layer of one's own: an echo server that speaks ROT13, and whose program does not know: layer [PORT]. */
#include <pawl/layer.h>
#include <pawl/rt.h>

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rot {
    struct pawl_layered layered; /* first */
    char *kept;                  /* has come, and the program has not had it */
    size_t count;
    bool over; /* nothing comes any more */
};

static void turn(char *to, const char *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char letter = (char)(from[i] | 0x20);
        const int by = letter < 'a' || letter > 'z' ? 0 : letter <= 'm' ? 13 : -13;

        to[i] = (char)(from[i] + by);
    }
}

/* Up, as long as the program reads; then the end. */
static void give(struct pawl_layered *layered)
{
    struct rot *self = (struct rot *)layered;

    while (self->count != 0 && pawl_layer_reads(layered)) {
        size_t count;
        char *room = pawl_layer_room(layered, 1, &count);

        if (room == NULL) {
            pawl_layer_fail(layered, -ENOMEM);
            return;
        }
        count = count < self->count ? count : self->count;
        turn(room, self->kept, count);
        self->count -= count;
        memmove(self->kept, self->kept + count, self->count);
        pawl_layer_give(layered, count); /* calls the program: last */
    }
    if (self->over && self->count == 0)
        pawl_layer_end(layered);
}

static void received(struct pawl_layered *layered, const struct pawl_slice *slice)
{
    struct rot *self = (struct rot *)layered;
    char *kept = realloc(self->kept, self->count + slice->count);

    if (kept == NULL) {
        pawl_layer_fail(layered, -ENOMEM);
        return;
    }
    self->kept = kept;
    memcpy(kept + self->count, slice->bytes, slice->count);
    self->count += slice->count;
    give(layered);
}

static void ended(struct pawl_layered *layered)
{
    ((struct rot *)layered)->over = true;
    give(layered);
}

/* Down, until enough is in the out-queue. */
static void encode(struct pawl_layered *layered)
{
    char turned[4096];
    struct iovec piece;

    while (!pawl_layer_ahead(layered) && pawl_layer_peek(layered, &piece, 1) == 1) {
        size_t count = piece.iov_len < sizeof turned ? piece.iov_len : sizeof turned;

        turn(turned, piece.iov_base, count);
        if (pawl_layer_put(layered, turned, count) != 0) {
            pawl_layer_fail(layered, -ENOMEM);
            return;
        }
        pawl_layer_take(layered, count);
    }
}

static void say_no_goodbye(struct pawl_layered *layered)
{
    (void)layered;
}

static struct pawl_layered *attach(const struct pawl_layer *layer)
{
    (void)layer;
    return calloc(1, sizeof(struct rot));
}

static void detach(struct pawl_layered *layered)
{
    free(((struct rot *)layered)->kept);
    free(layered);
}

static const struct pawl_layer rot13 = {
    .attach = attach,
    .start = pawl_layer_opened, /* without a greeting */
    .received = received,
    .resumed = give,
    .ended = ended,
    .encode = encode,
    .finish = say_no_goodbye,
    .detach = detach,
};

/* ---- the program ---- */

static struct pawl_rt *rt;

static void heard(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    int status = write(STDOUT_FILENO, slice->bytes, slice->count) < 0 ? -errno
                                                                      : pawl_stream_send(stream, slice);

    if (status != 0)
        pawl_stream_abort(stream, status);
}

static void stop(int signal)
{
    (void)signal;
    pawl_rt_stop(rt);
}

int main(int argc, char **argv)
{
    static const struct pawl_stream_config echo = {.received = heard, .layer = &rot13};
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_port = htons(argc > 1 ? (in_port_t)atoi(argv[1]) : 7007)};
    const struct pawl_listener_config here = {.address = (const struct sockaddr *)&any,
                                              .address_bytes = sizeof any,
                                              .stream = &echo};
    struct pawl_listener *listener;

    if (pawl_rt_open(&rt, NULL) != 0 || pawl_listener_open(&listener, rt, &here) != 0)
        return 1;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        return 1;
    pawl_rt_run(rt);
    return pawl_rt_close(rt) == 0 ? 0 : 1;
}
