/* SPDX-License-Identifier: MIT */
/* What is read from /proc and /sys, from folders that stand in for machines we do not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"
#include "kernel.h"
#include "suggest.h"
#include "text.h"

#include <errno.h>
#include <string.h>

static struct folder root;

static int set_up(void **state)
{
    (void)state;
    folder_open(&root);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_close(&root);
    return 0;
}

static void read_cgroup(struct cgroup_cpu *cpu)
{
    cgroup_cpu_read(cpu, root.path);
}

static void assert_quota(const struct cgroup_cpu *cpu, unsigned hundredths, const char *group)
{
    assert_true(cpu->limited);
    assert_int_equal((unsigned)(cpu->quota * 100 + 0.5), hundredths);
    assert_string_equal(cpu->group + strlen(root.path), group);
}

static void unified_hierarchy(void)
{
    folder_write(&root, "proc/self/cgroup", "0::/a.slice/b.service\n");
    folder_write(&root, "proc/self/mountinfo",
                 "22 1 0:20 / /proc rw - proc proc rw\n"
                 "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate\n");
}

static void the_smallest_quota_on_the_way_up_counts(void **state)
{
    struct cgroup_cpu cpu;

    (void)state;
    unified_hierarchy();
    folder_write(&root, "sys/fs/cgroup/a.slice/b.service/cpu.max", "400000 100000\n");
    folder_write(&root, "sys/fs/cgroup/a.slice/cpu.max", "150000 100000\n");
    folder_write(&root, "sys/fs/cgroup/cpuset.cpus.effective", "0-7\n");
    folder_write(&root, "sys/fs/cgroup/a.slice/cpuset.cpus.effective", "2-3,6\n");
    read_cgroup(&cpu);
    assert_int_equal(cpu.version, 2);
    assert_quota(&cpu, 150, "/sys/fs/cgroup/a.slice");
    /* The service's group has no such file: the slice's counts. */
    assert_non_null(cpu.cpuset);
    assert_int_equal(hwloc_bitmap_weight(cpu.cpuset), 3);
    assert_true(hwloc_bitmap_isset(cpu.cpuset, 6));
    cgroup_cpu_free(&cpu);
}

static void max_is_no_quota(void **state)
{
    struct cgroup_cpu cpu;

    (void)state;
    unified_hierarchy();
    folder_write(&root, "sys/fs/cgroup/a.slice/b.service/cpu.max", "max 100000\n");
    read_cgroup(&cpu);
    assert_int_equal(cpu.version, 2);
    assert_false(cpu.limited);
    assert_null(cpu.cpuset);
    cgroup_cpu_free(&cpu);
}

static void nonsense_is_no_quota(void **state)
{
    static const char *const contents[] = {"", "\n", "0 0\n", "50000\n", "-1 100000\n", "many few\n"};

    (void)state;
    unified_hierarchy();
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        struct cgroup_cpu cpu;

        folder_write(&root, "sys/fs/cgroup/a.slice/b.service/cpu.max", contents[i]);
        read_cgroup(&cpu);
        assert_false(cpu.limited);
        cgroup_cpu_free(&cpu);
    }
}

