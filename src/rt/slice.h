/* SPDX-License-Identifier: MIT */
/* The worker's buffers, and the out-queue of a stream.
 *
 * Chunks of 64 KiB. What is read goes into one behind the other: when a continuation kept nothing of a read,
 * the next read takes the same place, so that in an echo server all reads go through the same few lines. What
 * was kept stays, and the next read goes behind it. Small writes are copied into another chunk the same way.
 * A chunk is given back when nobody holds it, by whichever thread; on a worker it becomes a spare of that
 * worker. */
#ifndef PAWL_RT_SLICE_H
#define PAWL_RT_SLICE_H

#include <pawl/stream.h>

#include <sys/uio.h>

struct pawl_io;

enum {
    PAWL_CHUNK_BYTES_ = 65536,
    PAWL_CHUNK_HEAD_ = 32, /* so that the bytes are aligned to 16 */
    PAWL_CHUNK_ROOM_ = PAWL_CHUNK_BYTES_ - PAWL_CHUNK_HEAD_,
    PAWL_CHUNK_SPARES_ = 8,
    PAWL_READ_ROOM_ = 8192, /* a read gets at least so much room, or a new chunk */
    PAWL_OUT_SLICES_ = 14,  /* of one piece of the out-queue */
    PAWL_OUT_SPARES_ = 64,
    PAWL_OUT_IOVECS_ = 64, /* of one system call */
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_chunk) <= PAWL_CHUNK_HEAD_, "the bytes come behind it");

static inline char *pawl_chunk_bytes_(struct pawl_chunk *chunk)
{
    return (char *)chunk + PAWL_CHUNK_HEAD_;
}

/* The caller is the only holder: it may write over what is inside. */
static inline bool pawl_chunk_alone_(const struct pawl_chunk *chunk)
{
    /* acquire H: pairs with the release of pawl_slice_release(), so that what the last holder read was read */
    return pawl_load_acquire(&chunk->holds) == 1;
}

/* One holder less; the last gives it back. */
static inline void pawl_chunk_let_go_(struct pawl_chunk *chunk)
{
    /* The only holder need not count: nobody can come in between. Else release H: what this holder read is read before
     * somebody writes over it; acquire H: pairs with it, for the last one, who has it written over or freed. */
    if (pawl_chunk_alone_(chunk) || pawl_fetch_sub_acq_rel(&chunk->holds, 1) == 1) {
        if (chunk->release != NULL)
            chunk->release(chunk);
    }
}

/* An empty chunk, held once; NULL: no memory. */
struct pawl_chunk *pawl_chunk_take_(struct pawl_io *io);
void pawl_chunks_fini_(struct pawl_io *io);

/* Room to read into, in io->reading behind chunk->used: at least PAWL_READ_ROOM_. NULL: no memory. */
struct pawl_chunk *pawl_read_room_(struct pawl_io *io);
/* The same with at least `least` bytes, PAWL_CHUNK_ROOM_ at most. */
struct pawl_chunk *pawl_read_room_least_(struct pawl_io *io, uint32_t least);
/* The same for what a layer gives, in io->giving: at least `least` bytes. */
struct pawl_chunk *pawl_give_room_(struct pawl_io *io, uint32_t least);
/* `count` bytes were read there and lent; what was kept stays. */
void pawl_read_done_(struct pawl_chunk *chunk, size_t count);

/* ---- the out-queue ---- */

struct pawl_out {
    struct pawl_out *next;
    uint32_t first, end; /* slices[first .. end) wait */
    struct pawl_slice slices[PAWL_OUT_SLICES_];
};

struct pawl_outs {
    struct pawl_out *first, *last;
    uint64_t bytes;
};

/* Append; the slice is held, the bytes are copied. 0 or -ENOMEM, and nothing is appended. */
int pawl_outs_append_(struct pawl_io *io, struct pawl_outs *outs, const struct pawl_slice *slice);
int pawl_outs_copy_(struct pawl_io *io, struct pawl_outs *outs, const char *bytes, size_t count);

/* A slice with a copy of the bytes, held once by the caller. 0 or -ENOMEM. */
int pawl_slice_copy_(struct pawl_io *io, const void *bytes, size_t count, struct pawl_slice *slice);

/* Where the first bytes are, at most `n` pieces. Returns how many. */
int pawl_outs_iovecs_(const struct pawl_outs *outs, struct iovec *iovecs, int n);

/* So many bytes were sent. */
void pawl_outs_drop_(struct pawl_io *io, struct pawl_outs *outs, uint64_t count);

#endif
