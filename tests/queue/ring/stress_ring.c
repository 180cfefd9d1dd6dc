/* SPDX-License-Identifier: MIT */
/* Rings under load: conservation, order, histories. What a stopped or killed thread does to the others is in stopped_ring.c,
 * which also has the copy of the ring that this program is about. */
#include "stress_ring.h"

#include <pawl/lin.h>

static const int policies[] = {PAWL_RING_STAMPED, PAWL_RING_LOCK_FREE};
#define EACH_POLICY(policy)           \
    for (size_t i_ = 0; i_ < 2; i_++) \
        for (int policy = policies[i_], once_ = 1; once_; once_ = 0)

/* ---- load ---- */

enum { THREADS = 8 };

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
        /* Fewer tokens than cells, so nothing is displaced, but by a push that takes its ticket anew; and who was given up
         * for a lap has been overtaken. Tokens are all alike: what comes back is pushed again. */
        int in_hand = 1;

        while (in_hand > 0) {
            uint64_t evicted;
            int result = pawl_ring_push(ring, &token, &evicted);

            assert_true(result >= 0);
            in_hand += (result & PAWL_RING_EVICTED) != 0;
            in_hand -= (result & PAWL_RING_OVERTAKEN) == 0;
        }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_comes_out_once_and_in_order),
        cmocka_unit_test(a_consumer_never_sees_empty_while_its_own_push_is_inside),
        cmocka_unit_test(a_view_is_whole_in_order_and_without_gaps),
        cmocka_unit_test(a_history_has_a_sequential_explanation),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    return failed + run_stopped_ring();
}
