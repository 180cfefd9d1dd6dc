/* SPDX-License-Identifier: MIT */
/* The three queues of many producers and one consumer with all at work: nothing lost, nothing twice, in the order of each
 * producer; closing; processes that are killed. The seed is printed; PAWL_TEST_SEED repeats it. */
#include "../../sync/sync_test.h"

#include <pawl/mpsc.h>
#include <pawl/mpsc_lanes.h>
#include <pawl/mpsc_ring.h>

#include <errno.h>
#include <inttypes.h>

enum { PRODUCERS = 6, ELEMENTS = 10000, CLOSINGS = 25, KILLINGS = 15 };

static uint64_t seed;

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* An element: who, and his how-manyth. */
static uint64_t element_of(uint64_t producer, uint64_t number)
{
    return producer << 40 | number;
}

struct letter {
    struct pawl_mpsc_node node;
    uint64_t element;
};

/* ---- the three, behind one face ---- */

struct kind {
    void *(*open)(size_t capacity);
    void (*free)(void *q);
    int (*push)(void *q, uint64_t element, bool waits);
    int (*pop)(void *q, uint64_t *element, bool waits);
    int (*close)(void *q);
};

static void *nodes_open(size_t capacity)
{
    (void)capacity;
    return pawl_mpsc_open();
}

static void nodes_free(void *q)
{
    pawl_mpsc_free(q);
}

static int nodes_push(void *q, uint64_t element, bool waits)
{
    struct letter *letter = malloc(sizeof *letter);
    int status;

    (void)waits;
    assert_non_null(letter);
    letter->element = element;
    status = pawl_mpsc_push(q, &letter->node);
    if (status != 0)
        free(letter);
    return status;
}

static int nodes_pop(void *q, uint64_t *element, bool waits)
{
    struct pawl_mpsc_node *node = NULL;
    int status = waits ? pawl_mpsc_pop_wait(q, &node, PAWL_FOREVER) : pawl_mpsc_pop(q, &node);

    if (status == 0) {
        struct letter *letter = pawl_mpsc_of(node, struct letter, node);

        *element = letter->element;
        free(letter);
    }
    return status;
}

static int nodes_close(void *q)
{
    return pawl_mpsc_close(q);
}

#define RING(name)                                                             \
    static void *name##_open(size_t capacity)                                  \
    {                                                                          \
        return pawl_mpsc_##name##_open(capacity, sizeof(uint64_t));            \
    }                                                                          \
    static void name##_free(void *q)                                           \
    {                                                                          \
        pawl_mpsc_##name##_free(q);                                            \
    }                                                                          \
    static int name##_push(void *q, uint64_t element, bool waits)              \
    {                                                                          \
        return waits ? pawl_mpsc_##name##_push_wait(q, &element, PAWL_FOREVER) \
                     : pawl_mpsc_##name##_push(q, &element);                   \
    }                                                                          \
    static int name##_pop(void *q, uint64_t *element, bool waits)              \
    {                                                                          \
        return waits ? pawl_mpsc_##name##_pop_wait(q, element, PAWL_FOREVER)   \
                     : pawl_mpsc_##name##_pop(q, element);                     \
    }                                                                          \
    static int name##_close(void *q)                                           \
    {                                                                          \
        return pawl_mpsc_##name##_close(q);                                    \
    }

RING(ring)
RING(lanes)

static const struct kind nodes = {nodes_open, nodes_free, nodes_push, nodes_pop, nodes_close};
static const struct kind ring = {ring_open, ring_free, ring_push, ring_pop, ring_close};
static const struct kind lanes = {lanes_open, lanes_free, lanes_push, lanes_pop, lanes_close};

/* ---- producers and a consumer ---- */

struct run {
    const struct kind *kind;
    void *q;
    uint64_t elements; /* of each producer */
    bool waits;
    uint64_t pushed[PRODUCERS];
    uint64_t popped[PRODUCERS];
};

struct producer {
    struct run *run;
    unsigned self;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;
    struct run *run = producer->run;
    uint64_t number = 0;

    while (number < run->elements) {
        int status = run->kind->push(run->q, element_of(producer->self, number), run->waits);

        if (status == -EPIPE)
            break;
        if (status == 0)
            number++;
        else
            sched_yield();
    }
    run->pushed[producer->self] = number;
    return NULL;
}

/* Returns the status of the pop. */
static int consume_one(struct run *run)
{
    uint64_t element = 0;
    int status = run->kind->pop(run->q, &element, run->waits);

    if (status == 0) {
        uint64_t who = element >> 40, number = element & ((UINT64_C(1) << 40) - 1);

        assert_true(who < PRODUCERS);
        if (number != run->popped[who])
            fail_msg("%" PRIu64 " of %" PRIu64 " in place of %" PRIu64, number, who, run->popped[who]);
        run->popped[who]++;
    } else if (status != -EPIPE) {
        sched_yield();
    }
    return status;
}

static void *consume_all(void *argument)
{
    while (consume_one(argument) != -EPIPE)
        continue; /* until nothing will come */
    return NULL;
}