static void the_first_version_is_read_controller_by_controller(void **state)
{
    struct cgroup_cpu cpu;

    (void)state;
    folder_write(&root, "proc/self/cgroup", "9:cpuset:/box\n4:cpuacct,cpu:/box/inner\n0::/elsewhere\n");
    folder_write(&root, "proc/self/mountinfo",
                 "31 22 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                 "32 22 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                 "33 22 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:3 - cgroup cgroup rw,cpuacct,cpu\n");
    folder_write(&root, "sys/fs/cgroup/unified/cpu.max", "100 100000\n"); /* must not be taken */
    folder_write(&root, "sys/fs/cgroup/cpu,cpuacct/box/inner/cpu.cfs_quota_us", "-1\n");
    folder_write(&root, "sys/fs/cgroup/cpu,cpuacct/box/inner/cpu.cfs_period_us", "100000\n");
    folder_write(&root, "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "25000\n");
    folder_write(&root, "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "50000\n");
    folder_write(&root, "sys/fs/cgroup/cpuset/box/cpuset.effective_cpus", "1\n");
    read_cgroup(&cpu);
    assert_int_equal(cpu.version, 1);
    assert_quota(&cpu, 50, "/sys/fs/cgroup/cpu,cpuacct/box");
    assert_int_equal(hwloc_bitmap_first(cpu.cpuset), 1);
    assert_int_equal(hwloc_bitmap_weight(cpu.cpuset), 1);
    cgroup_cpu_free(&cpu);
}

static void a_container_sees_its_own_part_of_the_hierarchy(void **state)
{
    struct cgroup_cpu cpu;

    (void)state;
    folder_write(&root, "proc/self/cgroup", "0::/docker/1234/app\n");
    folder_write(&root, "proc/self/mountinfo",
                 "30 22 0:26 /docker/1234 /sys/fs/my\\040cgroup rw - cgroup2 cgroup rw\n");
    folder_write(&root, "sys/fs/my cgroup/app/cpu.max", "200000 100000\n");
    read_cgroup(&cpu);
    assert_quota(&cpu, 200, "/sys/fs/my cgroup/app");
    cgroup_cpu_free(&cpu);
}

static void a_group_outside_the_mount_counts_from_the_mount_point(void **state)
{
    static const char *const groups[] = {"0::/../sibling\n", "0::/docker/12345\n", "0::/docker/1234\n"};

    (void)state;
    folder_write(&root, "proc/self/mountinfo", "30 22 0:26 /docker/1234 /cg rw - cgroup2 cgroup rw\n");
    folder_write(&root, "cg/cpu.max", "300000 100000\n");
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        struct cgroup_cpu cpu;

        folder_write(&root, "proc/self/cgroup", groups[i]);
        read_cgroup(&cpu);
        assert_quota(&cpu, 300, "/cg");
        cgroup_cpu_free(&cpu);
    }
}

static void without_control_groups_nothing_is_limited(void **state)
{
    struct cgroup_cpu cpu;

    (void)state;
    read_cgroup(&cpu);
    assert_int_equal(cpu.version, 0);
    assert_false(cpu.limited);
    assert_null(cpu.cpuset);
    cgroup_cpu_free(&cpu);
    folder_write(&root, "proc/self/cgroup", "::\n:\n\nnonsense");
    folder_write(&root, "proc/self/mountinfo", "1 2 3\n - \n1 2 3 4 5 - cgroup2\n");
    read_cgroup(&cpu);
    assert_int_equal(cpu.version, 0);
    cgroup_cpu_free(&cpu);
}

static void page_sizes_are_told_by_size_with_their_pools(void **state)
{
    struct page_facts pages;

    (void)state;
    folder_write(&root, "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "4\n");
    folder_write(&root, "sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
    folder_write(&root, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
    folder_write(&root, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", "9\n");
    folder_write(&root, "sys/kernel/mm/hugepages/hugepages-junk/nr_hugepages", "7\n");
    folder_write(&root, "sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
    folder_write(&root, "sys/kernel/mm/transparent_hugepage/defrag", "no word in brackets\n");
    folder_write(&root, "sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n");
    pages_read(&pages, root.path);
    assert_int_equal(pages.huge_count, 2);
    assert_int_equal(pages.huge[0].bytes, 2 << 20);
    assert_int_equal(pages.huge[0].reserved, 512);
    assert_int_equal(pages.huge[0].overcommit, 9);
    assert_int_equal(pages.huge[1].bytes, 1 << 30);
    assert_int_equal(pages.huge[1].free, 1);
    assert_string_equal(pages.thp, "never");
    assert_string_equal(pages.thp_defrag, "");
    assert_int_equal(pages.thp_bytes, 2 << 20);
}

static void a_kernel_without_huge_pages_has_none(void **state)
{
    struct page_facts pages;

    (void)state;
    pages_read(&pages, root.path);
    assert_int_equal(pages.huge_count, 0);
    assert_string_equal(pages.thp, "");
    assert_true(pages.base_bytes >= 4096);
}

static void the_clock_source_is_the_kernels(void **state)
{
    struct clock_facts clock;

    (void)state;
    folder_write(&root, "sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
    folder_write(&root, "sys/devices/system/clocksource/clocksource0/available_clocksource",
                 "hpet acpi_pm \n");
    clock_read(&clock, root.path);
    assert_string_equal(clock.source, "hpet");
    assert_string_equal(clock.available, "hpet acpi_pm");
}

static void free_memory_of_a_node_is_read_in_bytes(void **state)
{
    (void)state;
    folder_write(&root, "sys/devices/system/node/node3/meminfo",
                 "Node 3 MemTotal:       65536 kB\nNode 3 MemFree:         1024 kB\n");
    assert_int_equal(node_free_bytes(3, root.path), 1 << 20);
    assert_int_equal(node_free_bytes(4, root.path), -1);
}

static void each_refusal_of_io_uring_has_its_advice(void **state)
{
    const struct io_uring_facts refusals[] = {
        {.error = ENOSYS, .disabled = -1}, {.error = EPERM, .disabled = 2},  {.error = EPERM, .disabled = 1},
        {.error = EPERM, .disabled = 0},   {.error = ENOMEM, .disabled = 0}, {.error = EMFILE, .disabled = 0},
    };
    static const char *const words[] = {
        "Linux 5.1", "kernel.io_uring_disabled=0", "kernel.io_uring_group", "seccomp", "ulimit -l",
        "ulimit -n"};

    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        assert_non_null(strstr(io_uring_reason(&refusals[i]), words[i]));
}

static void sizes_are_told_in_three_digits(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1 KiB"},
        {48 << 10, "48 KiB"},
        {1280 << 10, "1.25 MiB"},
        {1023 << 10, "1023 KiB"},
        {(1 << 20) - 1, "1 MiB"},
        {260 << 20, "260 MiB"},
        {UINT64_C(16757088256), "15.6 GiB"},
        {UINT64_MAX, "16 EiB"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char text[BYTES_TEXT_MAX];

        assert_string_equal(text_bytes(text, sizes[i].bytes), sizes[i].text);
    }
}

static void distance_counts_slips_of_the_finger(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance("", ""), 0);
    assert_int_equal(suggest_distance("topo", "topo"), 0);
    assert_int_equal(suggest_distance("", "topo"), 4);
    assert_int_equal(suggest_distance("tpoo", "topo"), 1);
    assert_int_equal(suggest_distance("top", "topo"), 1);
    assert_int_equal(suggest_distance("tapo", "topo"), 1);
    assert_int_equal(suggest_distance("bench", "topo"), suggest_distance("topo", "bench"));
}

static void only_the_best_suggestions_are_kept_in_order(void **state)
{
    struct suggestions near;

    (void)state;
    suggest_start(&near, "counter");
    suggest_consider(&near, "mpmc");
    suggest_consider(&near, "countess");
    suggest_consider(&near, "conter");
    suggest_consider(&near, "counter");
    suggest_consider(&near, "counter-rseq");
    assert_int_equal(near.count, 3);
    assert_string_equal(near.names[0], "counter");
    assert_string_equal(near.names[1], "conter");
    assert_string_equal(near.names[2], "counter-rseq"); /* what was typed is a part of it */
    suggest_start(&near, "");
    suggest_consider(&near, "a");
    assert_int_equal(near.count, 0);
}

int main(void)
{
#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_ROOT(the_smallest_quota_on_the_way_up_counts),
        IN_ROOT(max_is_no_quota),
        IN_ROOT(nonsense_is_no_quota),
        IN_ROOT(the_first_version_is_read_controller_by_controller),
        IN_ROOT(a_container_sees_its_own_part_of_the_hierarchy),
        IN_ROOT(a_group_outside_the_mount_counts_from_the_mount_point),
        IN_ROOT(without_control_groups_nothing_is_limited),
        IN_ROOT(page_sizes_are_told_by_size_with_their_pools),
        IN_ROOT(a_kernel_without_huge_pages_has_none),
        IN_ROOT(the_clock_source_is_the_kernels),
        IN_ROOT(free_memory_of_a_node_is_read_in_bytes),
        cmocka_unit_test(each_refusal_of_io_uring_has_its_advice),
        cmocka_unit_test(sizes_are_told_in_three_digits),
        cmocka_unit_test(distance_counts_slips_of_the_finger),
        cmocka_unit_test(only_the_best_suggestions_are_kept_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
