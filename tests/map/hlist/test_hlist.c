/* SPDX-License-Identifier: MIT */
/* Lists under RCU: links, and walks while they change. */
#include "../../sync/sync_test.h"

#include <pawl/hlist.h>
#include <pawl/rcu.h>

enum { STAY = 64, READERS = 3, CHANGES = 200000, POISON = -1 };

struct object {
    int number;
    int copy; /* the same, so that a torn or freed object is seen */
    struct pawl_hlist_node link;
    struct pawl_retired retired;
};

static int numbers(struct pawl_hlist_head *head, int *number)
{
    struct object *item;
    int n = 0;

    pawl_hlist_each(item, head, struct object, link) number[n++] = item->number;
    return n;
}

static void expect(struct pawl_hlist_head *head, const char *text)
{
    char seen[64] = "";
    int number[8];
    int n = numbers(head, number);

    for (int i = 0; i < n; i++)
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%d ", number[i]);
    assert_string_equal(seen, text);
}

static void nodes_stand_where_they_were_put(void **state)
{
    struct pawl_hlist_head head = {NULL};
    struct object a = {.number = 1}, b = {.number = 2}, c = {.number = 3}, d = {.number = 4};

    (void)state;
    assert_true(pawl_hlist_empty(&head));
    expect(&head, "");
    pawl_hlist_add(&head, &c.link);
    pawl_hlist_add(&head, &a.link);
    expect(&head, "1 3 ");
    pawl_hlist_add_behind(&a.link, &b.link);
    pawl_hlist_add_behind(&c.link, &d.link);
    expect(&head, "1 2 3 4 ");
    pawl_hlist_del(&a.link);
    pawl_hlist_add_before(&b.link, &a.link); /* b is the first: before it is the head */
    expect(&head, "1 2 3 4 ");
    assert_false(pawl_hlist_empty(&head));
}

static void every_node_can_be_unlinked_and_linked_again(void **state)
{
    struct object object[4];

    (void)state;
    for (int gone = 0; gone < 4; gone++) {
        struct pawl_hlist_head head = {NULL};
        int number[8];

        for (int i = 3; i >= 0; i--) {
            object[i] = (struct object){.number = i};
            pawl_hlist_node_init(&object[i].link);
            assert_false(pawl_hlist_linked(&object[i].link));
            pawl_hlist_add(&head, &object[i].link);
            assert_true(pawl_hlist_linked(&object[i].link));
        }
        pawl_hlist_del(&object[gone].link);
        assert_false(pawl_hlist_linked(&object[gone].link));
        assert_int_equal(numbers(&head, number), 3);
        for (int i = 0; i < 3; i++)
            assert_int_equal(number[i], i < gone ? i : i + 1);
        pawl_hlist_add(&head, &object[gone].link);
        assert_int_equal(numbers(&head, number), 4);
        assert_int_equal(number[0], gone);
        for (int i = 0; i < 4; i++)
            pawl_hlist_del(&object[i].link);
        assert_true(pawl_hlist_empty(&head));
    }
}

static void a_replaced_node_leaves_its_place(void **state)
{
    struct pawl_hlist_head head = {NULL};
    struct object a = {.number = 1}, b = {.number = 2}, c = {.number = 3};

    (void)state;
    pawl_hlist_add(&head, &b.link);
    pawl_hlist_replace(&b.link, &a.link); /* first and last */
    expect(&head, "1 ");
    pawl_hlist_add_behind(&a.link, &b.link);
    pawl_hlist_replace(&a.link, &c.link);
    expect(&head, "3 2 ");
    pawl_hlist_del(&b.link); /* its pprev is in the fresh node */
    expect(&head, "3 ");
    assert_false(pawl_hlist_linked(&a.link));
}

static void a_walk_goes_on_from_a_node_that_is_unlinked(void **state)
{
    struct pawl_hlist_head head = {NULL};
    struct object object[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct object *item;
    int seen = 0;

    (void)state;
    for (int i = 2; i >= 0; i--)
        pawl_hlist_add(&head, &object[i].link);
    pawl_hlist_each(item, &head, struct object, link)
    {
        pawl_hlist_del(&item->link);
        seen++;
    }
    assert_int_equal(seen, 3);
    assert_true(pawl_hlist_empty(&head));
}

/* ---- walks while a writer changes the list ---- */

static struct pawl_hlist_head shared;
static struct object stay[STAY]; /* numbers 0, 10, 20, ... */
static PAWL_ATOMIC(bool) stop;

static void free_object(struct pawl_retired *retired)
{
    struct object *object = pawl_retired_of(retired, struct object, retired);

    object->number = object->copy = POISON;
    free(object);
}

static void *walk(void *unused)
{
    long walks = 0;

    (void)unused;
    while (!pawl_load_relaxed(&stop)) {
        struct object *item;
        int last = -1;
        int stayed = 0;

        pawl_rcu_read_lock();
        pawl_hlist_each(item, &shared, struct object, link)
        {
            if (item->number <= last || item->copy != item->number)
                return (void *)-1L;
            last = item->number;
            stayed += last % 10 == 0;
        }
        pawl_rcu_read_unlock();
        if (stayed != STAY)
            return (void *)-2L;
        walks++;
    }
    return (void *)walks;
}

static struct object *fresh_object(int number)
{
    struct object *object = calloc(1, sizeof *object);

    assert_non_null(object);
    object->number = object->copy = number;
    return object;
}

/* One object comes behind the k-th that stays, is replaced, and goes. */
static void come_and_go(int k)
{
    struct object *first = fresh_object(10 * k + 3);
    struct object *second = fresh_object(10 * k + 5);

    pawl_hlist_add_behind(&stay[k].link, &first->link);
    pawl_hlist_replace(&first->link, &second->link);
    pawl_rcu_call(&first->retired, free_object);
    pawl_hlist_del(&second->link);
    pawl_rcu_call(&second->retired, free_object);
}

static void walks_see_all_that_stays_and_nothing_that_is_freed(void **state)
{
    pthread_t reader[READERS];
    uint64_t random = 88172645463325252u;

    (void)state;
    pawl_store_relaxed(&stop, false);
    for (int i = STAY - 1; i >= 0; i--) {
        stay[i] = (struct object){.number = 10 * i, .copy = 10 * i};
        pawl_hlist_add(&shared, &stay[i].link);
    }
    for (int i = 0; i < READERS; i++)
        reader[i] = start(walk, NULL);
    for (int i = 0; i < rounds(CHANGES); i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        come_and_go((int)(random % STAY));
    }
    pawl_store_relaxed(&stop, true);
    for (int i = 0; i < READERS; i++)
        assert_true((long)(intptr_t)join(reader[i]) >= 0);
    pawl_rcu_barrier();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_stand_where_they_were_put),
        cmocka_unit_test(every_node_can_be_unlinked_and_linked_again),
        cmocka_unit_test(a_replaced_node_leaves_its_place),
        cmocka_unit_test(a_walk_goes_on_from_a_node_that_is_unlinked),
        cmocka_unit_test(walks_see_all_that_stays_and_nothing_that_is_freed),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("hlist", tests, NULL, NULL);
}
