/* SPDX-License-Identifier: MIT */
/* The timing wheel alone: against a sorted list, and at its edges. Its clock is the test's. */
#include "../../../src/rt/wheel.h"

#include "../../sync/sync_test.h"

#define MS UINT64_C(1000000)
#define DAY (24 * 3600 * 1000 * MS)

static struct pawl_wheel wheel;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

struct counted {
    struct pawl_timer timer;
    uint64_t deadline; /* as started */
    unsigned fired;
    uint32_t heap_at; /* in the model; 0: idle there */
    bool late;        /* its deadline had passed when it was started */
};

static struct counted *counted_of(struct pawl_timer *timer)
{
    return pawl_timer_of(timer, struct counted, timer);
}

static void count(struct pawl_timer *timer)
{
    counted_of(timer)->fired++;
}

static void add(struct counted *c, uint64_t deadline)
{
    c->deadline = deadline;
    c->timer.fire = count;
    pawl_wheel_add_(&wheel, &c->timer, deadline);
}

static unsigned advance(uint64_t now)
{
    return pawl_wheel_advance_(&wheel, now, UINT32_MAX);
}

/* ---- one step at a time ---- */

static void an_empty_wheel_never_wants_to_be_called(void **state)
{
    (void)state;
    pawl_wheel_init_(&wheel, 5 * DAY);
    assert_true(pawl_wheel_next_(&wheel) == UINT64_MAX);
    assert_int_equal(advance(6 * DAY), 0);
    assert_true(pawl_wheel_next_(&wheel) == UINT64_MAX);
    assert_null(pawl_wheel_drain_(&wheel));
}

static void a_timer_fires_once_and_not_before_its_deadline(void **state)
{
    static const uint64_t after[] = {1,           MS - 1,  MS,        MS + 1,           63 * MS,
                                     64 * MS,     65 * MS, 4095 * MS, 4096 * MS,        4097 * MS,
                                     262144 * MS, DAY,     400 * DAY, UINT64_C(1) << 62};
    struct counted c = {0};

    (void)state;
    for (uint64_t start = 0; start < 4 * DAY; start = start * 2 + 17 * MS + 3) {
        for (size_t i = 0; i < sizeof after / sizeof after[0]; i++) {
            uint64_t deadline = start + after[i];

            pawl_wheel_init_(&wheel, start);
            c.fired = 0;
            add(&c, deadline);
            assert_true(pawl_wheel_next_(&wheel) >= deadline && pawl_wheel_next_(&wheel) < deadline + MS);
            assert_int_equal(advance(deadline - 1), 0);
            assert_true(pawl_wheel_next_(&wheel) >= deadline && pawl_wheel_next_(&wheel) < deadline + MS);
            assert_int_equal(advance(pawl_wheel_next_(&wheel)), 1);
            assert_int_equal(c.fired, 1);
            assert_null(c.timer.link.next);
            assert_int_equal(advance(deadline + DAY), 0);
            assert_true(pawl_wheel_next_(&wheel) == UINT64_MAX);
        }
    }
}

static void a_deadline_in_the_past_fires_in_the_next_call(void **state)
{
    struct counted c[3] = {{.fired = 0}};

    (void)state;
    pawl_wheel_init_(&wheel, DAY);
    add(&c[0], 0);
    add(&c[1], DAY - 1);
    add(&c[2], DAY);
    assert_true(pawl_wheel_next_(&wheel) == 0);
    assert_int_equal(advance(DAY), 3);
    assert_true(pawl_wheel_next_(&wheel) == UINT64_MAX);
}

