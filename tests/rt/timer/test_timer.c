/* SPDX-License-Identifier: MIT */
/* Timers and alarms on the workers of a runtime. */
#include "../../sync/sync_test.h"

#include <pawl/fiber.h>
#include <pawl/park.h>
#include <pawl/timer.h>

#include <errno.h>

#define MS UINT64_C(1000000)

static struct pawl_rt *rt;

static int open_runtime(void **state)
{
    struct pawl_rt_config config = {.workers = 2};

    (void)state;
    return pawl_rt_open(&rt, &config);
}

static int close_runtime(void **state)
{
    (void)state;
    return pawl_rt_close(rt);
}

/* Runs fn on a worker, and waits for its end. */
static void on_a_worker(void (*fn)(void *argument), void *argument)
{
    struct pawl_fiber *fiber;

    assert_int_equal(pawl_fiber_open(&fiber, rt, fn, argument), 0);
    assert_int_equal(pawl_fiber_join(fiber), 0);
}

/* ---- timers ---- */

struct shot {
    struct pawl_timer timer;
    uint64_t deadline, fired_at;
    int fired, again;
    struct pawl_fiber *waits;
};

static void note(struct pawl_timer *timer)
{
    struct shot *shot = pawl_timer_of(timer, struct shot, timer);

    shot->fired_at = monotonic_ns();
    shot->fired++;
    if (shot->again > 0) {
        shot->again--;
        shot->deadline = pawl_deadline(2 * MS);
        pawl_timer_start(timer, shot->deadline);
    } else if (shot->waits != NULL) {
        pawl_fiber_unpark(shot->waits);
    }
}

static void start_many(void *unused)
{
    enum { MANY = 40 };
    struct shot shots[MANY];

    (void)unused;
    memset(shots, 0, sizeof shots);
    for (int i = 0; i < MANY; i++) {
        pawl_timer_init(&shots[i].timer, note);
        shots[i].deadline = pawl_deadline((uint64_t)(i % 8) * 3 * MS);
        pawl_timer_start(&shots[i].timer, shots[i].deadline);
        assert_true(pawl_timer_armed(&shots[i].timer));
    }
    for (int i = 0; i < MANY; i += 4)
        assert_int_equal(pawl_timer_cancel(&shots[i].timer), 0);
    for (int i = 0; i < MANY; i++) {
        bool cancelled = i % 4 == 0;

        while (!cancelled && shots[i].fired == 0)
            assert_int_equal(pawl_sleep(MS), 0);
        assert_false(pawl_timer_armed(&shots[i].timer));
        assert_int_equal(pawl_timer_cancel(&shots[i].timer), -EALREADY);
        assert_int_equal(shots[i].fired, cancelled ? 0 : 1);
        assert_true(cancelled || shots[i].fired_at >= shots[i].deadline);
    }
}

static void timers_fire_on_their_worker_and_not_before_their_deadline(void **state)
{
    (void)state;
    on_a_worker(start_many, NULL);
}

static void start_again(void *unused)
{
    struct shot shot = {.again = 5, .waits = pawl_fiber_self()};

    (void)unused;
    pawl_timer_init(&shot.timer, note);
    pawl_timer_after(&shot.timer, PAWL_FOREVER);
    pawl_timer_after(&shot.timer, 1000 * 3600 * MS); /* moved, twice */
    pawl_timer_start(&shot.timer, 0);
    assert_int_equal(pawl_fiber_park(PAWL_FOREVER), 0);
    assert_int_equal(shot.fired, 6);
    assert_true(shot.fired_at >= shot.deadline);
}

static void a_timer_is_moved_and_starts_itself(void **state)
{
    (void)state;
    on_a_worker(start_again, NULL);
}

static void three_times(struct pawl_timer *timer)
{
    struct shot *shot = pawl_timer_of(timer, struct shot, timer);

    assert_true(pawl_timer_armed(timer)); /* for the next period */
    if (++shot->fired == 3) {
        assert_int_equal(pawl_timer_cancel(timer), 0);
        pawl_fiber_unpark(shot->waits);
    }
}

