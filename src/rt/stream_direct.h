/* SPDX-License-Identifier: MIT */
/* A piece of a file from the page cache to a stream's socket, which no byte of leaves the kernel for. */
#ifndef PAWL_RT_STREAM_DIRECT_H
#define PAWL_RT_STREAM_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

struct pawl_stream;

enum {
    PAWL_DIRECT_LEAST_ = 64 << 10, /* bytes: for fewer a copy costs less than asking */
    PAWL_DIRECT_MOST_ = 256 << 10, /* of one call, then the others have their turn */
};

/* Whether the stream is one for which it can be tried. */
bool pawl_stream_takes_direct_(const struct pawl_stream *stream);

/* The out-queue is empty. Returns how many bytes were sent; 0: they are not in memory; -EAGAIN: the socket is full;
 * -EOPNOTSUPP: never of this file; or what broke the connection. Between enter and leave. */
int64_t pawl_stream_send_direct_(struct pawl_stream *stream, int fd, int64_t offset, uint64_t count);

#endif
