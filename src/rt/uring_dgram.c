/* SPDX-License-Identifier: MIT */
/* The io_uring engine: datagrams.
 *
 * A multishot receive puts each into a buffer of the ring, behind what recvmsg(2) would have said:
 *
 *      [ struct io_uring_recvmsg_out | name: 112 bytes | control: 96 bytes | the datagram ]
 */
#include "dgram.h"
#include "uring.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum { STARVED_MS = 10 };

PAWL_STATIC_ASSERT(sizeof(struct io_uring_recvmsg_out) + sizeof(union pawl_dgram_name) + PAWL_DGRAM_CONTROL_ +
                           PAWL_DGRAM_MULTISHOT_MAX_ <=
                       URING_BUFFER_BYTES,
                   "the largest fits");
PAWL_STATIC_ASSERT((sizeof(struct io_uring_recvmsg_out) + sizeof(union pawl_dgram_name)) %
                           sizeof(struct cmsghdr) ==
                       0,
                   "control messages are aligned");

static void cancel(const struct pawl_dgram *dgram, enum pawl_verb verb)
{
    struct io_uring_sqe *sqe = pawl_uring_sqe_(uring_of_(dgram->source.engine));

    io_uring_prep_cancel64(sqe, pawl_slot_key_(&dgram->source, verb), 0);
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(&dgram->source, PAWL_VERB_END));
}

void pawl_uring_packets_missed_(struct pawl_dgram *dgram)
{
    if ((dgram->state & (DGRAM_ARMED | DGRAM_STOPPING)) == (DGRAM_ARMED | DGRAM_STOPPING))
        cancel(dgram, PAWL_VERB_PACKET);
    if ((dgram->state & (DGRAM_DEAD | DGRAM_WAITS_ROOM)) == (DGRAM_DEAD | DGRAM_WAITS_ROOM))
        cancel(dgram, PAWL_VERB_ROOM);
}

void pawl_uring_packets_(struct pawl_engine *engine, struct pawl_dgram *dgram)
{
    struct io_uring_sqe *sqe;

    if ((dgram->state & DGRAM_ARMED) != 0)
        return; /* if it is being cancelled, its end arms it again */
    dgram->message.msg_namelen = sizeof(union pawl_dgram_name);
    dgram->message.msg_controllen = PAWL_DGRAM_CONTROL_;
    sqe = pawl_uring_sqe_(uring_of_(engine));
    io_uring_prep_recvmsg_multishot(sqe, dgram->source.fd, &dgram->message, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_GROUP;
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(&dgram->source, PAWL_VERB_PACKET));
    dgram->state |= DGRAM_ARMED;
    dgram->inflight++;
}

void pawl_uring_packets_stop_(struct pawl_engine *engine, struct pawl_dgram *dgram)
{
    (void)engine;
    if ((dgram->state & (DGRAM_ARMED | DGRAM_STOPPING)) == DGRAM_ARMED) {
        dgram->state |= DGRAM_STOPPING;
        cancel(dgram, PAWL_VERB_PACKET);
    }
    if ((dgram->state & DGRAM_DEAD) != 0 && (dgram->state & DGRAM_WAITS_ROOM) != 0)
        cancel(dgram, PAWL_VERB_ROOM);
}

void pawl_uring_packets_room_(struct pawl_engine *engine, struct pawl_dgram *dgram)
{
    struct io_uring_sqe *sqe;

    if ((dgram->state & DGRAM_WAITS_ROOM) != 0)
        return;
    sqe = pawl_uring_sqe_(uring_of_(engine));
    io_uring_prep_poll_add(sqe, dgram->source.fd, EPOLLOUT);
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(&dgram->source, PAWL_VERB_ROOM));
    dgram->state |= DGRAM_WAITS_ROOM;
    dgram->inflight++;
}

void pawl_uring_room_came_(struct pawl_source *source)
{
    struct pawl_dgram *dgram = pawl_dgram_of_(source);

    dgram->inflight--;
    dgram->state &= ~(uint32_t)DGRAM_WAITS_ROOM;
    if ((dgram->state & DGRAM_DEAD) == 0) {
        pawl_dgram_enter_(dgram);
        pawl_dgram_writable_(dgram);
        pawl_dgram_leave_(dgram);
    }
    pawl_dgram_landed_(dgram);
}

static void packet_came(struct uring_engine *self, struct pawl_dgram *dgram, const struct io_uring_cqe *cqe)
{
    uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    struct pawl_chunk *chunk = self->chunk[id];
    struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(pawl_chunk_bytes_(chunk), cqe->res,
                                                                 &dgram->message);
    const uint32_t deaf = DGRAM_DEAD | DGRAM_CLOSING;

    pawl_count_(&self->engine.io.counts.reads, 1);
    if (out != NULL && (dgram->state & deaf) == 0) {
        char *name = io_uring_recvmsg_name(out);
        struct msghdr message = {.msg_name = name,
                                 .msg_namelen = out->namelen,
                                 .msg_control = name + sizeof(union pawl_dgram_name),
                                 .msg_controllen = out->controllen,
                                 .msg_flags = (int)out->flags};
        struct pawl_slice slice = {.bytes = io_uring_recvmsg_payload(out, &dgram->message),
                                   .count = io_uring_recvmsg_payload_length(out, cqe->res, &dgram->message),
                                   .chunk = chunk};

        pawl_dgram_received_(dgram, &message, &slice);
    }
    pawl_uring_buffer_back_(self, id);
}

static void nothing_came(const struct uring_engine *self, struct pawl_dgram *dgram, int result)
{
    if ((dgram->state & DGRAM_DEAD) != 0)
        return;
    if (result == -ENOMEM || (result == -ENOBUFS && self->lacking == URING_BUFFERS)) {
        dgram->state |= DGRAM_STARVED; /* no memory at all: not before some time has passed */
        pawl_dgram_retry_(dgram, STARVED_MS);
    } else if (result != -ENOBUFS && result != -ECANCELED && result != -EINTR && result != -EAGAIN) {
        (void)pawl_dgram_soft_(dgram, -result);
    }
}

void pawl_uring_packet_came_(struct uring_engine *self, struct pawl_source *source,
                             const struct io_uring_cqe *cqe)
{
    struct pawl_dgram *dgram = pawl_dgram_of_(source);

    pawl_dgram_enter_(dgram);
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        dgram->inflight--;
        dgram->state &= ~(uint32_t)(DGRAM_ARMED | DGRAM_STOPPING);
    }
    if (cqe->res >= 0)
        packet_came(self, dgram, cqe);
    else
        nothing_came(self, dgram, cqe->res);
    dgram->depth--;
    /* The answers to all that came in this turn go out together, and a receive that has ended goes on. */
    if ((dgram->first != NULL && (dgram->state & DGRAM_BLOCKED) == 0) ||
        ((dgram->state & DGRAM_ARMED) == 0 && pawl_dgram_reads_(dgram)))
        pawl_dgram_later_(dgram);
    pawl_dgram_landed_(dgram);
}
