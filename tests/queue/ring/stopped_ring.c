/* SPDX-License-Identifier: MIT */
/* What a stopped or killed thread does to the others.
 *
 * This file has its own copy of the ring, with a call at every named point of the operations. */
#include "stress_ring.h"

#define PAWL_RING_POINT_(name) reach(#name)
static void reach(const char *name);

#include "../../../src/core/queue/ring.c"
#include "../../../src/core/queue/ring_cell.h"
#define push lockfree_push
#define pop lockfree_pop
#define fill lockfree_fill
#include "../../../src/core/queue/ring_lockfree.c"
#undef push
#undef pop
#undef fill
#include "../../../src/core/queue/ring_stamped.c"
#undef push
#undef pop

/* ---- fail points ---- */

enum { RUN, STOP, KILL };

/* In memory shared with the children. */
struct fault {
    char point[24]; /* where */
    int action;
    PAWL_ATOMIC(int) there; /* somebody has stopped */
    PAWL_ATOMIC(int) go_on;
    int skip; /* pass by so often before */
};

static struct fault *fault;
static __thread bool exposed; /* this thread obeys */
static __thread bool counting;
static __thread int waits; /* of this thread for a writer, while it counts */

static void reach(const char *name)
{
    if (counting)
        waits += strcmp(name, "waits") == 0;
    if (!exposed || strcmp(fault->point, name) != 0 || fault->skip-- > 0)
        return;
    exposed = false;
    if (fault->action == KILL)
        kill(getpid(), SIGKILL);
    pawl_store_release(&fault->there, 1);         /* tells the test that it may go on */
    while (pawl_load_acquire(&fault->go_on) == 0) /* acquire: pairs with the test's release */
        sched_yield();
}

static void arm(const char *point, int action, int skip)
{
    memset(fault, 0, sizeof *fault);
    snprintf(fault->point, sizeof fault->point, "%s", point);
    fault->action = action;
    fault->skip = skip;
}

/* ---- stopped and killed ---- */

static const char *const push_points[] = {"before_claim", "claimed", "advanced", "filled", "given_up"};
static const char *const pop_points[] = {"before_take", "taken"};

static void *push_exposed(void *argument)
{
    struct element element = {0, 0, 0}, evicted;

    exposed = true;
    (void)pawl_ring_push(argument, &element, &evicted);
    exposed = false;
    return NULL;
}

static void *pop_exposed(void *argument)
{
    struct element element;

    exposed = true;
    (void)pawl_ring_pop(argument, &element, NULL);
    exposed = false;
    return NULL;
}

/* 100 laps of pushes and pops, in pairs and without, while somebody stands still inside. */
static void everything_goes_on(struct pawl_ring *ring, uint64_t count)
{
    struct element element, evicted;
    uint64_t pushed = 0, out = 0;

    while (pawl_ring_pop(ring, &element, NULL) == 0) {
    }
    for (uint64_t i = 1; i <= count; i++) {
        int result;

        element = (struct element){1, i, 1 + i * 3};
        result = pawl_ring_push(ring, &element, &evicted);
        assert_true(result == 0 || result == PAWL_RING_EVICTED);
        pushed++;
        if (result == PAWL_RING_EVICTED) {
            assert_int_equal(evicted.sum, evicted.thread + evicted.number * 3);
            out++;
        }
        if (i % 3 != 0 && pawl_ring_pop(ring, &element, NULL) == 0) {
            assert_int_equal(element.sum, element.thread + element.number * 3);
            out++;
        }
    }
    while (pawl_ring_pop(ring, &element, NULL) == 0)
        out++;
    assert_true(out == pushed || out == pushed + 1); /* one may be of who stopped */
}

