/* SPDX-License-Identifier: MIT */
/* The engine of a worker: waits for the kernel and says what has happened.
 *
 * Two of them, epoll and io_uring, behind one table of functions. The worker calls turn() and nothing else;
 * what happens in a turn runs on the worker's thread. notify() alone may be called from anywhere.
 *
 * Sources. What an engine serves begins with a `struct pawl_source`. The kernel is never given its address,
 * but a key: the number of its slot and the slot's generation. A slot that is given back gets a new
 * generation, so an event that was on its way for its former owner (the descriptor was closed, or reused,
 * or lives on in another process) finds nobody and is dropped.
 *
 *              63        32 31         4 3     0
 *             [ generation ][   slot    ][ verb ]          the key; the verb says which submission of io_uring
 */
#ifndef PAWL_RT_ENGINE_H
#define PAWL_RT_ENGINE_H

#include "message.h"

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pawl_engine;
struct pawl_op;
struct pawl_out;
struct pawl_stream;
struct pawl_listener_part;
struct pawl_chunk;
struct pawl_file_op;
struct pawl_dgram;

/* What a key's last bits say. epoll knows readiness alone. */
enum pawl_verb {
    PAWL_VERB_READY,   /* events of poll(2) */
    PAWL_VERB_RECEIVE, /* a multishot receive of a stream */
    PAWL_VERB_SEND,    /* a submitted send of a stream */
    PAWL_VERB_ACCEPT,  /* a multishot accept of a listener */
    PAWL_VERB_CANCEL,  /* the answer to a cancellation; nobody waits for it */
    PAWL_VERB_NOTIFY,  /* the engine's own eventfd */
    PAWL_VERB_FILE,    /* an operation on a file */
    PAWL_VERB_PACKET,  /* a multishot receive of datagrams */
    PAWL_VERB_ROOM,    /* a poll: datagrams may be sent again */
    PAWL_VERB_END, /* the answer to the cancellation of a stream's, listener's or datagram socket's submission */
    PAWL_VERB_ZERO,  /* a send without a copy */
    PAWL_VERB_CHILD, /* a wait for a child */
};

#define PAWL_NO_SLOT UINT32_C(0xfffffff)

/* The part of a watch, a stream, a listener that an engine knows. */
struct pawl_source {
    /* Readiness: EPOLLIN, EPOLLOUT, EPOLLHUP, ... On the owner's thread. */
    void (*ready)(struct pawl_source *source, uint32_t events);
    /* The runtime closes: end this source now, its operations with -ECANCELED. */
    void (*stop)(struct pawl_source *source);
    struct pawl_engine *engine; /* of the worker that owns it */
    int fd;
    uint32_t slot;   /* PAWL_NO_SLOT: not with an engine */
    uint32_t events; /* a watch: what it waits for; of a child: its number */
    /* io_uring: nothing is submitted for it. Its poll was refused for want of memory, and is submitted again after a while; or
     * it is a child, whose end has been told */
    bool unarmed;
    bool child; /* a watch: of a child, without a descriptor */
};

struct pawl_slot {
    struct pawl_source *source; /* NULL: free */
    uint32_t generation;
    uint32_t next; /* free: the next free one */
};

struct pawl_slots {
    struct pawl_slot *slots;
    uint32_t count, used;
    uint32_t free; /* the first free one; PAWL_NO_SLOT: none */
};

/* What a worker's engine and streams have done so far: the worker writes, with pawl_count_(), others may look. */
struct pawl_io_counts {
    PAWL_ATOMIC(uint64_t) syscalls, submissions;
    PAWL_ATOMIC(uint64_t) streams;                       /* alive at present */
    PAWL_ATOMIC(uint64_t) connections;                   /* streams that were */
    PAWL_ATOMIC(uint64_t) reads, received, writes, sent; /* the second and the fourth: bytes */
    PAWL_ATOMIC(uint64_t) starved; /* times a listener had to wait for descriptors or memory */
};

/* Slices from this size on may be sent without a copy: docs/stream.md has the figures. */
enum { PAWL_ZERO_LEAST_ = 32 << 10 };

