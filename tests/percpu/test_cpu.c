/* SPDX-License-Identifier: MIT */
/* Where a thread runs, sets of CPUs, placement; with affinity restricted by the tests themselves. */
#include <pawl/clock.h>
#include <pawl/cpu.h>
#include <pawl/rseq.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct pawl_cpuset *open_set(uint32_t limit)
{
    struct pawl_cpuset *set = pawl_cpuset_open(limit);
    assert_non_null(set);
    return set;
}

static struct pawl_cpuset *open_allowed(void)
{
    struct pawl_cpuset *set = open_set(0);
    assert_int_equal(pawl_cpu_get_affinity(set), 0);
    return set;
}

/* ---- sets ---- */

static void a_set_holds_what_was_added_and_nothing_out_of_range(void **state)
{
    (void)state;
    struct pawl_cpuset *set = open_set(8190); /* not a multiple of a word, and more than CPU_SETSIZE */
    assert_int_equal(pawl_cpuset_limit(set), 8190);
    assert_int_equal(pawl_cpuset_next(set, -1), -1);
    const int members[] = {0, 63, 64, 1023, 1024, 8189};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pawl_cpuset_add(set, members[i]), 0);
    assert_int_equal(pawl_cpuset_add(set, 63), 0); /* twice is once */
    assert_int_equal(pawl_cpuset_count(set), 6);
    size_t seen = 0;
    for (int cpu = pawl_cpuset_next(set, -1); cpu >= 0; cpu = pawl_cpuset_next(set, cpu))
        assert_int_equal(cpu, members[seen++]);
    assert_int_equal(seen, 6);
    const int wrong[] = {-1, 8190, 8191, 1 << 20, INT_MAX, INT_MIN};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(pawl_cpuset_add(set, wrong[i]), -EINVAL);
        assert_int_equal(pawl_cpuset_del(set, wrong[i]), -EINVAL);
        assert_false(pawl_cpuset_has(set, wrong[i]));
    }
    assert_int_equal(pawl_cpuset_next(set, INT_MAX), -1);
    assert_int_equal(pawl_cpuset_next(set, INT_MIN), 0);
    assert_int_equal(pawl_cpuset_del(set, 64), 0);
    assert_false(pawl_cpuset_has(set, 64));
    assert_int_equal(pawl_cpuset_next(set, 63), 1023);
    pawl_cpuset_clear(set);
    assert_int_equal(pawl_cpuset_count(set), 0);
    pawl_cpuset_close(set);
}

static void sets_of_different_limits_compare_by_their_members(void **state)
{
    (void)state;
    struct pawl_cpuset *small = open_set(1), *large = open_set(4096);
    assert_true(pawl_cpuset_equal(small, large));
    pawl_cpuset_add(small, 0);
    assert_false(pawl_cpuset_equal(small, large));
    pawl_cpuset_add(large, 0);
    assert_true(pawl_cpuset_equal(small, large));
    pawl_cpuset_add(large, 4095);
    assert_false(pawl_cpuset_equal(small, large));
    assert_false(pawl_cpuset_equal(large, small));
    pawl_cpuset_close(small);
    pawl_cpuset_close(large);
}

static void an_absurd_limit_is_refused(void **state)
{
    (void)state;
    errno = 0;
    assert_null(pawl_cpuset_open((1u << 20) + 1));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(pawl_cpuset_open(UINT32_MAX));
    assert_int_equal(errno, EINVAL);
    pawl_cpuset_close(NULL);
}

static void the_list_form_is_read_and_written_back(void **state)
{
    (void)state;
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"", ""},
        {"\n", ""},
        {" \t\n", ""},
        {"0", "0"},
        {"0\n", "0"},
        {"0-3,8", "0-3,8"},
        {" 0-3,8 \n", "0-3,8"},
        {"8,0-3", "0-3,8"},
        {"1,2,3", "1-3"},
        {"0-0", "0"},
        {"5,5,5", "5"},
        {"0-2,1-4", "0-4"},
        {"007", "7"},
        {"0-8191", "0-8191"},
        {"63,64", "63-64"},
        {"8191", "8191"},
        {"1023-1025", "1023-1025"},
    };
    struct pawl_cpuset *set = open_set(8192);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        assert_int_equal(pawl_cpuset_parse(set, cases[i].text), 0);
        assert_int_equal(pawl_cpuset_format(set, text, sizeof(text)), strlen(cases[i].canonical));
        assert_string_equal(text, cases[i].canonical);
    }
    pawl_cpuset_close(set);
}

