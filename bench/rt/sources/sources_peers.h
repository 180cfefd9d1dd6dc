/* SPDX-License-Identifier: MIT */
/* What a program waits for beside sockets, each by another library. A contender is a process of one loop; it is asked to do a
 * number of operations of one kind, the next when the last is done, and returns when all are. Both ends of an operation
 * are in the process: the figure is of the call that makes it happen, the loop's waiting, and the call that is told. */
#ifndef BENCH_SOURCES_PEERS_H
#define BENCH_SOURCES_PEERS_H

#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>

enum source_kind {
    SOURCE_READ,   /* of `bytes` of a cached file, `depth` under way at a time */
    SOURCE_PIPE,   /* a message of 64 bytes through a pipe, by the library's writing and reading */
    SOURCE_SIGNAL, /* this process sends itself SIGUSR1 */
    SOURCE_CHILD,  /* /bin/true is started, and its status heard */
    SOURCE_CHANGE, /* a byte is written to a file of a folder that is watched */
    SOURCE_EVENT,  /* another thread, on the same CPU, wakes the loop, which wakes that thread */
};

enum { SOURCE_MESSAGE = 64, SOURCE_DEPTH_MAX = 16, SOURCE_BYTES_MAX = 65536 };

struct source_scene {
    enum source_kind kind;
    size_t bytes;
    unsigned depth;
    int file;           /* of SOURCE_BYTES_MAX bytes, open for reading */
    const char *folder; /* in which `touched` lies */
    int touched;        /* open for writing */
    int from, to;       /* a pipe */
    char message[SOURCE_MESSAGE];
    char buffers[SOURCE_DEPTH_MAX][SOURCE_BYTES_MAX];
};

struct source_peer {
    const char *name;
    unsigned kinds; /* those that it has: bits of 1 << enum source_kind */
    /* In the process: 0 or a negative errno. */
    int (*open)(struct source_scene *scene);
    int (*run)(struct source_scene *scene, uint64_t n);
};

extern const struct source_peer source_bare, source_pawl_epoll, source_pawl_uring, source_pawl_pool,
    source_libevent, source_libuv;

/* An operation did not do what it should: ends the process. */
void source_failed(const char *what, int64_t status) __attribute__((noreturn));

/* What makes the events come. */
void source_touch(const struct source_scene *scene);
void source_signal(void);
/* /bin/true with this process's descriptors: its pid. */
int source_spawn(void);
/* Its status was this. */
void source_check_status(int64_t status);

/* The other thread: raises when it is asked to. */
struct source_raiser {
    pthread_t thread;
    sem_t asked;
    void (*raise)(void *arg);
    void *arg;
};

int source_raiser_start(struct source_raiser *raiser, void (*raise)(void *arg), void *arg);
void source_raiser_ask(struct source_raiser *raiser);

#endif
