/* SPDX-License-Identifier: MIT */
/* The servers that are compared: started, asked for what they have used, ended. */
#ifndef BENCH_CACHE_SERVER_H
#define BENCH_CACHE_SERVER_H

#include "speech.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

enum server_program { SERVER_MEMCACHED, SERVER_PAWL, SERVER_PAWL_URING, SERVER_REDIS, SERVER_PROGRAMS };

struct server {
    enum server_program program;
    pid_t pid; /* 0: it does not run */
    struct sockaddr_storage address;
    socklen_t address_bytes;
    char path[108];    /* of its UNIX socket, or empty */
    uint64_t start_ns; /* from fork to the first answer */
};

/* What the kernel has booked for a process: all its threads. */
struct server_time {
    uint64_t ran_ns;
    uint64_t waited_ns; /* ready, while its CPU did something else */
};

/* Says what went wrong, ends what was started, exits with 1. */
_Noreturn void server_die(const char *what, const char *why);

/* Finds programs. `pawl_cache`: its path, or NULL: that of this build, or the one that is installed. */
void servers_find(const char *pawl_cache);

const char *server_name(enum server_program program);

/* Why it cannot run here; NULL: it can. */
const char *server_missing(enum server_program program);

enum speech_dialect server_dialect(enum server_program program);

/* One worker, so many MiB, on this CPU (-1: any); on TCP or on a UNIX socket. Has answered when this returns. */
void server_start(struct server *server, enum server_program program, bool unix_socket, unsigned megabytes,
                  int cpu);
void server_end(struct server *server);

/* A connection, without delay. */
int server_connect(const struct server *server);

struct server_time server_time(const struct server *server);
uint64_t server_resident(const struct server *server); /* bytes */

#endif
