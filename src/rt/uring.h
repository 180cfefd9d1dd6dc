/* SPDX-License-Identifier: MIT */
/* The io_uring engine inside. */
#ifndef PAWL_RT_URING_H
#define PAWL_RT_URING_H

#include "engine.h"
#include "listener.h"
#include "slice.h"
#include "stream.h"

#include <liburing.h>

enum {
    URING_ENTRIES = 256,
    URING_COMPLETIONS = 4096,
    URING_BUFFERS = 64, /* a power of two */
    URING_BUFFER_BYTES = 8192 - PAWL_CHUNK_HEAD_,
    URING_GROUP = 0,
    URING_BATCH = 256,   /* completions of a turn */
    URING_IOVECS = 16,   /* of a submitted send */
    URING_TOUCHED = 384, /* bytes of a stream and its context that are asked for ahead */
};

struct uring_engine {
    struct pawl_engine engine;
    struct io_uring ring;
    int wake_fd;
    bool ring_ready, waking; /* the eventfd is being polled */
    bool unarmed;            /* there may be sources whose poll was refused, the eventfd too: */
    uint64_t arm_at;         /* they are polled again when this has passed; ns */
    struct io_uring_buf_ring *buffers;
    struct pawl_chunk *chunk[URING_BUFFERS]; /* of each buffer id; NULL: there was no memory for one */
    uint32_t lacking;                        /* how many are NULL */
    uint32_t added;                          /* buffers given back, and not made known yet */
    uint32_t children;                       /* that it waits for */
    enum {
        URING_MAY_WAIT, /* nobody has asked yet */
        URING_WAITS,    /* the kernel waits for children */
        URING_WAITS_NOT,
    } waits;
};

static inline struct uring_engine *uring_of_(struct pawl_engine *engine)
{
    return (struct uring_engine *)(void *)engine;
}

/* An entry of the submission queue: there always is one, for a full queue is submitted. */
struct io_uring_sqe *pawl_uring_sqe_(struct uring_engine *self);

/* What a stream needs now and then: a send that is submitted, and what came while reading was paused. */
struct uring_extra {
    struct msghdr message;
    struct iovec iovecs[URING_IOVECS];
    struct pawl_outs kept;
    struct pawl_source *zero; /* a send without a copy whose result has not come; NULL: none */
};

/* NULL: no memory. */
struct uring_extra *pawl_uring_extra_(struct pawl_stream *stream);

/* ---- uring_buffer.c: what the kernel receives into ---- */

int pawl_uring_buffers_open_(struct uring_engine *self);
void pawl_uring_buffers_close_(struct uring_engine *self);
/* The buffer was lent: back into the ring, or another one in its place if it was kept. */
void pawl_uring_buffer_back_(struct uring_engine *self, uint32_t id);
/* Makes known what was given back, and finds memory for those that lack it. */
void pawl_uring_buffers_flush_(struct uring_engine *self);

/* ---- uring_child.c ---- */

int pawl_uring_watch_child_(struct pawl_engine *engine, struct pawl_source *source);
void pawl_uring_unwatch_child_(struct uring_engine *self, struct pawl_source *source);
void pawl_uring_child_came_(struct pawl_source *source, int result);

/* ---- uring_dgram.c ---- */

void pawl_uring_packet_came_(struct uring_engine *self, struct pawl_source *source,
                             const struct io_uring_cqe *cqe);
void pawl_uring_room_came_(struct pawl_source *source);

/* ---- uring_zero.c ---- */

bool pawl_uring_send_zero_(struct pawl_engine *engine, struct pawl_stream *stream);
void pawl_uring_zero_came_(struct pawl_source *source, const struct io_uring_cqe *cqe);
/* The stream ends, whatever is still to be sent: the kernel is to look at the memory no more. */
void pawl_uring_zero_cut_(struct pawl_stream *stream);

/* ---- uring_stream.c ---- */

void pawl_uring_received_(struct uring_engine *self, struct pawl_stream *stream,
                          const struct io_uring_cqe *cqe);
void pawl_uring_sent_(struct pawl_stream *stream, int result);
/* A cancellation found nothing. */
void pawl_uring_missed_(struct pawl_source *source);
void pawl_uring_connected_(struct pawl_stream *stream, int result);
/* A poll was refused for want of memory, which passes: true, and it will be submitted again. */
bool pawl_uring_unarmed_(struct pawl_source *source, int result);
void pawl_uring_accepted_(struct pawl_listener_part *part, const struct io_uring_cqe *cqe);

int pawl_uring_connecting_(struct pawl_engine *engine, struct pawl_stream *stream);
int pawl_uring_attach_(struct pawl_engine *engine, struct pawl_stream *stream);
void pawl_uring_detach_(struct pawl_engine *engine, struct pawl_stream *stream);
void pawl_uring_read_on_(struct pawl_engine *engine, struct pawl_stream *stream);
void pawl_uring_receive_(struct pawl_engine *engine, struct pawl_stream *stream);
void pawl_uring_receive_stop_(struct pawl_engine *engine, struct pawl_stream *stream);
void pawl_uring_send_rest_(struct pawl_engine *engine, struct pawl_stream *stream);
void pawl_uring_send_stop_(struct pawl_engine *engine, struct pawl_stream *stream);
int pawl_uring_listen_(struct pawl_engine *engine, struct pawl_listener_part *part, bool shared);
void pawl_uring_listen_stop_(struct pawl_engine *engine, struct pawl_listener_part *part);
void pawl_uring_listen_again_(struct pawl_engine *engine, struct pawl_listener_part *part);

#endif
