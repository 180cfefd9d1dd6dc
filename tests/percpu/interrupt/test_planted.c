/* SPDX-License-Identifier: MIT */
/* The harness finds what it is made to find: one sequence, right and with each of the classical mistakes.
 * Also the smallest example of its use. */
#include "interrupt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#if PAWL_PERCPU_SEQUENCES
#if defined(__x86_64__)
#include "planted_x86_64.h"
#else
#include "planted_aarch64.h"
#endif

#define NODES 6

/* Two CPUs' lists, each alone in its slice, and nodes that are in one of them or in somebody's hands. */
static struct lists {
    struct pawl_percpu *pc;
    uint32_t slots; /* 2, or 1 on a machine of one CPU */
    struct pawl_percpu_list *list[2];
    struct pawl_percpu_node node[NODES];
    const struct pawl_percpu_node *popped[NODES]; /* by the other threads */
    unsigned int pops;
    int (*push)(struct pawl_percpu *pc, struct pawl_percpu_node *node);
    void (*acts[INTERRUPT_EVENTS_MAX])(struct lists *lists);
} lists;

static void reset(void *arg)
{
    struct lists *l = arg;

    memset(l->node, 0, sizeof l->node);
    l->node[0].next = &l->node[1];
    l->node[1].next = &l->node[2];
    l->list[0]->head = &l->node[0];
    l->node[3].next = &l->node[4];
    l->list[1]->head = &l->node[3];
    l->pops = 0;
    interrupt_area = (struct interrupt_area){.cpu_id = 0};
}

/* Node 5 is pushed. */
__attribute__((noinline)) static void operation(void *arg)
{
    struct lists *l = arg;

    (void)l->push(l->pc, &l->node[5]);
}

static void pop(struct lists *l)
{
    const struct pawl_percpu_node *node = pawl_percpu_pop(l->pc, 0);

    if (node != NULL && l->pops < NODES)
        l->popped[l->pops++] = node;
}

static void migrate(struct lists *l)
{
    (void)l;
    interrupt_area.cpu_id = 1;
}

static void pop_on_old_cpu(struct lists *l)
{
    interrupt_area.cpu_id = 0;
    pop(l);
    interrupt_area.cpu_id = 1;
}

static void interfere(void *arg, unsigned int nth)
{
    struct lists *l = arg;

    l->acts[nth](l);
}

static bool is_in_one_place(const struct lists *l, const struct pawl_percpu_node *wanted)
{
    unsigned int places = 0;

    for (int i = 0; i < 2; i++) {
        const struct pawl_percpu_node *node = l->list[i]->head;

        /* bounded: a bad push makes circles */
        for (int k = 0; node != NULL && k < 2 * NODES; k++, node = node->next)
            places += node == wanted;
    }
    for (unsigned int i = 0; i < l->pops; i++)
        places += l->popped[i] == wanted;
    return places == 1;
}

static bool check(void *arg, unsigned int stops)
{
    const struct lists *l = arg;

    (void)stops;
    for (int i = 0; i < NODES; i++)
        if (!is_in_one_place(l, &l->node[i]))
            return false;
    return true;
}

static struct interrupt_subject subject_of(int (*push)(struct pawl_percpu *, struct pawl_percpu_node *),
                                           void (*first)(struct lists *), void (*second)(struct lists *))
{
    lists.push = push;
    lists.acts[0] = first;
    lists.acts[1] = second;
    return (struct interrupt_subject){
        .name = "planted",
        .arg = &lists,
        .reset = reset,
        .operation = operation,
        .interfere = interfere,
        .check = check,
    };
}

static struct interrupt_counts count(const char *name,
                                     int (*push)(struct pawl_percpu *, struct pawl_percpu_node *))
{
    struct interrupt_subject subject = subject_of(push, pop, NULL);
    struct interrupt_counts counts = {0};

    assert_int_equal(interrupt_sweep(&subject, INTERRUPT_PREEMPT, false, &counts), 0);
    if (lists.slots > 1) {
        subject = subject_of(push, migrate, pop_on_old_cpu);
        assert_int_equal(interrupt_sweep_twice(&subject, INTERRUPT_BESIDE, false, &counts), 0);
    }
    printf("%-50s %6lu runs %6lu failures\n", name, counts.runs, counts.failures);
    return counts;
}

#define COUNT(push) count(#push, push)

static void a_sequence_without_a_bug_passes(void **state)
{
    (void)state;
    assert_int_equal(COUNT(push_without_a_bug).failures, 0);
}

static void a_head_loaded_before_the_section_is_found(void **state)
{
    (void)state;
    assert_true(COUNT(push_with_head_loaded_before_the_section).failures > 0);
}

static void an_instruction_after_the_commit_is_found(void **state)
{
    (void)state;
    assert_true(COUNT(push_with_an_instruction_after_the_commit).failures > 0);
}

static void a_slot_number_read_before_the_section_is_found(void **state)
{
    (void)state;
    if (lists.slots < 2) {
        print_message("one CPU only: there is nowhere to migrate to\n");
        skip();
    }
    assert_true(COUNT(push_with_slot_number_read_before_the_section).failures > 0);
}

static void a_commit_behind_the_section_is_found(void **state)
{
    (void)state;
    assert_true(COUNT(push_with_commit_behind_the_section).failures > 0);
}

static int open_lists(void **state)
{
    static _Alignas(16) char slices[2][64];

    (void)state;
    lists.pc = pawl_percpu_open(sizeof(struct pawl_percpu_list), PAWL_PERCPU_BY_CPU);
    if (lists.pc == NULL || interrupt_begin() != 0)
        return -1;
    lists.slots = lists.pc->limit > 1 ? 2 : 1;
    for (uint32_t slot = 0; slot < 2; slot++) {
        lists.list[slot] = (struct pawl_percpu_list *)(void *)slices[slot];
        if (slot < lists.slots)
            pawl_store_relaxed(&lists.pc->slice[slot], (uintptr_t)slices[slot]);
    }
    interrupt_adopt(lists.pc);
    return 0;
}

static int close_lists(void **state)
{
    (void)state;
    interrupt_release(lists.pc);
    interrupt_end();
    pawl_percpu_close(lists.pc);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sequence_without_a_bug_passes),
        cmocka_unit_test(a_head_loaded_before_the_section_is_found),
        cmocka_unit_test(an_instruction_after_the_commit_is_found),
        cmocka_unit_test(a_slot_number_read_before_the_section_is_found),
        cmocka_unit_test(a_commit_behind_the_section_is_found),
    };

    return cmocka_run_group_tests_name("planted bugs", tests, open_lists, close_lists);
}

#else

static void planted_bugs_are_found(void **state)
{
    (void)state;
    print_message("no restartable sequences in this build (instrumented, or no assembly for this machine)\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(planted_bugs_are_found)};

    return cmocka_run_group_tests_name("planted bugs", tests, NULL, NULL);
}

#endif