static void malformed_lists_are_refused_and_leave_the_set_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
    } cases[] = {
        {",", -EINVAL},
        {"1,", -EINVAL},
        {",1", -EINVAL},
        {"1,,2", -EINVAL},
        {"-", -EINVAL},
        {"-1", -EINVAL},
        {"1-", -EINVAL},
        {"3-1", -EINVAL},
        {"1-2-3", -EINVAL},
        {"x", -EINVAL},
        {"1x", -EINVAL},
        {"1 2", -EINVAL},
        {"1, 2", -EINVAL},
        {"0x3", -EINVAL},
        {"+1", -EINVAL},
        {"0-7:2", -EINVAL},
        {"1;2", -EINVAL},
        {"64", -ERANGE},
        {"0-64", -ERANGE},
        {"2147483647", -ERANGE},
        {"99999999999999999999999999", -ERANGE},
        {"0,4294967296", -ERANGE},
        {"0-4294967295", -ERANGE},
    };
    struct pawl_cpuset *set = open_set(64);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        assert_int_equal(pawl_cpuset_parse(set, "1,3"), 0);
        assert_int_equal(pawl_cpuset_parse(set, cases[i].text), cases[i].error);
        pawl_cpuset_format(set, text, sizeof(text));
        assert_string_equal(text, "1,3");
    }
    pawl_cpuset_close(set);
}

static void every_set_survives_its_list_form(void **state)
{
    (void)state;
    struct pawl_cpuset *set = open_set(300), *again = open_set(300);
    unsigned seed = 20240229;
    for (int round = 0; round < 500; round++) {
        char text[2048];
        pawl_cpuset_clear(set);
        for (int i = rand_r(&seed) % 300; i > 0; i--)
            pawl_cpuset_add(set, rand_r(&seed) % 300);
        assert_true(pawl_cpuset_format(set, text, sizeof(text)) < sizeof(text));
        assert_int_equal(pawl_cpuset_parse(again, text), 0);
        assert_true(pawl_cpuset_equal(set, again));
    }
    pawl_cpuset_close(set);
    pawl_cpuset_close(again);
}

static void formatting_never_writes_past_its_room(void **state)
{
    (void)state;
    struct pawl_cpuset *set = open_set(0);
    assert_int_equal(pawl_cpuset_parse(set, "0-1"), 0);
    const char *whole = "0-1";
    for (size_t size = 0; size <= 5; size++) {
        char text[8];
        memset(text, '#', sizeof(text));
        assert_int_equal(pawl_cpuset_format(set, text, size), 3);
        if (size > 0) {
            size_t kept = size - 1 < 3 ? size - 1 : 3;
            assert_memory_equal(text, whole, kept);
            assert_int_equal(text[kept], '\0');
        }
        for (size_t i = size; i < sizeof(text); i++)
            assert_int_equal(text[i], '#');
    }
    assert_int_equal(pawl_cpuset_format(set, NULL, 0), 3);
    pawl_cpuset_close(set);
}

/* ---- counts ---- */

static void the_counts_contain_each_other(void **state)
{
    (void)state;
    assert_true(pawl_cpu_limit() >= pawl_cpu_possible());
    assert_true(pawl_cpu_possible() >= pawl_cpu_online());
    assert_true(pawl_cpu_online() >= pawl_cpu_allowed());
    assert_true(pawl_cpu_allowed() >= 1);
    struct pawl_cpuset *set = open_allowed();
    assert_int_equal(pawl_cpuset_count(set), pawl_cpu_allowed());
    for (int cpu = pawl_cpuset_next(set, -1); cpu >= 0; cpu = pawl_cpuset_next(set, cpu))
        assert_true((uint32_t)cpu < pawl_cpu_possible());
    pawl_cpuset_close(set);
}