static void a_deadline_that_never_comes_never_comes(void **state)
{
    struct counted never = {.fired = 0}, late = {.fired = 0};

    (void)state;
    pawl_wheel_init_(&wheel, DAY);
    add(&never, UINT64_MAX);
    assert_true(pawl_wheel_next_(&wheel) == UINT64_MAX);
    add(&late, UINT64_C(1) << 63);
    assert_int_equal(advance(UINT64_C(1) << 62), 0);
    assert_true(pawl_wheel_next_(&wheel) >= UINT64_C(1) << 63);
    assert_int_equal(advance(UINT64_MAX), 1);
    assert_int_equal(late.fired, 1);
    assert_int_equal(never.fired, 0);
    assert_ptr_equal(pawl_wheel_drain_(&wheel), &never.timer);
    assert_null(pawl_wheel_drain_(&wheel));
}

static void a_clock_that_goes_back_fires_nothing_early(void **state)
{
    struct counted c[2] = {{.fired = 0}};

    (void)state;
    pawl_wheel_init_(&wheel, DAY);
    add(&c[0], DAY + 100 * MS);
    assert_int_equal(advance(DAY + 50 * MS), 0);
    assert_int_equal(advance(DAY - 50 * MS), 0);
    add(&c[1], DAY - 40 * MS); /* the wheel has been further */
    assert_int_equal(advance(DAY - 50 * MS), 1);
    assert_int_equal(c[0].fired, 0);
    assert_int_equal(advance(DAY + 100 * MS), 1);
}

/* ---- from a timer's function ---- */

static struct counted actors[4];
static uint64_t clock_now;

static void start_itself_at_once(struct pawl_timer *timer)
{
    count(timer);
    pawl_wheel_add_(&wheel, timer, 0);
}

static void a_timer_that_starts_itself_in_the_past_runs_once_a_call(void **state)
{
    struct counted c = {.fired = 0};

    (void)state;
    pawl_wheel_init_(&wheel, 0);
    c.timer.fire = start_itself_at_once;
    pawl_wheel_add_(&wheel, &c.timer, 0);
    for (unsigned i = 1; i < 10; i++) {
        assert_int_equal(advance(10 * i * MS), 1);
        assert_int_equal(c.fired, i);
        assert_true(pawl_wheel_next_(&wheel) == 0);
    }
}

static void start_itself_later(struct pawl_timer *timer)
{
    count(timer);
    clock_now += 7 * MS;
    pawl_wheel_add_(&wheel, timer, clock_now);
}

static void a_timer_may_start_itself_again(void **state)
{
    struct counted c = {.fired = 0};

    (void)state;
    clock_now = 0;
    pawl_wheel_init_(&wheel, 0);
    c.timer.fire = start_itself_later;
    pawl_wheel_add_(&wheel, &c.timer, 0);
    assert_int_equal(advance(0), 1);
    for (unsigned i = 1; i < 1000; i++) {
        assert_true(pawl_wheel_next_(&wheel) == i * 7 * MS);
        assert_int_equal(advance(i * 7 * MS - 1), 0);
        assert_int_equal(advance(i * 7 * MS), 1);
    }
}

static void cancel_the_others(struct pawl_timer *timer)
{
    count(timer);
    for (int i = 0; i < 4; i++)
        if (actors[i].timer.link.next != NULL)
            pawl_wheel_del_(&wheel, &actors[i].timer);
}

/* Neighbours in the list that is just being run, and in a slot. */
static void a_timer_may_cancel_its_neighbours(void **state)
{
    static const uint64_t far[] = {0, 3 * MS, 300 * MS, DAY};

    (void)state;
    for (size_t f = 0; f < sizeof far / sizeof far[0]; f++) {
        memset(actors, 0, sizeof actors);
        pawl_wheel_init_(&wheel, DAY);
        for (int i = 0; i < 4; i++) {
            actors[i].timer.fire = cancel_the_others;
            pawl_wheel_add_(&wheel, &actors[i].timer, DAY + far[f]);
        }
        assert_int_equal(advance(DAY + far[f]), 1);
        assert_int_equal(actors[0].fired + actors[1].fired + actors[2].fired + actors[3].fired, 1);
        assert_true(pawl_wheel_next_(&wheel) == UINT64_MAX);
        assert_int_equal(wheel.armed, 0);
    }
}

static void free_itself(struct pawl_timer *timer)
{
    actors[0].fired++;
    free(timer);
}

