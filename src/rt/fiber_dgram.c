/* SPDX-License-Identifier: MIT */
/* Datagrams for fibers: a socket of <pawl/dgram.h> whose continuations resume who waits.
 *
 * As with connections (fiber_io.c) the socket's context is a pointer to the mailbox, which is in the fiber's memory and good until
 * closed() has been called, which pawl_mailbox_close() waits for. */
#include <pawl/fiber_dgram.h>

#include "dgram.h"
#include "fiber_wait.h"
#include "stream.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD_MAX = 64 << 10 }; /* bytes that are kept, with what keeps them; then receiving pauses */

/* One that came while nobody received. */
struct pawl_letter {
    struct pawl_letter *next;
    struct pawl_slice slice;
    uint32_t flags;
    socklen_t from_bytes;
    union pawl_dgram_name from;
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_letter) <= 160, "as the header says");
PAWL_STATIC_ASSERT(sizeof(struct pawl_mailbox) <= 512, "as the header says, about");

static struct pawl_mailbox *mailbox_of(struct pawl_dgram *dgram)
{
    return *(struct pawl_mailbox **)pawl_dgram_context(dgram);
}

static struct pawl_engine *engine_of(const struct pawl_mailbox *mailbox, const char *function)
{
    return pawl_fiber_engine_(mailbox->dgram != NULL ? mailbox->dgram->source.engine : NULL, function);
}

/* ---- a datagram to who receives ---- */

/* As recvfrom(2): what does not fit is cut, and *to_bytes says how long it was. */
static void tell_from(const struct sockaddr *from, socklen_t bytes, struct sockaddr *to, socklen_t *to_bytes)
{
    if (to_bytes == NULL)
        return;
    if (to != NULL && bytes != 0)
        memcpy(to, from, bytes < *to_bytes ? bytes : *to_bytes);
    *to_bytes = bytes;
}

static int64_t give(void *room, size_t count, const struct pawl_slice *slice, uint32_t flags)
{
    size_t n = slice->count < count ? slice->count : count;

    if (n != 0)
        memcpy(room, slice->bytes, n);
    return n < slice->count || (flags & PAWL_PACKET_TRUNCATED) != 0 ? -EMSGSIZE : (int64_t)n;
}

/* Nobody receives: behind the others. */
static void keep(struct pawl_mailbox *mailbox, const struct pawl_packet *packet)
{
    struct pawl_letter *letter = malloc(sizeof *letter);

    if (letter == NULL)
        return; /* datagrams may be lost */
    letter->next = NULL;
    letter->slice = packet->slice;
    letter->flags = packet->flags;
    letter->from_bytes = packet->from_bytes;
    if (packet->from_bytes != 0)
        memcpy(&letter->from, packet->from,
               packet->from_bytes < sizeof letter->from ? packet->from_bytes : sizeof letter->from);
    pawl_slice_hold(&letter->slice);
    if (mailbox->last != NULL)
        mailbox->last->next = letter;
    else
        mailbox->first = letter;
    mailbox->last = letter;
    mailbox->weight += sizeof *letter + packet->slice.count;
    if (mailbox->weight > AHEAD_MAX && mailbox->paused == 0) {
        mailbox->paused = 1;
        pawl_dgram_pause(mailbox->dgram);
    }
}

static void drop_first(struct pawl_mailbox *mailbox)
{
    struct pawl_letter *letter = mailbox->first;

    mailbox->first = letter->next;
    if (mailbox->first == NULL)
        mailbox->last = NULL;
    mailbox->weight -= sizeof *letter + letter->slice.count;
    pawl_slice_release(&letter->slice);
    free(letter);
    if (mailbox->paused != 0 && mailbox->weight <= AHEAD_MAX / 2 && mailbox->dgram != NULL) {
        mailbox->paused = 0;
        pawl_dgram_resume(mailbox->dgram);
    }
}

/* ---- the socket's continuations ---- */

static bool waits(const struct pawl_op *op)
{
    return op->state == PAWL_OP_PENDING;
}

