/* SPDX-License-Identifier: MIT */
/* A stream inside. The contract is in <pawl/stream.h>.
 *
 * What happens to a stream, whichever engine told of it, goes through four functions of stream.c: received,
 * ended, failed, room to send. Around each continuation stand pawl_stream_enter_ and pawl_stream_leave_;
 * leave sends what the continuation has written.
 *
 * The end. die() takes the stream from the engine, closes the descriptor (if nothing is submitted that has its number; else
 * the last answer does) and completes its operations. What then still holds the memory is counted: `inflight`, the
 * submissions that the kernel has not answered, and the bits STREAM_LATER (its message is in the worker's queue),
 * STREAM_DIRTY (it is in the list of those with something to send), and the depth of continuations on the stack. The
 * message that die() sends, or the last answer if that comes later, calls closed() and frees.
 */
#ifndef PAWL_RT_STREAM_H
#define PAWL_RT_STREAM_H

#include "engine.h"
#include "slice.h"
#include "worker.h"

#include <pawl/layer.h>
#include <pawl/stream.h>
#include <pawl/timer.h>

enum {
    STREAM_CONNECTING = 1 << 0, /* connect(2) is under way */
    STREAM_OPENED = 1 << 1,     /* opened() was called */
    STREAM_PAUSED = 1 << 2,     /* by the program */
    STREAM_CHOKED = 1 << 3,     /* reading stopped because of the out-queue */
    STREAM_ABOVE = 1 << 4,      /* the out-queue was above the high mark: drained() is due */
    STREAM_BLOCKED = 1 << 5,    /* the socket takes no more: the engine tells when it does */
    STREAM_ENDED = 1 << 6,      /* the peer sends no more, and the program knows */
    STREAM_SHUTTING = 1 << 7,   /* half-close when the queue is empty */
    STREAM_SHUT = 1 << 8,       /* the peer was told */
    STREAM_CLOSING = 1 << 9,    /* close when the queue is empty */
    STREAM_DEAD = 1 << 10,      /* it is over; waiting for what is under way */
    STREAM_LATER = 1 << 11,     /* `later` is in the worker's queue */
    STREAM_DIRTY = 1 << 12,     /* in io->dirty */
    STREAM_MOVING = 1 << 13,    /* on its way to another worker */
    STREAM_UNIX = 1 << 14,      /* no TCP options */
    STREAM_READABLE = 1 << 15,  /* epoll: there was an edge, and no EAGAIN since */
    STREAM_HANGUP = 1 << 16, /* epoll: more stands behind a short read: a FIN, what follows an urgent byte */
    STREAM_ATTACHED = 1 << 17,    /* epoll: registered */
    STREAM_RECEIVING = 1 << 18,   /* io_uring: a multishot receive is armed */
    STREAM_SENDING = 1 << 19,     /* io_uring: a send is submitted */
    STREAM_STOPPING = 1 << 20,    /* io_uring: the receive is being cancelled */
    STREAM_POLLING = 1 << 21,     /* io_uring: a poll for the connection is armed */
    STREAM_LATE_END = 1 << 22,    /* io_uring: the end came while reading was paused */
    STREAM_STARVED = 1 << 23,     /* reading waits for memory */
    STREAM_PLAIN = 1 << 24,       /* no socket: a pipe, a terminal, ...; see stream_plain.c */
    STREAM_BY_FILE = 1 << 25,     /* and not one to wait for either: a regular file; see stream_by_file.c */
    STREAM_FILING = 1 << 26,      /* a file is being sent: stream_file.c */
    STREAM_WATCHED_OUT = 1 << 27, /* epoll: a UNIX socket, of which writability is watched too */
    STREAM_LAYERED = 1 << 28,     /* stream->layered is there */
    STREAM_GREETING = 1 << 29,    /* its layer has not called pawl_layer_opened() */
    STREAM_FLUSHED = 1 << 30,     /* an operation has waited for a flush: it ends before closed() */
};

/* Marks of the out-queue, if the program names none. */
enum { PAWL_STREAM_HIGH_ = 256 << 10, PAWL_STREAM_LOW_ = 64 << 10 };

