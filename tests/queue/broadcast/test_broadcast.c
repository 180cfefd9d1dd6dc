/* SPDX-License-Identifier: MIT */
/* Broadcast: every consumer sees every element once, in order, or is told how many it lost. */
#include "../../sync/sync_test.h"

#include <pawl/broadcast.h>

#include <errno.h>

enum { ELEMENTS = 200000 };

static void number_element(unsigned char *element, size_t bytes, uint64_t number)
{
    for (size_t i = 0; i < bytes; i++)
        element[i] = (unsigned char)(number * 31 + i);
}

static void push_number(struct pawl_broadcast *b, uint64_t number, int status)
{
    assert_int_equal(pawl_broadcast_push(b, &number), status);
}

static void expect_number(struct pawl_broadcast *b, int consumer, uint64_t number)
{
    uint64_t element = UINT64_MAX;

    assert_int_equal(pawl_broadcast_pop(b, consumer, &element), 0);
    assert_int_equal(element, number);
}

static void expect_status(struct pawl_broadcast *b, int consumer, int status)
{
    uint64_t element;

    assert_int_equal(pawl_broadcast_pop(b, consumer, &element), status);
}

/* ---- one thread ---- */

static const int kinds[] = {0, PAWL_BROADCAST_ONE_PRODUCER, PAWL_BROADCAST_OVERWRITE,
                            PAWL_BROADCAST_OVERWRITE | PAWL_BROADCAST_ONE_PRODUCER, PAWL_SHARED};

static void every_size_and_number(size_t capacity, size_t bytes, int flags, uint64_t start_at)
{
    struct pawl_broadcast *b = pawl_broadcast_open(capacity, bytes, 2, flags);
    unsigned char *in = malloc(bytes), *out = malloc(bytes);
    int consumers[2];

    assert_true(b != NULL && in != NULL && out != NULL);
    assert_in_range(pawl_broadcast_capacity(b), capacity, 2 * capacity - 1);
    pawl_broadcast_start_at_(b, start_at);
    consumers[0] = pawl_broadcast_subscribe(b, 0);
    consumers[1] = pawl_broadcast_subscribe(b, 0);
    for (uint64_t i = 0; i < 10; i++) {
        number_element(in, bytes, i);
        assert_int_equal(pawl_broadcast_push(b, in), 0);
        for (int c = 0; c < 2; c++) {
            assert_int_equal(pawl_broadcast_pop(b, consumers[c], out), 0);
            assert_memory_equal(in, out, bytes);
            assert_int_equal(pawl_broadcast_pop(b, consumers[c], out), -EAGAIN);
        }
    }
    assert_int_equal(pawl_broadcast_close(b), 0);
    assert_int_equal(pawl_broadcast_close(b), -EALREADY);
    assert_int_equal(pawl_broadcast_push(b, in), -EPIPE);
    assert_int_equal(pawl_broadcast_pop(b, consumers[0], out), -EPIPE);
    free(in);
    free(out);
    pawl_broadcast_free(b);
}

