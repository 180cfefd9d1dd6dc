/* SPDX-License-Identifier: MIT */
/* Listeners inside: a part on each worker. The contract is in <pawl/stream.h>.
 *
 * Parts are started and stopped by messages, each of which holds the listener until it has run; so do parts
 * that are on. Who lets go last frees it. */
#ifndef PAWL_RT_LISTENER_H
#define PAWL_RT_LISTENER_H

#include "engine.h"
#include "worker.h"

#include <pawl/stream.h>
#include <pawl/timer.h>

enum {
    PART_ON = 1 << 0,
    PART_STARVED = 1 << 1, /* in io->starved */
    PART_LATER = 1 << 2,   /* `later` is in the worker's queue */
    PART_ARMED = 1 << 3,   /* io_uring: a multishot accept is submitted */
    PART_STARTED = 1 << 4, /* the message `start` is done with */
    PART_STOPPED = 1 << 5, /* the message `stop` came before that */
};

struct pawl_listener_part {
    struct pawl_source source;
    struct pawl_listener *listener;
    struct pawl_worker *worker;
    struct pawl_message start, stop, later;
    struct pawl_timer timer; /* starved: tries again */
    struct pawl_listener_part *next_starved;
    uint32_t state;
    uint32_t inflight; /* io_uring: submissions without an answer */
} PAWL_LINE_PAIR_ALIGNED;

struct pawl_listener {
    PAWL_ATOMIC(uint32_t) holds;
    PAWL_ATOMIC(uint32_t) closing; /* the caller's hold is let go, or handed to the messages */
    uint32_t parts;
    socklen_t address_bytes;
    struct sockaddr_storage address;
    bool shared, unix_socket;
    bool given;      /* its open file is somebody else's too, who relies on O_NONBLOCK */
    bool bytes_only; /* as in a stream */
    const struct pawl_stream_config *stream;
    void (*closed)(struct pawl_listener *listener, void *arg);
    void *arg;
    PAWL_FLEXIBLE struct pawl_listener_part part[];
};

/* epoll, and given sockets: accepts what there is, within a budget. */
void pawl_listener_accept_(struct pawl_listener_part *part);
/* A connection, or a negative errno, of accept. Returns whether to go on at once. */
bool pawl_listener_accepted_(struct pawl_listener_part *part, int result);
/* io_uring: an answer came; `inflight` was lowered. The listener may be gone afterwards. */
void pawl_listener_landed_(struct pawl_listener_part *part);
/* Those that wait for descriptors or memory try again: something was given back. */
void pawl_listeners_resume_(struct pawl_engine *engine);

#endif
