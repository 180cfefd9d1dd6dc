/* SPDX-License-Identifier: MIT */
/* Rings under load: conservation, order, histories, and what a stopped or killed thread does to the others.
 *
 * This program has its own copy of the ring, with a call at every named point of the operations. */
#include "../../sync/sync_test.h"

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

#include <pawl/lin.h>

static const int policies[] = {PAWL_RING_STAMPED, PAWL_RING_LOCK_FREE};
#define EACH_POLICY(policy)           \
    for (size_t i_ = 0; i_ < 2; i_++) \
        for (int policy = policies[i_], once_ = 1; once_; once_ = 0)

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

static void reach(const char *name)
{
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

/* ---- load ---- */

enum { THREADS = 8 };

struct element {
    uint64_t thread; /* who pushed it */
    uint64_t number; /* its how-manieth */
    uint64_t sum;    /* of both: torn entries do not add up */
};

struct load {
    struct pawl_ring *ring;
    unsigned char *seen[THREADS]; /* how often each came out */
    uint64_t each;
    unsigned producers;
    PAWL_ATOMIC(unsigned) pushing;
    PAWL_ATOMIC(uint64_t) evicted, overtaken;
};

struct worker {
    struct load *load;
    unsigned index;
};

static void came_out(struct load *load, const struct element *e)
{
    assert_true(e->thread < load->producers && e->number < load->each && e->sum == e->thread + e->number * 3);
    /* each byte is written by who has the element: nobody else may */
    assert_int_equal(__atomic_fetch_add(&load->seen[e->thread][e->number], 1, __ATOMIC_RELAXED), 0);
}

static void *produce(void *argument)
{
    struct worker *worker = argument;
    struct load *load = worker->load;

    for (uint64_t i = 0; i < load->each; i++) {
        struct element element = {worker->index, i, worker->index + i * 3};
        struct element evicted;
        int result = pawl_ring_push(load->ring, &element, &evicted);

        assert_true(result >= 0);
        if ((result & PAWL_RING_EVICTED) != 0) {
            came_out(load, &evicted);
            pawl_fetch_add_relaxed(&load->evicted, 1u); /* relaxed, both: read after the join */
        }
        if ((result & PAWL_RING_OVERTAKEN) != 0) {
            came_out(load, &element);
            pawl_fetch_add_relaxed(&load->overtaken, 1u);
        }
    }
    if (pawl_fetch_sub_acq_rel(&load->pushing, 1u) == 1) /* the last one closes, after all have pushed */
        assert_int_equal(pawl_ring_close(load->ring), 0);
    return NULL;
}

static void *consume(void *argument)
{
    struct load *load = argument;
    uint64_t last[THREADS] = {0}, last_ticket = 0;
    struct element element;
    uint64_t ticket;
    int status;

    while ((status = pawl_ring_pop_wait(load->ring, &element, &ticket, PAWL_FOREVER)) == 0) {
        came_out(load, &element);
        assert_true(element.number + 1 > last[element.thread]); /* in the order of its producer */
        assert_true(last_ticket == 0 || ticket > last_ticket);  /* and of the tickets */
        last[element.thread] = element.number + 1;
        last_ticket = ticket;
    }
    assert_int_equal(status, -EPIPE);
    return NULL;
}

static void run_load(unsigned producers, unsigned consumers, size_t capacity, int policy, uint64_t each)
{
    struct load load = {.ring = pawl_ring_open(capacity, sizeof(struct element), policy),
                        .each = each,
                        .producers = producers,
                        .pushing = producers};
    pthread_t threads[2 * THREADS];
    struct worker workers[THREADS];
    unsigned started = 0;

    assert_non_null(load.ring);
    for (unsigned i = 0; i < producers; i++)
        assert_non_null(load.seen[i] = calloc(each, 1));
    for (unsigned i = 0; i < consumers; i++)
        threads[started++] = start(consume, &load);
    for (unsigned i = 0; i < producers; i++) {
        workers[i] = (struct worker){&load, i};
        threads[started++] = start(produce, &workers[i]);
    }
    while (started > 0)
        join(threads[--started]);
    consume(&load); /* what is left, when nobody consumed */
    for (unsigned i = 0; i < producers; i++) {
        for (uint64_t n = 0; n < each; n++)
            assert_int_equal(load.seen[i][n], 1);
        free(load.seen[i]);
    }
    assert_int_equal(pawl_ring_lost(load.ring), pawl_load_relaxed(&load.evicted)); /* relaxed: joined */
    assert_int_equal(pawl_ring_stuck(load.ring), 0);
    pawl_ring_free(load.ring);
}

static void every_element_comes_out_once_and_in_order(void **state)
{
    static const struct {
        unsigned producers, consumers;
        size_t capacity;
    } shapes[] = {{1, 1, 1}, {1, 1, 64}, {2, 2, 2},  {2, 2, 1000},
                  {4, 1, 8}, {1, 4, 8},  {8, 8, 16}, {4, 0, 8}};

    (void)state;
    expect_end_within(300);
    EACH_POLICY(policy)
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        run_load(shapes[i].producers, shapes[i].consumers, shapes[i].capacity, policy,
                 (uint64_t)rounds(60000));
    alarm(0);
}

/* ---- a consumer never sees empty while its own push is inside ---- */

static void *push_then_pop(void *argument)
{
    struct pawl_ring *ring = argument;
    uint64_t token = 0;
    int turns = rounds(30000);

    for (int i = 0; i < turns; i++) {
        /* As many tokens as cells, so nothing is displaced: who pushes and then pops finds one. A push that takes its
         * ticket anew may displace one: it is pushed again. */
        uint64_t evicted;
        int result = pawl_ring_push(ring, &token, &evicted);

        while (result == PAWL_RING_EVICTED)
            result = pawl_ring_push(ring, &token, &evicted);
        assert_int_equal(result, 0);
        assert_int_equal(pawl_ring_pop(ring, &token, NULL), 0);
    }
    return NULL;
}

static void a_consumer_never_sees_empty_while_its_own_push_is_inside(void **state)
{
    (void)state;
    expect_end_within(120);
    EACH_POLICY(policy)
    {
        struct pawl_ring *ring = pawl_ring_open(64, 8, policy);
        pthread_t threads[4];

        for (int i = 0; i < 4; i++)
            threads[i] = start(push_then_pop, ring);
        for (int i = 0; i < 4; i++)
            join(threads[i]);
        pawl_ring_free(ring);
    }
    alarm(0);
}

/* ---- views beside writers ---- */

static PAWL_ATOMIC(int) done;

static void *push_on(void *argument)
{
    struct pawl_ring *ring = argument;

    for (uint64_t i = 0; pawl_load_relaxed(&done) == 0; i++) { /* relaxed: when does not matter */
        struct element element = {1, i, 1 + i * 3};

        assert_true(pawl_ring_push(ring, &element, NULL) >= 0);
        if (i % 5 == 0)
            (void)pawl_ring_pop(ring, &element, NULL);
    }
    return NULL;
}

static void a_view_is_whole_in_order_and_without_gaps(void **state)
{
    (void)state;
    EACH_POLICY(policy)
    {
        struct pawl_ring *ring = pawl_ring_open(256, sizeof(struct element), policy);
        int views = rounds(5000), full = 0;
        pthread_t thread;

        pawl_store_relaxed(&done, 0); /* relaxed: the thread is not started yet */
        thread = start(push_on, ring);
        while (pawl_ring_lost(ring) == 0)
            sched_yield();
        for (int i = 0; i < views; i++) {
            struct element elements[256];
            uint64_t tickets[256];
            size_t count = pawl_ring_view(ring, elements, tickets);

            assert_true(count <= 256);
            full += count > 1;
            for (size_t k = 0; k < count; k++) {
                assert_true(elements[k].sum == elements[k].thread + elements[k].number * 3);
                /* one producer: the numbers are neighbours, as the tickets are */
                assert_true(k == 0 || (tickets[k] == tickets[k - 1] + 1 &&
                                       elements[k].number == elements[k - 1].number + 1));
            }
        }
        pawl_store_relaxed(&done, 1);
        join(thread);
        assert_true(full > 0);
        pawl_ring_free(ring);
    }
}

/* ---- histories ---- */

enum { HISTORY = 400, EMPTY = -1, PUSH = 1, POP, OUT };

static struct pawl_lin history;
static struct pawl_lin_operation operations[HISTORY];
static int the_policy;

struct state {
    int16_t id[64];
    int32_t count;
};

static void init(void *memory)
{
    memset(memory, 0, sizeof(struct state));
}

static int take_front(struct state *s)
{
    int front = s->count > 0 ? s->id[0] : EMPTY;

    if (s->count > 0) {
        memmove(s->id, s->id + 1, sizeof s->id - sizeof s->id[0]);
        s->id[63] = 0;
        s->count--;
    }
    return front;
}

/* As in check_ring.c: the stamped ring displaces in one step and only when it is full. */
static bool apply(void *memory, const struct pawl_lin_operation *op)
{
    struct state *s = memory;
    int result = (int)op->result;

    if (op->kind == OUT)
        return result == 0 || take_front(s) == result;
    if (op->kind == POP)
        return take_front(s) == result;
    if (result == EMPTY)
        return true;
    if (the_policy == PAWL_RING_STAMPED &&
        ((s->count == 4) != (result != 0) || (result != 0 && take_front(s) != result)))
        return false;
    s->id[s->count++] = (int16_t)op->argument;
    return s->count < 60;
}

static const struct pawl_lin_spec spec = {sizeof(struct state), init, apply};

static void *recorded(void *argument)
{
    struct worker *worker = argument;
    struct pawl_ring *ring = worker->load->ring;
    unsigned seed = worker->index * 7919 + (unsigned)worker->load->each;

    for (int i = 0; i < 30; i++) {
        uint64_t value = worker->index * 100 + (unsigned)i + 1, evicted;
        size_t first, second = 0;
        int result;

        if (rand_r(&seed) % 3 == 0) {
            first = pawl_lin_call(&history, POP, 0);
            result = pawl_ring_pop(ring, &value, NULL);
            pawl_lin_return(&history, first, result == 0 ? (int)value : EMPTY);
            continue;
        }
        if (the_policy != PAWL_RING_STAMPED)
            second = pawl_lin_call(&history, OUT, 0);
        first = pawl_lin_call(&history, PUSH, (int)value);
        result = pawl_ring_push(ring, &value, &evicted);
        evicted = (result & PAWL_RING_EVICTED) != 0 ? evicted : 0;
        pawl_lin_return(&history, first,
                        (result & PAWL_RING_OVERTAKEN) != 0 ? EMPTY
                        : the_policy == PAWL_RING_STAMPED   ? (int)evicted
                                                            : 0);
        if (the_policy != PAWL_RING_STAMPED)
            pawl_lin_return(&history, second, (int)evicted);
    }
    return NULL;
}

static void a_history_has_a_sequential_explanation(void **state)
{
    (void)state;
    EACH_POLICY(policy)
    {
        int histories = rounds(150);

        for (int h = 0; h < histories; h++) {
            struct load load = {.ring = pawl_ring_open(4, 8, policy), .each = (uint64_t)h};
            struct worker workers[3];
            pthread_t threads[3];
            int verdict;

            the_policy = policy;
            pawl_lin_init(&history, operations, HISTORY);
            for (unsigned i = 0; i < 3; i++) {
                workers[i] = (struct worker){&load, i};
                threads[i] = start(recorded, &workers[i]);
            }
            for (unsigned i = 0; i < 3; i++)
                join(threads[i]);
            verdict = pawl_lin_check(&history, &spec, NULL, NULL);
            if (verdict == 1)
                print_error("history %d is not linearizable\n", h);
            assert_int_equal(verdict, 0);
            pawl_ring_free(load.ring);
        }
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_comes_out_once_and_in_order),
        cmocka_unit_test(a_consumer_never_sees_empty_while_its_own_push_is_inside),
        cmocka_unit_test(a_view_is_whole_in_order_and_without_gaps),
        cmocka_unit_test(a_history_has_a_sequential_explanation),
        cmocka_unit_test(a_stopped_thread_stops_nobody),
        cmocka_unit_test(a_writer_that_was_given_up_comes_back_and_has_one_entry_in_hand_at_most),
        cmocka_unit_test(stopped_writers_in_every_cell_make_pushes_fail_not_wait),
        cmocka_unit_test(a_killed_process_costs_the_lock_free_ring_one_cell_at_most),
        cmocka_unit_test(a_stopped_thread_blocks_who_comes_round_to_its_cell_of_a_stamped_ring),
    };

    fault = map_shared(sizeof *fault);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