/* ---- placement ---- */

/* As /sys links it; any node where /sys knows no nodes (a kernel without NUMA, some containers). */
static bool cpu_is_on_node(int cpu, int node)
{
    char path[96];
    if (access("/sys/devices/system/node/node0", F_OK) != 0)
        return node >= 0;
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/node%d", cpu, node);
    return access(path, F_OK) == 0;
}

static void a_pinned_thread_reads_its_cpu_in_every_way(void **state)
{
    (void)state;
    struct pawl_cpuset *before = open_allowed(), *saved = open_set(0), *after;
    for (int cpu = pawl_cpuset_next(before, -1); cpu >= 0; cpu = pawl_cpuset_next(before, cpu)) {
        assert_int_equal(pawl_cpu_pin(cpu, saved), 0);
        assert_true(pawl_cpuset_equal(saved, before));
        assert_int_equal(pawl_cpu_id(), cpu);
        assert_int_equal(pawl_cpu_id_ask(), cpu);
        assert_int_equal(sched_getcpu(), cpu);
        assert_int_equal(pawl_cpu_allowed(), 1);
        assert_true((uint32_t)cpu < pawl_cpu_limit());
        assert_true(cpu_is_on_node(cpu, pawl_cpu_node()));
        assert_int_equal(pawl_cpu_set_affinity(saved), 0);
    }
    after = open_allowed();
    assert_true(pawl_cpuset_equal(before, after));
    pawl_cpuset_close(before);
    pawl_cpuset_close(saved);
    pawl_cpuset_close(after);
}

static void bad_placements_are_refused_and_change_nothing(void **state)
{
    (void)state;
    struct pawl_cpuset *before = open_allowed(), *after, *empty = open_set(0);
    assert_int_equal(pawl_cpu_pin(-1, NULL), -EINVAL);
    assert_int_equal(pawl_cpu_pin(INT_MIN, NULL), -EINVAL);
    assert_int_equal(pawl_cpu_pin(INT_MAX, NULL), -EINVAL);
    assert_int_equal(pawl_cpu_pin((int)pawl_cpu_limit(), NULL), -EINVAL);
    if (pawl_cpu_limit() > pawl_cpu_possible()) /* a number that the kernel knows and no CPU has */
        assert_int_equal(pawl_cpu_pin((int)pawl_cpu_limit() - 1, NULL), -ENODEV);
    assert_int_equal(pawl_cpu_set_affinity(empty), -EINVAL);
    struct pawl_cpuset *beyond = open_set(1u << 20);
    pawl_cpuset_add(beyond, (1 << 20) - 1);
    assert_int_equal(pawl_cpu_set_affinity(beyond), -ENODEV);
    after = open_allowed();
    assert_true(pawl_cpuset_equal(before, after));
    pawl_cpuset_close(before);
    pawl_cpuset_close(after);
    pawl_cpuset_close(empty);
    pawl_cpuset_close(beyond);
}

static void a_set_too_small_for_the_affinity_says_so(void **state)
{
    (void)state;
    struct pawl_cpuset *allowed = open_allowed();
    int last = -1;
    for (int cpu = pawl_cpuset_next(allowed, -1); cpu >= 0; cpu = pawl_cpuset_next(allowed, cpu))
        last = cpu;
    if (last > 0) {
        struct pawl_cpuset *small = open_set((uint32_t)last), *fitting = open_set((uint32_t)last + 1);
        assert_int_equal(pawl_cpu_get_affinity(small), -ERANGE);
        assert_int_equal(pawl_cpu_pin(last, small), -ERANGE);
        assert_int_equal(pawl_cpu_allowed(), pawl_cpuset_count(allowed)); /* not pinned */
        assert_int_equal(pawl_cpu_get_affinity(fitting), 0);
        assert_true(pawl_cpuset_equal(fitting, allowed));
        pawl_cpuset_close(small);
        pawl_cpuset_close(fitting);
    }
    pawl_cpuset_close(allowed);
}

static void *inherits(void *set)
{
    return (void *)(intptr_t)pawl_cpu_get_affinity((struct pawl_cpuset *)set);
}

