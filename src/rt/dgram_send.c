/* SPDX-License-Identifier: MIT */
/* Datagrams: what is sent, from the program to the kernel. */
#include "dgram.h"

#include "socket_call.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

enum {
    HIGH_DEFAULT = 256 << 10,
    SPARES_MAX = 64,
    SEGMENTS_MAX = 64,     /* of one call: UDP_MAX_SEGMENTS of older kernels */
    SEGMENTED_MAX = 65000, /* bytes of one call that the kernel cuts */
    DATAGRAM_MAX = 65535,  /* of UDP; the kernel knows better, and says so later */
    FAILURES_AT_ONCE = 16, /* the program may send again what has failed, and that fails at once */
};

/* ---- the queue ---- */

static struct pawl_dgram_out *take(struct pawl_dgram *dgram)
{
    struct pawl_dgram_out *out = dgram->spare;

    if (out == NULL)
        return malloc(sizeof *out);
    dgram->spare = out->next;
    dgram->spares--;
    return out;
}

static void give_back(struct pawl_dgram *dgram, struct pawl_dgram_out *out)
{
    pawl_slice_release(&out->slice);
    if (dgram->spares == SPARES_MAX) {
        free(out);
        return;
    }
    out->next = dgram->spare;
    dgram->spare = out;
    dgram->spares++;
}

static void drop_first(struct pawl_dgram *dgram)
{
    struct pawl_dgram_out *out = dgram->first;

    dgram->first = out->next;
    if (dgram->first == NULL)
        dgram->last = NULL;
    dgram->bytes -= out->slice.count;
    dgram->weight -= out->slice.count + sizeof *out;
    give_back(dgram, out);
}

void pawl_dgram_forget_outs_(struct pawl_dgram *dgram)
{
    struct pawl_dgram_out *out;

    while (dgram->first != NULL)
        drop_first(dgram);
    while ((out = dgram->spare) != NULL) {
        dgram->spare = out->next;
        free(out);
    }
}

static int check(struct pawl_dgram *dgram, const struct pawl_dgram_target *target, size_t count)
{
    uint64_t high = dgram->config->high == 0 ? HIGH_DEFAULT : dgram->config->high;
    uint32_t segment = target == NULL ? 0 : target->segment;

    if ((dgram->state & (DGRAM_CLOSING | DGRAM_DEAD)) != 0)
        return -EPIPE;
    if (target != NULL && target->address != NULL && target->address_bytes > sizeof(union pawl_dgram_name))
        return -EINVAL;
    if ((dgram->state & DGRAM_UNIX) == 0 && (segment == 0 ? count : segment) > DATAGRAM_MAX)
        return -EMSGSIZE;
    if (dgram->weight > high) {
        dgram->state |= DGRAM_REFUSED;
        return -EAGAIN;
    }
    return 0;
}

/* Bytes of the next call, if `left` are to go as datagrams of `segment`. */
static size_t piece_of(const struct pawl_dgram *dgram, uint32_t segment, size_t left)
{
    size_t at_once = (dgram->state & DGRAM_SEGMENTS) != 0 ? SEGMENTED_MAX / segment : 1;

    if (at_once == 0)
        at_once = 1;
    if (at_once > SEGMENTS_MAX)
        at_once = SEGMENTS_MAX;
    return left < at_once * segment ? left : at_once * segment;
}

static void fill(struct pawl_dgram_out *out, const struct pawl_dgram_target *target,
                 const struct pawl_slice *slice, size_t count)
{
    out->next = NULL;
    out->slice = *slice;
    out->slice.count = count;
    out->segment = 0;
    out->to_bytes = 0;
    out->from.family = 0;
    if (target == NULL)
        return;
    out->segment = target->segment < count ? target->segment : 0;
    if (target->address != NULL) {
        out->to_bytes = target->address_bytes;
        memcpy(&out->to, target->address, target->address_bytes);
    }
    if (target->from != NULL)
        out->from = *target->from;
}

