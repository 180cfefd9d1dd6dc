/* SPDX-License-Identifier: MIT */
/* What the ring promises, under both policies: the sequential part, closing, waiting, views, other processes. */
#include "../../../src/core/queue/ring_cell.h"
#include "../../sync/sync_test.h"
#include "../no_kernel.h"

#include <errno.h>

static const int policies[] = {PAWL_RING_STAMPED, PAWL_RING_LOCK_FREE};
#define EACH_POLICY(policy)           \
    for (size_t i_ = 0; i_ < 2; i_++) \
        for (int policy = policies[i_], once_ = 1; once_; once_ = 0)

static struct pawl_ring *ring_of(size_t capacity, size_t bytes, int flags)
{
    struct pawl_ring *ring = pawl_ring_open(capacity, bytes, flags);

    assert_non_null(ring);
    return ring;
}

static void a_ring_that_cannot_be_is_refused(void **state)
{
    struct pawl_ring *ring = map_shared(4096);

    (void)state;
    EACH_POLICY(policy)
    {
        errno = 0;
        assert_int_equal(pawl_ring_bytes(0, 8, policy), 0);
        assert_int_equal(errno, EINVAL);
        assert_int_equal(pawl_ring_bytes(4, 0, policy), 0);
        assert_int_equal(pawl_ring_bytes(4, 8, policy | 64), 0);
        errno = 0;
        assert_int_equal(pawl_ring_bytes(SIZE_MAX, 8, policy), 0);
        assert_int_equal(errno, EOVERFLOW);
        assert_int_equal(pawl_ring_bytes(4, SIZE_MAX, policy), 0);
        assert_int_equal(pawl_ring_bytes((size_t)1 << 40, (size_t)1 << 40, policy), 0);
        assert_null(pawl_ring_open(0, 8, policy));
        assert_int_equal(pawl_ring_init(ring, 0, 8, policy), -EINVAL);
        assert_int_equal(pawl_ring_init((struct pawl_ring *)(void *)((char *)ring + 64), 4, 8, policy),
                         -EINVAL);
        assert_int_equal(pawl_ring_init(ring, 4, 8, policy), 0);
    }
    pawl_ring_free(NULL);
    munmap(ring, 4096);
}

static void a_full_ring_gives_its_oldest_to_who_pushes(void **state)
{
    (void)state;
    EACH_POLICY(policy)
    {
        struct pawl_ring *ring = ring_of(4, sizeof(uint64_t), policy);
        uint64_t value, evicted = 99, ticket;

        assert_int_equal(pawl_ring_pop(ring, &value, NULL), -EAGAIN);
        for (uint64_t i = 0; i < 4; i++)
            assert_int_equal(pawl_ring_push(ring, &i, &evicted), 0);
        assert_int_equal(evicted, 99);
        assert_int_equal(pawl_ring_size(ring), 4);
        for (uint64_t i = 4; i < 11; i++) {
            assert_int_equal(pawl_ring_push(ring, &i, &evicted), PAWL_RING_EVICTED);
            assert_int_equal(evicted, i - 4);
        }
        assert_int_equal(pawl_ring_lost(ring), 7);
        for (uint64_t i = 7; i < 11; i++) {
            assert_int_equal(pawl_ring_pop(ring, &value, &ticket), 0);
            assert_int_equal(value, i);
            assert_int_equal(ticket, i); /* the consumer sees that it lost 0 .. 6 */
        }
        assert_int_equal(pawl_ring_pop(ring, &value, &ticket), -EAGAIN);
        value = 11;
        assert_int_equal(pawl_ring_push(ring, &value, NULL), 0);
        assert_int_equal(pawl_ring_lost(ring), 7);
        pawl_ring_free(ring);
    }
}