static void every_so_often(void *unused)
{
    struct shot shot = {.waits = pawl_fiber_self()};
    uint64_t first = pawl_deadline(2 * MS);

    (void)unused;
    pawl_timer_init(&shot.timer, three_times);
    pawl_timer_every(&shot.timer, first, 3 * MS);
    assert_int_equal(pawl_fiber_park(PAWL_FOREVER), 0);
    assert_true(monotonic_ns() >= first + 6 * MS);
    assert_int_equal(pawl_sleep(10 * MS), 0);
    assert_int_equal(shot.fired, 3);
}

static void a_period_goes_on_until_it_is_cancelled(void **state)
{
    (void)state;
    on_a_worker(every_so_often, NULL);
}

static void coarse(void *unused)
{
    struct shot shots[2];
    uint64_t now = pawl_deadline(0);

    (void)unused;
    memset(shots, 0, sizeof shots);
    for (int i = 0; i < 2; i++) {
        pawl_timer_init(&shots[i].timer, note);
        shots[i].deadline = now + (uint64_t)i * 20 * MS;
        pawl_timer_start_coarse(&shots[i].timer, shots[i].deadline, 100 * MS);
        assert_int_equal(shots[i].timer.tick % 64, 0);
        assert_true(shots[i].timer.tick * MS <= shots[i].deadline + 101 * MS);
    }
    while (shots[0].fired == 0 || shots[1].fired == 0)
        assert_int_equal(pawl_sleep(5 * MS), 0);
    assert_true(shots[0].fired_at >= shots[0].deadline && shots[1].fired_at >= shots[1].deadline);
}

static void slack_makes_timers_fire_together(void **state)
{
    (void)state;
    on_a_worker(coarse, NULL);
}

static void of_the_far_future(void *unused)
{
    const uint64_t far = UINT64_C(1) << 63;
    struct shot shots[5];

    (void)unused;
    memset(shots, 0, sizeof shots);
    for (int i = 0; i < 5; i++)
        pawl_timer_init(&shots[i].timer, note);
    pawl_timer_start(&shots[0].timer, far);
    pawl_timer_after(&shots[1].timer, far);
    pawl_timer_start_coarse(&shots[2].timer, far, PAWL_FOREVER);
    pawl_timer_every(&shots[3].timer, far, UINT32_MAX * MS);
    pawl_timer_start(&shots[4].timer, PAWL_FOREVER - 1);
    assert_int_equal(pawl_sleep(5 * MS), 0); /* what is near is not held up by it */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(shots[i].fired, 0);
        assert_int_equal(pawl_timer_cancel(&shots[i].timer), 0);
    }
}

static void a_timer_of_the_far_future_does_not_fire_now(void **state)
{
    (void)state;
    on_a_worker(of_the_far_future, NULL);
}

static void start_outside(void *unused)
{
    struct shot shot = {.fired = 0};

    (void)unused;
    pawl_timer_init(&shot.timer, note);
    pawl_timer_start(&shot.timer, 0);
}

static void starting_a_timer_outside_of_workers_aborts(void **state)
{
    (void)state;
    expect_abort(start_outside, NULL, "pawl_timer_start: not on a worker");
}

/* ---- alarms ---- */

struct ring {
    struct pawl_alarm alarm;
    PAWL_ATOMIC(int) fired, cancelled; /* completions */
    PAWL_ATOMIC(int) inside;
    int started, won;
    uint64_t payload; /* plain: A start publishes it */
    struct pawl_parker parker;
};

static void rang(struct pawl_alarm *alarm, int status)
{
    struct ring *ring = pawl_alarm_of(alarm, struct ring, alarm);

    assert_int_equal(pawl_fetch_add_relaxed(&ring->inside, 1), 0);
    assert_true(ring->payload != 0);
    assert_true(status == 0 || status == -ECANCELED);
    if (status == 0)
        assert_true(monotonic_ns() >= ring->payload);
    ring->payload = 0;
    pawl_fetch_add_relaxed(status == 0 ? &ring->fired : &ring->cancelled, 1);
    pawl_fetch_sub_relaxed(&ring->inside, 1);
    pawl_unpark(&ring->parker);
}

