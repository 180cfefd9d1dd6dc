/* SPDX-License-Identifier: MIT */
/* Where workers stand, on machines that hwloc makes up, and how much time a quota leaves them. */
#include "place.h"
#include "sched_test.h"

#include <ftw.h>
#ifdef PAWL_TEST_HWLOC
#include <hwloc.h>
#endif
#include <stdio.h>
#include <sys/stat.h>

static char root[] = "/tmp/pawl-rt-XXXXXX";

static void write_file(const char *path, const char *text)
{
    char full[512];
    FILE *file;

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    file = fopen(full, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *at)
{
    (void)about;
    (void)type;
    (void)at;
    return remove(path);
}

static int make_root(void **state)
{
    (void)state;
    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- places ---- */

static struct pawl_place place_on(struct hwloc_topology *topology, const char *allowed, uint32_t workers)
{
    struct pawl_cpuset *cpus = pawl_cpuset_open(0);
    struct pawl_place place;

    assert_int_equal(pawl_cpuset_parse(cpus, allowed), 0);
    assert_int_equal(pawl_place_init_(&place, workers, cpus, topology), 0);
    pawl_cpuset_close(cpus);
    return place;
}

static void of_a_machine_that_tells_nothing_all_cpus_are_as_near(void **state)
{
    struct pawl_place place = place_on(NULL, "0-3", 0);

    (void)state;
    assert_int_equal(place.workers, 4);
    assert_int_equal(place.nodes, 1);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(place.cpu[i], i);
        assert_int_equal(place.rings[i * PAWL_DISTANCES_ + PAWL_SAME_LAST_CACHE_], 0);
        assert_int_equal(place.rings[i * PAWL_DISTANCES_ + PAWL_SAME_NODE_], 3);
    }
    pawl_place_destroy_(&place);
}

static void one_worker_has_no_victims(void **state)
{
    struct pawl_place place = place_on(NULL, "5", 0);

    (void)state;
    assert_int_equal(place.workers, 1);
    assert_int_equal(place.rings[PAWL_REMOTE_], 0);
    pawl_place_destroy_(&place);
}

#ifdef PAWL_TEST_HWLOC
static struct pawl_place place_of(const char *machine, const char *allowed, uint32_t workers)
{
    hwloc_topology_t topology;
    struct pawl_place place;

    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_synthetic(topology, machine), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    place = place_on(topology, allowed, workers);
    hwloc_topology_destroy(topology);
    return place;
}

/* Two nodes, each with an L3; in it two L2 of two cores of two threads each: 16 CPUs, threads next to each other. */
#define MACHINE "numa:2 l3:1 l2:2 core:2 pu:2"

static void workers_stand_on_cores_first(void **state)
{
    struct pawl_place place = place_of(MACHINE, "0-15", 0);

    (void)state;
    assert_int_equal(place.workers, 16);
    assert_int_equal(place.nodes, 2);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(place.cpu[i], 2 * i);
        assert_int_equal(place.cpu[8 + i], 2 * i + 1);
        assert_int_equal(place.node[i], i / 4);
    }
    pawl_place_destroy_(&place);
}

static void victims_are_the_nearest_first(void **state)
{
    struct pawl_place place = place_of(MACHINE, "0-15", 0);
    const uint32_t *victims = place.victims, *rings = place.rings;

    (void)state;
    /* of CPU 0: its other thread, CPU 1; L2: CPUs 2 and 3; L3: 4 to 7; then the other node */
    assert_int_equal(rings[PAWL_SAME_CORE_], 1);
    assert_int_equal(place.cpu[victims[0]], 1);
    assert_int_equal(rings[PAWL_SAME_CACHE_], 3);
    for (uint32_t i = 1; i < 3; i++)
        assert_in_range(place.cpu[victims[i]], 2, 3);
    assert_int_equal(rings[PAWL_SAME_LAST_CACHE_], 7);
    for (uint32_t i = 3; i < 7; i++)
        assert_in_range(place.cpu[victims[i]], 4, 7);
    assert_int_equal(rings[PAWL_SAME_NODE_], 7);
    assert_int_equal(rings[PAWL_REMOTE_], 15);
    pawl_place_destroy_(&place);
}

