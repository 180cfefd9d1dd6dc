/* SPDX-License-Identifier: MIT */
/* The queue between one producer and one consumer with both at work: order and conservation, closing, processes that are
 * killed. The seed is printed; PAWL_TEST_SEED repeats it. */
#include "../../sync/sync_test.h"

#include <pawl/spsc.h>

#include <errno.h>
#include <inttypes.h>

enum { ELEMENTS = 60000, LARGEST_BATCH = 50, CLOSINGS = 150, KILLINGS = 20, WORDS = 8 };

static uint64_t seed;

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

struct run {
    struct pawl_spsc *q;
    uint64_t elements;
    bool waits;      /* the waiting forms, one by one; else batches and places too */
    uint64_t pushed; /* that succeeded */
    uint64_t popped;
    bool until_closed;
};

static void fill_words(uint64_t *words, uint64_t number, size_t n)
{
    for (size_t i = 0; i < n; i++)
        words[i] = number + i;
}

/* Elements of `words` words; what is torn or out of order fails. */
static void expect_words(const uint64_t *words, uint64_t number, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (words[i] != number + i)
            fail_msg("element %" PRIu64 " has %" PRIu64 " in word %zu", number, words[i], i);
}

/* Once, in one of the ways there are. Returns how many, or an error. */
static ptrdiff_t push_some(struct run *run, uint64_t *random)
{
    size_t words = run->q->element_bytes / sizeof(uint64_t);
    uint64_t many[LARGEST_BATCH * WORDS];
    uint64_t left = run->elements - run->pushed;
    size_t n = (size_t)(next_random(random) % LARGEST_BATCH) + 1;
    void *places = NULL;
    ptrdiff_t got;

    n = n < left ? n : (size_t)left;
    for (size_t i = 0; i < n; i++)
        fill_words(many + i * words, run->pushed + i, words);
    if (run->waits) {
        int status = pawl_spsc_push_wait(run->q, many, PAWL_FOREVER);

        return status == 0 ? 1 : status;
    }
    switch (next_random(random) % 3) {
    case 0: {
        int status = pawl_spsc_push(run->q, many);

        return status == 0 ? 1 : status;
    }
    case 1:
        return pawl_spsc_push_n(run->q, many, n);
    default:
        got = pawl_spsc_reserve(run->q, &places, n);
        if (got <= 0)
            return got;
        memcpy(places, many, (size_t)got * run->q->element_bytes);
        return pawl_spsc_commit(run->q, (size_t)got) == 0 ? got : -EPIPE;
    }
}

static void *produce(void *argument)
{
    struct run *run = argument;
    uint64_t random = seed;

    while (run->pushed < run->elements) {
        ptrdiff_t n = push_some(run, &random);

        if (n == -EPIPE)
            break;
        if (n > 0)
            run->pushed += (uint64_t)n;
        else
            sched_yield();
    }
    return NULL;
}

static ptrdiff_t pop_some(struct run *run, uint64_t *random)
{
    size_t words = run->q->element_bytes / sizeof(uint64_t);
    uint64_t many[LARGEST_BATCH * WORDS];
    const void *elements = many;
    ptrdiff_t n;

    if (run->waits) {
        n = pawl_spsc_pop_wait(run->q, many, PAWL_FOREVER);
        n = n == 0 ? 1 : n;
    } else if (next_random(random) % 2 == 0) {
        n = pawl_spsc_pop_n(run->q, many, (size_t)(next_random(random) % LARGEST_BATCH) + 1);
    } else {
        n = pawl_spsc_peek(run->q, &elements);
    }
    for (ptrdiff_t i = 0; i < n; i++)
        expect_words((const uint64_t *)elements + (size_t)i * words, run->popped + (uint64_t)i, words);
    if (n > 0 && elements != many)
        pawl_spsc_release(run->q, (size_t)n);
    return n;
}

static void *consume(void *argument)
{
    struct run *run = argument;
    uint64_t random = ~seed;

    while (run->until_closed || run->popped < run->elements) {
        ptrdiff_t n = pop_some(run, &random);

        if (n == -EPIPE)
            break;
        if (n > 0)
            run->popped += (uint64_t)n;
        else
            sched_yield();
    }
    return NULL;
}

static void run_both(size_t capacity, size_t element_bytes, bool waits)
{
    struct run run = {.q = pawl_spsc_open(capacity, element_bytes),
                      .elements = (uint64_t)rounds(waits ? ELEMENTS / 20 : ELEMENTS),
                      .waits = waits};
    pthread_t producer;

    assert_non_null(run.q);
    pawl_spsc_start_at_(run.q, (UINT64_C(1) << 56) - 1000);
    producer = start(produce, &run);
    consume(&run);
    join(producer);
    assert_int_equal(run.pushed, run.popped);
    assert_int_equal(pawl_spsc_size(run.q), 0);
    pawl_spsc_free(run.q);
}

static void words_come_in_order(void **state)
{
    (void)state;
    run_both(1, 8, false);
    run_both(2, 8, false);
    run_both(3, 8, false);
    run_both(1000, 8, false);
}

static void larger_elements_come_in_order_and_whole(void **state)
{
    (void)state;
    run_both(3, 64, false);
    run_both(1000, 16, false);
    run_both(1000, 24, false);
    run_both(1000, 64, false);
}

static void who_waits_is_woken(void **state)
{
    (void)state;
    run_both(1, 8, true);
    run_both(100, 8, true);
}

/* ---- closing at any moment ---- */