static void start_ring(struct ring *ring, uint64_t ns)
{
    ring->payload = pawl_deadline(ns);
    assert_int_equal(pawl_alarm_start(rt, &ring->alarm, ring->payload), 0);
}

static void init_ring(struct ring *ring)
{
    memset((void *)ring, 0, sizeof *ring);
    pawl_alarm_init(&ring->alarm, rang);
    pawl_parker_init(&ring->parker, PAWL_PRIVATE);
}

static void an_alarm_rings_once(void **state)
{
    struct ring ring;

    (void)state;
    init_ring(&ring);
    assert_int_equal(pawl_alarm_cancel(&ring.alarm), -EALREADY);
    for (int i = 1; i <= 5; i++) {
        start_ring(&ring, i == 1 ? 0 : 2 * MS);
        assert_int_equal(pawl_park(&ring.parker, PAWL_FOREVER), 0);
        assert_int_equal(pawl_load_relaxed(&ring.fired), i);
        assert_int_equal(pawl_alarm_cancel(&ring.alarm), -EALREADY);
    }
    assert_int_equal(pawl_load_relaxed(&ring.cancelled), 0);
}

static void a_cancelled_alarm_completes_once(void **state)
{
    struct ring ring;

    (void)state;
    init_ring(&ring);
    for (int i = 1; i <= 5; i++) {
        start_ring(&ring, 3600 * 1000 * MS);
        assert_int_equal(pawl_alarm_start(rt, &ring.alarm, 0), -EBUSY);
        if (i % 2 == 0)
            sleep_ms(2);
        assert_int_equal(pawl_alarm_cancel(&ring.alarm), 0);
        assert_int_not_equal(pawl_alarm_cancel(&ring.alarm), 0);
        assert_int_equal(pawl_park(&ring.parker, PAWL_FOREVER), 0);
        assert_int_equal(pawl_load_relaxed(&ring.cancelled), i);
    }
    assert_int_equal(pawl_load_relaxed(&ring.fired), 0);
}

/* Started by one thread, cancelled by two others around the deadline. */
static struct ring contended;
static PAWL_ATOMIC(uint32_t) round_number, wins;

static void *cancel_around_the_deadline(void *argument)
{
    uint32_t seen = 0;

    for (;;) {
        uint32_t now = pawl_load_acquire(&round_number);

        if (now == UINT32_MAX)
            return NULL;
        if (now == seen) {
            sched_yield();
            continue;
        }
        seen = now;
        for (uint32_t spin = 0; spin < (seen * 7919u + (uint32_t)(uintptr_t)argument * 104729u) % 4000;
             spin++)
            pawl_relax();
        if (pawl_alarm_cancel(&contended.alarm) == 0)
            pawl_fetch_add_relaxed(&wins, 1u);
    }
}

static void who_is_told_0_by_cancel_has_won(void **state)
{
    pthread_t threads[2];
    int n = rounds(3000);

    (void)state;
    init_ring(&contended);
    pawl_store_relaxed(&round_number, 0u);
    pawl_store_relaxed(&wins, 0u);
    for (intptr_t i = 0; i < 2; i++)
        threads[i] = start(cancel_around_the_deadline, (void *)i);
    for (int i = 1; i <= n; i++) {
        start_ring(&contended, i % 3 == 0 ? MS / 4 : 0);
        pawl_store_release(&round_number, (uint32_t)i);
        assert_int_equal(pawl_park(&contended.parker, PAWL_FOREVER), 0);
        assert_int_equal(pawl_load_relaxed(&contended.fired) + pawl_load_relaxed(&contended.cancelled), i);
    }
    pawl_store_release(&round_number, UINT32_MAX);
    for (int i = 0; i < 2; i++)
        join(threads[i]);
    print_message("%d rounds: %d fired, %d cancelled\n", n, pawl_load_relaxed(&contended.fired),
                  pawl_load_relaxed(&contended.cancelled));
    /* a late cancel of round i may have hit round i + 1: the sums agree all the same */
    assert_int_equal(pawl_load_relaxed(&wins), pawl_load_relaxed(&contended.cancelled));
}

