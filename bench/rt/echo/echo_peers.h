/* SPDX-License-Identifier: MIT */
/* Echo servers of one thread, each on another library. Each listens on the address, says so by `ready`, and serves until
 * it is killed; it returns only if it cannot, with a negative errno.
 * All set TCP_NODELAY; all have a queue for what the peer does not take. */
#ifndef BENCH_ECHO_PEERS_H
#define BENCH_ECHO_PEERS_H

#include <sys/socket.h>

struct echo_place {
    const struct sockaddr *address;
    socklen_t bytes;
    int ready; /* a pipe: a byte is written when it listens */
};

typedef int echo_server(const struct echo_place *place);

int echo_bare(const struct echo_place *place);
int echo_pawl_epoll(const struct echo_place *place);
int echo_pawl_uring(const struct echo_place *place);
int echo_pawl_fibers(const struct echo_place *place);
int echo_libevent(const struct echo_place *place);
int echo_libevent_buffer(const struct echo_place *place);
int echo_libuv(const struct echo_place *place);
int echo_libev(const struct echo_place *place);

/* A nonblocking listening socket there, or a negative errno. */
int echo_listen(const struct echo_place *place);
void echo_ready(const struct echo_place *place);
void echo_no_delay(int fd);

enum { ECHO_BUFFER = 65536 };

/* For those that read and write themselves: what could not be written. */
struct echo_rest {
    char *bytes;
    unsigned first, count;
};

/* Sends, or keeps: 0; 1: something is kept, tell when it is writable; -1: the connection is over. */
int echo_send(int fd, struct echo_rest *rest, const char *bytes, unsigned count);
/* It is writable: as above. */
int echo_send_rest(int fd, struct echo_rest *rest);

#endif
