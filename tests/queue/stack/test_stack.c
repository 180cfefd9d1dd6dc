/* SPDX-License-Identifier: MIT */
/* The stacks: order, chains, the ends of what can be said of an empty one; and nothing lost or taken
 * twice. */
#include "../../sync/sync_test.h"

#include <pawl/stack.h>
#include <pawl/stack_percpu.h>

#include <errno.h>

enum { NODES = 64, ROUNDS = 400000, THREADS = 8 };

struct item {
    struct pawl_stack_node node;
    PAWL_ATOMIC(int) inside; /* 1: in the stack */
    unsigned number;         /* plain: the stack is all that orders it */
};

/* ---- allocation that fails ---- */

void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
static __thread bool refuse;

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    if (!refuse)
        return __real_aligned_alloc(alignment, bytes);
    errno = ENOMEM;
    return NULL;
}

/* The first test: nothing that all of these stacks share is there yet. */
static void a_stack_without_memory_leaves_later_ones_alone(void **state)
{
    struct pawl_stack_hazard stack;

    (void)state;
    refuse = true;
    assert_int_equal(pawl_stack_hazard_init(&stack), -ENOMEM);
    refuse = false;
    assert_int_equal(pawl_stack_hazard_init(&stack), 0);
}

/* ---- one thread ---- */

static void last_in_is_first_out(void **state)
{
    struct pawl_stack stack;
    struct item items[3];

    (void)state;
    pawl_stack_init(&stack);
    assert_true(pawl_stack_empty(&stack));
    assert_null(pawl_stack_pop(&stack));
    assert_null(pawl_stack_pop_all(&stack));
    for (int i = 0; i < 3; i++)
        pawl_stack_push(&stack, &items[i].node);
    assert_false(pawl_stack_empty(&stack));
    for (int i = 3; i-- > 0;)
        assert_ptr_equal(pawl_stack_entry(pawl_stack_pop(&stack), struct item, node), &items[i]);
    assert_null(pawl_stack_pop(&stack));
}

static void a_chain_goes_in_as_it_is_linked(void **state)
{
    struct pawl_stack stack;
    struct pawl_stack_node nodes[4], *all;

    (void)state;
    pawl_stack_init(&stack);
    pawl_stack_push(&stack, &nodes[3]);
    pawl_stack_link(&nodes[0], &nodes[1]);
    pawl_stack_link(&nodes[1], &nodes[2]);
    pawl_stack_push_chain(&stack, &nodes[0], &nodes[2]);
    assert_ptr_equal(pawl_stack_pop(&stack), &nodes[0]);
    all = pawl_stack_pop_all(&stack);
    for (int i = 1; i < 4; i++, all = pawl_stack_next(all))
        assert_ptr_equal(all, &nodes[i]);
    assert_null(all);
    assert_true(pawl_stack_empty(&stack));
}

static void a_version_that_wraps_is_another(void **state)
{
    struct pawl_stack stack;
    struct pawl_stack_node nodes[2];

    (void)state;
    pawl_stack_init(&stack);
    pawl_pair_init(&stack.top, 0, UINT64_MAX - 1);
    for (int i = 0; i < 4; i++) {
        pawl_stack_push(&stack, &nodes[0]);
        pawl_stack_push(&stack, &nodes[1]);
        assert_ptr_equal(pawl_stack_pop(&stack), &nodes[1]);
        assert_ptr_equal(pawl_stack_pop(&stack), &nodes[0]);
        assert_null(pawl_stack_pop(&stack));
    }
}

/* What was offered when its pusher was stopped. */
static void what_is_offered_is_taken_by_who_collides(void **state)
{
    struct pawl_stack stack;
    struct pawl_stack_node nodes[2];

    (void)state;
    pawl_stack_init(&stack);
    pawl_pair_init(&stack.slot[2].offered, (uintptr_t)&nodes[0], 1);
    assert_null(pawl_stack_pop(&stack));
    assert_ptr_equal(pawl_stack_pop_contended_(&stack), &nodes[0]);
    assert_null(pawl_stack_pop_contended_(&stack));
    pawl_stack_push_contended_(&stack, &nodes[1]); /* nobody takes it: it ends on the stack */
    for (int i = 0; i < 4; i++)
        assert_int_equal(pawl_load_pair_acquire(&stack.slot[i].offered).lo, 0);
    pawl_pair_init(&stack.slot[3].offered, (uintptr_t)&nodes[0], 7);
    assert_ptr_equal(pawl_stack_pop_all(&stack), &nodes[0]);
    assert_ptr_equal(pawl_stack_next(&nodes[0]), &nodes[1]);
    assert_true(pawl_stack_empty(&stack));
}

