/* SPDX-License-Identifier: MIT */
/* Inside the reclamation rooms: threads by number. */
#ifndef PAWL_CORE_RECLAIM_READER_H
#define PAWL_CORE_RECLAIM_READER_H

#include <pawl/reader.h>
#include <stdbool.h>

/* The threads by number; the last record is nobody's, as in every domain. */
extern struct pawl_reader pawl_readers_[PAWL_READER_MAX + 1];

/* Finds out which fences there are, once. */
void pawl_fence_look(void);

/* The calling thread, with a number. Never fails: aborts when 65536 threads have one. Signal-safe. */
struct pawl_reader *pawl_reader_own(void);

/* The same if it has one, else NULL. */
struct pawl_reader *pawl_reader_known(void);

/* The smallest number >= from that some thread has, or PAWL_READER_MAX. */
uint32_t pawl_reader_next(uint32_t from);

/* No number from here on was ever taken. */
uint32_t pawl_reader_high(void);

/* Gives back the number of a thread that is gone; returns whether it is. Not from signal handlers. */
bool pawl_reader_bury(uint32_t number);

/* The same, but waits for nobody: perhaps next time. */
void pawl_reader_try_bury(uint32_t number);

/* Buries all that are gone, when so many numbers are taken that it is worth a look. Waits for nobody. Not from signal
 * handlers. */
void pawl_reader_sweep(void);

/* Of the calling thread: it waits for handlers in no state that they must not find it in. */
void pawl_reader_block_signals(uint64_t *before);
void pawl_reader_restore_signals(const uint64_t *before);

/* A room that keeps something for each thread. */
struct reader_room {
    struct reader_room *next;
    struct reader_room **link;
    /* Whether thread `number` is in the middle of something here, which a later destructor may end. By the thread
     * itself, at its exit. */
    bool (*inside)(struct reader_room *room, uint32_t number);
    /* The thread is gone (or going, after `inside` said no): leave its place empty. Under the lock of the
     * rooms:
     * no calls of user code, no waiting. */
    void (*leave)(struct reader_room *room, uint32_t number);
    /* In a forked child, before leave() for all other threads. May be NULL. */
    void (*forked)(struct reader_room *room);
};

void pawl_reader_enter_room(struct reader_room *room);
void pawl_reader_leave_room(struct reader_room *room);

#endif