/* How often streams try it: after one that was copied all the same, `pause` others do not. */
struct pawl_zero {
    uint32_t pause, passed;
};

/* What a worker's streams share, whatever the engine. */
struct pawl_io {
    struct pawl_slots slots;
    struct pawl_stream *dirty;  /* with something to send that was written outside of their own callbacks */
    struct pawl_chunk *reading; /* epoll: the chunk that the next read goes into */
    struct pawl_chunk *writing; /* the chunk that the next small write is copied into */
    struct pawl_chunk *giving;  /* layers: the chunk that the next bytes for a program are put into */
    struct pawl_chunk *spare;   /* chunks nobody uses */
    uint32_t spares;
    struct pawl_out *out_spare; /* pieces of out-queues nobody uses */
    uint32_t out_spares;
    struct pawl_op *ending; /* operations whose done() is due */
    struct pawl_op **ending_last;
    struct pawl_message ending_message;
    struct pawl_listener_part *starved; /* listeners that wait for descriptors or memory */
    struct pawl_zero zero;
    bool stopping; /* the runtime closes: what arrives now ends at once */
    struct pawl_io_counts counts;
};

struct pawl_engine {
    const struct pawl_engine_class *class;
    struct pawl_worker *worker;
    struct pawl_io io;
};

struct pawl_engine_class {
    const char *name;
    /* Closing a descriptor ends what was registered of it: a watch's need not be taken back before. (If somebody else has the
     * same open file, it stays, and its events find nobody.) */
    bool close_unwatches;
    /* A new one. Returns 0, -ENOSYS or -EPERM (this kernel, or who watches over it, forbids it), -ENOMEM,
     * -EMFILE, ... */
    int (*open)(struct pawl_engine **out, struct pawl_worker *worker);
    /* Gives it back. Nothing is registered any more: pawl_engine_idle_(). */
    void (*close)(struct pawl_engine *engine);
    /* Sends what is to be sent, waits until `deadline_ns` of CLOCK_MONOTONIC (0: does not wait, UINT64_MAX:
     * for ever) or for an event, and runs what has happened. Returns how many events, or a negative errno. */
    int (*turn)(struct pawl_engine *engine, uint64_t deadline_ns);
    /* Ends the present turn's wait, or the next one's. Any thread, signal handlers too. */
    void (*notify)(struct pawl_engine *engine);

    /* Edge-triggered readiness of source->fd for `events`; the source has a slot. */
    int (*watch)(struct pawl_engine *engine, struct pawl_source *source, uint32_t events);
    void (*unwatch)(struct pawl_engine *engine, struct pawl_source *source);

    /* A child, by its number in source->events; ready() hears EPOLLIN when it can be waited for, EPOLLHUP when
     * somebody else has its status, EPOLLERR when it is to be waited for in another way. Ends with unwatch().
     * Returns -ENOSYS: this kernel has no such thing, or there are too many. NULL: an engine that cannot. */
    int (*watch_child)(struct pawl_engine *engine, struct pawl_source *source);

    /* connect(2) was called: leads to pawl_stream_connected_() when it has ended. */
    int (*connecting)(struct pawl_engine *engine, struct pawl_stream *stream);
    /* A stream whose descriptor is connected arrives, and leaves. After detach() the engine may still hold
     * submissions: stream->inflight counts them, pawl_stream_landed_() is told of the last. */
    int (*attach)(struct pawl_engine *engine, struct pawl_stream *stream);
    void (*detach)(struct pawl_engine *engine, struct pawl_stream *stream);
    /* Reads what has come, or waits for more. At the top of a turn, not in a continuation. */
    void (*read_on)(struct pawl_engine *engine, struct pawl_stream *stream);
    /* Reading goes on, or stops. Anywhere; nothing of the stream's runs inside. */
    void (*receive)(struct pawl_engine *engine, struct pawl_stream *stream);
    void (*receive_stop)(struct pawl_engine *engine, struct pawl_stream *stream);
    /* A send(2) took not all: the rest is to follow when there is room. */
    void (*send_rest)(struct pawl_engine *engine, struct pawl_stream *stream);
    /* Begins to send the first pieces without a copy: true, and it follows as above; false: send(2) is to do it. NULL: an
     * engine that cannot. */
    bool (*send_zero)(struct pawl_engine *engine, struct pawl_stream *stream);
    /* What these have submitted is taken back, as far as it has not gone: the peer is not waited for. NULL: nothing is submitted. */
    void (*send_stop)(struct pawl_engine *engine, struct pawl_stream *stream);

