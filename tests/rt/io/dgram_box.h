/* SPDX-License-Identifier: MIT */
/* What the tests of datagrams share: one socket of the runtime, on its first worker, and plain ones of the test's thread. */
#ifndef TESTS_RT_DGRAM_BOX_H
#define TESTS_RT_DGRAM_BOX_H

#include "io.h"

#include <netinet/in.h>
#include <pawl/dgram.h>

enum { BY_ITSELF = 0, BY_READINESS = 8000 }; /* `largest`: with io_uring it decides */
enum { BOX_PACKETS = 16 };

struct box {
    struct pawl_dgram *dgram;
    const struct pawl_dgram_config *config;
    struct sockaddr_storage address;
    socklen_t bytes;
    int status, fd;
    PAWL_ATOMIC(uint64_t) received, bytes_received, failed, drained, closed;
    int reason, error;
    struct pawl_packet packets[BOX_PACKETS]; /* the first that came: box_note() */
};

extern struct box box;

void box_open_now(void *arg);
void box_address(int family, struct sockaddr_storage *address, socklen_t *bytes);
void box_open(struct pawl_rt *rt, int family, const struct pawl_dgram_config *config);
int box_peer(int family);
int box_connected_peer(int family);
void box_failed(struct pawl_dgram *dgram, const struct pawl_dgram_error *error);
void box_closed(struct pawl_dgram *dgram, int reason);
void box_close_now(void *arg);
void box_close(struct pawl_rt *rt);
void box_note(struct pawl_dgram *dgram, const struct pawl_packet *packet);

#endif