static void try_stop(const char *point, void *(*run)(void *), uint64_t inside)
{
    struct pawl_ring *ring = pawl_ring_open(4, sizeof(struct element), PAWL_RING_LOCK_FREE);
    pthread_t thread;

    for (uint64_t i = 0; i < inside; i++) {
        struct element element = {1, i, 1 + i * 3};

        assert_true(pawl_ring_push(ring, &element, NULL) >= 0);
    }
    arm(point, STOP, 0);
    thread = start(run, ring);
    while (pawl_load_acquire(&fault->there) == 0) /* acquire: the thread has stopped */
        sched_yield();
    everything_goes_on(ring, 400);
    assert_true(pawl_ring_stuck(ring) <= 1);
    pawl_store_release(&fault->go_on, 1);
    join(thread);
    assert_int_equal(pawl_ring_stuck(ring), 0); /* the cell is back */
    everything_goes_on(ring, 40);
    pawl_ring_free(ring);
}

static void a_stopped_thread_stops_nobody(void **state)
{
    (void)state;
    expect_end_within(60);
    for (uint64_t inside = 0; inside <= 5; inside++) {
        for (size_t i = 0; i < 4; i++) /* the last needs a lap in between: below */
            try_stop(push_points[i], push_exposed, inside);
        for (size_t i = 0; i < 2 && inside > 0; i++)
            try_stop(pop_points[i], pop_exposed, inside);
    }
    alarm(0);
}

/* Nothing is behind it, so it is not given up, and found by every pop. */
static void a_writer_that_was_waited_for_once_is_not_waited_for_again(void **state)
{
    struct pawl_ring *ring = pawl_ring_open(4, sizeof(struct element), PAWL_RING_LOCK_FREE);
    struct element element;
    pthread_t thread;

    (void)state;
    expect_end_within(60);
    for (int round = 0; round < 3; round++) {
        arm("filled", STOP, 0);
        thread = start(push_exposed, ring);
        while (pawl_load_acquire(&fault->there) == 0) /* acquire: as above */
            sched_yield();
        waits = 0;
        counting = true;
        for (int i = 0; i < 10; i++)
            assert_int_equal(pawl_ring_pop(ring, &element, NULL), -EAGAIN);
        counting = false;
        assert_int_equal(waits, 1);
        pawl_store_release(&fault->go_on, 1);
        join(thread);
        assert_int_equal(pawl_ring_pop(ring, &element, NULL), 0); /* it was not given up */
    }
    pawl_ring_free(ring);
    alarm(0);
}

static void *push_twice_stopped(void *argument)
{
    push_exposed(argument);
    return NULL;
}

/* The writer is passed by while it stands at `filled`, then stopped again where it finds that out. */
static void a_writer_that_was_given_up_comes_back_and_has_one_entry_in_hand_at_most(void **state)
{
    struct pawl_ring *ring = pawl_ring_open(2, sizeof(struct element), PAWL_RING_LOCK_FREE);
    struct element element = {1, 1, 4};
    pthread_t thread;

    (void)state;
    expect_end_within(60);
    arm("filled", STOP, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pawl_ring_push(ring, &element, NULL), 0);
    thread = start(push_twice_stopped, ring);     /* it has displaced one */
    while (pawl_load_acquire(&fault->there) == 0) /* acquire: as above */
        sched_yield();
    for (int i = 0; i < 8; i++)
        assert_true(pawl_ring_push(ring, &element, NULL) >= 0);
    assert_int_equal(pawl_ring_stuck(ring), 1);
    pawl_store_release(&fault->go_on, 1);
    join(thread);
    assert_int_equal(pawl_ring_stuck(ring), 0);
    everything_goes_on(ring, 40);
    pawl_ring_free(ring);
    alarm(0);
}

/* With as many stopped writers as cells nothing can be stored; a push says so instead of waiting. */
static void stopped_writers_in_every_cell_make_pushes_fail_not_wait(void **state)
{
    struct pawl_ring *ring = pawl_ring_open(1, sizeof(struct element), PAWL_RING_LOCK_FREE);
    struct element element = {1, 1, 4}, evicted;
    pthread_t thread;

    (void)state;
    expect_end_within(60);
    arm("filled", STOP, 0);
    thread = start(push_exposed, ring);
    while (pawl_load_acquire(&fault->there) == 0) /* acquire: as above */
        sched_yield();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(pawl_ring_push(ring, &element, &evicted), PAWL_RING_OVERTAKEN);
        assert_int_equal(pawl_ring_pop(ring, &element, NULL), -EAGAIN);
        element = (struct element){1, 1, 4};
    }
    pawl_store_release(&fault->go_on, 1);
    join(thread);
    everything_goes_on(ring, 40);
    pawl_ring_free(ring);
    alarm(0);
}

