/* SPDX-License-Identifier: MIT */
/* Streams that are no sockets. Those that one can wait for stand in stream_plain.c, the others in stream_by_file.c. */
#ifndef PAWL_RT_STREAM_PLAIN_H
#define PAWL_RT_STREAM_PLAIN_H

#include <stdint.h>
#include <sys/types.h>

struct pawl_stream;

/* What kind of stream a descriptor of this mode (of fstat) makes, as bits of the state; and makes it ready to be one. 0 or a
 * negative errno. */
int pawl_plain_state_(int fd, mode_t mode, uint32_t *state);

/* The stream has its state; it is not attached. 0 or -ENOMEM. */
int pawl_plain_begin_(struct pawl_stream *stream);

/* As writev(2): what the out-queue has. */
ssize_t pawl_plain_write_(struct pawl_stream *stream);

/* stream_by_file.c */
int pawl_by_file_begin_(struct pawl_stream *stream);
/* Nothing is under way any more: gives back stream->extra. */
void pawl_by_file_end_(struct pawl_stream *stream);

#endif
