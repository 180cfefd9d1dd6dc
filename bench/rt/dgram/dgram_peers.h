/* SPDX-License-Identifier: MIT */
/* Servers of one thread that send each datagram back, each on another library; as those of echo_peers.h. */
#ifndef BENCH_DGRAM_PEERS_H
#define BENCH_DGRAM_PEERS_H

#include "../echo/echo_peers.h"

int dgram_bare(const struct echo_place *place);
int dgram_pawl_epoll(const struct echo_place *place);
int dgram_pawl_uring(const struct echo_place *place);
int dgram_libevent(const struct echo_place *place);
int dgram_libuv(const struct echo_place *place);

/* A bound, nonblocking socket, or a negative errno. */
int dgram_bound(const struct echo_place *place);

#endif
