/* SPDX-License-Identifier: MIT */
/* Layers: what stands between a stream's socket and its continuations, such as TLS.
 *
 * Purpose    For who writes a layer: encryption, compression, framing. Who uses one names it in `layer` of the stream's
 *            configuration and calls what <pawl/stream.h> has, as without. <pawl/tls.h> is one.
 * Model      "Down" is towards the socket, "up" towards the program. A layer turns what was received into what the
 *            program is told, and what the program writes into what is sent:
 *
 *              pawl_stream_write, send --> what waits above -- encode() --> pawl_layer_put() --> out-queue --> socket
 *              received, ended, opened <-- pawl_layer_give(), end(), opened() -- received(), ended() <-- socket
 *
 *            Until pawl_layer_opened() the stream is greeting: it reads, whatever the program or the out-queue say; what
 *            the program writes waits above; closing ends it with -ECANCELED. A stream whose greeting fails is only closed.
 *            encode() is called when a continuation has returned, so that many small writes become one
 *            record, and no more than PAWL_LAYER_AHEAD bytes ahead of the socket, so that slices wait as
 *            they are, not as copies.
 * Ends       When the program shuts its side or closes and nothing waits above, finish() says goodbye. What the peer says in
 *            its place is told by pawl_layer_end().
 * Threads    All of it runs on the stream's worker, between continuations or inside of them.
 * Cost       A stream without a layer: nothing, its tests go with others in one word. With one: what it does itself.
 */
#ifndef PAWL_LAYER_H
#define PAWL_LAYER_H

#include <pawl/config.h>
#include <pawl/stream.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

PAWL_BEGIN_DECLS

struct pawl_layered;

enum { PAWL_LAYER_AHEAD = 256 << 10 };

/* A kind of layer, with its settings: what a pawl_stream_config names. */
struct pawl_layer {
    /* A stream begins: memory that begins with a struct pawl_layered, zeroed, or NULL: there is none. */
    struct pawl_layered *(*attach)(const struct pawl_layer *layer);
    /* The stream is connected. May pawl_layer_put(), pawl_layer_opened(), and fail. */
    void (*start)(struct pawl_layered *layered);
    /* These bytes have come; lent, as to programs. Turns them into pawl_layer_give(), as long as pawl_layer_reads(),
     * and keeps the rest. */
    void (*received)(struct pawl_layered *layered, const struct pawl_slice *slice);
    /* The program reads again, perhaps: goes on with what was kept. */
    void (*resumed)(struct pawl_layered *layered);
    /* The socket brings no more. */
    void (*ended)(struct pawl_layered *layered);
    /* Something waits above: takes it by pawl_layer_peek() and pawl_layer_take(), puts what is to be sent, and stops when
     * pawl_layer_ahead(). */
    void (*encode)(struct pawl_layered *layered);
    /* The program writes no more, and nothing waits above: puts what is to be said last. */
    void (*finish)(struct pawl_layered *layered);
    /* The stream is gone: gives the memory back. */
    void (*detach)(struct pawl_layered *layered);
};

/* A layer's part of a stream; the runtime fills it. */
struct pawl_layered {
    const struct pawl_layer *layer;
    struct pawl_stream *stream;
    void *above[3];   /* what the program wrote and encode() has not taken: a struct pawl_outs */
    uint64_t taken;   /* bytes that encode() has taken so far */
    bool finished;    /* finish() was called */
    bool pause_after; /* the program paused it while it was greeting */
};

/* The layer's part of a stream, if it has that kind of layer (that attach()); else NULL. */
PAWL_API struct pawl_layered *pawl_layer_of(const struct pawl_stream *stream,
                                            struct pawl_layered *(*attach)(const struct pawl_layer *layer))
    PAWL_NONNULL;

/* ---- up ---- */

/* It has greeted: the program's opened() is called, and what waits above is encoded from now on. */
PAWL_API void pawl_layer_opened(struct pawl_layered *layered) PAWL_NONNULL;

/* Does the program want bytes now? (The layer itself reads all the time while it greets.) */
PAWL_API bool pawl_layer_reads(const struct pawl_layered *layered) PAWL_NONNULL;

/* Room for what is given up next: at least `least` bytes, at most 32 KiB, *count of them. NULL: no memory. The worker's,
 * until pawl_layer_give() or the continuation's end. */
PAWL_API char *pawl_layer_room(struct pawl_layered *layered, size_t least, size_t *count) PAWL_NONNULL;

/* So many bytes of that room are the program's: its received() is called. */
PAWL_API void pawl_layer_give(struct pawl_layered *layered, size_t count) PAWL_NONNULL;

/* The peer sends no more: the program's ended() is called. */
PAWL_API void pawl_layer_end(struct pawl_layered *layered) PAWL_NONNULL;

/* ---- down ---- */

/* The first pieces that wait above, at most `n` of them. Returns how many. */
PAWL_API int pawl_layer_peek(const struct pawl_layered *layered, struct iovec *pieces, int n) PAWL_NONNULL;
PAWL_API void pawl_layer_take(struct pawl_layered *layered, uint64_t count) PAWL_NONNULL;

/* Are PAWL_LAYER_AHEAD bytes in the out-queue? */
PAWL_API bool pawl_layer_ahead(const struct pawl_layered *layered) PAWL_NONNULL;

/* Copies the bytes into the out-queue. Returns 0, -ENOMEM, -EPIPE (it has ended). */
PAWL_API int pawl_layer_put(struct pawl_layered *layered, const void *bytes, size_t count) PAWL_NONNULL;

/* The stream ends at once with this reason; what is in the out-queue is sent as far as the socket takes it. */
PAWL_API void pawl_layer_fail(struct pawl_layered *layered, int reason) PAWL_NONNULL;

PAWL_END_DECLS
#endif