/* Pushes and pops in turns of all lengths; the ring is what a plain queue is. */
static void compare_with_a_queue(struct pawl_ring *ring, size_t bytes, unsigned seed)
{
    size_t capacity = pawl_ring_capacity(ring);
    uint64_t oldest = 0, next = 0;
    unsigned char *in = malloc(bytes + 1), *out = malloc(bytes + 1);

    assert_true(in != NULL && out != NULL);
    for (int round = 0; round < 40; round++) {
        bool pushing = rand_r(&seed) % 2 == 0;

        for (size_t n = (size_t)rand_r(&seed) % (2 * capacity + 2); n > 0; n--) {
            int status;

            memset(out, 0xee, bytes + 1);
            if (pushing) {
                memset(in, (int)(next % 251), bytes);
                status = pawl_ring_push(ring, in, out);
                assert_int_equal(status, next - oldest == capacity ? PAWL_RING_EVICTED : 0);
                next++;
            } else {
                status = pawl_ring_pop(ring, out, NULL);
                assert_int_equal(status, next == oldest ? -EAGAIN : 0);
            }
            if (pushing ? status == PAWL_RING_EVICTED : status == 0) {
                assert_true(out[0] == oldest % 251 && memcmp(out, out + 1, bytes - 1) == 0);
                oldest++;
            }
            assert_int_equal(out[bytes], 0xee);
        }
        assert_int_equal(pawl_ring_size(ring), next - oldest);
    }
    free(in);
    free(out);
}

static void every_capacity_and_every_size_of_element_will_do(void **state)
{
    static const size_t capacities[] = {1, 2, 3, 1000};
    static const size_t rounded[] = {1, 2, 4, 1024};
    static const size_t sizes[] = {1, 2, 7, 8, 9, 16, 17, 24, 63, 64, 100, 4096, 4097};

    (void)state;
    EACH_POLICY(policy)
    {
        for (size_t c = 0; c < 4; c++) {
            for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
                struct pawl_ring *ring = ring_of(capacities[c], sizes[s], policy);

                assert_int_equal(pawl_ring_capacity(ring), rounded[c]);
                if (capacities[c] * sizes[s] <= 100000)
                    compare_with_a_queue(ring, sizes[s], (unsigned)(c * 100 + s));
                pawl_ring_free(ring);
            }
        }
    }
}

static void counters_may_wrap(void **state)
{
    static const uint64_t starts[] = {
        0xfffffff0u,              /* tickets through 2^32 */
        (UINT64_C(1) << 61) - 16, /* positions through 2^63 */
        (UINT64_C(1) << 62) - 16, /* positions through 2^64 */
        (UINT64_C(1) << 30) - 16, /* positions through 2^32 */
    };

    (void)state;
    EACH_POLICY(policy)
    {
        for (size_t s = 0; s < 4; s++) {
            for (size_t capacity = 1; capacity <= 8; capacity *= 2) {
                struct pawl_ring *ring = ring_of(capacity, 24, policy);
                char element[24];
                uint64_t ticket;

                pawl_ring_start_at_(ring, starts[s]);
                compare_with_a_queue(ring, 24, (unsigned)s);
                while (pawl_ring_pop(ring, element, NULL) == 0) {
                }
                memset(element, 7, 24);
                assert_int_equal(pawl_ring_push(ring, element, NULL), 0);
                assert_int_equal(pawl_ring_pop(ring, element, &ticket), 0);
                assert_true(((ticket - starts[s]) << 2) >> 2 >= 16); /* it did go through the limit */
                assert_int_equal(pawl_ring_close(ring), 0);
                assert_int_equal(pawl_ring_pop(ring, element, NULL), -EPIPE);
                pawl_ring_free(ring);
            }
        }
    }
}

/* As a thread leaves them that slept in front of its store. */
static void let_hints_fall_back(struct pawl_ring *ring, unsigned *seed)
{
    uint64_t tail = pawl_load_relaxed(&ring->tail_hint); /* relaxed, all: one thread */
    uint64_t head = pawl_load_relaxed(&ring->head_hint);

    pawl_store_relaxed(&ring->tail_hint, tail - (uint64_t)rand_r(seed) % 600 * PAWL_RING_STEP_);
    pawl_store_relaxed(&ring->head_hint, head - (uint64_t)rand_r(seed) % 600 * PAWL_RING_STEP_);
}