static void run_many(const struct kind *kind, size_t capacity, bool waits)
{
    struct run run = {.kind = kind,
                      .q = kind->open(capacity),
                      .elements = (uint64_t)rounds(waits ? ELEMENTS / 20 : ELEMENTS),
                      .waits = waits};
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];

    assert_non_null(run.q);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&run, i};
        threads[i] = start(produce, &producers[i]);
    }
    for (uint64_t got = 0; got < PRODUCERS * run.elements;)
        got += consume_one(&run) == 0;
    for (unsigned i = 0; i < PRODUCERS; i++)
        join(threads[i]);
    assert_int_equal(kind->close(run.q), 0);
    assert_int_equal(consume_one(&run), -EPIPE);
    kind->free(run.q);
}

static void nothing_is_lost_and_each_producers_order_is_kept(void **state)
{
    (void)state;
    run_many(&nodes, 0, false);
    run_many(&ring, 1, false);
    run_many(&ring, 3, false);
    run_many(&ring, 1000, false);
    run_many(&lanes, 1, false);
    run_many(&lanes, 1000, false);
}

static void who_waits_is_woken(void **state)
{
    (void)state;
    run_many(&nodes, 0, true);
    run_many(&ring, 2, true);
    run_many(&ring, 100, true);
    run_many(&lanes, 2, true);
    run_many(&lanes, 100, true);
}

/* ---- closing at any moment ---- */

static void close_some_time(const struct kind *kind, bool waits, uint64_t *random)
{
    struct run run = {.kind = kind, .q = kind->open(20), .elements = UINT64_MAX, .waits = waits};
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS], consumer;

    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){&run, i};
        threads[i] = start(produce, &producers[i]);
    }
    consumer = start(consume_all, &run);
    for (uint64_t k = next_random(random) % 20000; k > 0; k--)
        pawl_relax();
    assert_int_equal(kind->close(run.q), 0);
    join(consumer);
    for (unsigned i = 0; i < PRODUCERS; i++)
        join(threads[i]);
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(run.pushed[i], run.popped[i]);
    kind->free(run.q);
}

static void closed_at_any_moment_all_that_succeeded_is_delivered(void **state)
{
    uint64_t random = seed;

    (void)state;
    for (int i = 0; i < rounds(CLOSINGS); i++) {
        close_some_time(&nodes, i % 2 == 0, &random);
        close_some_time(&ring, i % 2 == 0, &random);
        close_some_time(&lanes, i % 2 == 0, &random);
    }
}

/* ---- processes ---- */

struct shared {
    PAWL_ATOMIC(uint64_t) popped;
    struct pawl_mpsc_ring q;
};

enum { SHARED_BYTES = 1 << 20, CHILDREN = 3 };

static void push_until_killed(struct shared *shared)
{
    for (uint64_t number = 0;; number++) {
        uint64_t words[2] = {number, ~number};
        int status = pawl_mpsc_ring_push_wait(&shared->q, words, PAWL_FOREVER);

        if (status != 0)
            _exit(status == -EPIPE ? 0 : 1);
    }
}

static pid_t spawn(struct shared *shared)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        expect_end_within(60);
        push_until_killed(shared);
    }
    return child;
}

/* The consumer, for a while; it counts what is torn, and gives up a place whose producer was killed. All children that
 * might fill it are dead then: `dead`. */
static void pop_for(struct shared *shared, uint64_t deadline, bool dead)
{
    do {
        uint64_t words[2] = {0, 0};
        int status = pawl_mpsc_ring_pop(&shared->q, words);

        if (status == 0)
            assert_int_equal(words[0], ~words[1]);
        else if (dead && pawl_mpsc_ring_size(&shared->q) > 0)
            assert_int_equal(pawl_mpsc_ring_skip(&shared->q), 0);
        else if (dead)
            return;
        else
            sched_yield();
    } while (dead || monotonic_ns() < deadline);
}

static void producers_killed_in_the_middle_leave_a_place_to_skip(void **state)
{
    struct shared *shared = map_shared(SHARED_BYTES);
    uint64_t random = seed;

    (void)state;
    assert_true(pawl_mpsc_ring_bytes(100, 16) < SHARED_BYTES / 2);
    for (int i = 0; i < rounds(KILLINGS); i++) {
        pid_t children[CHILDREN];

        if (i == 0)
            assert_int_equal(pawl_mpsc_ring_init(&shared->q, 100, 16, PAWL_SHARED), 0);
        for (int k = 0; k < CHILDREN; k++)
            children[k] = spawn(shared);
        pop_for(shared, monotonic_ns() + next_random(&random) % (5 * MILLISECOND), false);
        for (int k = 0; k < CHILDREN; k++) {
            kill(children[k], SIGKILL);
            assert_true(WIFSIGNALED(status_of(children[k])));
        }
        pop_for(shared, 0, true);
        assert_int_equal(pawl_mpsc_ring_size(&shared->q), 0);
    }
    munmap(shared, SHARED_BYTES);
}

int main(void)
{
    const char *wish = getenv("PAWL_TEST_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_and_each_producers_order_is_kept),
        cmocka_unit_test(who_waits_is_woken),
        cmocka_unit_test(closed_at_any_moment_all_that_succeeded_is_delivered),
        cmocka_unit_test(producers_killed_in_the_middle_leave_a_place_to_skip),
    };

    seed = wish != NULL ? strtoull(wish, NULL, 0) : monotonic_ns();
    print_message("PAWL_TEST_SEED=%" PRIu64 "\n", seed);
    expect_end_within(100);
    return cmocka_run_group_tests_name("mpsc stress", tests, NULL, NULL);
}
