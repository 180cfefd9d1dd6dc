/* SPDX-License-Identifier: MIT */
/* In front of liburing's submissions, by the linker (--wrap): polls that the kernel is made to refuse, as it does for want of
 * memory. What was to be a poll becomes an operation that does nothing and answers -ENOMEM. And cancellations that are made to
 * find nothing. */
#include "io.h"

/* relaxed, all: counters of a test that waits for what follows from them */
static struct refusals {
    PAWL_ATOMIC(int64_t) left;
    PAWL_ATOMIC(uint64_t) made;
} polls, wakes, cancels;

void io_refuse_polls(int64_t n)
{
    pawl_store_relaxed(&polls.left, n);
}

uint64_t io_refused(void)
{
    return pawl_load_relaxed(&polls.made);
}

void io_refuse_wakes(int64_t n)
{
    pawl_store_relaxed(&wakes.left, n);
}

uint64_t io_refused_wakes(void)
{
    return pawl_load_relaxed(&wakes.made);
}

void io_miss_cancels(int64_t n)
{
    pawl_store_relaxed(&cancels.left, n);
}

uint64_t io_missed(void)
{
    return pawl_load_relaxed(&cancels.made);
}

#if TESTS_URING
#include <liburing.h>

/* Which older headers do not name: IORING_NOP_INJECT_RESULT, IORING_OP_WAITID. */
enum { INJECT_RESULT = 1, OP_WAITID = 50 };

int __real_io_uring_submit(struct io_uring *ring);
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned n);
int __real_io_uring_submit_and_get_events(struct io_uring *ring);
int __real_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned n,
                                            struct __kernel_timespec *timeout, sigset_t *mask);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned n);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned n,
                                            struct __kernel_timespec *timeout, sigset_t *mask);

static void refuse(struct io_uring_sqe *sqe, int result)
{
    const uint64_t key = sqe->user_data;

    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = IORING_OP_NOP;
    sqe->rw_flags = INJECT_RESULT;
    sqe->len = (uint32_t)result;
    sqe->user_data = key;
}

/* As if what it is to cancel were just between two places of the kernel. */
static void miss(struct io_uring_sqe *sqe)
{
    sqe->addr = UINT64_MAX;
}

/* What streams, listeners and datagram sockets have submitted. */
static bool may_be_missed(uint64_t key)
{
    switch (pawl_key_verb_(key)) {
    case PAWL_VERB_RECEIVE:
    case PAWL_VERB_ACCEPT:
    case PAWL_VERB_PACKET:
        return true;
    default:
        return false;
    }
}

/* The engine's own poll, or a source's, by their verbs; or a cancellation. */
static struct refusals *refusals_of(const struct io_uring_sqe *sqe)
{
    if (sqe->opcode == IORING_OP_ASYNC_CANCEL)
        return may_be_missed(sqe->addr) ? &cancels : NULL;
    if (sqe->opcode != IORING_OP_POLL_ADD && sqe->opcode != OP_WAITID)
        return NULL;
    switch (pawl_key_verb_(sqe->user_data)) {
    case PAWL_VERB_READY:
    case PAWL_VERB_CHILD:
        return &polls;
    case PAWL_VERB_NOTIFY:
        return &wakes;
    default:
        return NULL;
    }
}

static void refuse_some(struct io_uring *ring)
{
    for (unsigned at = ring->sq.sqe_head; at != ring->sq.sqe_tail; at++) {
        struct io_uring_sqe *sqe = &ring->sq.sqes[at & *ring->sq.kring_mask];

        struct refusals *which = refusals_of(sqe);

        if (which != NULL && pawl_load_relaxed(&which->left) > 0) {
            (void)pawl_fetch_sub_relaxed(&which->left, 1);
            (void)pawl_fetch_add_relaxed(&which->made, 1);
            if (which == &cancels)
                miss(sqe);
            else
                refuse(sqe, -ENOMEM);
        }
    }
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
    refuse_some(ring);
    return __real_io_uring_submit(ring);
}

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned n)
{
    refuse_some(ring);
    return __real_io_uring_submit_and_wait(ring, n);
}

int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
    refuse_some(ring);
    return __real_io_uring_submit_and_get_events(ring);
}

int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned n,
                                            struct __kernel_timespec *timeout, sigset_t *mask)
{
    refuse_some(ring);
    return __real_io_uring_submit_and_wait_timeout(ring, cqe, n, timeout, mask);
}

bool io_can_refuse(void)
{
    struct io_uring_cqe *cqe;
    struct io_uring ring;
    bool can = false;

    if (strcmp(io_engine, "uring") != 0 || io_uring_queue_init(2, &ring, 0) != 0)
        return false;
    refuse(io_uring_get_sqe(&ring), -ENOMEM);
    if (__real_io_uring_submit_and_wait(&ring, 1) == 1 && io_uring_peek_cqe(&ring, &cqe) == 0)
        can = cqe->res == -ENOMEM; /* before Linux 6.10 it is 0, or -EINVAL */
    io_uring_queue_exit(&ring);
    return can;
}
#else
bool io_can_refuse(void)
{
    return false;
}
#endif
