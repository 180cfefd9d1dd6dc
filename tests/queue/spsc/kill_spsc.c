/* SPDX-License-Identifier: MIT */
/* Processes that are killed in the middle of an operation, at each of its instructions: another one takes their role
 * over, and finds the queue whole. Compiled for -DQUEUE=spsc and -DQUEUE=mpsc_ring. */
#include "../../sync/sync_test.h"

#include <pawl/mpsc_ring.h>
#include <pawl/spsc.h>

#include <errno.h>
#include <sys/ptrace.h>

#define KIND_spsc 1
#define KIND_mpsc_ring 2
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define KIND JOIN(KIND_, QUEUE)
#define Q(name) JOIN(JOIN(pawl_, QUEUE), _##name)
#define TITLE_(queue) #queue
#define TITLE(queue) TITLE_(queue)

enum { MOST = 64, BYTES = 1 << 14 };

static struct JOIN(pawl_, QUEUE) * queue,
    *left; /* the queue; what a process that is killed now leaves of it */
static uint64_t words[MOST];

/* ---- steps ---- */

static void stop_and_run(void (*operation)(void))
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(77);
    raise(SIGSTOP);
    operation();
    _exit(0);
}

/* Runs a child instruction by instruction, and asks after each, on a copy of the queue, which holds no pointers. */
static void after_each_step(void (*operation)(void), void (*check)(bool ended))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        stop_and_run(operation);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* a sandbox */
    while (WIFSTOPPED(status)) {
        memcpy(left, queue, BYTES);
        check(false);
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    assert_int_equal(status, 0);
    memcpy(left, queue, BYTES);
    check(true);
}

/* ---- consumers ---- */

static void pop_one(void)
{
    uint64_t word;

    (void)Q(pop)(queue, &word);
}

static void pop_many(void)
{
    (void)!Q(pop_n)(queue, words, MOST);
}

static uint64_t pushed;

/* What is inside ends with the last that was pushed. Asks twice whether there is more: then all room is given back. */
static void expect_rest(uint64_t end)
{
    uint64_t word, next = 0;
    bool first = true;

    while (Q(pop)(left, &word) == 0) {
        assert_true(first || word == next);
        first = false;
        next = word + 1;
    }
    assert_true(first || next == end);
    assert_int_equal(Q(pop)(left, &word), -EAGAIN);
    assert_int_equal(Q(size)(left), 0);
}

static void another_consumer_takes_over(bool ended)
{
    (void)ended;
    expect_rest(pushed);
    assert_int_equal(pawl_load_relaxed(&left->handover.room.state) & PAWL_EVENTCOUNT_WAITERS_, 0);
    for (uint64_t i = 0; i < Q(capacity)(left); i++)
        assert_int_equal(Q(push)(left, &i), 0);
    expect_rest(Q(capacity)(left));
}

/* A full queue, and a producer that waits for room. */
static void kill_consumers(size_t capacity, void (*operation)(void))
{
    assert_true(Q(bytes)(capacity, sizeof pushed) <= BYTES);
    assert_int_equal(Q(init)(queue, capacity, sizeof pushed, PAWL_SHARED), 0);
    for (pushed = 0; Q(push)(queue, &pushed) == 0;)
        pushed++;
    pawl_eventcount_prepare(&queue->handover.room);
    after_each_step(operation, another_consumer_takes_over);
}

static void a_consumer_may_be_killed_anywhere(void **state)
{
    (void)state;
    kill_consumers(1, pop_one);
    kill_consumers(2, pop_one);
    kill_consumers(20, pop_one);
    kill_consumers(1, pop_many);
    kill_consumers(20, pop_many);
}

/* ---- producers ---- */

enum { BEFORE = 3, BATCH = 20 };

static void push_one(void)
{
    (void)Q(push)(queue, words);
}

static void push_many(void)
{
    (void)!Q(push_n)(queue, words, BATCH);
}

/* Of what the dead one pushed the first so many are inside, or some where places are given up; the next one's is. */
static void another_producer_takes_over(bool ended)
{
    uint64_t word = UINT64_MAX, next = 0;

#if KIND == KIND_spsc
    pawl_spsc_repair(left);
#endif
    assert_int_equal(Q(push)(left, &word), 0);
    for (word = 0; word != UINT64_MAX;) {
        int status = Q(pop)(left, &word);

#if KIND == KIND_mpsc_ring
        if (status == -EAGAIN) {
            assert_true(next >= BEFORE);
            assert_int_equal(pawl_mpsc_ring_skip(left), 0);
            continue;
        }
#endif
        assert_int_equal(status, 0);
        if (word == UINT64_MAX)
            break;
        assert_true(word == next || (KIND == KIND_mpsc_ring && word > next && next >= BEFORE));
        next = word + 1;
    }
    assert_true(next >= BEFORE && next <= pushed);
    if (ended)
        assert_int_equal(next, pushed);
    assert_int_equal(Q(pop)(left, &word), -EAGAIN);
    assert_int_equal(Q(size)(left), 0);
}

static void kill_producers(void (*operation)(void), uint64_t count)
{
    assert_int_equal(Q(init)(queue, 40, sizeof words[0], PAWL_SHARED), 0);
    for (uint64_t word = 0; word < BEFORE; word++)
        assert_int_equal(Q(push)(queue, &word), 0);
    for (uint64_t i = 0; i < MOST; i++)
        words[i] = BEFORE + i;
    pushed = BEFORE + count;
    after_each_step(operation, another_producer_takes_over);
}

static void a_producer_may_be_killed_anywhere(void **state)
{
    (void)state;
    kill_producers(push_one, 1);
    kill_producers(push_many, BATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_consumer_may_be_killed_anywhere),
        cmocka_unit_test(a_producer_may_be_killed_anywhere),
    };

    if (PAWL_INSTRUMENTED) /* whose operations have many instructions more */
        return 77;
    expect_end_within(100);
    queue = map_shared(BYTES);
    left = map_shared(BYTES);
    return cmocka_run_group_tests_name(TITLE(QUEUE) ", killed", tests, NULL, NULL);
}