static void received(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    struct pawl_mailbox *mailbox = mailbox_of(dgram);
    int64_t result;

    if (!waits(&mailbox->reader)) {
        keep(mailbox, packet);
        return;
    }
    tell_from(packet->from, packet->from_bytes, mailbox->from, mailbox->from_bytes);
    result = give(mailbox->room, mailbox->count, &packet->slice, packet->flags);
    pawl_op_complete_(&mailbox->reader, result); /* resumes it here: the last thing */
}

static void failed(struct pawl_dgram *dgram, const struct pawl_dgram_error *error)
{
    struct pawl_mailbox *mailbox = mailbox_of(dgram);

    if (waits(&mailbox->reader))
        pawl_op_complete_(&mailbox->reader, error->error); /* as above */
    else
        mailbox->error = error->error;
}

static void drained(struct pawl_dgram *dgram)
{
    struct pawl_mailbox *mailbox = mailbox_of(dgram);

    if (waits(&mailbox->writer))
        pawl_op_complete_(&mailbox->writer, 0);
}

static void closed(struct pawl_dgram *dgram, int reason)
{
    struct pawl_mailbox *mailbox = mailbox_of(dgram);

    mailbox->dgram = NULL;
    mailbox->reason = reason;
    /* later, all: the first that is resumed may be the one whose memory this is */
    if (waits(&mailbox->reader))
        pawl_op_complete_later_(&mailbox->reader, reason == 0 ? -EPIPE : reason);
    if (waits(&mailbox->writer))
        pawl_op_complete_later_(&mailbox->writer, reason == 0 ? -EPIPE : reason);
    if (waits(&mailbox->closer))
        pawl_op_complete_later_(&mailbox->closer, reason);
}

/* ---- coming ---- */

static void prepare(struct pawl_mailbox *mailbox, uint32_t largest, uint32_t flags)
{
    *mailbox = (struct pawl_mailbox){.config = {.received = received,
                                                .failed = failed,
                                                .drained = drained,
                                                .closed = closed,
                                                .context_bytes = sizeof mailbox,
                                                .largest = largest,
                                                .flags = flags}}; /* its operations are idle */
}

/* Before the socket's first continuation. */
static int bound(struct pawl_mailbox *mailbox, int status)
{
    if (status == 0)
        *(struct pawl_mailbox **)pawl_dgram_context(mailbox->dgram) = mailbox;
    return status;
}

int pawl_mailbox_open(struct pawl_mailbox *mailbox, const struct sockaddr *address, socklen_t address_bytes,
                      uint32_t largest, uint32_t flags)
{
    (void)pawl_fiber_engine_(NULL, __func__);
    if ((flags & PAWL_DGRAM_GRO) != 0)
        return -EINVAL;
    prepare(mailbox, largest, flags);
    return bound(mailbox, pawl_dgram_open(&mailbox->dgram, &mailbox->config, address, address_bytes));
}

int pawl_mailbox_adopt(struct pawl_mailbox *mailbox, int fd, uint32_t largest)
{
    (void)pawl_fiber_engine_(NULL, __func__);
    prepare(mailbox, largest, 0);
    return bound(mailbox, pawl_dgram_adopt(&mailbox->dgram, &mailbox->config, fd));
}

int pawl_mailbox_connect(struct pawl_mailbox *mailbox, const struct sockaddr *address,
                         socklen_t address_bytes)
{
    (void)engine_of(mailbox, __func__);
    return mailbox->dgram == NULL ? -EPIPE : pawl_dgram_connect(mailbox->dgram, address, address_bytes);
}

int pawl_mailbox_address(const struct pawl_mailbox *mailbox, struct sockaddr *address,
                         socklen_t *address_bytes)
{
    (void)engine_of(mailbox, __func__);
    return mailbox->dgram == NULL ? -EPIPE : pawl_dgram_address(mailbox->dgram, address, address_bytes);
}

/* ---- receiving and sending ---- */

