/* SPDX-License-Identifier: MIT */
/* Timeouts, and the time of a turn. */
#include "test_event.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TIMERS = 300 };

static struct event_base *base;

static int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    return base == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    event_base_free(base);
    return 0;
}

static void a_timer_is_called_once_and_tells_why(void **state)
{
    struct seen seen = {0};
    struct event *timer = evtimer_new(base, see, &seen);
    struct timeval soon = ms(12);
    int64_t before = now_us();

    (void)state;
    assert_int_equal(evtimer_add(timer, &soon), 0);
    assert_int_equal(evtimer_pending(timer, NULL), EV_TIMEOUT);
    assert_int_equal(event_base_dispatch(base), 1);
    assert_true(now_us() - before >= 7000); /* libevent's clock is coarse: it may be early by 4 ms */
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.what, EV_TIMEOUT);
    assert_int_equal(seen.fd, -1);
    assert_int_equal(evtimer_pending(timer, NULL), 0);
    event_free(timer);
}

static int64_t us_of(const struct timeval *tv)
{
    return (int64_t)tv->tv_sec * 1000000 + tv->tv_usec;
}

static struct event timers[TIMERS];

/* In a callback, where time stands still: 0.1 ms apart, in a random order. */
static void start_timers(evutil_socket_t fd, short what, void *arg)
{
    int after[TIMERS];

    (void)fd;
    (void)what;
    for (int i = 0; i < TIMERS; i++)
        after[i] = i;
    for (int i = TIMERS - 1; i > 0; i--) {
        int j = rand() % (i + 1), t = after[i];

        after[i] = after[j];
        after[j] = t;
    }
    for (int i = 0; i < TIMERS; i++) {
        struct timeval tv = {.tv_usec = after[i] * 100L};

        event_assign(&timers[i], arg, -1, 0, note, (void *)(intptr_t)after[i]);
        assert_int_equal(event_add(&timers[i], &tv), 0);
    }
}

static void timers_pass_in_the_order_of_their_deadlines(void **state)
{
    (void)state;
    notes = 0;
    srand(7);
    event_base_once(base, -1, EV_TIMEOUT, start_timers, base, NULL);
    assert_int_equal(event_base_dispatch(base), 1);
    assert_int_equal(notes, TIMERS);
    for (int i = 0; i < TIMERS; i++)
        assert_int_equal(noted[i], i);
}

static void a_timer_that_is_added_again_is_put_off(void **state)
{
    struct seen seen = {0};
    struct event *timer = evtimer_new(base, see, &seen);
    struct timeval soon = ms(1), later = ms(3600000), left;

    (void)state;
    event_add(timer, &soon);
    event_add(timer, &later);
    usleep(15000);
    run_ready(base);
    assert_int_equal(seen.calls, 0);
    assert_int_equal(event_pending(timer, EV_TIMEOUT, &left), EV_TIMEOUT);
    assert_true(left.tv_sec > time(NULL) + 3590 && left.tv_sec <= time(NULL) + 3601);
    event_free(timer);
}

static void adding_without_a_timeout_keeps_the_one_there_was(void **state)
{
    struct seen seen = {0};
    struct timeval later = ms(3600000);
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct event *ev = event_new(base, ends[0], EV_READ, see, &seen);
    event_add(ev, &later);
    event_add(ev, NULL);
    assert_int_equal(event_pending(ev, EV_READ | EV_TIMEOUT, NULL), EV_READ | EV_TIMEOUT);
    assert_int_equal(event_remove_timer(ev), 0);
    assert_int_equal(event_pending(ev, EV_READ | EV_TIMEOUT, NULL), EV_READ);
    assert_int_equal(event_remove_timer(ev), 0);
    event_free(ev);
    close(ends[0]);
    close(ends[1]);
}

static void a_read_that_times_out_waits_no_longer(void **state)
{
    struct seen seen = {0};
    struct timeval soon = ms(5);
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct event *ev = event_new(base, ends[0], EV_READ, see, &seen);
    event_add(ev, &soon);
    assert_int_equal(event_base_dispatch(base), 1);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.what, EV_TIMEOUT);
    assert_int_equal(event_pending(ev, EV_READ | EV_TIMEOUT, NULL), 0);
    event_free(ev);
    close(ends[0]);
    close(ends[1]);
}

static void stop_at_three(evutil_socket_t fd, short what, void *arg)
{
    struct seen *seen = arg;

    see(fd, what, arg);
    assert_int_equal(event_pending(seen->event, EV_TIMEOUT, NULL), EV_TIMEOUT);
    if (seen->calls == 3)
        event_del(seen->event);
}

static void a_persistent_timer_is_armed_again_before_its_callback(void **state)
{
    struct seen seen = {0};
    struct timeval soon = ms(2);

    (void)state;
    seen.event = event_new(base, -1, EV_PERSIST, stop_at_three, &seen);
    event_add(seen.event, &soon);
    assert_int_equal(event_base_dispatch(base), 1);
    assert_int_equal(seen.calls, 3);
    event_free(seen.event);
}

