/* SPDX-License-Identifier: MIT */
/* Datagrams: what comes, from the kernel to the program. */
#include "dgram.h"

#include "socket_call.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

enum {
    READ_BUDGET = 64,             /* datagrams */
    READ_BUDGET_BYTES = 64 << 10, /* or so many */
    STARVED_MS = 10,
    ERRORS_AT_ONCE = 64,
};

/* ---- to the program ---- */

static void read_control(struct pawl_packet *packet, const struct cmsghdr *control)
{
    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;

        memcpy(&info, CMSG_DATA(control), sizeof info);
        packet->to.family = AF_INET;
        packet->to.interface = (uint32_t)info.ipi_ifindex;
        packet->to.address.v4 = info.ipi_addr;
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;

        memcpy(&info, CMSG_DATA(control), sizeof info);
        packet->to.family = AF_INET6;
        packet->to.interface = (uint32_t)info.ipi6_ifindex;
        packet->to.address.v6 = info.ipi6_addr;
    } else if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) {
        int segment;

        memcpy(&segment, CMSG_DATA(control), sizeof segment);
        packet->segment = (uint32_t)segment;
    }
}

void pawl_dgram_received_(struct pawl_dgram *dgram, struct msghdr *message, const struct pawl_slice *slice)
{
    struct pawl_io *io = &dgram->source.engine->io;
    struct pawl_packet packet = {.slice = *slice,
                                 .from = message->msg_name,
                                 .from_bytes = message->msg_namelen};

    pawl_count_(&io->counts.received, slice->count);
    if ((message->msg_flags & MSG_TRUNC) != 0)
        packet.flags = PAWL_PACKET_TRUNCATED;
    if (slice->count > dgram->largest) {
        packet.slice.count = dgram->largest;
        packet.flags = PAWL_PACKET_TRUNCATED;
    }
    packet.segment = (uint32_t)packet.slice.count;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control != NULL;
         control = CMSG_NXTHDR(message, control))
        read_control(&packet, control);
    dgram->config->received(dgram, &packet);
}

/* ---- errors ---- */

static void tell(struct pawl_dgram *dgram, const struct msghdr *message, struct sock_extended_err *said,
                 const struct pawl_slice *slice)
{
    const struct sockaddr *by = SO_EE_OFFENDER(said);
    struct pawl_dgram_error report = {.error = -(int)said->ee_errno,
                                      .origin = said->ee_origin,
                                      .type = said->ee_type,
                                      .code = said->ee_code,
                                      .info = said->ee_info,
                                      .bytes = slice->bytes,
                                      .count = slice->count};

    if (message->msg_namelen != 0) {
        report.to = message->msg_name;
        report.to_bytes = message->msg_namelen;
    }
    if (by->sa_family == AF_INET || by->sa_family == AF_INET6) {
        report.by = by;
        report.by_bytes = by->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                    : sizeof(struct sockaddr_in);
    }
    if (dgram->config->failed != NULL)
        dgram->config->failed(dgram, &report);
}

/* One of the queue of errors. */
static bool next_error(struct pawl_dgram *dgram)
{
    char bytes[576], control_bytes[256] __attribute__((aligned(sizeof(struct cmsghdr))));
    struct iovec vector = {.iov_base = bytes, .iov_len = sizeof bytes};
    union pawl_dgram_name name;
    struct msghdr message = {.msg_name = &name,
                             .msg_namelen = sizeof name,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control_bytes,
                             .msg_controllen = sizeof control_bytes};
    ssize_t n = recvmsg(dgram->source.fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    struct pawl_slice slice = {.bytes = bytes};

    if (n < 0)
        return false;
    slice.count = (size_t)n < sizeof bytes ? (size_t)n : sizeof bytes;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(&message); control != NULL;
         control = CMSG_NXTHDR(&message, control))
        if ((control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_RECVERR) ||
            (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_RECVERR))
            tell(dgram, &message, (struct sock_extended_err *)(void *)CMSG_DATA(control), &slice);
    return true;
}

bool pawl_dgram_errors_(struct pawl_dgram *dgram)
{
    unsigned n = 0;

    while (n < ERRORS_AT_ONCE && (dgram->state & DGRAM_DEAD) == 0 && next_error(dgram))
        n++;
    return n != 0;
}

bool pawl_dgram_soft_(struct pawl_dgram *dgram, int error)
{
    const struct pawl_dgram_error report = {.error = -error};

    switch (error) {
    case EBADF:
    case ENOTSOCK:
    case EFAULT:
    case EINVAL:
    case EOPNOTSUPP:
        pawl_dgram_die_(dgram, -error); /* not of a datagram: it would say so for ever */
        return false;
    default:
        break;
    }
    if ((dgram->config->flags & PAWL_DGRAM_ERRORS) != 0 && pawl_dgram_errors_(dgram))
        return true;
    if (dgram->config->failed != NULL && (dgram->state & DGRAM_DEAD) == 0)
        dgram->config->failed(dgram, &report);
    return true;
}

/* ---- by readiness ---- */

struct batch {
    struct mmsghdr messages[PAWL_DGRAM_BATCH_];
    struct iovec iovecs[PAWL_DGRAM_BATCH_];
    union pawl_dgram_name names[PAWL_DGRAM_BATCH_];
    char control[PAWL_DGRAM_BATCH_][PAWL_DGRAM_CONTROL_] __attribute__((aligned(sizeof(struct cmsghdr))));
};