static void a_timer_may_free_itself(void **state)
{
    (void)state;
    actors[0].fired = 0;
    pawl_wheel_init_(&wheel, 0);
    for (uint64_t i = 0; i < 1000; i++) {
        struct pawl_timer *timer = calloc(1, sizeof *timer);

        assert_non_null(timer);
        timer->fire = free_itself;
        pawl_wheel_add_(&wheel, timer, i * i * 1000);
    }
    assert_int_equal(advance(DAY), 1000);
    assert_int_equal(actors[0].fired, 1000);
}

/* ---- periods, slack, budgets ---- */

static void periods_do_not_drift_and_missed_ones_are_left_out(void **state)
{
    struct counted c = {.fired = 0};

    (void)state;
    pawl_wheel_init_(&wheel, 0);
    c.timer.fire = count;
    c.timer.tick = 10;
    c.timer.period_ms = 25;
    pawl_wheel_insert_(&wheel, &c.timer);
    assert_int_equal(advance(9 * MS), 0);
    assert_int_equal(advance(12 * MS), 1); /* late */
    assert_int_equal(advance(34 * MS), 0);
    assert_int_equal(advance(35 * MS), 1);
    assert_int_equal(advance(1000 * MS), 1); /* 38 were missed */
    assert_true(pawl_wheel_next_(&wheel) == 1010 * MS);
    assert_int_equal(advance(1010 * MS), 1);
    assert_true(pawl_wheel_next_(&wheel) == 1035 * MS);
    pawl_wheel_del_(&wheel, &c.timer);
    assert_int_equal(advance(DAY), 0);
}

static void slack_never_puts_off_by_more(void **state)
{
    uint64_t random = 88172645463325252u;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t deadline = next_random(&random) >> (2 + next_random(&random) % 60);
        uint64_t slack = next_random(&random) >> (24 + next_random(&random) % 40);
        uint64_t exact = pawl_wheel_tick_(deadline, 0);
        uint64_t tick = pawl_wheel_tick_(deadline, pawl_wheel_slack_shift_(slack));

        assert_true(exact * MS >= deadline && exact * MS - deadline < MS);
        assert_true(tick >= exact && (tick - exact) * MS <= slack);
    }
    /* a second's slack: two to four wake-ups for all the timers of a second */
    assert_int_equal(pawl_wheel_slack_shift_(1000 * MS), 9);
    assert_int_equal(pawl_wheel_slack_shift_(0), 0);
}

static void a_call_does_no_more_than_its_budget(void **state)
{
    enum { MANY = 10000, BUDGET = 64 };
    struct counted *many = calloc(MANY, sizeof *many);
    unsigned ran = 0, calls = 0;

    (void)state;
    assert_non_null(many);
    pawl_wheel_init_(&wheel, 0);
    for (int i = 0; i < MANY; i++)
        add(&many[i],
            100000 * MS + (uint64_t)(i % 5000) * MS); /* in few slots far up, and two a millisecond */
    while (ran < MANY) {
        unsigned now_ran;

        assert_true(pawl_wheel_next_(&wheel) <= DAY);
        now_ran = pawl_wheel_advance_(&wheel, DAY, BUDGET);
        assert_in_range(now_ran, 0, BUDGET);
        ran += now_ran;
        calls++;
    }
    /* each is moved at most seven times, and four moves cost what a run does */
    assert_in_range(calls, MANY / BUDGET, MANY / BUDGET * 3);
    assert_true(pawl_wheel_next_(&wheel) == UINT64_MAX);
    assert_int_equal(pawl_wheel_advance_(&wheel, DAY, 0), 0);
    free(many);
}