static void hints_that_fall_back_cost_a_walk_not_an_entry(void **state)
{
    unsigned seed = 5;

    (void)state;
    for (size_t capacity = 1; capacity <= 256; capacity *= 4) {
        struct pawl_ring *ring = ring_of(capacity, 8, PAWL_RING_LOCK_FREE);
        uint64_t oldest = 1000, next = 1000, elements[256], tickets[256];

        pawl_ring_start_at_(ring, 1000);
        for (int i = 0; i < 20000; i++) {
            bool pushing = rand_r(&seed) % 5 < 3; /* it gets full, and is full most of the time */
            uint64_t value = next, got = 0, ticket = 0;
            bool full = next - oldest == capacity, empty = next == oldest;

            let_hints_fall_back(ring, &seed);
            if (pushing) {
                assert_int_equal(pawl_ring_push(ring, &value, &got), full ? PAWL_RING_EVICTED : 0);
                next++;
            } else {
                assert_int_equal(pawl_ring_pop(ring, &got, &ticket), empty ? -EAGAIN : 0);
                assert_true(empty || ticket == oldest);
            }
            if (pushing ? full : !empty) {
                assert_int_equal(got, oldest);
                oldest++;
            }
        }
        let_hints_fall_back(ring, &seed);
        assert_int_equal(pawl_ring_size(ring), next - oldest);
        assert_int_equal(pawl_ring_view(ring, elements, tickets), next - oldest);
        assert_true(next == oldest || (elements[0] == oldest && tickets[next - oldest - 1] == next - 1));
        pawl_ring_free(ring);
    }
}

static void a_closed_ring_is_drained_and_takes_nothing(void **state)
{
    (void)state;
    EACH_POLICY(policy)
    {
        for (uint64_t inside = 0; inside <= 5; inside++) { /* from empty to displacing */
            struct pawl_ring *ring = ring_of(4, 8, policy);
            uint64_t value = 0, first = inside > 4 ? inside - 4 : 0;

            for (uint64_t i = 0; i < inside; i++)
                assert_true(pawl_ring_push(ring, &i, NULL) >= 0);
            assert_int_equal(pawl_ring_close(ring), 0);
            assert_int_equal(pawl_ring_close(ring), -EALREADY);
            assert_int_equal(pawl_ring_push(ring, &value, &value), -EPIPE);
            for (uint64_t i = first; i < inside; i++) {
                assert_int_equal(pawl_ring_pop(ring, &value, NULL), 0);
                assert_int_equal(value, i);
            }
            for (int again = 0; again < 6; again++)
                assert_int_equal(pawl_ring_pop(ring, &value, NULL), -EPIPE);
            assert_int_equal(pawl_ring_push(ring, &value, NULL), -EPIPE);
            assert_int_equal(pawl_ring_pop_wait(ring, &value, NULL, PAWL_FOREVER), -EPIPE);
            assert_int_equal(pawl_ring_size(ring), 0);
            pawl_ring_free(ring);
        }
    }
}

/* Killed when it had marked the head of a full ring, but not the tail. */
static void who_closes_after_a_killed_closer_ends_it(void **state)
{
    struct pawl_ring *ring = ring_of(2, 8, PAWL_RING_STAMPED);
    uint64_t value = 0;

    (void)state;
    assert_int_equal(pawl_ring_push(ring, &value, NULL), 0);
    assert_int_equal(pawl_ring_push(ring, &value, NULL), 0);
    pawl_fetch_or_relaxed(&ring->head, UINT64_C(1));
    assert_int_equal(pawl_ring_push(ring, &value, NULL), -EPIPE);
    assert_int_equal(pawl_ring_close(ring), 0);
    assert_int_equal(pawl_ring_pop(ring, &value, NULL), 0);
    assert_int_equal(pawl_ring_pop(ring, &value, NULL), 0);
    assert_int_equal(pawl_ring_pop(ring, &value, NULL), -EPIPE);
    assert_int_equal(pawl_ring_push(ring, &value, NULL), -EPIPE);
    pawl_ring_free(ring);
}