    /* A listening socket of this worker; `shared`: other workers listen on the same one. */
    int (*listen)(struct pawl_engine *engine, struct pawl_listener_part *part, bool shared);
    void (*listen_stop)(struct pawl_engine *engine, struct pawl_listener_part *part);
    /* Accepting goes on after it had stopped for want of descriptors or memory. */
    void (*listen_again)(struct pawl_engine *engine, struct pawl_listener_part *part);

    /* Begins what file->call says: 0, and pawl_file_landed_() will be told; or a negative errno. */
    int (*file)(struct pawl_engine *engine, struct pawl_file_op *file);
    /* Ends it soon, if that is possible. */
    void (*file_cancel)(struct pawl_engine *engine, struct pawl_file_op *file);

    /* Datagrams, of an engine that receives by itself; NULL: by readiness. Receives; does so no more (of a dead one: nor
     * waits for room); says when there is room to send. */
    void (*packets)(struct pawl_engine *engine, struct pawl_dgram *dgram);
    void (*packets_stop)(struct pawl_engine *engine, struct pawl_dgram *dgram);
    void (*packets_room)(struct pawl_engine *engine, struct pawl_dgram *dgram);
};

extern const struct pawl_engine_class pawl_engine_epoll_;
extern const struct pawl_engine_class pawl_engine_uring_;

/* "epoll", "uring", "auto" or NULL (io_uring if this kernel lets us, else epoll). *why: in a few words, a constant. Returns
 * 0, -EINVAL (no such name), or what its open() says. */
int pawl_engine_open_(struct pawl_engine **out, struct pawl_worker *worker, const char *name,
                      const char **why);

/* Ends all sources of the engine: listeners first, then streams and watches, whose operations complete with
 * -ECANCELED. By the owner. Some of them end in later turns: turn until pawl_engine_idle_(). */
void pawl_engine_stop_(struct pawl_engine *engine);
bool pawl_engine_idle_(const struct pawl_engine *engine);

/* watch.c: stops a watch whose descriptor is nobody else's, and closes that. */
struct pawl_watch;
void pawl_watch_close_(struct pawl_watch *watch);
/* Starts one for a child, on an engine that has watch_child(): as pawl_watch_start(), or -ENOSYS. */
int pawl_watch_child_(struct pawl_watch *watch, int pid);

/* ---- for the engines ---- */

void pawl_io_init_(struct pawl_io *io);
void pawl_io_fini_(struct pawl_io *io);

/* A slot for the source: 0, or -ENOMEM. */
int pawl_slot_take_(struct pawl_engine *engine, struct pawl_source *source);
/* What is still under way for it is dropped from now on. */
void pawl_slot_give_(struct pawl_source *source);

static inline uint64_t pawl_slot_key_(const struct pawl_source *source, enum pawl_verb verb)
{
    const struct pawl_slot *slot = &source->engine->io.slots.slots[source->slot];

    return (uint64_t)slot->generation << 32 | source->slot << 4 | (uint32_t)verb;
}

static inline enum pawl_verb pawl_key_verb_(uint64_t key)
{
    return (enum pawl_verb)(key & 15);
}

/* Whose key that is; NULL: it has gone. */
static inline struct pawl_source *pawl_slot_find_(struct pawl_engine *engine, uint64_t key)
{
    uint32_t number = (uint32_t)key >> 4;
    const struct pawl_slot *slot;

    if (PAWL_UNLIKELY(number >= engine->io.slots.count))
        return NULL;
    slot = &engine->io.slots.slots[number];
    return PAWL_LIKELY(slot->generation == key >> 32) ? slot->source : NULL;
}

#endif