struct pawl_stream {
    /* every request: two lines, if they begin one */
    struct pawl_source source;
    const struct pawl_stream_config *config;
    uint32_t state;
    uint16_t depth;    /* continuations of it on the stack */
    uint16_t inflight; /* submissions of io_uring without an answer */
    struct pawl_outs outs;
    uint64_t read_at, write_at; /* the turn in which something was received, sent; ns */
    uint64_t sent;              /* bytes since it began: flush operations wait for a value of it */
    struct pawl_op *flushes;    /* in the order of what they wait for */
    bool bytes_only; /* epoll: nobody can send descriptors to it, so a plain recv(2) sees all there is */
    /* now and then */
    struct pawl_stream *next_dirty;
    struct pawl_message later;
    struct pawl_timer timer;
    void *extra;     /* io_uring: the message of the submitted send; pieces received while paused */
    int reason;      /* why it ended */
    uint32_t target; /* moving: the worker */
    struct pawl_layered *layered; /* NULL: none */
    /* io_uring, sends without a copy: how many the kernel still reads from; whether the path copies all the same; whether it
     * is known not to */
    uint16_t zeroing;
    bool copies, gathers;
    bool holds_signal; /* a pipe: writes hold SIGPIPE back, as the kernel has no flag for it */
    /* A pipe: whether it is one; what is thought of its last read, which was short (stream_plain.c): enum pawl_doubt; how many
     * such reads there were; how many are not to be trusted, because one was not the last. */
    bool pipe;
    uint8_t doubt, shorts, distrust;
} __attribute__((aligned(16)));

PAWL_STATIC_ASSERT(sizeof(struct pawl_stream) <= 256, "as the header says");
PAWL_STATIC_ASSERT(offsetof(struct pawl_stream, bytes_only) < (size_t)2 * PAWL_CACHELINE, "as it is drawn");

static inline struct pawl_stream *pawl_stream_of_(struct pawl_source *source)
{
    return (struct pawl_stream *)(void *)source; /* the first member */
}

/* The functions for streams that are no sockets, whatever the engine. */
extern const struct pawl_engine_class pawl_plain_, pawl_by_file_;

/* Who reads and writes for it. */
static inline const struct pawl_engine_class *pawl_stream_class_(const struct pawl_stream *stream)
{
    if (PAWL_UNLIKELY((stream->state & STREAM_PLAIN) != 0))
        return (stream->state & STREAM_BY_FILE) != 0 ? &pawl_by_file_ : &pawl_plain_;
    return stream->source.engine->class;
}

/* May bytes be given to the program? */
static inline bool pawl_stream_reads_(const struct pawl_stream *stream)
{
    return (stream->state & (STREAM_OPENED | STREAM_PAUSED | STREAM_CHOKED | STREAM_ENDED | STREAM_CLOSING |
                             STREAM_DEAD | STREAM_MOVING)) == STREAM_OPENED;
}

/* A stream that is not connected yet, in a slot. NULL with *status. Engine: the present worker's. */
struct pawl_stream *pawl_stream_new_(struct pawl_engine *engine, const struct pawl_stream_config *config,
                                     int fd, bool unix_socket, int *status);

struct pawl_listener;

/* Of a listener: a connected descriptor, which is closed if there is no memory. 0, or a negative errno. */
int pawl_stream_accepted_(struct pawl_engine *engine, const struct pawl_listener *listener, int fd);

/* ---- what engines tell ---- */

static inline void pawl_stream_enter_(struct pawl_stream *stream)
{
    stream->depth++;
}

/* Sends what was written, and does what was asked for meanwhile. */
void pawl_stream_leave_(struct pawl_stream *stream);

/* Between enter and leave: */
void pawl_stream_received_(struct pawl_stream *stream, const struct pawl_slice *slice);
void pawl_stream_ended_(struct pawl_stream *stream);
/* Without asking a layer. */
void pawl_stream_end_(struct pawl_stream *stream);
/* It broke: closed() will be told why. */
void pawl_stream_failed_(struct pawl_stream *stream, int reason);
/* connect(2) has ended, and SO_ERROR says how. */
void pawl_stream_connected_(struct pawl_stream *stream);
/* There is room to send again. */
void pawl_stream_writable_(struct pawl_stream *stream);
/* io_uring: so many bytes of the queue were sent. */
void pawl_stream_sent_(struct pawl_stream *stream, uint64_t count);
/* io_uring: an answer came; `inflight` was lowered. The stream may be gone afterwards. */
void pawl_stream_landed_(struct pawl_stream *stream);