/* An hour of one timeout that is put off all the time, and of one that is not: how often the worker wakes. */
static void an_idle_worker_wakes_for_timers_only(void **state)
{
    struct counted hour = {.fired = 0}, idle = {.fired = 0};
    unsigned wakes = 0;

    (void)state;
    pawl_wheel_init_(&wheel, 123456789);
    add(&hour, 3600 * 1000 * MS);
    for (uint64_t at = 0; at < 3000 * 1000 * MS; at += 777 * MS) { /* input, which puts the timeout off */
        advance(at);
        if (idle.timer.link.next != NULL)
            pawl_wheel_del_(&wheel, &idle.timer);
        add(&idle, at + 30000 * MS);
        assert_true(pawl_wheel_next_(&wheel) > at + 777 * MS);
    }
    while (hour.fired == 0) {
        advance(pawl_wheel_next_(&wheel));
        wakes++;
    }
    assert_int_equal(idle.fired, 1);
    assert_int_equal(wakes, 2);
}

/* The same where it is moved: it stays where it stood, so the worker wakes there, but not for each time that it was moved. */
static void a_timer_that_is_put_off_wakes_the_worker_once_a_stand(void **state)
{
    struct counted idle = {.fired = 0};
    unsigned wakes = 0;
    uint64_t at = 0;

    (void)state;
    pawl_wheel_init_(&wheel, 0);
    add(&idle, 30000 * MS);
    for (; at < 3000 * 1000 * MS; at += MS) {
        if (pawl_wheel_next_(&wheel) <= at) {
            assert_int_equal(advance(at), 0);
            wakes++;
        }
        idle.deadline = at + 30000 * MS;
        pawl_wheel_move_(&wheel, &idle.timer, pawl_wheel_tick_(idle.deadline, 0));
    }
    assert_in_range(wakes, 3000 / 35, 3000 / 30); /* where its slot of four seconds ends */
    assert_int_equal(advance(idle.deadline - MS), 0);
    assert_int_equal(advance(idle.deadline), 1);
    assert_true(pawl_wheel_next_(&wheel) == UINT64_MAX);
}

/* Behind one that was put off far beyond its slot stands one that was not. */
static void nobody_oversleeps_behind_a_timer_that_is_put_off(void **state)
{
    struct counted away = {.fired = 0}, near = {.fired = 0};

    (void)state;
    pawl_wheel_init_(&wheel, 0);
    add(&away, 100 * MS);
    add(&near, 500 * MS);
    pawl_wheel_move_(&wheel, &away.timer, 3600 * 1000);
    away.deadline = 3600 * 1000 * MS;
    for (uint64_t next; (next = pawl_wheel_next_(&wheel)) != UINT64_MAX && near.fired == 0;) {
        assert_true(next <= 500 * MS);
        advance(next);
    }
    assert_int_equal(near.fired, 1);
    assert_int_equal(advance(3600 * 1000 * MS - MS), 0);
    assert_int_equal(advance(3600 * 1000 * MS), 1);
}

/* ---- the model: a heap of the same timers ---- */

struct model {
    struct counted **heap; /* from 1, by deadline's tick */
    uint32_t armed;
    uint64_t now;
};

static struct model model;

static void heap_put(uint32_t at, struct counted *c)
{
    model.heap[at] = c;
    c->heap_at = at;
}

static uint64_t tick_of(const struct counted *c)
{
    return c->deadline / MS + (c->deadline % MS != 0);
}

static void heap_sift(uint32_t at)
{
    struct counted *c = model.heap[at];

    for (; at > 1 && tick_of(model.heap[at / 2]) > tick_of(c); at /= 2)
        heap_put(at, model.heap[at / 2]);
    for (;;) {
        uint32_t child = at * 2;

        if (child < model.armed && tick_of(model.heap[child + 1]) < tick_of(model.heap[child]))
            child++;
        if (child > model.armed || tick_of(model.heap[child]) >= tick_of(c))
            break;
        heap_put(at, model.heap[child]);
        at = child;
    }
    heap_put(at, c);
}

static void model_add(struct counted *c)
{
    heap_put(++model.armed, c);
    heap_sift(model.armed);
}