static void ring_again(struct pawl_alarm *alarm, int status)
{
    struct ring *ring = pawl_alarm_of(alarm, struct ring, alarm);

    assert_int_equal(status, -ECANCELED);
    assert_int_equal(pawl_alarm_start(rt, alarm, 0), -EPIPE); /* or the close would never end */
    pawl_fetch_add_relaxed(&ring->cancelled, 1);
}

static void closing_completes_the_alarms(void **state)
{
    struct ring rings[20];

    (void)state;
    for (int i = 0; i < 20; i++) {
        init_ring(&rings[i]);
        if (i % 2 == 0)
            rings[i].alarm.done = ring_again;
        start_ring(&rings[i], 3600 * 1000 * MS);
    }
    assert_int_equal(pawl_rt_close(rt), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(pawl_load_relaxed(&rings[i].cancelled), 1);
    assert_int_equal(open_runtime(NULL), 0);
}

/* ---- many ---- */

enum { STORM = 2000 };
struct storm {
    struct shot shot[STORM];
    int armed, cancelled;
};

static void storm_note(struct pawl_timer *timer)
{
    pawl_timer_of(timer, struct shot, timer)->fired++;
}

static uint32_t step(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

static void storm(void *argument)
{
    struct storm *all = calloc(1, sizeof *all);
    uint64_t random = (uint64_t)(uintptr_t)argument;
    int starts = 0, cancels = 0, fired = 0;

    assert_non_null(all);
    for (int i = 0; i < STORM; i++)
        pawl_timer_init(&all->shot[i].timer, storm_note);
    for (int i = rounds(20000); i > 0; i--) {
        struct shot *shot = &all->shot[step(&random) % STORM];

        if (pawl_timer_cancel(&shot->timer) == 0)
            cancels++;
        pawl_timer_after(&shot->timer, step(&random) % 4 * MS * (step(&random) % 16));
        starts++;
        if (i % 1000 == 0)
            pawl_yield();
    }
    assert_int_equal(pawl_sleep(70 * MS), 0);
    for (int i = 0; i < STORM; i++) {
        while (pawl_timer_armed(&all->shot[i].timer))
            assert_int_equal(pawl_sleep(MS), 0);
        fired += all->shot[i].fired;
    }
    assert_int_equal(fired + cancels, starts);
    free(all);
}

static void every_start_ends_in_one_cancel_or_one_call(void **state)
{
    struct pawl_fiber *fibers[4];
    uint64_t seed = monotonic_ns();

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(pawl_fiber_open(&fibers[i], rt, storm, (void *)(uintptr_t)(seed + i)), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pawl_fiber_join(fibers[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_on_their_worker_and_not_before_their_deadline),
        cmocka_unit_test(a_timer_is_moved_and_starts_itself),
        cmocka_unit_test(a_period_goes_on_until_it_is_cancelled),
        cmocka_unit_test(slack_makes_timers_fire_together),
        cmocka_unit_test(a_timer_of_the_far_future_does_not_fire_now),
        cmocka_unit_test(starting_a_timer_outside_of_workers_aborts),
        cmocka_unit_test(an_alarm_rings_once),
        cmocka_unit_test(a_cancelled_alarm_completes_once),
        cmocka_unit_test(who_is_told_0_by_cancel_has_won),
        cmocka_unit_test(closing_completes_the_alarms),
        cmocka_unit_test(every_start_ends_in_one_cancel_or_one_call),
    };

    expect_end_within(rounds(100) > 100 ? 1200 : 280);
    return cmocka_run_group_tests_name("timer", tests, open_runtime, close_runtime);
}
