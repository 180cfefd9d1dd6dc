/* SPDX-License-Identifier: MIT */
/* A datagram socket inside. The contract is in <pawl/dgram.h>.
 *
 * Two ways to receive. By readiness: the socket is watched, edge-triggered, and read with recvmmsg(2): with epoll, and with
 * io_uring if a datagram may be too long for the ring's buffers. By a multishot receive: DGRAM_MULTISHOT. Sending is the same
 * in both: sendmmsg(2) at the end of a continuation, and again when there is room.
 *
 * The end is that of a stream (stream.h): die() or the last answer closes the descriptor; what still holds the memory is
 * counted (`inflight`, DGRAM_LATER, depth); the last one calls closed() and frees. */
#ifndef PAWL_RT_DGRAM_H
#define PAWL_RT_DGRAM_H

#include "engine.h"
#include "slice.h"
#include "worker.h"

#include <netinet/in.h>
#include <pawl/dgram.h>
#include <pawl/timer.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    DGRAM_PAUSED = 1 << 0,      /* by the program */
    DGRAM_CLOSING = 1 << 1,     /* close when the queue is empty */
    DGRAM_DEAD = 1 << 2,        /* it is over; waiting for what is under way */
    DGRAM_LATER = 1 << 3,       /* `later` is in the worker's queue */
    DGRAM_READABLE = 1 << 4,    /* by readiness: there was an edge, and it has not been drained since */
    DGRAM_BLOCKED = 1 << 5,     /* the socket takes no more */
    DGRAM_REFUSED = 1 << 6,     /* a datagram was refused: drained() is due */
    DGRAM_UNIX = 1 << 7,        /* no options of UDP */
    DGRAM_SEGMENTS = 1 << 8,    /* the kernel cuts (UDP_SEGMENT) */
    DGRAM_STARVED = 1 << 9,     /* reading waits for memory */
    DGRAM_MULTISHOT = 1 << 10,  /* io_uring, the second way */
    DGRAM_ARMED = 1 << 11,      /* io_uring: its receive */
    DGRAM_STOPPING = 1 << 12,   /* io_uring: its receive is being cancelled */
    DGRAM_WAITS_ROOM = 1 << 13, /* io_uring: a poll for room is armed */
    DGRAM_WATCHED = 1 << 14,    /* by readiness */
};

enum {
    PAWL_DGRAM_BATCH_ = 32,           /* datagrams of a system call */
    PAWL_DGRAM_CONTROL_ = 96,         /* bytes beside a datagram: the destination, the segment */
    PAWL_DGRAM_MULTISHOT_MAX_ = 7936, /* bytes of a datagram for the ring's buffers */
};

/* An address of a family that is served. */
union pawl_dgram_name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un unix_path;
};

/* One that waits to be sent. */
struct pawl_dgram_out {
    struct pawl_dgram_out *next;
    struct pawl_slice slice;
    struct pawl_dgram_local from;
    uint32_t segment; /* 0: one datagram */
    socklen_t to_bytes;
    union pawl_dgram_name to;
};

struct pawl_dgram {
    struct pawl_source source;
    const struct pawl_dgram_config *config;
    uint32_t state;
    uint16_t depth;    /* continuations of it on the stack */
    uint16_t inflight; /* submissions of io_uring without an answer */
    uint32_t largest;
    int family;
    struct pawl_message later;
    struct pawl_timer timer; /* tries again: sending to a UNIX socket, reading without memory */
    struct pawl_dgram_out *first, *last, *spare;
    uint32_t spares;
    uint32_t likely; /* how many came with the last call */
    int reason;
    uint64_t bytes, weight;   /* of what waits: its bytes; and with what it takes itself */
    struct pawl_chunk *chunk; /* that datagrams larger than the worker's chunks are received into */
    struct msghdr message;    /* io_uring: the shape of what is received */
} __attribute__((aligned(16)));

static inline struct pawl_dgram *pawl_dgram_of_(struct pawl_source *source)
{
    return (struct pawl_dgram *)(void *)source; /* the first member */
}

bool pawl_source_is_dgram_(const struct pawl_source *source);

static inline bool pawl_dgram_reads_(const struct pawl_dgram *dgram)
{
    return (dgram->state & (DGRAM_PAUSED | DGRAM_CLOSING | DGRAM_DEAD | DGRAM_STARVED)) == 0;
}

static inline void pawl_dgram_enter_(struct pawl_dgram *dgram)
{
    dgram->depth++;
}

/* dgram.c. Sends what the continuations have written, and what was asked for. */
void pawl_dgram_leave_(struct pawl_dgram *dgram);
/* It runs in the next turn. */
void pawl_dgram_later_(struct pawl_dgram *dgram);
/* A submission was answered, `inflight` lowered: it may be gone afterwards. */
void pawl_dgram_landed_(struct pawl_dgram *dgram);
/* It breaks. */
void pawl_dgram_die_(struct pawl_dgram *dgram, int reason);
/* Tries again, reading and sending, after so many ms. */
void pawl_dgram_retry_(struct pawl_dgram *dgram, uint32_t ms);

/* The socket takes no more, and there is room again; leave sends. */
void pawl_dgram_blocked_(struct pawl_dgram *dgram);
void pawl_dgram_writable_(struct pawl_dgram *dgram);

/* dgram_send.c. As much as the socket takes. */
void pawl_dgram_flush_(struct pawl_dgram *dgram);
void pawl_dgram_forget_outs_(struct pawl_dgram *dgram);

/* dgram_receive.c. Reads what has come, by readiness. */
void pawl_dgram_read_on_(struct pawl_dgram *dgram);
/* Hands over a datagram: `count` bytes in slice. Between enter and leave. */
void pawl_dgram_received_(struct pawl_dgram *dgram, struct msghdr *message, const struct pawl_slice *slice);
/* recvmsg or sendmsg said so: true: of a datagram, the socket lives on, and the program was told; else it dies. Between enter
 * and leave. */
bool pawl_dgram_soft_(struct pawl_dgram *dgram, int error);
/* What the network has said of earlier datagrams, to the program. Returns whether there was anything. */
bool pawl_dgram_errors_(struct pawl_dgram *dgram);

/* uring_dgram.c */
void pawl_uring_packets_(struct pawl_engine *engine, struct pawl_dgram *dgram);
void pawl_uring_packets_stop_(struct pawl_engine *engine, struct pawl_dgram *dgram);
void pawl_uring_packets_room_(struct pawl_engine *engine, struct pawl_dgram *dgram);
/* A cancellation found nothing: see pawl_uring_missed_(). */
void pawl_uring_packets_missed_(struct pawl_dgram *dgram);

#endif