static void model_del(struct counted *c)
{
    uint32_t at = c->heap_at;
    struct counted *last = model.heap[model.armed--];

    c->heap_at = 0;
    if (last != c) {
        heap_put(at, last);
        heap_sift(at);
    }
}

static void start_in_both(struct counted *c, uint64_t deadline)
{
    c->deadline = deadline;
    c->late = tick_of(c) <= wheel.elapsed;
    model_add(c);
    pawl_wheel_add_(&wheel, &c->timer, deadline);
}

/* Cancelled and started again, or moved while it is armed: earlier or later. */
static void start_again_in_both(struct counted *c, uint64_t deadline, bool move)
{
    model_del(c);
    if (!move) {
        pawl_wheel_del_(&wheel, &c->timer);
        assert_null(c->timer.link.next);
        start_in_both(c, deadline);
        return;
    }
    c->deadline = deadline;
    c->late = tick_of(c) <= wheel.elapsed;
    model_add(c);
    pawl_wheel_move_(&wheel, &c->timer, tick_of(c));
}

/* What fires was armed, has passed, and is the earliest, but for those that were late already when they were started. */
static void fire_in_the_model(struct pawl_timer *timer)
{
    struct counted *c = counted_of(timer);

    assert_true(c->heap_at != 0);
    assert_true(c->deadline <= model.now);
    assert_true(tick_of(c) == tick_of(model.heap[1]) || c->late || model.heap[1]->late);
    assert_null(timer->link.next);
    c->fired++;
    model_del(c);
    if (c->fired % 8 == 0) { /* once more, soon */
        start_in_both(c, model.now + c->fired * 1000u);
    }
    if (c->fired % 4 == 1 && model.armed > 0) /* another one, perhaps about to fire, is put off */
        start_again_in_both(model.heap[1], model.now + c->fired * MS, true);
}

static uint64_t random_deadline(uint64_t *random)
{
    uint64_t r = next_random(random);

    switch (r % 16) {
    case 0:
        return model.now - (r >> 8) % (model.now / 2); /* in the past */
    case 1:
        return model.now + (r >> 30) * (r >> 32 & 3); /* up to hours */
    case 2:
        return model.now + ((r >> 10) & ((UINT64_C(1) << (r >> 4 & 31) << 20) - 1));
    case 3:
        return model.now / (64 * MS) * (64 * MS) + 64 * MS * (r >> 4 & 127); /* just at a slot's edge */
    default:
        return model.now + (r >> 8) % (5000 * MS);
    }
}

static void model_of(uint32_t timers, int steps, uint64_t seed)
{
    struct counted *all = calloc(timers, sizeof *all);
    uint64_t random = seed, armed, total = 0;

    assert_non_null(all);
    model = (struct model){.heap = calloc(timers + 1, sizeof *model.heap), .now = 3 * DAY + seed % DAY};
    assert_non_null(model.heap);
    pawl_wheel_init_(&wheel, model.now);
    for (uint32_t i = 0; i < timers; i++)
        all[i].timer.fire = fire_in_the_model;
    for (int step = 0; step < steps; step++) {
        uint64_t r = next_random(&random);
        struct counted *c = &all[(r >> 8) % timers];

        if (r % 64 != 0) {
            if (c->heap_at == 0) {
                start_in_both(c, random_deadline(&random));
            } else if (r % 2 == 0) {
                assert_non_null(c->timer.link.next);
                pawl_wheel_del_(&wheel, &c->timer);
                model_del(c);
                assert_null(c->timer.link.next);
            } else {
                start_again_in_both(c, random_deadline(&random), (r >> 1 & 1) != 0);
            }
        } else {
            uint64_t next = pawl_wheel_next_(&wheel), earliest = UINT64_MAX;

            if (model.armed > 0)
                earliest = tick_of(model.heap[1]) * MS;
            assert_true(next <= earliest); /* never too late */
            model.now += r % 128 == 0 ? (r >> 20) % (20 * MS) : 0;
            if (r >> 8 & 1 && next != UINT64_MAX && next > model.now && next < model.now + DAY)
                model.now = next;
            if ((r >> 12) % 4096 == 0)
                model.now += (r >> 40) * MS; /* hours at once */
            total += pawl_wheel_advance_(&wheel, model.now, r >> 9 & 1 ? UINT32_MAX : 64);
            while (pawl_wheel_next_(&wheel) <= model.now && (r >> 9 & 1) == 0)
                total += pawl_wheel_advance_(&wheel, model.now, 64);
            armed = model.armed;
            assert_int_equal(wheel.armed, armed);
        }
    }
    for (int turn = 0; model.armed > 0 && turn < 1000; turn++) {
        uint64_t next = pawl_wheel_next_(&wheel);

        model.now = next > model.now ? next + 2000 * DAY : model.now + DAY;
        total += advance(model.now);
        assert_true(model.armed == 0 || tick_of(model.heap[1]) * MS > model.now ||
                    pawl_wheel_next_(&wheel) == 0 || pawl_wheel_next_(&wheel) <= tick_of(model.heap[1]) * MS);
    }
    assert_int_equal(model.armed, 0);
    assert_int_equal(wheel.armed, 0);
    assert_true(total > 0);
    free(model.heap);
    free(all);
}