static void many_at_once_are_in_order(void **state)
{
    (void)state;
    EACH_POLICY(policy)
    {
        struct pawl_ring *ring = ring_of(8, 8, policy);
        uint64_t values[16], tickets[16];

        assert_int_equal(pawl_ring_pop_n(ring, values, tickets, 16), -EAGAIN);
        assert_int_equal(pawl_ring_pop_n(ring, values, tickets, 0), 0);
        for (uint64_t i = 0; i < 6; i++)
            assert_int_equal(pawl_ring_push(ring, &i, NULL), 0);
        assert_int_equal(pawl_ring_pop_n(ring, values, tickets, 4), 4);
        assert_int_equal(pawl_ring_pop_n(ring, values + 4, NULL, 12), 2);
        for (uint64_t i = 0; i < 6; i++)
            assert_int_equal(values[i], i);
        assert_int_equal(tickets[3], 3);
        pawl_ring_close(ring);
        assert_int_equal(pawl_ring_pop_n(ring, values, tickets, 16), -EPIPE);
        pawl_ring_free(ring);
    }
}

static void a_view_shows_what_is_inside_and_takes_nothing(void **state)
{
    (void)state;
    EACH_POLICY(policy)
    {
        struct pawl_ring *ring = ring_of(4, 24, policy);
        char elements[4][24], element[24];
        uint64_t tickets[4];

        assert_int_equal(pawl_ring_view(ring, elements, tickets), 0);
        for (int i = 0; i < 7; i++) {
            memset(element, i, sizeof element);
            assert_true(pawl_ring_push(ring, element, NULL) >= 0);
        }
        assert_int_equal(pawl_ring_pop(ring, element, NULL), 0);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(pawl_ring_view(ring, elements, tickets), 3);
            for (int i = 0; i < 3; i++) {
                assert_int_equal(tickets[i], 4 + i);
                assert_true(elements[i][0] == 4 + i && elements[i][23] == 4 + i);
            }
        }
        assert_int_equal(pawl_ring_size(ring), 3);
        pawl_ring_free(ring);
    }
}