static PAWL_ATOMIC(int) reclaimed;

static void count_reclaimed(struct pawl_retired *retired)
{
    free(pawl_retired_of(retired, struct pawl_stack_hazard_node, retired));
    pawl_fetch_add_relaxed(&reclaimed, 1);
}

static void with_hazard_pointers_a_node_may_be_freed(void **state)
{
    struct pawl_stack_hazard stack;
    struct pawl_hazard_slot *slot;
    struct pawl_stack_hazard_node *nodes[3], *looked_at;

    (void)state;
    assert_int_equal(pawl_stack_hazard_init(&stack), 0);
    slot = pawl_hazard_take(stack.hazard);
    assert_null(pawl_stack_hazard_pop(&stack, slot));
    for (int i = 0; i < 3; i++) {
        nodes[i] = malloc(sizeof *nodes[i]);
        pawl_stack_hazard_push(&stack, nodes[i]);
    }
    assert_ptr_equal(pawl_stack_hazard_pop(&stack, slot), nodes[2]);
    assert_ptr_equal(pawl_stack_hazard_pop_contended_(&stack, slot), nodes[1]);
    looked_at = pawl_hazard_protect(slot, &stack.top); /* a popper that was stopped here */
    assert_ptr_equal(looked_at, nodes[0]);
    {
        struct pawl_hazard_slot *other = pawl_hazard_take(stack.hazard);

        assert_ptr_equal(pawl_stack_hazard_pop(&stack, other), nodes[0]);
        pawl_hazard_give(stack.hazard, other);
    }
    for (int i = 0; i < 3; i++)
        pawl_stack_hazard_retire(&stack, nodes[i], count_reclaimed);
    assert_int_equal(pawl_hazard_collect(stack.hazard), 1);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 2);
    pawl_hazard_give(stack.hazard, slot);
    assert_int_equal(pawl_hazard_collect(stack.hazard), 0);
    assert_int_equal(pawl_load_relaxed(&reclaimed), 3);
}

/* ---- in parts ---- */

static struct pawl_stack_percpu parts;