static void closed_at_any_moment_all_that_succeeded_is_delivered(void **state)
{
    uint64_t random = seed;

    (void)state;
    for (int i = 0; i < rounds(CLOSINGS); i++) {
        struct run run = {.q = pawl_spsc_open(i % 2 == 0 ? 3 : 100, 8),
                          .elements = UINT64_MAX,
                          .waits = i % 4 < 2,
                          .until_closed = true};
        pthread_t producer = start(produce, &run), consumer = start(consume, &run);

        for (uint64_t k = next_random(&random) % 20000; k > 0; k--)
            pawl_relax();
        assert_int_equal(pawl_spsc_close(run.q), 0);
        join(consumer);
        join(producer);
        assert_int_equal(run.pushed, run.popped);
        assert_int_equal(pawl_spsc_size(run.q), 0);
        pawl_spsc_free(run.q);
    }
}

/* ---- processes ---- */

struct shared {
    PAWL_ATOMIC(uint64_t) popped; /* the next number that was not popped for sure */
    PAWL_ATOMIC(uint64_t) pushed; /* the next number that was not pushed for sure */
    struct pawl_spsc q;
};

enum { SHARED_BYTES = 1 << 20 };

static void push_until_killed(struct shared *shared)
{
    /* What was shown and not counted by the one before is there already: the numbers go on behind it. */
    uint64_t number;

    pawl_spsc_repair(&shared->q);
    number = pawl_load_relaxed(&shared->pushed);
    for (;;) {
        uint64_t words[2] = {number, ~number};

        if (pawl_spsc_push_wait(&shared->q, words, PAWL_FOREVER) != 0)
            _exit(0);
        pawl_store_relaxed(&shared->pushed, ++number);
    }
}

static void pop_until_killed(struct shared *shared)
{
    for (;;) {
        uint64_t words[2], expected = pawl_load_relaxed(&shared->popped);

        if (pawl_spsc_pop_wait(&shared->q, words, PAWL_FOREVER) != 0)
            _exit(0);
        /* A producer killed between pushing and counting leaves a number that comes again, a consumer killed between
         * popping and counting one that is not counted. Nothing else is missing, and nothing is torn. */
        if (words[0] != ~words[1] || words[0] > expected + 1 || words[0] + 1 < expected)
            _exit(1);
        pawl_store_relaxed(&shared->popped, words[0] + 1);
    }
}

static pid_t spawn(void (*run)(struct shared *), struct shared *shared)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        expect_end_within(60);
        run(shared);
    }
    return child;
}

static void kill_one(pid_t child)
{
    int status;

    kill(child, SIGKILL);
    status = status_of(child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void processes_that_are_killed_lose_nothing_that_was_pushed(void **state)
{
    struct shared *shared = map_shared(SHARED_BYTES);
    uint64_t random = seed, before;
    pid_t producer, consumer;

    (void)state;
    assert_true(pawl_spsc_bytes(100, 16) < SHARED_BYTES / 2);
    assert_int_equal(pawl_spsc_init(&shared->q, 100, 16, PAWL_SHARED), 0);
    producer = spawn(push_until_killed, shared);
    consumer = spawn(pop_until_killed, shared);
    for (int i = 0; i < rounds(KILLINGS); i++) {
        sleep_ms((long)(next_random(&random) % 8));
        if (next_random(&random) % 2 == 0) {
            kill_one(producer);
            producer = spawn(push_until_killed, shared);
        } else {
            kill_one(consumer);
            before = pawl_load_relaxed(&shared->popped);
            consumer = spawn(pop_until_killed, shared);
            while (pawl_load_relaxed(&shared->popped) == before) /* else two might go uncounted, one each */
                sched_yield();
        }
    }
    before = pawl_load_relaxed(&shared->popped);
    while (pawl_load_relaxed(&shared->popped) < before + 100) /* they go on */
        sched_yield();
    assert_int_equal(pawl_spsc_close(&shared->q), 0);
    assert_int_equal(status_of(producer), 0);
    assert_int_equal(status_of(consumer), 0);
    munmap(shared, SHARED_BYTES);
}

static void use_in_child(void *argument)
{
    struct pawl_spsc *q = argument;
    uint64_t word = 0;

    if (pawl_spsc_pop(q, &word) != 0 || word != 7 || pawl_spsc_push_wait(q, &word, 0) != 0 ||
        pawl_spsc_close(q) != 0 || pawl_spsc_pop(q, &word) != 0 || pawl_spsc_pop(q, &word) != -EPIPE)
        _exit(1);
}

static void a_forked_child_goes_on_with_its_copy(void **state)
{
    struct pawl_spsc *q = pawl_spsc_open(1, 8);
    uint64_t word = 7;

    (void)state;
    assert_int_equal(pawl_spsc_push(q, &word), 0);
    assert_int_equal(status_of_child(use_in_child, q), 0);
    assert_int_equal(pawl_spsc_pop(q, &word), 0);
    assert_int_equal(pawl_spsc_pop(q, &word), -EAGAIN);
    pawl_spsc_free(q);
}

int main(void)
{
    const char *wish = getenv("PAWL_TEST_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_come_in_order),
        cmocka_unit_test(larger_elements_come_in_order_and_whole),
        cmocka_unit_test(who_waits_is_woken),
        cmocka_unit_test(closed_at_any_moment_all_that_succeeded_is_delivered),
        cmocka_unit_test(processes_that_are_killed_lose_nothing_that_was_pushed),
        cmocka_unit_test(a_forked_child_goes_on_with_its_copy),
    };

    seed = wish != NULL ? strtoull(wish, NULL, 0) : monotonic_ns();
    print_message("PAWL_TEST_SEED=%" PRIu64 "\n", seed);
    expect_end_within(100);
    return cmocka_run_group_tests_name("spsc stress", tests, NULL, NULL);
}