static void the_wheel_does_what_a_sorted_list_does(void **state)
{
    uint64_t seed = monotonic_ns() | 1;

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    model_of(3, rounds(50000), seed);
    model_of(100, rounds(100000), seed + 2);
    model_of(5000, rounds(300000), seed + 4);
}

/* Ten million in the long form. */
static void millions_of_timers_with_random_cancels(void **state)
{
    uint64_t seed = monotonic_ns() | 1;
    bool longer = rounds(100) > 100;
    uint32_t timers = longer ? 10000000 : 200000;

    (void)state;
    print_message("seed %llu, %u timers\n", (unsigned long long)seed, timers);
    model_of(timers, (int)timers * 3, seed);
}

static void advancing_from_a_timer(struct pawl_timer *timer)
{
    (void)timer;
    advance(DAY);
}

static void advance_inside(void *unused)
{
    struct counted c = {.fired = 0};

    (void)unused;
    pawl_wheel_init_(&wheel, 0);
    c.timer.fire = advancing_from_a_timer;
    pawl_wheel_add_(&wheel, &c.timer, 0);
    advance(DAY);
}

static void advancing_from_a_timers_function_aborts(void **state)
{
    (void)state;
    expect_abort(advance_inside, NULL, "from a timer's function");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_wheel_never_wants_to_be_called),
        cmocka_unit_test(a_timer_fires_once_and_not_before_its_deadline),
        cmocka_unit_test(a_deadline_in_the_past_fires_in_the_next_call),
        cmocka_unit_test(a_deadline_that_never_comes_never_comes),
        cmocka_unit_test(a_clock_that_goes_back_fires_nothing_early),
        cmocka_unit_test(a_timer_that_starts_itself_in_the_past_runs_once_a_call),
        cmocka_unit_test(a_timer_may_start_itself_again),
        cmocka_unit_test(a_timer_may_cancel_its_neighbours),
        cmocka_unit_test(a_timer_may_free_itself),
        cmocka_unit_test(periods_do_not_drift_and_missed_ones_are_left_out),
        cmocka_unit_test(slack_never_puts_off_by_more),
        cmocka_unit_test(a_call_does_no_more_than_its_budget),
        cmocka_unit_test(an_idle_worker_wakes_for_timers_only),
        cmocka_unit_test(a_timer_that_is_put_off_wakes_the_worker_once_a_stand),
        cmocka_unit_test(nobody_oversleeps_behind_a_timer_that_is_put_off),
        cmocka_unit_test(the_wheel_does_what_a_sorted_list_does),
        cmocka_unit_test(millions_of_timers_with_random_cancels),
        cmocka_unit_test(advancing_from_a_timers_function_aborts),
    };

    expect_end_within(rounds(100) > 100 ? 1200 : 280);
    return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
