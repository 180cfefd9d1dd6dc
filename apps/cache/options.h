/* SPDX-License-Identifier: MIT */
/* The command line, as operators of memcached know it. */
#ifndef CACHE_OPTIONS_H
#define CACHE_OPTIONS_H

#include "tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_ADDRESSES_MAX = 16 };

struct cache_options {
    const char *addresses[CACHE_ADDRESSES_MAX]; /* of -l: host, host:port, [v6]:port; with notls: before it */
    unsigned address_count;                     /* 0: all interfaces */
    uint16_t port;                              /* 0: no TCP */
    uint16_t udp_port;                          /* -U; 0: no UDP */
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
    uint16_t metrics_port;     /* --metrics; 0: none */
    const char *restart_file;  /* -e: kept over a graceful restart */
    const char *snapshot_file; /* -o snapshot: SIGUSR1 writes it */
    const char *load_file;     /* -o load: read at the start */
    uint32_t slow_us;          /* -o slow_log: turns that took longer; 0: none */
    int sockets;               /* passed by systemd, from CACHE_SYSTEMD_FIRST on; then no others */
    char delimiter;            /* -D */
    struct cache_tls_options tls;
    bool detail;
    bool no_eviction, lock_memory, daemon, may_shutdown, no_flush, sasl, no_watch, no_dump, track_sizes;
};

/* -1: go on; else the exit status: the help or the version was printed, or what is wrong was said on stderr. */
int cache_options_read(struct cache_options *options, int argc, char **argv);

#endif