/* A chain of what the slice becomes, each with a hold of it; NULL: no memory. */
static struct pawl_dgram_out *chain(struct pawl_dgram *dgram, const struct pawl_dgram_target *target,
                                    const struct pawl_slice *slice)
{
    uint32_t segment = target == NULL ? 0 : target->segment;
    struct pawl_dgram_out *first = NULL, **end = &first;
    struct pawl_slice rest = *slice;

    do {
        size_t count = segment == 0 ? rest.count : piece_of(dgram, segment, rest.count);

        *end = take(dgram);
        if (*end == NULL)
            break;
        fill(*end, target, &rest, count);
        pawl_slice_hold(&rest);
        end = &(*end)->next;
        rest.bytes += count;
        rest.count -= count;
        if (rest.count == 0)
            return first;
    } while (true);
    while (first != NULL) {
        struct pawl_dgram_out *next = first->next;

        give_back(dgram, first);
        first = next;
    }
    return NULL;
}

/* Puts the chain in front of `*place`. */
static void insert(struct pawl_dgram *dgram, struct pawl_dgram_out **place, struct pawl_dgram_out *out)
{
    struct pawl_dgram_out *behind = *place;

    *place = out;
    for (;; out = out->next) {
        dgram->bytes += out->slice.count;
        dgram->weight += out->slice.count + sizeof *out;
        if (out->next == NULL)
            break;
    }
    out->next = behind;
    if (behind == NULL)
        dgram->last = out;
}

int pawl_dgram_send(struct pawl_dgram *dgram, const struct pawl_dgram_target *target,
                    const struct pawl_slice *slice)
{
    struct pawl_dgram_out *out;
    int status = check(dgram, target, slice->count);

    if (status != 0)
        return status;
    out = chain(dgram, target, slice);
    if (out == NULL)
        return -ENOMEM;
    insert(dgram, dgram->last == NULL ? &dgram->first : &dgram->last->next, out);
    if (dgram->depth == 0 && (dgram->state & DGRAM_BLOCKED) == 0)
        pawl_dgram_later_(dgram);
    return 0;
}

int pawl_dgram_write(struct pawl_dgram *dgram, const struct pawl_dgram_target *target, const void *bytes,
                     size_t count)
{
    struct pawl_slice slice;
    int status = check(dgram, target, count);

    if (status != 0)
        return status;
    if (pawl_slice_copy_(&dgram->source.engine->io, bytes, count, &slice) != 0)
        return -ENOMEM;
    status = pawl_dgram_send(dgram, target, &slice);
    pawl_slice_release(&slice);
    return status;
}

/* ---- to the kernel ---- */

struct batch {
    struct mmsghdr messages[PAWL_DGRAM_BATCH_];
    struct iovec iovecs[PAWL_DGRAM_BATCH_];
    _Alignas(struct cmsghdr) char control[PAWL_DGRAM_BATCH_][PAWL_DGRAM_CONTROL_];
};

static struct cmsghdr *put_control(struct msghdr *message, int level, int type, const void *value,
                                   size_t count)
{
    struct cmsghdr *control = (struct cmsghdr *)(void *)((char *)message->msg_control +
                                                         message->msg_controllen);

    message->msg_controllen += CMSG_SPACE(count);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(count);
    memcpy(CMSG_DATA(control), value, count);
    memset(CMSG_DATA(control) + count, 0, CMSG_SPACE(count) - CMSG_LEN(count)); /* the kernel reads it, too */
    return control;
}

