/* SPDX-License-Identifier: MIT */
/* Chunks, and the out-queue. */
#include "slice.h"

#include "engine.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern inline void pawl_slice_hold(const struct pawl_slice *slice);
extern inline void pawl_chunk_init(struct pawl_chunk *chunk, void (*release)(struct pawl_chunk *chunk));

/* ---- chunks ---- */

/* The last holder of one of the runtime's chunks lets go: it becomes a spare of the worker it is on. */
static void release_chunk(struct pawl_chunk *chunk)
{
    struct pawl_worker *worker = pawl_worker_here_();
    struct pawl_io *io;

    if (worker != NULL && worker->engine != NULL && worker->engine->io.spares < PAWL_CHUNK_SPARES_) {
        io = &worker->engine->io;
        chunk->next = io->spare;
        io->spare = chunk;
        io->spares++;
        return;
    }
    free(chunk);
}

struct pawl_chunk *pawl_chunk_take_(struct pawl_io *io)
{
    struct pawl_chunk *chunk = io->spare;

    if (chunk != NULL) {
        io->spare = chunk->next;
        io->spares--;
    } else {
        chunk = malloc(PAWL_CHUNK_BYTES_);
        if (chunk == NULL)
            return NULL;
    }
    pawl_chunk_init(chunk, release_chunk);
    return chunk;
}

void pawl_slice_release(const struct pawl_slice *slice)
{
    if (slice->chunk != NULL)
        pawl_chunk_let_go_(slice->chunk);
}

void pawl_chunks_fini_(struct pawl_io *io)
{
    struct pawl_chunk *chunk;
    struct pawl_out *out;

    if (io->reading != NULL)
        pawl_chunk_let_go_(io->reading);
    if (io->writing != NULL)
        pawl_chunk_let_go_(io->writing);
    if (io->giving != NULL)
        pawl_chunk_let_go_(io->giving);
    io->reading = io->writing = io->giving = NULL;
    while ((chunk = io->spare) != NULL) {
        io->spare = chunk->next;
        free(chunk);
    }
    io->spares = PAWL_CHUNK_SPARES_; /* what is given back from now on is freed */
    while ((out = io->out_spare) != NULL) {
        io->out_spare = out->next;
        free(out);
    }
}

/* A chunk of `*place` with so much room behind what is used. */
static struct pawl_chunk *room(struct pawl_io *io, struct pawl_chunk **place, uint32_t least)
{
    struct pawl_chunk *chunk = *place;

    if (PAWL_LIKELY(chunk != NULL)) {
        if (chunk->used != 0 && pawl_chunk_alone_(chunk))
            chunk->used = 0; /* all of it was let go */
        if (PAWL_CHUNK_ROOM_ - chunk->used >= least)
            return chunk;
    }
    chunk = pawl_chunk_take_(io);
    if (chunk == NULL)
        return NULL;
    if (*place != NULL)
        pawl_chunk_let_go_(*place);
    *place = chunk;
    return chunk;
}

struct pawl_chunk *pawl_read_room_(struct pawl_io *io)
{
    return room(io, &io->reading, PAWL_READ_ROOM_);
}

struct pawl_chunk *pawl_read_room_least_(struct pawl_io *io, uint32_t least)
{
    return room(io, &io->reading, least);
}

struct pawl_chunk *pawl_give_room_(struct pawl_io *io, uint32_t least)
{
    return room(io, &io->giving, least);
}

void pawl_read_done_(struct pawl_chunk *chunk, size_t count)
{
    if (!pawl_chunk_alone_(chunk))
        chunk->used += (uint32_t)(count + 15) &
                       ~UINT32_C(15); /* what programs put there may want alignment */
}

/* ---- the out-queue ---- */

/* A place behind the last slice; NULL: no memory. */
static struct pawl_slice *append(struct pawl_io *io, struct pawl_outs *outs)
{
    struct pawl_out *out = outs->last;

    if (out != NULL && out->end < PAWL_OUT_SLICES_)
        return &out->slices[out->end++];
    out = io->out_spare;
    if (out != NULL) {
        io->out_spare = out->next;
        io->out_spares--;
    } else {
        out = malloc(sizeof *out);
        if (out == NULL)
            return NULL;
    }
    out->next = NULL;
    out->first = 0;
    out->end = 1;
    if (outs->last != NULL)
        outs->last->next = out;
    else
        outs->first = out;
    outs->last = out;
    return &out->slices[0];
}

int pawl_outs_append_(struct pawl_io *io, struct pawl_outs *outs, const struct pawl_slice *slice)
{
    struct pawl_slice *place;

    if (slice->count == 0)
        return 0;
    place = append(io, outs);
    if (place == NULL)
        return -ENOMEM;
    *place = *slice;
    pawl_slice_hold(slice);
    outs->bytes += slice->count;
    return 0;
}

