/* SPDX-License-Identifier: MIT */
/* Blocks, and the out-queue. */
#include "slice.h"

#include "engine.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern inline void pawl_slice_hold(const struct pawl_slice *slice);
extern inline void pawl_block_init(struct pawl_block *block, void (*release)(struct pawl_block *block));

/* ---- blocks ---- */

/* The last holder of one of the runtime's blocks lets go: it becomes a spare of the worker it is on. */
static void release_block(struct pawl_block *block)
{
    struct pawl_worker *worker = pawl_worker_here_();
    struct pawl_io *io;

    if (worker != NULL && worker->engine != NULL && worker->engine->io.spares < PAWL_BLOCK_SPARES_) {
        io = &worker->engine->io;
        block->next = io->spare;
        io->spare = block;
        io->spares++;
        return;
    }
    free(block);
}

struct pawl_block *pawl_block_take_(struct pawl_io *io)
{
    struct pawl_block *block = io->spare;

    if (block != NULL) {
        io->spare = block->next;
        io->spares--;
    } else {
        block = malloc(PAWL_BLOCK_BYTES_);
        if (block == NULL)
            return NULL;
    }
    pawl_block_init(block, release_block);
    return block;
}

void pawl_slice_release(const struct pawl_slice *slice)
{
    if (slice->block != NULL)
        pawl_block_let_go_(slice->block);
}

void pawl_blocks_fini_(struct pawl_io *io)
{
    struct pawl_block *block;
    struct pawl_out *out;

    if (io->reading != NULL)
        pawl_block_let_go_(io->reading);
    if (io->writing != NULL)
        pawl_block_let_go_(io->writing);
    io->reading = io->writing = NULL;
    while ((block = io->spare) != NULL) {
        io->spare = block->next;
        free(block);
    }
    io->spares = PAWL_BLOCK_SPARES_; /* what is given back from now on is freed */
    while ((out = io->out_spare) != NULL) {
        io->out_spare = out->next;
        free(out);
    }
}

/* A block of `*place` with so much room behind what is used. */
static struct pawl_block *room(struct pawl_io *io, struct pawl_block **place, uint32_t least)
{
    struct pawl_block *block = *place;

    if (PAWL_LIKELY(block != NULL)) {
        if (block->used != 0 && pawl_block_alone_(block))
            block->used = 0; /* all of it was let go */
        if (PAWL_BLOCK_ROOM_ - block->used >= least)
            return block;
    }
    block = pawl_block_take_(io);
    if (block == NULL)
        return NULL;
    if (*place != NULL)
        pawl_block_let_go_(*place);
    *place = block;
    return block;
}

struct pawl_block *pawl_read_room_(struct pawl_io *io)
{
    return room(io, &io->reading, PAWL_READ_ROOM_);
}

void pawl_read_done_(struct pawl_block *block, size_t count)
{
    if (!pawl_block_alone_(block))
        block->used += (uint32_t)(count + 15) &
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

/* Bytes that fit into what a block has left. */
static int copy_piece(struct pawl_io *io, struct pawl_outs *outs, struct pawl_block *block, const char *bytes,
                      size_t count)
{
    char *to = pawl_block_bytes_(block) + block->used;
    struct pawl_out *out = outs->last;
    struct pawl_slice slice = {.bytes = to, .count = count, .block = block};
    struct pawl_slice *last = out != NULL ? &out->slices[out->end - 1] : NULL;
    int status;

    if (last != NULL && last->block == block && last->bytes + last->count == to) {
        last->count += count; /* right behind the write before: one piece */
        outs->bytes += count;
    } else {
        status = pawl_outs_append_(io, outs, &slice);
        if (status != 0)
            return status;
    }
    memcpy(to, bytes, count);
    block->used += (uint32_t)count;
    return 0;
}

static void free_block(struct pawl_block *block)
{
    free(block);
}

/* More than a block has: memory of its own. */
static int copy_large(struct pawl_io *io, struct pawl_outs *outs, const char *bytes, size_t count)
{
    struct pawl_block *block;
    struct pawl_slice slice;
    int status;

    if (count > SIZE_MAX - PAWL_BLOCK_HEAD_)
        return -ENOMEM;
    block = malloc(PAWL_BLOCK_HEAD_ + count);
    if (block == NULL)
        return -ENOMEM;
    pawl_block_init(block, free_block);
    memcpy(pawl_block_bytes_(block), bytes, count);
    slice = (struct pawl_slice){.bytes = pawl_block_bytes_(block), .count = count, .block = block};
    status = pawl_outs_append_(io, outs, &slice);
    pawl_block_let_go_(block);
    return status;
}

int pawl_outs_copy_(struct pawl_io *io, struct pawl_outs *outs, const char *bytes, size_t count)
{
    struct pawl_block *block;

    if (count == 0)
        return 0;
    if (count > PAWL_BLOCK_ROOM_ / 2)
        return copy_large(io, outs, bytes, count);
    block = room(io, &io->writing, (uint32_t)count);
    return block == NULL ? -ENOMEM : copy_piece(io, outs, block, bytes, count);
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