/* Another mapping of the same memory, read-only: a debugger, a watchdog. */
static void a_read_only_mapping_will_do_for_looking(void **state)
{
    (void)state;
    EACH_POLICY(policy)
    {
        size_t bytes = pawl_ring_bytes(4, 8, policy | PAWL_SHARED);
        int fd = memfd_create("ring", MFD_CLOEXEC);
        uint64_t elements[4], tickets[4];
        struct pawl_ring *ring;
        const struct pawl_ring *seen;

        assert_true(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
        ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        seen = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
        assert_true(ring != MAP_FAILED && seen != MAP_FAILED);
        assert_int_equal(pawl_ring_init(ring, 4, 8, policy | PAWL_SHARED), 0);
        for (uint64_t i = 0; i < 6; i++)
            assert_true(pawl_ring_push(ring, &i, NULL) >= 0);
        assert_int_equal(pawl_ring_view(seen, elements, tickets), 4);
        assert_true(elements[0] == 2 && elements[3] == 5);
        assert_int_equal(pawl_ring_lost(seen), 2);
        assert_int_equal(pawl_ring_stuck(seen), 0);
        assert_int_equal(pawl_ring_size(seen), 4);
        assert_int_equal(pawl_ring_capacity(seen), 4);
        munmap(ring, bytes);
        munmap((void *)(uintptr_t)seen, bytes);
        close(fd);
    }
}

static void *push_soon(void *ring)
{
    uint64_t value = 5;

    sleep_ms(20);
    assert_int_equal(pawl_ring_push(ring, &value, NULL), 0);
    return NULL;
}

static void *close_soon(void *ring)
{
    sleep_ms(20);
    assert_int_equal(pawl_ring_close(ring), 0);
    return NULL;
}

static void a_pop_may_wait_for_an_entry(void **state)
{
    (void)state;
    expect_end_within(60);
    EACH_POLICY(policy)
    {
        struct pawl_ring *ring = ring_of(4, 8, policy);
        uint64_t value = 0, ticket = 1;
        uint64_t before = monotonic_ns();
        pthread_t thread;

        assert_int_equal(pawl_ring_pop_wait(ring, &value, &ticket, pawl_deadline(5 * MILLISECOND)),
                         -ETIMEDOUT);
        assert_true(monotonic_ns() - before >= 5 * MILLISECOND);
        thread = start(push_soon, ring);
        assert_int_equal(pawl_ring_pop_wait(ring, &value, &ticket, PAWL_FOREVER), 0);
        assert_true(value == 5 && ticket == 0);
        join(thread);
        thread = start(close_soon, ring);
        assert_int_equal(pawl_ring_pop_wait(ring, &value, &ticket, PAWL_FOREVER), -EPIPE);
        join(thread);
        pawl_ring_free(ring);
    }
    alarm(0);
}

static void push_and_pop_without_the_kernel(void *argument)
{
    struct pawl_ring *ring = argument;
    uint64_t value = 0, evicted;

    forbid_system_calls();
    for (uint64_t i = 0; i < 10000; i++)
        if (pawl_ring_push(ring, &i, &evicted) < 0 || (i % 3 == 0 && pawl_ring_pop(ring, &value, NULL) != 0))
            syscall(__NR_exit_group, 1);
    syscall(__NR_exit_group, 0);
}

static void no_operation_calls_the_kernel(void **state)
{
    (void)state;
#if PAWL_INSTRUMENTED || defined(__SANITIZE_ADDRESS__)
    skip(); /* the sanitizer's runtime calls it */
#endif
    EACH_POLICY(policy)
    {
        struct pawl_ring *ring = ring_of(8, 8, policy);
        int status = status_of_child(push_and_pop_without_the_kernel, ring);

        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            skip(); /* no seccomp here */
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        pawl_ring_free(ring);
    }
}

static void use_the_copy(void *argument)
{
    struct pawl_ring *ring = argument;
    uint64_t value;

    if (pawl_ring_pop(ring, &value, NULL) != 0 || value != 1 || pawl_ring_push(ring, &value, NULL) != 0)
        _exit(1);
}

static void a_forked_child_has_its_own(void **state)
{
    (void)state;
    EACH_POLICY(policy)
    {
        struct pawl_ring *ring = ring_of(8, 8, policy);
        uint64_t value = 1;
        int status;

        assert_int_equal(pawl_ring_push(ring, &value, NULL), 0);
        status = status_of_child(use_the_copy, ring);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_int_equal(pawl_ring_size(ring), 1);
        pawl_ring_free(ring);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_that_cannot_be_is_refused),
        cmocka_unit_test(a_full_ring_gives_its_oldest_to_who_pushes),
        cmocka_unit_test(every_capacity_and_every_size_of_element_will_do),
        cmocka_unit_test(counters_may_wrap),
        cmocka_unit_test(hints_that_fall_back_cost_a_walk_not_an_entry),
        cmocka_unit_test(a_closed_ring_is_drained_and_takes_nothing),
        cmocka_unit_test(who_closes_after_a_killed_closer_ends_it),
        cmocka_unit_test(many_at_once_are_in_order),
        cmocka_unit_test(a_view_shows_what_is_inside_and_takes_nothing),
        cmocka_unit_test(a_read_only_mapping_will_do_for_looking),
        cmocka_unit_test(a_pop_may_wait_for_an_entry),
        cmocka_unit_test(no_operation_calls_the_kernel),
        cmocka_unit_test(a_forked_child_has_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
