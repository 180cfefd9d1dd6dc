/* SPDX-License-Identifier: MIT */
/* The command line, as operators of memcached know it. */
#ifndef CACHE_OPTIONS_H
#define CACHE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_ADDRESSES_MAX = 16 };

struct cache_options {
    const char *addresses[CACHE_ADDRESSES_MAX]; /* of -l: host, host:port, [v6]:port */
    unsigned address_count;                     /* 0: all interfaces */
    uint16_t port;                              /* 0: no TCP */
    const char *unix_path;                      /* instead of TCP */
    unsigned unix_mask;                         /* its permissions */
    size_t limit;                               /* -m, bytes */
    size_t item_max;                            /* -I, bytes */
    uint32_t connections;                       /* -c */
    uint32_t threads;                           /* -t */
    int backlog;
    uint32_t idle_seconds; /* -o idle_timeout; 0: none */
    uint32_t dialect;      /* -B */
    uint32_t verbosity;
    const char *user, *pid_file, *token_file, *engine;
    char delimiter; /* -D */
    bool detail;
    bool no_eviction, lock_memory, daemon, may_shutdown, no_flush, sasl;
};

/* -1: go on; else the exit status: the help or the version was printed, or what is wrong was said on stderr. */
int cache_options_read(struct cache_options *options, int argc, char **argv);

#endif