static void put_controls(struct msghdr *message, const struct pawl_dgram_out *out)
{
    if (out->from.family == AF_INET) {
        struct in_pktinfo info = {.ipi_ifindex = (int)out->from.interface,
                                  .ipi_spec_dst = out->from.address.v4};

        (void)put_control(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (out->from.family == AF_INET6) {
        struct in6_pktinfo info = {.ipi6_ifindex = out->from.interface, .ipi6_addr = out->from.address.v6};

        (void)put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    if (out->segment != 0) {
        uint16_t segment = (uint16_t)out->segment;

        (void)put_control(message, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    }
    if (message->msg_controllen == 0)
        message->msg_control = NULL;
}

/* The first that wait. Returns how many. */
static unsigned gather(struct pawl_dgram *dgram, struct batch *batch)
{
    unsigned n = 0;

    for (struct pawl_dgram_out *out = dgram->first; out != NULL && n < PAWL_DGRAM_BATCH_; out = out->next) {
        struct msghdr *message = &batch->messages[n].msg_hdr;

        batch->iovecs[n].iov_base = (void *)(uintptr_t)out->slice.bytes;
        batch->iovecs[n].iov_len = out->slice.count;
        *message = (struct msghdr){.msg_name = out->to_bytes == 0 ? NULL : &out->to,
                                   .msg_namelen = out->to_bytes,
                                   .msg_iov = &batch->iovecs[n],
                                   .msg_iovlen = 1,
                                   .msg_control = batch->control[n]};
        put_controls(message, out);
        n++;
    }
    return n;
}

static void sent(struct pawl_dgram *dgram, unsigned n)
{
    struct pawl_io *io = &dgram->source.engine->io;

    pawl_count_(&io->counts.writes, 1);
    while (n-- > 0) {
        pawl_count_(&io->counts.sent, dgram->first->slice.count);
        drop_first(dgram);
    }
}

/* The device cannot cut, or the route is narrower than a segment: each datagram by itself. */
static bool cut_first(struct pawl_dgram *dgram)
{
    struct pawl_dgram_out *first = dgram->first, *out;
    struct pawl_dgram_target target = {.address = first->to_bytes == 0 ? NULL : &first->to.any,
                                       .address_bytes = first->to_bytes,
                                       .segment = first->segment,
                                       .from = &first->from};

    dgram->state &= ~(uint32_t)DGRAM_SEGMENTS;
    out = chain(dgram, &target, &first->slice);
    if (out == NULL)
        return false;
    insert(dgram, &first->next, out);
    drop_first(dgram);
    return true;
}

/* The first one cannot be sent. */
static void refuse_first(struct pawl_dgram *dgram, int error)
{
    struct pawl_dgram_out *first = dgram->first;
    const struct pawl_dgram_error report = {.error = -error,
                                            .to = first->to_bytes == 0 ? NULL : &first->to.any,
                                            .to_bytes = first->to_bytes};
    bool told = (dgram->config->flags & PAWL_DGRAM_ERRORS) != 0 && pawl_dgram_errors_(dgram);

    if (!told && dgram->config->failed != NULL && (dgram->state & DGRAM_DEAD) == 0)
        dgram->config->failed(dgram, &report);
    drop_first(dgram);
}

/* Newer kernels say EMSGSIZE of a narrow route, where older ones said EINVAL. */
static bool says_uncut(int error)
{
    return error == EIO || error == EINVAL || error == EMSGSIZE;
}

/* What sendmmsg has said of the first one; `again`: for the second time. Returns the error if it is to be tried again. */
static int send_failed(struct pawl_dgram *dgram, int error, bool again)
{
    if (dgram->first->segment != 0 && says_uncut(error) && cut_first(dgram))
        return 0;
    /* UDP says here what the network has said of an earlier one, and has not looked at this one */
    if (!again && (dgram->state & DGRAM_UNIX) == 0)
        return error;
    refuse_first(dgram, error);
    return 0;
}

void pawl_dgram_flush_(struct pawl_dgram *dgram)
{
    struct batch batch;
    int error = 0; /* of the first one, at its first try */
    unsigned failures = 0;

    while (dgram->first != NULL && (dgram->state & (DGRAM_BLOCKED | DGRAM_DEAD)) == 0) {
        int n;

        if (failures == FAILURES_AT_ONCE) {
            pawl_dgram_later_(dgram); /* the others first */
            break;
        }
        n = pawl_sendmmsg_now_(dgram->source.fd, batch.messages, gather(dgram, &batch));
        pawl_count_(&dgram->source.engine->io.counts.syscalls, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            error = send_failed(dgram, errno, error != 0);
            failures += error == 0;
            continue;
        }
        if (n < 0)
            pawl_dgram_blocked_(dgram);
        else
            sent(dgram, (unsigned)n);
        if (error != 0) {
            (void)pawl_dgram_soft_(dgram, error); /* it was an earlier one's */
            failures++;
        }
        error = 0;
    }
}