static void on_one_cpu_last_in_is_first_out(void **state)
{
    struct item items[3];
    cpu_set_t all, one;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(pawl_stack_percpu_init(&parts), 0);
    assert_null(pawl_stack_percpu_pop(&parts));
    for (int i = 0; i < 3; i++)
        pawl_stack_percpu_push(&parts, &items[i].node);
    for (int i = 3; i-- > 0;)
        assert_ptr_equal(pawl_stack_entry(pawl_stack_percpu_pop(&parts), struct item, node), &items[i]);
    assert_null(pawl_stack_percpu_pop(&parts));
    pawl_stack_percpu_destroy(&parts);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

static void *push_elsewhere(void *argument)
{
    struct item *items = argument;
    cpu_set_t all;

    sched_getaffinity(0, sizeof all, &all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && CPU_COUNT(&all) > 1) {
            CPU_CLR(cpu, &all); /* any but the first */
            break;
        }
    sched_setaffinity(0, sizeof all, &all);
    for (int i = 0; i < NODES; i++)
        pawl_stack_percpu_push(&parts, &items[i].node);
    return NULL;
}

static void what_another_cpu_has_is_found(void **state)
{
    struct item items[NODES];
    cpu_set_t all, one;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    assert_int_equal(pawl_stack_percpu_init(&parts), 0);
    join(start(push_elsewhere, items));
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    for (int i = 0; i < NODES; i++)
        assert_non_null(pawl_stack_percpu_pop(&parts));
    assert_null(pawl_stack_percpu_pop(&parts));
    assert_int_equal(pawl_load_relaxed(&parts.moving), 0);
    pawl_stack_percpu_destroy(&parts);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

static void drain_takes_all_wherever_it_is(void **state)
{
    struct item items[NODES + 2];
    struct pawl_stack_node *node;
    int drained = 0;

    (void)state;
    assert_int_equal(pawl_stack_percpu_init(&parts), 0);
    assert_null(pawl_stack_percpu_drain(&parts));
    join(start(push_elsewhere, items));
    pawl_stack_percpu_push(&parts, &items[NODES].node);
    pawl_stack_push(&parts.common, &items[NODES + 1].node);
    for (node = pawl_stack_percpu_drain(&parts); node != NULL; node = pawl_stack_next(node))
        drained++;
    assert_int_equal(drained, NODES + 2);
    assert_null(pawl_stack_percpu_pop(&parts));
    pawl_stack_percpu_destroy(&parts);
}

/* ---- many threads pass few nodes around ---- */

struct kind {
    void (*push)(struct pawl_stack_node *node);
    struct pawl_stack_node *(*pop)(void);
};

static struct pawl_stack tagged;

static void push_tagged(struct pawl_stack_node *node)
{
    pawl_stack_push(&tagged, node);
}

static struct pawl_stack_node *pop_tagged(void)
{
    return pawl_stack_pop(&tagged);
}

static void push_parts(struct pawl_stack_node *node)
{
    pawl_stack_percpu_push(&parts, node);
}

static struct pawl_stack_node *pop_parts(void)
{
    return pawl_stack_percpu_pop(&parts);
}

static const struct kind *kind;

/* Takes up to three, changes them, puts them back. */
static void *pass_around(void *argument)
{
    int rounds_left = rounds(ROUNDS) / THREADS;

    for (unsigned i = 0; i < (unsigned)rounds_left; i++) {
        struct item *held[3];
        unsigned n = 0;

        while (n <= i % 3) {
            struct pawl_stack_node *node = kind->pop();

            if (node == NULL)
                break;
            held[n] = pawl_stack_entry(node, struct item, node);
            if (pawl_exchange_relaxed(&held[n]->inside, 0) != 1)
                abort(); /* taken twice */
            held[n++]->number++;
        }
        while (n > 0) {
            pawl_store_relaxed(&held[--n]->inside, 1);
            kind->push(&held[n]->node);
        }
    }
    return argument;
}

static void run_stress(const struct kind *which, int nodes)
{
    struct item items[NODES] = {{.number = 0}};
    pthread_t threads[THREADS];
    int left = 0;

    kind = which;
    for (int i = 0; i < nodes; i++) {
        pawl_store_relaxed(&items[i].inside, 1);
        kind->push(&items[i].node);
    }
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(pass_around, NULL);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    for (struct pawl_stack_node *node = kind->pop(); node != NULL; node = kind->pop()) {
        assert_int_equal(pawl_exchange_relaxed(&pawl_stack_entry(node, struct item, node)->inside, 0), 1);
        left++;
    }
    assert_int_equal(left, nodes);
}

static void nothing_is_lost_or_taken_twice(void **state)
{
    static const struct kind versioned = {push_tagged, pop_tagged};

    (void)state;
    pawl_stack_init(&tagged);
    run_stress(&versioned, 2);
    run_stress(&versioned, NODES);
}

static void nothing_is_lost_or_taken_twice_in_parts(void **state)
{
    static const struct kind in_parts = {push_parts, pop_parts};

    (void)state;
    assert_int_equal(pawl_stack_percpu_init(&parts), 0);
    run_stress(&in_parts, 2);
    run_stress(&in_parts, NODES);
    pawl_stack_percpu_destroy(&parts);
}

/* A thread that pushed and popped nothing never sees NULL while its own node is inside. */
static void *push_and_pop(void *argument)
{
    struct item items[2] = {{.number = 0}};

    for (int i = 0; i < rounds(ROUNDS) / 8; i++) {
        struct pawl_stack_node *got[2];

        pawl_stack_percpu_push(&parts, &items[0].node);
        pawl_stack_percpu_push(&parts, &items[1].node);
        got[0] = pawl_stack_percpu_pop(&parts);
        if (got[0] == NULL)
            abort();
        got[1] = pawl_stack_percpu_pop(&parts);
        if (got[1] == NULL)
            abort();
    }
    return argument;
}

static void a_popper_never_sees_empty_while_its_own_push_is_inside(void **state)
{
    (void)state;
    assert_int_equal(pawl_stack_percpu_init(&parts), 0);
    join(start(push_and_pop, NULL));
    pawl_stack_percpu_destroy(&parts);
}

static void *pass_freed(void *argument)
{
    struct pawl_stack_hazard *stack = argument;
    struct pawl_hazard_slot *slot = pawl_hazard_take(stack->hazard);

    for (int i = 0; i < rounds(ROUNDS) / THREADS / 2; i++) {
        struct pawl_stack_hazard_node *node = malloc(sizeof *node);

        if (node == NULL)
            abort();
        pawl_stack_hazard_push(stack, node);
        node = pawl_stack_hazard_pop(stack, slot);
        if (node == NULL)
            abort(); /* each pushes before it pops */
        pawl_stack_hazard_retire(stack, node, count_reclaimed);
    }
    pawl_hazard_give(stack->hazard, slot);
    (void)pawl_hazard_collect(stack->hazard);
    return NULL;
}

static void nodes_are_freed_once_and_not_too_early(void **state)
{
    struct pawl_stack_hazard stack;
    pthread_t threads[THREADS];

    (void)state;
    pawl_store_relaxed(&reclaimed, 0);
    assert_int_equal(pawl_stack_hazard_init(&stack), 0);
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(pass_freed, &stack);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    (void)pawl_hazard_collect(stack.hazard);
    assert_int_equal(pawl_load_relaxed(&reclaimed), rounds(ROUNDS) / THREADS / 2 * THREADS);
}

static void use_in_child(void *unused)
{
    struct item items[NODES];
    struct pawl_stack_node *node;
    int drained = 0;

    (void)unused;
    for (node = pawl_stack_percpu_drain(&parts); node != NULL; node = pawl_stack_next(node))
        drained++;
    if (drained != 2)
        _exit(1);
    for (int i = 0; i < NODES; i++)
        pawl_stack_percpu_push(&parts, &items[i].node);
    for (int i = 0; i < NODES; i++)
        if (pawl_stack_percpu_pop(&parts) == NULL)
            _exit(2);
    if (pawl_stack_percpu_pop(&parts) != NULL)
        _exit(3);
}

static void a_forked_child_drains_and_uses_its_copy(void **state)
{
    struct item items[2];

    (void)state;
    assert_int_equal(pawl_stack_percpu_init(&parts), 0);
    for (int i = 0; i < 2; i++)
        pawl_stack_percpu_push(&parts, &items[i].node);
    pawl_store_relaxed(&parts.moving, 1); /* a thread that the child does not have */
    assert_int_equal(status_of_child(use_in_child, NULL), 0);
    pawl_store_relaxed(&parts.moving, 0);
    pawl_stack_percpu_destroy(&parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stack_without_memory_leaves_later_ones_alone),
        cmocka_unit_test(last_in_is_first_out),
        cmocka_unit_test(a_chain_goes_in_as_it_is_linked),
        cmocka_unit_test(a_version_that_wraps_is_another),
        cmocka_unit_test(what_is_offered_is_taken_by_who_collides),
        cmocka_unit_test(with_hazard_pointers_a_node_may_be_freed),
        cmocka_unit_test(on_one_cpu_last_in_is_first_out),
        cmocka_unit_test(what_another_cpu_has_is_found),
        cmocka_unit_test(drain_takes_all_wherever_it_is),
        cmocka_unit_test(nothing_is_lost_or_taken_twice),
        cmocka_unit_test(nothing_is_lost_or_taken_twice_in_parts),
        cmocka_unit_test(a_popper_never_sees_empty_while_its_own_push_is_inside),
        cmocka_unit_test(nodes_are_freed_once_and_not_too_early),
        cmocka_unit_test(a_forked_child_drains_and_uses_its_copy),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