/* Bytes that fit into what a chunk has left. */
static int copy_piece(struct pawl_io *io, struct pawl_outs *outs, struct pawl_chunk *chunk, const char *bytes,
                      size_t count)
{
    char *to = pawl_chunk_bytes_(chunk) + chunk->used;
    struct pawl_out *out = outs->last;
    struct pawl_slice slice = {.bytes = to, .count = count, .chunk = chunk};
    struct pawl_slice *last = out != NULL ? &out->slices[out->end - 1] : NULL;
    int status;

    if (last != NULL && last->chunk == chunk && last->bytes + last->count == to) {
        last->count += count; /* right behind the write before: one piece */
        outs->bytes += count;
    } else {
        status = pawl_outs_append_(io, outs, &slice);
        if (status != 0)
            return status;
    }
    memcpy(to, bytes, count);
    chunk->used += (uint32_t)count;
    return 0;
}

static void free_block(struct pawl_chunk *chunk)
{
    free(chunk);
}

/* More than a chunk has: memory of its own. */
static int copy_large(const char *bytes, size_t count, struct pawl_slice *slice)
{
    struct pawl_chunk *chunk;

    if (count > SIZE_MAX - PAWL_CHUNK_HEAD_)
        return -ENOMEM;
    chunk = malloc(PAWL_CHUNK_HEAD_ + count);
    if (chunk == NULL)
        return -ENOMEM;
    pawl_chunk_init(chunk, free_block);
    memcpy(pawl_chunk_bytes_(chunk), bytes, count);
    *slice = (struct pawl_slice){.bytes = pawl_chunk_bytes_(chunk), .count = count, .chunk = chunk};
    return 0;
}

int pawl_slice_copy_(struct pawl_io *io, const void *bytes, size_t count, struct pawl_slice *slice)
{
    struct pawl_chunk *chunk;

    if (count > PAWL_CHUNK_ROOM_ / 2)
        return copy_large(bytes, count, slice);
    chunk = room(io, &io->writing, (uint32_t)count);
    if (chunk == NULL)
        return -ENOMEM;
    *slice = (struct pawl_slice){.bytes = pawl_chunk_bytes_(chunk) + chunk->used,
                                 .count = count,
                                 .chunk = chunk};
    memcpy(pawl_chunk_bytes_(chunk) + chunk->used, bytes, count);
    chunk->used += (uint32_t)count;
    pawl_slice_hold(slice);
    return 0;
}

int pawl_outs_copy_(struct pawl_io *io, struct pawl_outs *outs, const char *bytes, size_t count)
{
    struct pawl_chunk *chunk;
    struct pawl_slice slice;
    int status;

    if (count == 0)
        return 0;
    if (count > PAWL_CHUNK_ROOM_ / 2) {
        status = copy_large(bytes, count, &slice);
        if (status == 0) {
            status = pawl_outs_append_(io, outs, &slice);
            pawl_slice_release(&slice);
        }
        return status;
    }
    chunk = room(io, &io->writing, (uint32_t)count);
    return chunk == NULL ? -ENOMEM : copy_piece(io, outs, chunk, bytes, count);
}

int pawl_outs_iovecs_(const struct pawl_outs *outs, struct iovec *iovecs, int n)
{
    int used = 0;

    for (const struct pawl_out *out = outs->first; out != NULL; out = out->next)
        for (uint32_t i = out->first; i < out->end; i++) {
            if (used == n)
                return used;
            iovecs[used].iov_base = (void *)(uintptr_t)out->slices[i].bytes;
            iovecs[used].iov_len = out->slices[i].count;
            used++;
        }
    return used;
}

static void drop_out(struct pawl_io *io, struct pawl_outs *outs)
{
    struct pawl_out *out = outs->first;

    outs->first = out->next;
    if (outs->first == NULL)
        outs->last = NULL;
    if (io->out_spares < PAWL_OUT_SPARES_) {
        out->next = io->out_spare;
        io->out_spare = out;
        io->out_spares++;
    } else {
        free(out);
    }
}

void pawl_outs_drop_(struct pawl_io *io, struct pawl_outs *outs, uint64_t count)
{
    outs->bytes -= count;
    while (count > 0) {
        struct pawl_out *out = outs->first;
        struct pawl_slice *slice = &out->slices[out->first];

        if (count < slice->count) {
            slice->bytes += count;
            slice->count -= count;
            return;
        }
        count -= slice->count;
        pawl_slice_release(slice);
        if (++out->first == out->end)
            drop_out(io, outs);
    }
}
