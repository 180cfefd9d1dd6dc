/* SPDX-License-Identifier: MIT */
/* What the tests of streams share: a runtime, a server in it, and peers that are plain sockets of the test's thread. */
#ifndef TESTS_RT_IO_H
#define TESTS_RT_IO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../src/rt/stream.h"
#include "../../../src/rt/worker.h"

#include <pawl/atomic.h>
#include <pawl/frame.h>
#include <pawl/rt.h>
#include <pawl/stream.h>
#include <pawl/watch.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The engine that the tests run on. */
extern const char *io_engine;

/* Before all tests: they run on that engine. Returns 0, or what main() is to return: 77 (meson: skipped) where there is no
 * such engine. Prints the seed. */
int io_begin(const char *engine);

/* ---- a runtime ---- */

void io_open(struct pawl_rt **rt, uint32_t workers);
/* Closes it; everything that was opened since io_open() must be gone: descriptors, memory. */
void io_close(struct pawl_rt *rt);
/* How many descriptors this process has. */
int io_descriptors(void);

/* Where a test waits: what it says when that has taken a minute. */
struct io_place {
    const char *what, *file;
    int line;
};
#define IO_HERE(what) (&(const struct io_place){(what), __FILE__, __LINE__})

/* Runs the function on a worker and waits until it has returned. */
#define io_on(rt, worker, run, arg) io_on_at((rt), (worker), (run), (arg), IO_HERE(#run))
void io_on_at(struct pawl_rt *rt, uint32_t worker, void (*run)(void *arg), void *arg,
              const struct io_place *place);

/* Waits until the counter is at least that. Fails after a minute. */
#define io_reach(counter, value) io_reach_at((counter), (value), IO_HERE(#counter))
void io_reach_at(PAWL_ATOMIC(uint64_t) * counter, uint64_t value, const struct io_place *place);
/* What the engines of all workers have counted. Wakes the workers. */
enum io_counter { IO_STREAMS, IO_STARVATIONS, IO_WRITES, IO_UNSENT };
uint64_t io_sum(struct pawl_rt *rt, enum io_counter counter);
/* How often they have waited. Does not wake them: they must be asleep. */
uint64_t io_waits(struct pawl_rt *rt);

/* Waits until there are so many streams. */
void io_streams(struct pawl_rt *rt, uint64_t value);

static inline void io_add(PAWL_ATOMIC(uint64_t) * counter, uint64_t value)
{
    (void)pawl_fetch_add_acq_rel(counter, value); /* pairs with io_reach(), what was done before is seen */
}

static inline uint64_t io_get(PAWL_ATOMIC(uint64_t) * counter)
{
    return pawl_load_acquire(counter);
}

/* ---- a server ---- */

/* What its streams have gone through. */
struct io_counts {
    PAWL_ATOMIC(uint64_t) opened, bytes, ended, drained, closed;
    PAWL_ATOMIC(uint64_t) clean, reset, timed_out, cancelled, other; /* of closed: why */
};

extern struct io_counts io_counts;
/* The continuations of an echo server, which count. */
void io_opened(struct pawl_stream *stream);
void io_received_echo(struct pawl_stream *stream, const struct pawl_slice *slice);
void io_received_count(struct pawl_stream *stream, const struct pawl_slice *slice);
void io_ended_close(struct pawl_stream *stream);
void io_drained(struct pawl_stream *stream);
void io_closed(struct pawl_stream *stream, int reason);
#define IO_ECHO                                                                                        \
    .opened = io_opened, .received = io_received_echo, .ended = io_ended_close, .drained = io_drained, \
    .closed = io_closed

enum io_kind { IO_TCP, IO_TCP_SHARED, IO_UNIX };

struct io_server {
    struct pawl_listener *listener;
    struct sockaddr_storage address;
    socklen_t address_bytes;
    enum io_kind kind;
};

void io_listen(struct io_server *server, struct pawl_rt *rt, enum io_kind kind,
               const struct pawl_stream_config *config);
/* Also waits until it is gone. */
void io_unlisten(struct io_server *server);

/* ---- peers ---- */

int io_connect(const struct io_server *server); /* a blocking socket */
void io_write(int fd, const void *bytes, size_t count);
void io_read(int fd, void *bytes, size_t count);
void io_read_end(int fd);                 /* nothing more comes: end of file */
void io_reset(int fd);                    /* closes with RST */
void io_peer_closed(int fd, bool or_rst); /* the server has closed */

/* A cheap random number, and bytes that follow from a seed and a position. */
uint64_t io_random(uint64_t *state);
void io_fill(char *bytes, size_t count, uint64_t seed, uint64_t position);
uint64_t io_seed(void); /* of the run; it has been printed */
bool io_long(void);
/* A file without a name, with so many of these bytes, at its beginning. */
int io_temporary(size_t count, uint64_t seed);

/* ---- memory (alloc.c) ---- */

/* Allocations that have not been freed. */
int64_t io_live_allocations(void);
/* From now on every n-th allocation of other threads than the first fails; 0: none. */
void io_fail_every(uint32_t n);
uint64_t io_failed(void);

/* ---- submissions (refuse.c) ---- */

/* The next n polls, and waits for children, that are submitted to io_uring are answered with -ENOMEM. */
void io_refuse_polls(int64_t n);
/* So far. */
uint64_t io_refused(void);
/* The same for the poll by which the engine hears of other threads. */
void io_refuse_wakes(int64_t n);
uint64_t io_refused_wakes(void);
/* The next n cancellations of what streams, listeners and datagram sockets receive by find nothing. And so far. */
void io_miss_cancels(int64_t n);
uint64_t io_missed(void);
/* Whether this engine and this kernel let us refuse. */
bool io_can_refuse(void);

#endif
