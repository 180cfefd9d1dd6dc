/* SPDX-License-Identifier: MIT */
/* The unbounded queue of nodes: what it promises, one step at a time. */
#include "../../sync/sync_test.h"

#include <pawl/mpsc.h>

#include <errno.h>

enum { LETTERS = 1000 };

struct letter {
    int number;
    struct pawl_mpsc_node node;
};

static struct letter letters[LETTERS];

static void write_letters(void)
{
    for (int i = 0; i < LETTERS; i++)
        letters[i].number = i;
}

static int pop_number(struct pawl_mpsc *q)
{
    struct pawl_mpsc_node *node = NULL;
    int status = pawl_mpsc_pop(q, &node);

    return status == 0 ? pawl_mpsc_of(node, struct letter, node)->number : status;
}

static void nodes_come_out_in_the_order_of_the_pushes(void **state)
{
    struct pawl_mpsc q;
    int in = 0, out = 0;

    (void)state;
    write_letters();
    pawl_mpsc_init(&q);
    assert_true(pawl_mpsc_empty(&q));
    assert_int_equal(pop_number(&q), -EAGAIN);
    for (int step = 1; in + step <= LETTERS; step++) {
        for (int i = 0; i < step; i++)
            assert_int_equal(pawl_mpsc_push(&q, &letters[in++].node), 0);
        assert_false(pawl_mpsc_empty(&q));
        for (int i = 0; i < step - step % 3; i++) /* some stay for the next collection */
            assert_int_equal(pop_number(&q), out++);
    }
    while (out < in)
        assert_int_equal(pop_number(&q), out++);
    assert_int_equal(pop_number(&q), -EAGAIN);
    assert_true(pawl_mpsc_empty(&q));
}

static void a_chain_is_one_push(void **state)
{
    struct pawl_mpsc_node *nodes[LETTERS], *node = NULL;
    struct pawl_mpsc *q = pawl_mpsc_open();

    (void)state;
    write_letters();
    assert_non_null(q);
    for (int i = 0; i < LETTERS; i++)
        nodes[i] = &letters[i].node;
    assert_int_equal(pawl_mpsc_push_n(q, nodes, 1), 0);
    assert_int_equal(pawl_mpsc_push_n(q, nodes + 1, LETTERS - 1), 0);
    assert_int_equal(pop_number(q), 0);
    assert_int_equal(pawl_mpsc_pop_all(q, &node), 0);
    for (int i = 1; i < LETTERS; i++) {
        assert_non_null(node);
        assert_int_equal(pawl_mpsc_of(node, struct letter, node)->number, i);
        node = pawl_mpsc_next(node);
    }
    assert_null(node);
    assert_int_equal(pawl_mpsc_pop_all(q, &node), -EAGAIN);
    pawl_mpsc_free(q);
    pawl_mpsc_free(NULL);
}

static void a_popped_node_may_be_pushed_again_at_once(void **state)
{
    struct pawl_mpsc q;

    (void)state;
    write_letters();
    pawl_mpsc_init(&q);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pawl_mpsc_push(&q, &letters[i].node), 0);
    for (int i = 0; i < 100; i++) {
        struct pawl_mpsc_node *node = NULL;

        assert_int_equal(pawl_mpsc_pop(&q, &node), 0);
        assert_ptr_equal(node, &letters[i % 3].node);
        memset((void *)node, 0xff, sizeof *node); /* nothing in it counts */
        assert_int_equal(pawl_mpsc_push(&q, node), 0);
    }
}

/* A producer stopped between the two steps: what it does then is done here by hand. */
static void a_producer_between_its_steps_makes_the_queue_busy(void **state)
{
    struct pawl_mpsc q;
    struct pawl_mpsc_node *before;

    (void)state;
    write_letters();
    pawl_mpsc_init(&q);
    assert_int_equal(pawl_mpsc_push(&q, &letters[0].node), 0);
    pawl_store_relaxed(&letters[1].node.next, PAWL_MPSC_UNLINKED_);
    before = pawl_exchange_acq_rel(&q.top, &letters[1].node);
    assert_int_equal(pawl_mpsc_push(&q, &letters[2].node), 0);
    assert_int_equal(pop_number(&q), -EBUSY);
    assert_false(pawl_mpsc_empty(&q));
    assert_int_equal(pawl_mpsc_push(&q, &letters[3].node), 0); /* pushes go on */
    assert_int_equal(pop_number(&q), -EBUSY);
    pawl_store_release(&letters[1].node.next, before);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pop_number(&q), i);
    assert_int_equal(pop_number(&q), -EAGAIN);
}

static void after_close_pushes_fail_and_pops_drain(void **state)
{
    struct pawl_mpsc q;
    struct pawl_mpsc_node *node = NULL, *nodes[] = {&letters[2].node, &letters[3].node};

    (void)state;
    write_letters();
    pawl_mpsc_init(&q);
    assert_int_equal(pawl_mpsc_push(&q, &letters[0].node), 0);
    assert_int_equal(pawl_mpsc_push(&q, &letters[1].node), 0);
    assert_int_equal(pawl_mpsc_close(&q), 0);
    assert_int_equal(pawl_mpsc_close(&q), -EALREADY);
    assert_int_equal(pawl_mpsc_push(&q, &letters[2].node), -EPIPE);
    assert_int_equal(pawl_mpsc_push_n(&q, nodes, 2), -EPIPE);
    assert_int_equal(pop_number(&q), 0);
    assert_int_equal(pawl_mpsc_pop_wait(&q, &node, PAWL_FOREVER), 0);
    assert_int_equal(pop_number(&q), -EPIPE);
    assert_int_equal(pawl_mpsc_pop_all(&q, &node), -EPIPE);
    assert_int_equal(pawl_mpsc_pop_wait(&q, &node, PAWL_FOREVER), -EPIPE);
}

static void a_wait_ends_at_its_deadline(void **state)
{
    struct pawl_mpsc q;
    struct pawl_mpsc_node *node = NULL;
    uint64_t deadline = pawl_deadline(3 * MILLISECOND);

    (void)state;
    pawl_mpsc_init(&q);
    assert_int_equal(pawl_mpsc_pop_wait(&q, &node, deadline), -ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    assert_int_equal(pawl_mpsc_push(&q, &letters[0].node), 0);
    assert_int_equal(pawl_mpsc_pop_wait(&q, &node, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_come_out_in_the_order_of_the_pushes),
        cmocka_unit_test(a_chain_is_one_push),
        cmocka_unit_test(a_popped_node_may_be_pushed_again_at_once),
        cmocka_unit_test(a_producer_between_its_steps_makes_the_queue_busy),
        cmocka_unit_test(after_close_pushes_fail_and_pops_drain),
        cmocka_unit_test(a_wait_ends_at_its_deadline),
    };

    expect_end_within(60);
    return cmocka_run_group_tests_name("mpsc", tests, NULL, NULL);
}