/* What it is then; also when it has arrived at another worker. */
void pawl_stream_run_later_(struct pawl_message *message, struct pawl_worker *worker);
bool pawl_source_is_stream_(const struct pawl_source *source);

/* Runs the stream in the next turn: reading goes on, or it ends. */
void pawl_stream_later_(struct pawl_stream *stream);

/* Sends what all those have that were written to outside of their continuations. Returns whether there were any: then
 * continuations may have run, and the worker must look at its own queues before it waits. */
bool pawl_stream_flush_dirty_(struct pawl_engine *engine);

/* ---- between the files of streams ---- */

/* stream_send.c: into the out-queue, whether or not there is a layer. */
int pawl_stream_put_(struct pawl_stream *stream, const void *bytes, size_t count);
/* as much as the socket takes. */
void pawl_stream_flush_(struct pawl_stream *stream);
void pawl_stream_flushed_(struct pawl_stream *stream);
void pawl_stream_fail_flushes_(struct pawl_stream *stream, int reason);
/* stream.c: it is out of the list of those with something to send. */
void pawl_stream_run_dirty_(struct pawl_stream *stream);
/* stream.c: reading goes on, if the program reads: with what a layer keeps first. */
void pawl_stream_receive_(struct pawl_stream *stream);
/* stream_move.c: nothing is under way, it goes. */
void pawl_stream_move_on_(struct pawl_stream *stream);
/* uring_stream.c: gives back stream->extra. */
void pawl_uring_forget_(struct pawl_stream *stream);
/* stream_time.c */
void pawl_stream_time_start_(struct pawl_stream *stream);
void pawl_stream_time_stop_(struct pawl_stream *stream);

/* ---- layers: layer.c. Of streams with STREAM_LAYERED ---- */

PAWL_STATIC_ASSERT(sizeof(struct pawl_outs) <= sizeof(((struct pawl_layered *)NULL)->above),
                   "it holds a queue");

static inline struct pawl_outs *pawl_stream_above_(const struct pawl_stream *stream)
{
    return (struct pawl_outs *)(void *)stream->layered->above;
}

/* Bytes that the program has written and the kernel has not: those above a layer too. */
static inline uint64_t pawl_stream_waiting_(const struct pawl_stream *stream)
{
    return stream->outs.bytes +
           (PAWL_UNLIKELY((stream->state & STREAM_LAYERED) != 0) ? pawl_stream_above_(stream)->bytes : 0);
}

/* The stream's configuration names a layer: 0, or -ENOMEM. */
int pawl_layer_attach_(struct pawl_stream *stream);
void pawl_layer_detach_(struct pawl_stream *stream);
/* Puts what waits above into the out-queue, as far as it may, and what is to be said at the end. */
void pawl_layer_encode_(struct pawl_stream *stream);
/* Would encoding go on if the out-queue were empty? */
bool pawl_layer_more_(const struct pawl_stream *stream);
/* flush() of a stream with something above; an operation of these has this flag while it waits for bytes that are there. */
enum { PAWL_FLUSH_ABOVE_ = 1 << 16 };
void pawl_layer_flush_(struct pawl_stream *stream, struct pawl_op *op);

/* op.c. The worker's queue has come to the operations that end. */
void pawl_ops_end_(struct pawl_message *message, struct pawl_worker *worker);
/* Begins it: 0, or -EBUSY: it is pending already. */
int pawl_op_begin_(struct pawl_op *op, struct pawl_engine *engine, void *target,
                   void (*withdraw)(struct pawl_op *op));
/* op->flags, and those of a flush. */
enum {
    PAWL_OP_ASKS_ = 1 << 8,      /* withdraw() only asks: it completes when what it waits for has let go */
    PAWL_OP_CANCELLED_ = 1 << 9, /* asked by pawl_op_cancel() */
    PAWL_OP_LATE_ = 1 << 10,     /* its deadline has passed */
};
/* For those that only ask: the result, when the answer is `result`. */
int64_t pawl_op_verdict_(const struct pawl_op *op, int64_t result);
/* Completes it now: from events, never from a function of the program. It may be gone afterwards. */
void pawl_op_complete_(struct pawl_op *op, int64_t result);
/* Completes it in the next turn. */
void pawl_op_complete_later_(struct pawl_op *op, int64_t result);

#endif