static void a_restricted_affinity_is_seen_and_inherited(void **state)
{
    (void)state;
    struct pawl_cpuset *saved = open_set(0), *child = open_set(0), *own;
    int first = pawl_cpu_id();
    assert_int_equal(pawl_cpu_pin(first, saved), 0);
    own = open_allowed();
    pthread_t thread;
    void *error;
    assert_int_equal(pthread_create(&thread, NULL, inherits, child), 0);
    pthread_join(thread, &error);
    uint32_t allowed = pawl_cpu_allowed();
    assert_int_equal(pawl_cpu_set_affinity(saved), 0); /* before anything can fail the test */
    assert_int_equal((intptr_t)error, 0);
    assert_int_equal(allowed, 1);
    assert_true(pawl_cpuset_has(own, first));
    assert_true(pawl_cpuset_equal(own, child));
    pawl_cpuset_close(saved);
    pawl_cpuset_close(child);
    pawl_cpuset_close(own);
}

/* The numbers the kernel promises: below the count of threads of this process that can run. */
static void *read_ids(void *unused)
{
    (void)unused;
    intptr_t worst = 0;
    for (int i = 0; i < 20000; i++) {
        int cid = pawl_cpu_cid(), cpu = pawl_cpu_id();
        if (cpu < 0 || (uint32_t)cpu >= pawl_cpu_limit())
            return (void *)-1;
        if (cid != -ENOTSUP && (cid < 0 || (uint32_t)cid >= pawl_cpu_limit()))
            return (void *)-1;
        worst = cid > worst ? cid : worst;
    }
    return (void *)worst;
}

static void ids_stay_in_range_while_threads_migrate(void **state)
{
    (void)state;
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_ids, NULL), 0);
    for (int i = 0; i < 8; i++) {
        void *worst;
        pthread_join(threads[i], &worst);
        assert_true((intptr_t)worst >= 0 && (intptr_t)worst <= 8);
    }
}

#define COST_READS 100000

static int sink;

static double cost_of(int (*read)(void))
{
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < 5; round++) {
        uint64_t start = pawl_clock_start();
        for (int i = 0; i < COST_READS; i++)
            sink += read();
        uint64_t ns = pawl_clock_elapsed_ns(start, pawl_clock_stop());
        best = ns < best ? ns : best;
    }
    return (double)best / COST_READS;
}

static void what_a_reading_costs_is_printed(void **state)
{
    (void)state;
    const struct {
        const char *name;
        int (*read)(void);
    } rows[] = {
        {"pawl_cpu_id", pawl_cpu_id},
        {"sched_getcpu", sched_getcpu},
        {"pawl_cpu_node", pawl_cpu_node},
        {"pawl_cpu_cid", pawl_cpu_cid},
    };
    printf("as calls through a pointer; rseq: %s\n", pawl_rseq_get_info()->reason);
    for (size_t i = 0; i < 4; i++) {
        double cost = cost_of(rows[i].read);
        assert_true(cost > 0);
        printf("%-16s %6.1f ns\n", rows[i].name, cost);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_holds_what_was_added_and_nothing_out_of_range),
        cmocka_unit_test(sets_of_different_limits_compare_by_their_members),
        cmocka_unit_test(an_absurd_limit_is_refused),
        cmocka_unit_test(the_list_form_is_read_and_written_back),
        cmocka_unit_test(malformed_lists_are_refused_and_leave_the_set_alone),
        cmocka_unit_test(every_set_survives_its_list_form),
        cmocka_unit_test(formatting_never_writes_past_its_room),
        cmocka_unit_test(the_counts_contain_each_other),
        cmocka_unit_test(a_pinned_thread_reads_its_cpu_in_every_way),
        cmocka_unit_test(bad_placements_are_refused_and_change_nothing),
        cmocka_unit_test(a_set_too_small_for_the_affinity_says_so),
        cmocka_unit_test(a_restricted_affinity_is_seen_and_inherited),
        cmocka_unit_test(ids_stay_in_range_while_threads_migrate),
        cmocka_unit_test(what_a_reading_costs_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