static void free_block(struct pawl_chunk *chunk)
{
    free(chunk);
}

/* Room for datagrams that are longer than the worker's chunks. */
static struct pawl_chunk *large_room(struct pawl_dgram *dgram)
{
    if (dgram->chunk != NULL && pawl_chunk_alone_(dgram->chunk))
        return dgram->chunk;
    if (dgram->chunk != NULL)
        pawl_chunk_let_go_(dgram->chunk);
    dgram->chunk = malloc(PAWL_CHUNK_HEAD_ + (size_t)dgram->largest);
    if (dgram->chunk != NULL)
        pawl_chunk_init(dgram->chunk, free_block);
    return dgram->chunk;
}

/* Where the batch goes. Returns how many it is for; 0: no memory. */
static unsigned prepare(struct pawl_dgram *dgram, struct batch *batch, struct pawl_chunk **out)
{
    size_t stride = ((size_t)dgram->largest + 15) & ~(size_t)15, room = PAWL_CHUNK_ROOM_;
    bool large = stride > room;
    struct pawl_chunk *chunk = large ? large_room(dgram)
                                     : pawl_read_room_least_(&dgram->source.engine->io, (uint32_t)stride);
    unsigned n;

    if (chunk == NULL)
        return 0;
    *out = chunk;
    n = large ? 1 : (unsigned)((room - chunk->used) / stride);
    if (n > PAWL_DGRAM_BATCH_)
        n = PAWL_DGRAM_BATCH_;
    if (n > 2 * dgram->likely + 2)
        n = 2 * dgram->likely + 2; /* a quiet socket need not prepare for many */
    for (unsigned i = 0; i < n; i++) {
        batch->iovecs[i].iov_base = pawl_chunk_bytes_(chunk) + chunk->used + i * stride;
        batch->iovecs[i].iov_len = dgram->largest;
        batch->messages[i].msg_hdr = (struct msghdr){.msg_name = &batch->names[i],
                                                     .msg_namelen = sizeof batch->names[i],
                                                     .msg_iov = &batch->iovecs[i],
                                                     .msg_iovlen = 1,
                                                     .msg_control = batch->control[i],
                                                     .msg_controllen = PAWL_DGRAM_CONTROL_};
    }
    return n;
}

static void hand_over(struct pawl_dgram *dgram, struct batch *batch, unsigned n, struct pawl_chunk *chunk)
{
    size_t stride = ((size_t)dgram->largest + 15) & ~(size_t)15;

    for (unsigned i = 0; i < n && (dgram->state & (DGRAM_DEAD | DGRAM_CLOSING)) == 0; i++) {
        struct pawl_slice slice = {.bytes = batch->iovecs[i].iov_base,
                                   .count = batch->messages[i].msg_len,
                                   .chunk = chunk};

        pawl_dgram_received_(dgram, &batch->messages[i].msg_hdr, &slice);
    }
    if (chunk != dgram->chunk)
        pawl_read_done_(chunk, n * stride);
}

/* No memory: not before some time has passed. */
static unsigned starved(struct pawl_dgram *dgram)
{
    dgram->state |= DGRAM_STARVED;
    pawl_dgram_retry_(dgram, STARVED_MS);
    return 0;
}

/* One call. Returns how many came, 0: no more for now. */
static unsigned read_batch(struct pawl_dgram *dgram, size_t *bytes)
{
    struct batch batch;
    struct pawl_chunk *chunk;
    unsigned wanted = prepare(dgram, &batch, &chunk);
    int n;

    if (wanted == 0)
        return starved(dgram);
    do
        n = pawl_recvmmsg_now_(dgram->source.fd, batch.messages, wanted);
    while (n < 0 && errno == EINTR);
    pawl_count_(&dgram->source.engine->io.counts.syscalls, 1);
    if (n < 0) {
        if (errno == ENOMEM)
            return starved(dgram);
        if (errno != EAGAIN)
            return pawl_dgram_soft_(dgram, errno) ? 1 : 0;
        dgram->state &= ~(uint32_t)DGRAM_READABLE;
        return 0;
    }
    if ((unsigned)n < wanted)
        dgram->state &= ~(uint32_t)DGRAM_READABLE; /* drained: what comes next is a new edge */
    pawl_count_(&dgram->source.engine->io.counts.reads, 1);
    dgram->likely = (uint32_t)n;
    for (int i = 0; i < n; i++)
        *bytes += batch.messages[i].msg_len;
    hand_over(dgram, &batch, (unsigned)n, chunk);
    return (unsigned)n;
}

void pawl_dgram_read_on_(struct pawl_dgram *dgram)
{
    unsigned n = 0;
    size_t bytes = 0;

    pawl_dgram_enter_(dgram);
    while ((dgram->state & DGRAM_READABLE) != 0 && pawl_dgram_reads_(dgram)) {
        unsigned more;

        if (n >= READ_BUDGET || bytes >= READ_BUDGET_BYTES) {
            pawl_dgram_later_(dgram); /* the others first */
            break;
        }
        more = read_batch(dgram, &bytes);
        if (more == 0)
            break;
        n += more;
    }
    pawl_dgram_leave_(dgram);
}