static void a_persistent_read_begins_its_timeout_anew(void **state)
{
    struct seen seen = {0};
    struct timeval later = ms(3600000), first, second;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct event *ev = event_new(base, ends[0], EV_READ | EV_PERSIST, see_and_read, &seen);
    event_add(ev, &later);
    assert_int_equal(event_pending(ev, EV_TIMEOUT, &first), EV_TIMEOUT);
    usleep(30000);
    assert_int_equal(write(ends[1], "x", 1), 1);
    run_ready(base);
    assert_int_equal(seen.what, EV_READ);
    assert_int_equal(event_pending(ev, EV_READ | EV_TIMEOUT, &second), EV_READ | EV_TIMEOUT);
    assert_true(us_of(&first) < us_of(&second));
    event_free(ev);
    close(ends[0]);
    close(ends[1]);
}

static void readable_and_timed_out_at_once_is_told_as_a_timeout(void **state)
{
    struct seen seen = {0};
    struct timeval soon = ms(1);
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct event *ev = event_new(base, ends[0], EV_READ | EV_PERSIST, see, &seen);
    event_add(ev, &soon);
    assert_int_equal(write(ends[1], "x", 1), 1);
    usleep(15000);
    assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.what, EV_TIMEOUT);
    event_free(ev);
    close(ends[0]);
    close(ends[1]);
}

static struct event among[8];

/* In a callback, where time stands still: arg is two common timeouts. */
static void add_in_turn(evutil_socket_t fd, short what, void *arg)
{
    const struct timeval *const *common = arg;

    (void)fd;
    (void)what;
    for (int i = 0; i < 8; i++) {
        event_assign(&among[i], base, -1, 0, note, (void *)(intptr_t)i);
        assert_int_equal(event_add(&among[i], common[i % 2]), 0);
        assert_int_equal(event_pending(&among[i], EV_TIMEOUT, NULL), EV_TIMEOUT);
    }
    event_del(&among[1]); /* the first of its queue */
    event_del(&among[4]);
}

static void common_timeouts_pass_in_order_and_among_others(void **state)
{
    struct timeval short_one = ms(3), long_one = ms(9), odd = {.tv_sec = 0, .tv_usec = 3000};
    const struct timeval *a = event_base_init_common_timeout(base, &short_one);
    const struct timeval *b = event_base_init_common_timeout(base, &long_one), *common[] = {b, a};

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(event_base_init_common_timeout(base, &odd), a);
    assert_ptr_equal(event_base_init_common_timeout(base, a), a);
    notes = 0;
    event_base_once(base, -1, EV_TIMEOUT, add_in_turn, (void *)(uintptr_t)common, NULL);
    assert_int_equal(event_base_dispatch(base), 1);
    assert_int_equal(notes, 6);
    static const int order[] = {3, 5, 7, 0, 2, 6};
    assert_memory_equal(noted, order, sizeof order);
}

static void a_persistent_event_may_have_a_common_timeout(void **state)
{
    struct seen seen = {0};
    struct timeval two = ms(2);

    (void)state;
    seen.event = event_new(base, -1, EV_PERSIST, stop_at_three, &seen);
    event_add(seen.event, event_base_init_common_timeout(base, &two));
    assert_int_equal(event_base_dispatch(base), 1);
    assert_int_equal(seen.calls, 3);
    event_free(seen.event);
}

static struct timeval cached[2];

static void look_twice(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    assert_int_equal(event_base_gettimeofday_cached(arg, &cached[0]), 0);
    usleep(12000);
    assert_int_equal(event_base_gettimeofday_cached(arg, &cached[1]), 0);
    assert_true(us_of(&cached[0]) == us_of(&cached[1]));
    assert_int_equal(event_base_update_cache_time(arg), 0);
    assert_int_equal(event_base_gettimeofday_cached(arg, &cached[1]), 0);
    assert_true(us_of(&cached[0]) < us_of(&cached[1]));
}

static void time_stands_still_in_a_turn(void **state)
{
    struct timeval real, now;

    (void)state;
    assert_int_equal(event_base_once(base, -1, EV_TIMEOUT, look_twice, base, NULL), 0);
    assert_int_equal(event_base_dispatch(base), 1);
    gettimeofday(&real, NULL);
    assert_true(llabs((long long)real.tv_sec - cached[0].tv_sec) <= 60);
    assert_int_equal(event_gettime_monotonic(base, &now), 0);
    assert_int_equal(event_base_gettimeofday_cached(base, &now), 0);
}

#define promise(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int test_timeouts(void)
{
    const struct CMUnitTest tests[] = {
        promise(a_timer_is_called_once_and_tells_why),
        promise(timers_pass_in_the_order_of_their_deadlines),
        promise(a_timer_that_is_added_again_is_put_off),
        promise(adding_without_a_timeout_keeps_the_one_there_was),
        promise(a_read_that_times_out_waits_no_longer),
        promise(a_persistent_timer_is_armed_again_before_its_callback),
        promise(a_persistent_read_begins_its_timeout_anew),
        promise(readable_and_timed_out_at_once_is_told_as_a_timeout),
        promise(common_timeouts_pass_in_order_and_among_others),
        promise(a_persistent_event_may_have_a_common_timeout),
        promise(time_stands_still_in_a_turn),
    };

    return cmocka_run_group_tests_name("timeouts", tests, NULL, NULL);
}
