/* SPDX-License-Identifier: MIT */
/* The same loops over other libraries, each compiled by itself: their headers do not go together. */
#ifndef BENCH_RECLAIM_PEERS_H
#define BENCH_RECLAIM_PEERS_H

#include "bench.h"

struct bench_node {
    struct bench_node *next;
    uint64_t value;
};

/* One flavour of liburcu (peer_urcu.c). */
#define PEER_URCU_LOOPS(flavour)                                                     \
    void peer_urcu_##flavour##_enter(struct bench_thread *thread);                   \
    void peer_urcu_##flavour##_leave(struct bench_thread *thread);                   \
    void peer_urcu_##flavour##_read(struct bench_thread *thread, uint64_t n);        \
    void peer_urcu_##flavour##_traverse(struct bench_thread *thread, uint64_t n);    \
    void peer_urcu_##flavour##_synchronize(struct bench_thread *thread, uint64_t n); \
    void peer_urcu_##flavour##_retire(struct bench_thread *thread, uint64_t n)

PEER_URCU_LOOPS(memb);
PEER_URCU_LOOPS(mb);
PEER_URCU_LOOPS(qsbr);
PEER_URCU_LOOPS(bp);

/* Concurrency Kit (peer_ck.c). */
void peer_ck_enter(struct bench_thread *thread);
void peer_ck_leave(struct bench_thread *thread);
void peer_ck_pin(struct bench_thread *thread, uint64_t n);
void peer_ck_retire(struct bench_thread *thread, uint64_t n);
void peer_ck_retire_hp(struct bench_thread *thread, uint64_t n);
void peer_ck_protect(struct bench_thread *thread, uint64_t n);

/* crossbeam-epoch (crossbeam/lib.rs). */
void peer_crossbeam_leave(struct bench_thread *thread);
void peer_crossbeam_pin(struct bench_thread *thread, uint64_t n);
void peer_crossbeam_retire(struct bench_thread *thread, uint64_t n);

/* ---- what is held (bench_garbage.c) ---- */

struct garbage_scheme {
    const char *name;
    const char *missing; /* why it cannot run here; then nothing else is needed */
    /* By a thread of its own: enters, with an object in hand where that matters; and leaves. */
    void (*hold)(void);
    void (*let_go)(void);
    /* By another thread: retires an object of 32 bytes. Returns 0, or not if that would have to wait. */
    int (*retire)(void);
    uint64_t (*reclaimed)(void);
    /* By the thread that retires: all that the program can do to have things reclaimed. */
    void (*flush)(void);
};

enum { GARBAGE_BYTES = 32 };

extern const struct garbage_scheme peer_urcu_memb_garbage, peer_ck_epoch_garbage, peer_ck_hp_garbage;
extern const struct garbage_scheme peer_crossbeam_garbage;

#endif