/* Why a call has nothing to wait for: what was said of an earlier datagram, or the end. 0: it may go on. */
static int trouble(struct pawl_mailbox *mailbox)
{
    int error = mailbox->error;

    mailbox->error = 0;
    if (error == 0 && mailbox->dgram == NULL)
        error = mailbox->reason == 0 ? -EPIPE : mailbox->reason;
    return error;
}

int64_t pawl_receive_from_until(struct pawl_mailbox *mailbox, void *bytes, size_t count,
                                struct sockaddr *from, socklen_t *from_bytes, uint64_t deadline)
{
    struct pawl_engine *engine = engine_of(mailbox, __func__);
    const struct pawl_letter *letter = mailbox->first;
    int64_t result;
    int status;

    if (pawl_fiber_cancelled() != 0)
        return -ECANCELED;
    if (letter != NULL) {
        tell_from(&letter->from.any, letter->from_bytes, from, from_bytes);
        result = give(bytes, count, &letter->slice, letter->flags);
        drop_first(mailbox);
        return result;
    }
    status = trouble(mailbox);
    if (status == 0)
        status = pawl_op_begin_(&mailbox->reader, engine, mailbox, pawl_fiber_withdraw_);
    if (status != 0)
        return status;
    mailbox->room = bytes;
    mailbox->count = count;
    mailbox->from = from;
    mailbox->from_bytes = from_bytes;
    return pawl_fiber_wait_until_(&mailbox->reader, deadline);
}

int64_t pawl_receive_from(struct pawl_mailbox *mailbox, void *bytes, size_t count, struct sockaddr *from,
                          socklen_t *from_bytes)
{
    return pawl_receive_from_until(mailbox, bytes, count, from, from_bytes, PAWL_FOREVER);
}

int64_t pawl_send_to_until(struct pawl_mailbox *mailbox, const void *bytes, size_t count,
                           const struct sockaddr *to, socklen_t to_bytes, uint64_t deadline)
{
    const struct pawl_dgram_target target = {.address = to, .address_bytes = to_bytes};
    struct pawl_engine *engine = engine_of(mailbox, __func__);
    int status = pawl_fiber_cancelled();

    if (status == 0)
        status = trouble(mailbox);
    while (status == 0) {
        if (mailbox->dgram == NULL)
            return trouble(mailbox);
        status = pawl_dgram_write(mailbox->dgram, &target, bytes, count);
        if (status == 0)
            return (int64_t)count;
        if (status == -EAGAIN)
            status = pawl_op_begin_(&mailbox->writer, engine, mailbox, pawl_fiber_withdraw_);
        if (status == 0)
            status = (int)pawl_fiber_wait_until_(&mailbox->writer, deadline);
    }
    return status;
}

int64_t pawl_send_to(struct pawl_mailbox *mailbox, const void *bytes, size_t count, const struct sockaddr *to,
                     socklen_t to_bytes)
{
    return pawl_send_to_until(mailbox, bytes, count, to, to_bytes, PAWL_FOREVER);
}

/* ---- going ---- */

/* Only asks: closed() completes it. */
static void withdraw_closer(struct pawl_op *op)
{
    struct pawl_mailbox *mailbox = op->target;

    if (mailbox->dgram != NULL)
        pawl_dgram_abort(mailbox->dgram,
                         pawl_op_verdict_(op, -ECANCELED) == -ETIMEDOUT ? -ETIMEDOUT : -ECANCELED);
}

int pawl_mailbox_close_until(struct pawl_mailbox *mailbox, uint64_t deadline)
{
    struct pawl_engine *engine = engine_of(mailbox, __func__);

    if (mailbox->dgram != NULL) {
        pawl_dgram_close(mailbox->dgram);
        (void)pawl_op_begin_(&mailbox->closer, engine, mailbox, withdraw_closer);
        mailbox->closer.flags |= PAWL_OP_ASKS_;
        (void)pawl_fiber_wait_until_(&mailbox->closer, deadline);
    }
    while (mailbox->first != NULL)
        drop_first(mailbox);
    return mailbox->reason;
}

int pawl_mailbox_close(struct pawl_mailbox *mailbox)
{
    return pawl_mailbox_close_until(mailbox, PAWL_FOREVER);
}