static void elements_of_every_size_go_round(void **state)
{
    static const size_t capacities[] = {1, 2, 3, 1000}, sizes[] = {1, 7, 8, 9, 64, 100, 4096};
    static const uint64_t starts[] = {0, UINT32_MAX - UINT64_C(3), INT64_MAX - UINT64_C(20)};

    (void)state;
    for (size_t c = 0; c < sizeof capacities / sizeof capacities[0]; c++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
                for (size_t n = 0; n < sizeof starts / sizeof starts[0]; n++)
                    every_size_and_number(capacities[c], sizes[s], kinds[k], starts[n]);
}

static void bad_arguments_are_refused(void **state)
{
    static char memory[4096] PAWL_LINE_PAIR_ALIGNED;
    struct pawl_broadcast *b = (struct pawl_broadcast *)(void *)memory;

    (void)state;
    errno = 0;
    assert_int_equal(pawl_broadcast_bytes(0, 8, 1), 0);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(pawl_broadcast_bytes(1, 0, 1), 0);
    assert_int_equal(pawl_broadcast_bytes(1, 65537, 1), 0);
    assert_int_equal(pawl_broadcast_bytes(1, 8, 0), 0);
    assert_int_equal(pawl_broadcast_bytes(1, 8, 65), 0);
    assert_int_equal(pawl_broadcast_bytes(((size_t)1 << 40) + 1, 8, 1), 0);
    assert_true(pawl_broadcast_bytes(1, 8, 1) <= sizeof memory);
    assert_int_equal(pawl_broadcast_init(b, 1, 8, 1, 32), -EINVAL);
    assert_int_equal(pawl_broadcast_init((struct pawl_broadcast *)(void *)(memory + 64), 1, 8, 1, 0),
                     -EINVAL);
    assert_int_equal(pawl_broadcast_init(b, 0, 8, 1, 0), -EINVAL);
    errno = 0;
    assert_null(pawl_broadcast_open(1, 0, 1, 0));
    assert_int_equal(errno, EINVAL);
    pawl_broadcast_free(NULL);
}

static void pop_of_nobody(void *b)
{
    uint64_t element;

    pawl_broadcast_pop(b, 0, &element);
}

static void who_is_not_subscribed_is_told(void **state)
{
    struct pawl_broadcast *b = pawl_broadcast_open(4, 8, 2, 0);

    (void)state;
    expect_abort(pop_of_nobody, b, "pawl_broadcast_pop: no such consumer is subscribed");
    assert_int_equal(pawl_broadcast_subscribe(b, 1), -EINVAL); /* after nobody */
    assert_int_equal(pawl_broadcast_subscribe(b, UINT64_C(1) << 63), -EINVAL);
    assert_int_equal(pawl_broadcast_subscribe(b, 0), 0);
    assert_int_equal(pawl_broadcast_subscribe(b, 1), 1);
    assert_int_equal(pawl_broadcast_subscribe(b, 0), -ENOSPC);
    pawl_broadcast_unsubscribe(b, 0);
    assert_int_equal(pawl_broadcast_subscribe(b, 0), 0);
    pawl_broadcast_free(b);
}

static void the_slowest_consumer_holds_producers_up(void **state)
{
    struct pawl_broadcast *b = pawl_broadcast_open(4, 8, 2, 0);
    int fast = pawl_broadcast_subscribe(b, 0), slow = pawl_broadcast_subscribe(b, 0);

    (void)state;
    for (uint64_t i = 0; i < 4; i++) {
        push_number(b, i, 0);
        expect_number(b, fast, i);
    }
    push_number(b, 4, -EAGAIN);
    assert_int_equal(pawl_broadcast_behind(b, slow), 4);
    expect_number(b, slow, 0);
    push_number(b, 4, 0);
    push_number(b, 5, -EAGAIN);
    pawl_broadcast_unsubscribe(b, slow); /* as for one that is no more */
    for (uint64_t i = 5; i < 8; i++)
        push_number(b, i, 0);
    push_number(b, 8, -EAGAIN);
    for (uint64_t i = 4; i < 8; i++)
        expect_number(b, fast, i);
    expect_status(b, fast, -EAGAIN);
    pawl_broadcast_free(b);
}

static void without_consumers_elements_vanish(void **state)
{
    struct pawl_broadcast *b = pawl_broadcast_open(2, 8, 1, 0);

    (void)state;
    for (uint64_t i = 0; i < 10; i++)
        push_number(b, i, 0);
    assert_int_equal(pawl_broadcast_subscribe(b, 0), 0);
    expect_status(b, 0, -EAGAIN); /* it begins at the next */
    push_number(b, 10, 0);
    expect_number(b, 0, 10);
    pawl_broadcast_free(b);
}

static void a_batch_is_as_long_as_there_is_room(void **state)
{
    struct pawl_broadcast *b = pawl_broadcast_open(8, 8, 1, 0);
    uint64_t in[20], out[20];

    (void)state;
    for (uint64_t i = 0; i < 20; i++)
        in[i] = i;
    assert_int_equal(pawl_broadcast_subscribe(b, 0), 0);
    assert_int_equal(pawl_broadcast_push_n(b, in, 5), 5);
    assert_int_equal(pawl_broadcast_push_n(b, in + 5, 15), 3);
    assert_int_equal(pawl_broadcast_push_n(b, in + 8, 12), 0);
    assert_int_equal(pawl_broadcast_pop_n(b, 0, out, 2), 2);
    assert_int_equal(pawl_broadcast_push_n(b, in + 8, 12), 2);
    assert_int_equal(pawl_broadcast_pop_n(b, 0, out + 2, 18), 8);
    assert_memory_equal(in, out, 10 * sizeof in[0]);
    assert_int_equal(pawl_broadcast_pop_n(b, 0, out, 18), 0);
    assert_int_equal(pawl_broadcast_close(b), 0);
    assert_int_equal(pawl_broadcast_pop_n(b, 0, out, 18), -EPIPE);
    assert_int_equal(pawl_broadcast_push_n(b, in, 1), -EPIPE);
    pawl_broadcast_free(b);
}

static void who_is_overtaken_is_told_how_much_it_lost(void **state)
{
    struct pawl_broadcast *b = pawl_broadcast_open(8, 8, 2, PAWL_BROADCAST_OVERWRITE);
    uint64_t element = 0, seen = 0;

    (void)state;
    assert_int_equal(pawl_broadcast_subscribe(b, 0), 0);
    for (uint64_t i = 0; i < 8; i++)
        push_number(b, i, 0);
    expect_number(b, 0, 0);
    assert_int_equal(pawl_broadcast_lost(b, 0), 0);
    for (uint64_t i = 8; i < 20; i++)
        push_number(b, i, 0);
    expect_number(b, 0, 13); /* the oldest is 12; one of eight to spare */
    assert_int_equal(pawl_broadcast_lost(b, 0), 12);
    assert_int_equal(pawl_broadcast_close(b), 0);
    while (pawl_broadcast_pop(b, 0, &element) == 0)
        seen++;
    assert_int_equal(element, 19);
    assert_int_equal(seen + 2 + pawl_broadcast_lost(b, 0), 20);
    errno = 0;
    assert_null(pawl_broadcast_peek(b, 0));
    assert_int_equal(errno, EINVAL);
    pawl_broadcast_free(b);
}

static void a_consumer_sees_what_those_before_it_wrote(void **state)
{
    struct pawl_broadcast *b = pawl_broadcast_open(4, 8, 3, 0);
    int first = pawl_broadcast_subscribe(b, 0), second = pawl_broadcast_subscribe(b, 1);
    int last = pawl_broadcast_subscribe(b, 3);
    uint64_t *place;

    (void)state;
    push_number(b, 5, 0);
    errno = 0;
    assert_null(pawl_broadcast_peek(b, second));
    assert_int_equal(errno, EAGAIN);
    expect_status(b, last, -EAGAIN);
    place = pawl_broadcast_peek(b, first);
    assert_non_null(place);
    assert_int_equal(*place, 5);
    *place = 6;
    expect_status(b, second, -EAGAIN); /* not released yet */
    pawl_broadcast_release(b, first);
    expect_number(b, second, 6);
    expect_number(b, last, 6);
    push_number(b, 7, 0);
    expect_status(b, last, -EAGAIN);
    pawl_broadcast_unsubscribe(b, first); /* then nobody waits for it */
    expect_number(b, second, 7);
    expect_number(b, last, 7);
    assert_int_equal(pawl_broadcast_close(b), 0);
    expect_status(b, last, -EPIPE);
    assert_null(pawl_broadcast_peek(b, second));
    assert_int_equal(errno, EPIPE);
    pawl_broadcast_free(b);
}

/* The first of the two has been where the second one goes on. */
static void who_is_overtaken_behind_another_is_given_what_is_left(void **state)
{
    struct pawl_broadcast *b = pawl_broadcast_open(8, 8, 2, PAWL_BROADCAST_OVERWRITE);
    int first = pawl_broadcast_subscribe(b, 0), second = pawl_broadcast_subscribe(b, 1);
    uint64_t out[20], element;

    (void)state;
    for (int batch = 0; batch < 2; batch++) {
        uint64_t end = batch == 0 ? 20 : 40;

        for (uint64_t i = end - 20; i < end; i++)
            push_number(b, i, 0);
        while (pawl_broadcast_pop(b, first, &element) == 0) {
        }
        assert_int_equal(element, end - 1);
        if (batch == 0)
            for (uint64_t i = end - 7; i < end; i++)
                expect_number(b, second, i);
        else
            assert_int_equal(pawl_broadcast_pop_n(b, second, out, 20), 7);
        expect_status(b, second, -EAGAIN);
    }
    assert_int_equal(out[0], 33);
    assert_int_equal(pawl_broadcast_lost(b, second), 13 + 13);
    for (uint64_t i = 40; i < 60; i++)
        push_number(b, i, 0);
    expect_status(b, second, -EAGAIN); /* not before the first */
    expect_number(b, first, 53);
    expect_number(b, second, 53);
    expect_status(b, second, -EAGAIN);
    pawl_broadcast_free(b);
}

/* ---- waiting ---- */

struct reader {
    struct pawl_broadcast *b;
    int consumer, producers;
    uint64_t elements, expected; /* of each producer */
    PAWL_ATOMIC(uint64_t) seen;
};

static void *read_all(void *argument)
{
    struct reader *reader = argument;
    uint64_t next[8] = {0}, seen = 0, element[8];

    while (pawl_broadcast_pop_wait(reader->b, reader->consumer, element, PAWL_FOREVER) == 0) {
        uint64_t producer = element[0] >> 32, number = element[0] & UINT32_MAX;

        for (int i = 1; i < 8; i++)
            if (element[i] != element[0])
                abort(); /* torn */
        if (producer >= 8 || number < next[producer])
            abort(); /* out of order, or twice */
        next[producer] = number + 1;
        seen++;
    }
    pawl_store_relaxed(&reader->seen, seen);
    return NULL;
}

static void *write_all(void *argument)
{
    struct reader *writer = argument;

    for (uint64_t i = 0; i < writer->elements; i++) {
        uint64_t element[8];

        for (int k = 0; k < 8; k++)
            element[k] = (uint64_t)writer->consumer << 32 | i;
        if (pawl_broadcast_push_wait(writer->b, element, PAWL_FOREVER) != 0)
            abort();
    }
    return NULL;
}

static void run_stress(size_t capacity, int producers, int consumers, bool chain, int flags)
{
    struct pawl_broadcast *b = pawl_broadcast_open(capacity, 64, 8, flags);
    struct reader readers[8], writers[8];
    pthread_t reading[8], writing[8];

    assert_non_null(b);
    memset(readers, 0, sizeof readers);
    memset(writers, 0, sizeof writers);
    for (int i = 0; i < consumers; i++) {
        readers[i].b = b;
        readers[i].consumer = pawl_broadcast_subscribe(b, chain && i > 0 ? UINT64_C(1) << (i - 1) : 0);
        assert_int_equal(readers[i].consumer, i);
        reading[i] = start(read_all, &readers[i]);
    }
    for (int i = 0; i < producers; i++) {
        writers[i].b = b;
        writers[i].consumer = i;
        writers[i].elements = (uint64_t)(rounds(ELEMENTS) / 10 / producers);
        writing[i] = start(write_all, &writers[i]);
    }
    for (int i = 0; i < producers; i++)
        join(writing[i]);
    assert_int_equal(pawl_broadcast_close(b), 0);
    for (int i = 0; i < consumers; i++) {
        join(reading[i]);
        assert_int_equal(pawl_load_relaxed(&readers[i].seen) + pawl_broadcast_lost(b, i),
                         (uint64_t)producers * writers[0].elements);
        if ((flags & PAWL_BROADCAST_OVERWRITE) == 0)
            assert_int_equal(pawl_broadcast_lost(b, i), 0);
    }
    pawl_broadcast_free(b);
}

static void everybody_sees_everything(void **state)
{
    (void)state;
    run_stress(1, 1, 2, false, PAWL_BROADCAST_ONE_PRODUCER);
    run_stress(64, 1, 3, false, PAWL_BROADCAST_ONE_PRODUCER);
    run_stress(64, 3, 3, false, 0);
    run_stress(2, 2, 2, false, PAWL_SHARED);
}

static void everybody_sees_everything_one_after_the_other(void **state)
{
    (void)state;
    run_stress(16, 1, 3, true, PAWL_BROADCAST_ONE_PRODUCER);
    run_stress(16, 2, 3, true, 0);
}

static void everybody_sees_everything_without_sleeping(void **state)
{
    (void)state;
    run_stress(256, 1, 1, false, PAWL_BROADCAST_ONE_PRODUCER | PAWL_BROADCAST_YIELD);
    run_stress(256, 2, 2, false, PAWL_BROADCAST_YIELD);
}

static void what_is_overwritten_is_lost_and_counted_and_nothing_torn(void **state)
{
    (void)state;
    run_stress(16, 1, 2, false, PAWL_BROADCAST_OVERWRITE | PAWL_BROADCAST_ONE_PRODUCER);
    run_stress(16, 2, 2, false, PAWL_BROADCAST_OVERWRITE);
    run_stress(64, 2, 3, true, PAWL_BROADCAST_OVERWRITE);
}

static void waits_end_at_the_deadline(void **state)
{
    static const int policies[] = {0, PAWL_BROADCAST_YIELD, PAWL_BROADCAST_SPIN};

    (void)state;
    for (size_t p = 0; p < sizeof policies / sizeof policies[0]; p++) {
        struct pawl_broadcast *b = pawl_broadcast_open(1, 8, 1, policies[p]);
        uint64_t deadline = pawl_deadline(3 * MILLISECOND), element = 0;
        int consumer = pawl_broadcast_subscribe(b, 0);

        assert_int_equal(pawl_broadcast_pop_wait(b, consumer, &element, deadline), -ETIMEDOUT);
        assert_true(monotonic_ns() >= deadline);
        assert_int_equal(pawl_broadcast_push_wait(b, &element, 0), 0);
        assert_int_equal(pawl_broadcast_push_wait(b, &element, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
        assert_int_equal(pawl_broadcast_pop_wait(b, consumer, &element, 0), 0);
        assert_int_equal(pawl_broadcast_close(b), 0);
        assert_int_equal(pawl_broadcast_pop_wait(b, consumer, &element, PAWL_FOREVER), -EPIPE);
        pawl_broadcast_free(b);
    }
}

static void *push_one_waiting(void *argument)
{
    uint64_t element = 1;

    return (void *)(intptr_t)pawl_broadcast_push_wait(argument, &element, PAWL_FOREVER);
}

static void unsubscribing_the_slowest_wakes_who_waits_for_room(void **state)
{
    struct pawl_broadcast *b = pawl_broadcast_open(1, 8, 1, 0);
    int consumer = pawl_broadcast_subscribe(b, 0);
    pthread_t thread;

    (void)state;
    push_number(b, 0, 0);
    thread = start(push_one_waiting, b);
    sleep_ms(5);
    pawl_broadcast_unsubscribe(b, consumer);
    assert_int_equal((intptr_t)join(thread), 0);
    pawl_broadcast_free(b);
}

/* ---- processes ---- */

static struct pawl_broadcast *shared_broadcast(size_t capacity, int flags)
{
    struct pawl_broadcast *b = map_shared(pawl_broadcast_bytes(capacity, 64, 4));

    assert_int_equal(pawl_broadcast_init(b, capacity, 64, 4, flags | PAWL_SHARED), 0);
    return b;
}

static void processes_see_everything_too(void **state)
{
    struct pawl_broadcast *b = shared_broadcast(16, 0);
    struct reader reader = {.b = b, .consumer = pawl_broadcast_subscribe(b, 0)};
    struct reader writer = {.b = b, .consumer = 0, .elements = (uint64_t)rounds(20000)};
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        expect_end_within(30);
        read_all(&reader);
        _exit(pawl_load_relaxed(&reader.seen) == writer.elements ? 0 : 1);
    }
    write_all(&writer);
    assert_int_equal(pawl_broadcast_close(b), 0);
    assert_int_equal(status_of(child), 0);
    munmap(b, pawl_broadcast_bytes(16, 64, 4));
}

static void a_consumer_that_was_killed_is_unsubscribed_and_the_rest_goes_on(void **state)
{
    struct pawl_broadcast *b = shared_broadcast(16, 0);
    struct reader victim = {.b = b, .consumer = pawl_broadcast_subscribe(b, 0)};
    struct reader reader = {.b = b, .consumer = pawl_broadcast_subscribe(b, 0)};
    struct reader writer = {.b = b, .consumer = 0, .elements = (uint64_t)rounds(20000)};
    pthread_t reading, writing;
    pid_t child = fork();
    int status;

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        read_all(&victim);
        _exit(0);
    }
    reading = start(read_all, &reader);
    writing = start(write_all, &writer);
    sleep_ms(2);
    kill(child, SIGKILL);
    status = status_of(child);
    assert_true(WIFSIGNALED(status) || status == 0);
    pawl_broadcast_unsubscribe(b, victim.consumer);
    join(writing);
    assert_int_equal(pawl_broadcast_close(b), 0);
    join(reading);
    assert_int_equal(pawl_load_relaxed(&reader.seen), writer.elements);
    munmap(b, pawl_broadcast_bytes(16, 64, 4));
}

/* As documented: consumers come no further, and say so by the deadline. */
static void a_producer_that_was_killed_inside_push_holds_consumers_up(void **state)
{
    struct pawl_broadcast *b = shared_broadcast(4, 0);
    uint64_t element[8] = {0};
    int consumer = pawl_broadcast_subscribe(b, 0);

    (void)state;
    pawl_fetch_add_relaxed(&b->head, UINT64_C(1)); /* claimed, and killed */
    for (int i = 0; i < 3; i++)
        assert_int_equal(pawl_broadcast_push(b, element), 0);
    assert_int_equal(pawl_broadcast_push(b, element), -EAGAIN);
    assert_int_equal(pawl_broadcast_pop_wait(b, consumer, element, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(pawl_broadcast_close(b), 0);
    assert_int_equal(pawl_broadcast_pop(b, consumer, element), -EAGAIN);
    munmap(b, pawl_broadcast_bytes(4, 64, 4));
}

static void *pop_waiting(void *argument)
{
    uint64_t element[8];

    return (void *)(intptr_t)pawl_broadcast_pop_wait(argument, 0, element, PAWL_FOREVER);
}

/* Killed when it had marked the end, before it woke those who sleep: whoever closes next does. */
static void a_closer_that_was_killed_leaves_nobody_asleep(void **state)
{
    struct pawl_broadcast *b = shared_broadcast(4, 0);
    pthread_t sleeper;

    (void)state;
    assert_int_equal(pawl_broadcast_subscribe(b, 0), 0);
    sleeper = start(pop_waiting, b);
    while ((pawl_load_relaxed(&b->waiting.items.state) & PAWL_EVENTCOUNT_WAITERS_) == 0)
        sched_yield();
    sleep_ms(2); /* it sleeps now */
    pawl_fetch_or_release(&b->head, UINT64_C(1) << 63);
    assert_int_equal(pawl_broadcast_close(b), 0);
    assert_int_equal((intptr_t)join(sleeper), -EPIPE);
    assert_int_equal(pawl_broadcast_close(b), -EALREADY);
    munmap(b, pawl_broadcast_bytes(4, 64, 4));
}

/* Nobody was told its number. */
static void a_consumer_that_was_killed_while_it_subscribed_is_unsubscribed_too(void **state)
{
    struct pawl_broadcast *b = shared_broadcast(2, 0);
    uint64_t element[8] = {0};

    (void)state;
    pawl_store_relaxed(&b->consumer[1].state, 1u);
    assert_int_equal(pawl_broadcast_push(b, element), 0);
    assert_int_equal(pawl_broadcast_push(b, element), 0);
    assert_int_equal(pawl_broadcast_push(b, element), -EAGAIN);
    pawl_broadcast_unsubscribe(b, 1);
    assert_int_equal(pawl_broadcast_push(b, element), 0);
    munmap(b, pawl_broadcast_bytes(2, 64, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_of_every_size_go_round),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(who_is_not_subscribed_is_told),
        cmocka_unit_test(the_slowest_consumer_holds_producers_up),
        cmocka_unit_test(without_consumers_elements_vanish),
        cmocka_unit_test(a_batch_is_as_long_as_there_is_room),
        cmocka_unit_test(who_is_overtaken_is_told_how_much_it_lost),
        cmocka_unit_test(who_is_overtaken_behind_another_is_given_what_is_left),
        cmocka_unit_test(a_consumer_sees_what_those_before_it_wrote),
        cmocka_unit_test(everybody_sees_everything),
        cmocka_unit_test(everybody_sees_everything_one_after_the_other),
        cmocka_unit_test(everybody_sees_everything_without_sleeping),
        cmocka_unit_test(what_is_overwritten_is_lost_and_counted_and_nothing_torn),
        cmocka_unit_test(waits_end_at_the_deadline),
        cmocka_unit_test(unsubscribing_the_slowest_wakes_who_waits_for_room),
        cmocka_unit_test(processes_see_everything_too),
        cmocka_unit_test(a_consumer_that_was_killed_is_unsubscribed_and_the_rest_goes_on),
        cmocka_unit_test(a_producer_that_was_killed_inside_push_holds_consumers_up),
        cmocka_unit_test(a_closer_that_was_killed_leaves_nobody_asleep),
        cmocka_unit_test(a_consumer_that_was_killed_while_it_subscribed_is_unsubscribed_too),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("broadcast", tests, NULL, NULL);
}