static void only_allowed_cpus_are_used_and_more_workers_begin_again(void **state)
{
    struct pawl_place place = place_of(MACHINE, "3,8-9", 5);
    const int cpus[] = {8, 3, 9, 8, 3};

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(place.cpu[i], cpus[i]);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(place.rings[i * PAWL_DISTANCES_ + PAWL_REMOTE_], 4); /* every other one, once */
    pawl_place_destroy_(&place);
}

/* As most servers number them: CPU 2 is the other thread of CPU 0's core. Its second level is a core's own. */
static void threads_of_a_core_may_be_numbered_far_apart(void **state)
{
    const int order[] = {0, 1, 2, 3};
    struct pawl_place place = place_of("l3:1 l2:2 core:1 pu:2(indexes=0,2,1,3)", "0-3", 0);

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(place.cpu[i], order[i]);
    assert_int_equal(place.victims[0], 2);
    assert_int_equal(place.rings[PAWL_SAME_CORE_], 1);
    assert_int_equal(place.rings[PAWL_SAME_CACHE_], 1);
    assert_int_equal(place.rings[PAWL_SAME_LAST_CACHE_], 3);
    pawl_place_destroy_(&place);
}

#endif

/* ---- quotas ---- */

static void a_quota_of_the_second_version_counts(void **state)
{
    (void)state;
    assert_int_equal(pawl_place_quota_(root), UINT32_MAX); /* there is nothing */
    write_file("/proc/self/cgroup", "0::/a/b\n");
    assert_int_equal(pawl_place_quota_(root), UINT32_MAX);
    write_file("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    assert_int_equal(pawl_place_quota_(root), UINT32_MAX);
    write_file("/sys/fs/cgroup/a/cpu.max", "250000 100000\n"); /* that of a group above */
    assert_int_equal(pawl_place_quota_(root), 3);
    write_file("/sys/fs/cgroup/a/b/cpu.max", "20000 100000\n");
    assert_int_equal(pawl_place_quota_(root), 1);
    write_file("/sys/fs/cgroup/a/b/cpu.max", "nonsense\n");
    assert_int_equal(pawl_place_quota_(root), 3);
    write_file("/proc/self/cgroup", "0::/\n"); /* a namespace of its own */
    write_file("/sys/fs/cgroup/cpu.max", "400000 200000\n");
    assert_int_equal(pawl_place_quota_(root), 2);
}

static void a_quota_of_the_first_version_counts(void **state)
{
    (void)state;
    write_file("/proc/self/cgroup", "9:memory:/x\n4:cpuacct,cpu:/c\n3:cpuset:/c\nnonsense\n");
    assert_int_equal(pawl_place_quota_(root), UINT32_MAX);
    write_file("/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "-1\n");
    write_file("/sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
    assert_int_equal(pawl_place_quota_(root), UINT32_MAX);
    write_file("/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "350000\n");
    assert_int_equal(pawl_place_quota_(root), 4);
}

int test_places(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_machine_that_tells_nothing_all_cpus_are_as_near),
        cmocka_unit_test(one_worker_has_no_victims),
#ifdef PAWL_TEST_HWLOC
        cmocka_unit_test(workers_stand_on_cores_first),
        cmocka_unit_test(victims_are_the_nearest_first),
        cmocka_unit_test(only_allowed_cpus_are_used_and_more_workers_begin_again),
        cmocka_unit_test(threads_of_a_core_may_be_numbered_far_apart),
#endif
        cmocka_unit_test_setup_teardown(a_quota_of_the_second_version_counts, make_root, remove_root),
        cmocka_unit_test_setup_teardown(a_quota_of_the_first_version_counts, make_root, remove_root),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
