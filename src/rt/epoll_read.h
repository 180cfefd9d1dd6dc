/* SPDX-License-Identifier: MIT */
#ifndef PAWL_RT_EPOLL_READ_H
#define PAWL_RT_EPOLL_READ_H

struct pawl_engine;
struct pawl_stream;

/* Reads what there is, within the budget; what is left is for the next turn. */
void pawl_epoll_read_on_(struct pawl_engine *engine, struct pawl_stream *stream);

#endif
