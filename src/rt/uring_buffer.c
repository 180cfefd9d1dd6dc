/* SPDX-License-Identifier: MIT */
/* The io_uring engine: the ring of buffers that the kernel receives into.
 *
 * The kernel takes a buffer for each completion and names its number. A continuation that keeps the slice keeps
 * the memory: the number goes back into the ring at once, with other memory. So the ring is full whenever a
 * turn ends, however much is kept, and runs out only when one batch of completions needs more than there are:
 * then a receive ends with -ENOBUFS and is armed again in the next turn. */
#include "uring.h"

#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

static void free_buffer(struct pawl_chunk *chunk)
{
    free(chunk);
}

static struct pawl_chunk *new_buffer(void)
{
    struct pawl_chunk *chunk = malloc(PAWL_CHUNK_HEAD_ + URING_BUFFER_BYTES);

    if (chunk != NULL)
        pawl_chunk_init(chunk, free_buffer);
    return chunk;
}

static void add(struct uring_engine *self, uint32_t id)
{
    io_uring_buf_ring_add(self->buffers, pawl_chunk_bytes_(self->chunk[id]), URING_BUFFER_BYTES,
                          (unsigned short)id, io_uring_buf_ring_mask(URING_BUFFERS), (int)self->added++);
}

void pawl_uring_buffer_back_(struct uring_engine *self, uint32_t id)
{
    struct pawl_chunk *chunk = self->chunk[id];

    if (!pawl_chunk_alone_(chunk)) {
        self->chunk[id] = new_buffer();
        pawl_chunk_let_go_(chunk);
        if (self->chunk[id] == NULL) {
            self->lacking++; /* looked for again in every turn */
            return;
        }
    }
    add(self, id);
}

void pawl_uring_buffers_flush_(struct uring_engine *self)
{
    for (uint32_t id = 0; PAWL_UNLIKELY(self->lacking != 0) && id < URING_BUFFERS; id++) {
        if (self->chunk[id] != NULL)
            continue;
        self->chunk[id] = new_buffer();
        if (self->chunk[id] == NULL)
            break;
        self->lacking--;
        add(self, id);
    }
    if (self->added != 0) {
        io_uring_buf_ring_advance(self->buffers, (int)self->added);
        self->added = 0;
    }
}

int pawl_uring_buffers_open_(struct uring_engine *self)
{
    size_t bytes = URING_BUFFERS * sizeof(struct io_uring_buf);
    struct io_uring_buf_reg registration = {.ring_entries = URING_BUFFERS, .bgid = URING_GROUP};
    int status;

    self->buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (self->buffers == MAP_FAILED) {
        self->buffers = NULL;
        return -ENOMEM;
    }
    registration.ring_addr = (uint64_t)(uintptr_t)self->buffers;
    status = io_uring_register_buf_ring(&self->ring, &registration, 0);
    if (status != 0)
        return status;
    io_uring_buf_ring_init(self->buffers);
    for (uint32_t id = 0; id < URING_BUFFERS; id++) {
        self->chunk[id] = new_buffer();
        if (self->chunk[id] == NULL)
            return -ENOMEM;
        add(self, id);
    }
    pawl_uring_buffers_flush_(self);
    return 0;
}

void pawl_uring_buffers_close_(struct uring_engine *self)
{
    for (uint32_t id = 0; id < URING_BUFFERS; id++)
        if (self->chunk[id] != NULL)
            pawl_chunk_let_go_(self->chunk[id]);
    if (self->buffers != NULL)
        munmap(self->buffers, URING_BUFFERS * sizeof(struct io_uring_buf));
}