struct victim {
    struct pawl_ring *ring;
    bool pops;
};

static void die_inside(void *argument)
{
    struct victim *victim = argument;

    exposed = true;
    for (;;) {
        struct element element = {0, 0, 0}, evicted;

        (void)pawl_ring_push(victim->ring, &element, &evicted);
        if (victim->pops)
            (void)pawl_ring_pop(victim->ring, &element, NULL);
    }
}

static void a_killed_process_costs_the_lock_free_ring_one_cell_at_most(void **state)
{
    size_t bytes = pawl_ring_bytes(64, sizeof(struct element), PAWL_RING_LOCK_FREE | PAWL_SHARED);
    struct pawl_ring *ring = map_shared(bytes);
    size_t killed = 0;

    (void)state;
    expect_end_within(120);
    assert_int_equal(pawl_ring_init(ring, 64, sizeof(struct element), PAWL_RING_LOCK_FREE | PAWL_SHARED), 0);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < 6; i++) {
            struct victim victim = {ring, i >= 4};
            int status;

            arm(i < 4 ? push_points[i] : pop_points[i - 4], KILL, 50 + 30 * round);
            status = status_of_child(die_inside, &victim);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            killed++;
            everything_goes_on(ring, 1000);
            assert_true(pawl_ring_stuck(ring) <= killed);
        }
    }
    assert_true(pawl_ring_stuck(ring) >= 4 &&
                pawl_ring_stuck(ring) <= 12); /* claimed, advanced, filled: 3 a round */
    munmap(ring, bytes);
    alarm(0);
}

static void *push_one(void *argument)
{
    struct element element = {1, 1, 4};

    return (void *)(intptr_t)pawl_ring_push(argument, &element, NULL);
}

/* What is documented of the fast policy. */
static void a_stopped_thread_blocks_who_comes_round_to_its_cell_of_a_stamped_ring(void **state)
{
    static const char *const points[] = {"tail_taken", "filled", "head_taken"};

    (void)state;
    expect_end_within(60);
    for (size_t i = 0; i < 3; i++) {
        struct pawl_ring *ring = pawl_ring_open(2, sizeof(struct element), PAWL_RING_STAMPED);
        struct element element = {1, 1, 4};
        pthread_t stopped, waiting;
        struct timespec soon;

        if (i == 2)
            assert_int_equal(pawl_ring_push(ring, &element, NULL), 0);
        arm(points[i], STOP, 0);
        stopped = start(i == 2 ? pop_exposed : push_exposed, ring);
        while (pawl_load_acquire(&fault->there) == 0) /* acquire: as above */
            sched_yield();
        assert_int_equal(pawl_ring_push(ring, &element, NULL), 0); /* another cell */
        waiting = start(push_one, ring);                           /* comes round */
        clock_gettime(CLOCK_REALTIME, &soon);
        soon.tv_nsec += 20000000;
        soon.tv_sec += soon.tv_nsec / 1000000000;
        soon.tv_nsec %= 1000000000;
        assert_int_equal(pthread_timedjoin_np(waiting, NULL, &soon), ETIMEDOUT);
        pawl_store_release(&fault->go_on, 1);
        join(stopped);
        assert_true((intptr_t)join(waiting) >= 0);
        pawl_ring_free(ring);
    }
    alarm(0);
}

int run_stopped_ring(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_thread_stops_nobody),
        cmocka_unit_test(a_writer_that_was_waited_for_once_is_not_waited_for_again),
        cmocka_unit_test(a_writer_that_was_given_up_comes_back_and_has_one_entry_in_hand_at_most),
        cmocka_unit_test(stopped_writers_in_every_cell_make_pushes_fail_not_wait),
        cmocka_unit_test(a_killed_process_costs_the_lock_free_ring_one_cell_at_most),
        cmocka_unit_test(a_stopped_thread_blocks_who_comes_round_to_its_cell_of_a_stamped_ring),
    };

    fault = map_shared(sizeof *fault);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
