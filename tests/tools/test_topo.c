/* SPDX-License-Identifier: MIT */
/* Promises of `pawl topo`: machines that do not change (synthetic, XML) are told exactly; of the
 * machine the test runs on it says what the kernel says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static json_int_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_integer(value))
        fail_msg("member %s is no integer", name);
    return json_integer_value(value);
}

static const char *text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_string(value))
        fail_msg("member %s is no string", name);
    return json_string_value(value);
}

static size_t elements(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_array(value))
        fail_msg("member %s is no array", name);
    return json_array_size(value);
}

static json_t *synthetic(const char *description)
{
    json_t *root = assert_json(PAWL("topo", "--json", "--synthetic", description));

    assert_string_equal(text(root, "schema"), "pawl-topo");
    assert_int_equal(number(root, "schema_version"), 1);
    assert_string_equal(text(json_object_get(root, "source"), "kind"), "synthetic");
    assert_string_equal(text(json_object_get(root, "source"), "name"), description);
    assert_true(json_is_null(json_object_get(root, "kernel")));
    return root;
}

static void assert_machine(const json_t *root, json_int_t cores, json_int_t cpus, json_int_t threads,
                           json_int_t nodes)
{
    const json_t *machine = json_object_get(root, "machine");

    assert_int_equal(number(machine, "cores"), cores);
    assert_int_equal(number(machine, "cpus"), cpus);
    assert_int_equal(number(machine, "threads_per_core"), threads);
    assert_int_equal(number(machine, "nodes"), nodes);
    assert_int_equal(elements(root, "cores"), cores);
    assert_int_equal(elements(root, "nodes"), nodes);
}

static void a_single_cpu_is_a_machine(void **state)
{
    json_t *root = synthetic("pu:1");

    (void)state;
    assert_machine(root, 0, 1, 1, 1);
    assert_int_equal(elements(root, "caches"), 0);
    assert_true(json_is_null(json_object_get(root, "distances")));
    json_decref(root);
    assert_contains(PAWL("topo", "--synthetic", "pu:1")->out, "CPU 0\n");
}

static void four_nodes_of_64_cores_are_told_core_by_core(void **state)
{
    json_t *root = synthetic("numa:4 core:64 pu:1");
    const json_t *node = json_array_get(json_object_get(root, "nodes"), 3);
    const json_t *cpus = json_object_get(node, "cpus");

    (void)state;
    assert_machine(root, 256, 256, 1, 4);
    assert_int_equal(number(node, "id"), 3);
    assert_int_equal(json_array_size(cpus), 64);
    assert_int_equal(json_integer_value(json_array_get(cpus, 0)), 192);
    assert_int_equal(json_integer_value(json_array_get(cpus, 63)), 255);
    json_decref(root);
}

static void threads_of_one_core_stand_together(void **state)
{
    json_t *root = synthetic("pack:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)");
    const json_t *core = json_array_get(json_object_get(root, "cores"), 2);
    const json_t *cpus = json_object_get(core, "cpus");

    (void)state;
    assert_machine(root, 4, 8, 2, 1);
    assert_int_equal(number(core, "package"), 1);
    assert_int_equal(json_array_size(cpus), 2);
    assert_int_equal(json_integer_value(json_array_get(cpus, 0)), 2);
    assert_int_equal(json_integer_value(json_array_get(cpus, 1)), 6);
    json_decref(root);
    assert_contains(PAWL("topo", "--synthetic", "pack:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)")->out,
                    "Core 2  CPUs 2,6\n");
}

static void a_cache_tells_its_size_and_who_shares_it(void **state)
{
    json_t *root = synthetic("l3:2(size=33554432) l2:2(size=1MiB) core:2 pu:1");
    const json_t *caches = json_object_get(root, "caches");
    const json_t *outer = json_array_get(caches, 1);
    const json_t *inner = json_array_get(caches, 2);

    (void)state;
    assert_int_equal(json_array_size(caches), 6);
    assert_int_equal(number(outer, "level"), 3);
    assert_int_equal(number(outer, "size_bytes"), 32 << 20);
    assert_int_equal(number(outer, "cores"), 4);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(outer, "cpus"), 0)), 4);
    assert_int_equal(number(inner, "level"), 2);
    assert_int_equal(number(inner, "cores"), 2);
    assert_string_equal(text(inner, "type"), "unified");
    json_decref(root);
}

static void the_text_shows_shared_caches_on_lines_of_their_own(void **state)
{
    static const char *const arguments[] = {
        "topo", "--synthetic", "pack:1 l3:1(size=8388608) core:2 l2:1(size=1048576) l1:1(size=49152) pu:1",
        NULL};
    static const char *const ascii[] = {"LC_ALL=C", NULL};

    (void)state;
    assert_string_equal(run(&(struct launch){.arguments = arguments, .environment = ascii})->out,
                        "Machine     1 package, 2 cores, 2 CPUs, 1 NUMA node, 1 GiB\n"
                        "`- Package 0  NUMA node 0 of 1 GiB  2 cores, CPUs 0-1\n"
                        "   `- L3 8 MiB  shared by 2 cores, CPUs 0-1\n"
                        "      |- Core 0  CPU 0  L2 1 MiB, L1 48 KiB\n"
                        "      `- Core 1  CPU 1  L2 1 MiB, L1 48 KiB\n");
}

static void private_caches_stand_on_the_line_of_their_core(void **state)
{
    static const char *const arguments[] = {
        "topo", "--synthetic",
        "pack:2 numa:1(memory=16GiB) l3:1(size=33554432) l2:2(size=1048576) core:1 pu:2", NULL};
    static const char *const ascii[] = {"LC_ALL=C", NULL};

    (void)state;
    assert_string_equal(run(&(struct launch){.arguments = arguments, .environment = ascii})->out,
                        "Machine     2 packages, 4 cores, 8 CPUs (2 a core), 2 NUMA nodes, 32 GiB\n"
                        "|- Package 0  NUMA node 0 of 16 GiB  2 cores, CPUs 0-3\n"
                        "|  `- L3 32 MiB  shared by 2 cores, CPUs 0-3\n"
                        "|     |- Core 0  CPUs 0-1  L2 1 MiB\n"
                        "|     `- Core 1  CPUs 2-3  L2 1 MiB\n"
                        "`- Package 1  NUMA node 1 of 16 GiB  2 cores, CPUs 4-7\n"
                        "   `- L3 32 MiB  shared by 2 cores, CPUs 4-7\n"
                        "      |- Core 2  CPUs 4-5  L2 1 MiB\n"
                        "      `- Core 3  CPUs 6-7  L2 1 MiB\n");
}

static unsigned lines(const char *output)
{
    unsigned count = 0;

    for (; *output; output++)
        count += *output == '\n';
    return count;
}

static void equal_cores_of_large_machines_are_folded_unless_all_is_asked(void **state)
{
    const struct outcome *outcome = PAWL("topo", "--synthetic", "pack:2 core:64 pu:2");

    (void)state;
    assert_contains(outcome->out, "Cores 64-127  CPUs 128-255 (2 a core, the first has 128-129)");
    assert_int_equal(lines(outcome->out), 1 + 1 + 2 * 2); /* headline, the node, two packages */
    outcome = PAWL("topo", "--all", "--synthetic", "pack:2 core:64 pu:2");
    assert_int_equal(lines(outcome->out), 1 + 1 + 2 * 65);
    assert_contains(outcome->out, "Core 127  CPUs 254-255\n");
}

static void the_tree_follows_the_locale(void **state)
{
    static const char *const arguments[] = {"topo", "--synthetic", "core:2 pu:1", NULL};
    static const char *const utf8[] = {"LC_ALL=C.UTF-8", NULL};
    static const char *const ascii[] = {"LC_ALL=C", NULL};

    (void)state;
    assert_contains(run(&(struct launch){.arguments = arguments, .environment = utf8})->out, "└─ Core 1");
    assert_contains(run(&(struct launch){.arguments = arguments, .environment = ascii})->out, "`- Core 1");
}

static void a_wrong_description_is_answered_with_a_right_one(void **state)
{
    (void)state;
    assert_refused(PAWL("topo", "--synthetic", "cores=4"), 2, "'cores=4' does not describe a machine");
    assert_refused(PAWL("topo", "--synthetic", ""), 2, "for example 'pack:2");
    assert_refused(PAWL("topo", "--synthetic", "pu:1", "--xml", "x"), 2, "exclude each other");
}

static void write_file(char *path, const char *content)
{
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

/* A machine of two nodes that are 21 apart, as hwloc writes it. */
static const char two_nodes[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
    "<topology version=\"2.0\">\n"
    "<object type=\"Machine\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\" allowed_cpuset=\"0x3\""
    " nodeset=\"0x3\" complete_nodeset=\"0x3\" allowed_nodeset=\"0x3\" gp_index=\"1\">\n"
    " <object type=\"Package\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" nodeset=\"0x1\""
    " complete_nodeset=\"0x1\" gp_index=\"2\"><info name=\"CPUModel\" value=\"Example 9000\"/>\n"
    "  <object type=\"NUMANode\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" nodeset=\"0x1\""
    " complete_nodeset=\"0x1\" gp_index=\"3\" local_memory=\"1073741824\"/>\n"
    "  <object type=\"Core\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" nodeset=\"0x1\""
    " complete_nodeset=\"0x1\" gp_index=\"4\">\n"
    "   <object type=\"PU\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" nodeset=\"0x1\""
    " complete_nodeset=\"0x1\" gp_index=\"5\"/></object></object>\n"
    " <object type=\"Package\" os_index=\"1\" cpuset=\"0x2\" complete_cpuset=\"0x2\" nodeset=\"0x2\""
    " complete_nodeset=\"0x2\" gp_index=\"6\">\n"
    "  <object type=\"NUMANode\" os_index=\"1\" cpuset=\"0x2\" complete_cpuset=\"0x2\" nodeset=\"0x2\""
    " complete_nodeset=\"0x2\" gp_index=\"7\" local_memory=\"2147483648\"/>\n"
    "  <object type=\"Core\" os_index=\"0\" cpuset=\"0x2\" complete_cpuset=\"0x2\" nodeset=\"0x2\""
    " complete_nodeset=\"0x2\" gp_index=\"8\">\n"
    "   <object type=\"PU\" os_index=\"1\" cpuset=\"0x2\" complete_cpuset=\"0x2\" nodeset=\"0x2\""
    " complete_nodeset=\"0x2\" gp_index=\"9\"/></object></object>\n"
    "</object>\n"
    "<distances2 type=\"NUMANode\" nbobjs=\"2\" kind=\"5\" indexing=\"os\">\n"
    "<indexes length=\"4\">0 1 </indexes>\n"
    "<u64values length=\"12\">10 21 21 10 </u64values>\n"
    "</distances2>\n"
    "</topology>\n";

static void a_saved_machine_is_told_with_its_distances(void **state)
{
    char path[] = "/tmp/pawl-topo-XXXXXX";
    json_t *root;
    const json_t *rows;

    (void)state;
    write_file(path, two_nodes);
    root = assert_json(PAWL("topo", "--json", "--xml", path));
    assert_string_equal(text(json_object_get(root, "source"), "kind"), "xml");
    assert_true(json_is_null(json_object_get(root, "kernel")));
    assert_machine(root, 2, 2, 1, 2);
    assert_string_equal(text(json_object_get(root, "machine"), "model"), "Example 9000");
    rows = json_object_get(json_object_get(root, "distances"), "latency");
    assert_int_equal(json_array_size(rows), 2);
    assert_int_equal(json_integer_value(json_array_get(json_array_get(rows, 0), 0)), 10);
    assert_int_equal(json_integer_value(json_array_get(json_array_get(rows, 1), 0)), 21);
    json_decref(root);
    assert_contains(PAWL("topo", "--xml", path)->out,
                    "NUMA distances\n            0     1\n      0    10    21\n");
    unlink(path);
}

static void a_broken_file_is_refused_and_the_way_to_a_good_one_told(void **state)
{
    char path[] = "/tmp/pawl-topo-XXXXXX";
    char truncated[sizeof two_nodes];

    (void)state;
    write_file(path, "<topology version=\"2.0\"><object type=");
    assert_refused(PAWL("topo", "--xml", path), 1, "lstopo");
    unlink(path);
    memcpy(truncated, two_nodes, sizeof truncated);
    truncated[sizeof truncated / 2] = '\0';
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    write_file(path, truncated);
    assert_refused(PAWL("topo", "--xml", path), 1, "is not a topology that hwloc understands");
    unlink(path);
    assert_refused(PAWL("topo", "--xml", path), 1, "No such file or directory");
    assert_refused(PAWL("topo", "--xml", "/"), 1, "it is a directory");
    assert_refused(PAWL("topo", "--xml", "/dev/null"), 1, "is not a topology");
}

static json_t *here(const struct launch *launch)
{
    json_t *root = assert_json(run(launch));

    if (strcmp(text(json_object_get(root, "source"), "kind"), "this-machine") != 0) {
        json_decref(root);
        skip(); /* hwloc's variables put another machine in place of ours */
    }
    return root;
}

static const char *const topo_json[] = {"topo", "--json", NULL};

/* What pawl-topo(1) promises to programs. A failure here means: raise schema_version, or, for a new
 * member, document it and add it. */
static void the_schema_is_the_documented_one(void **state)
{
    json_t *root = here(&(struct launch){.arguments = topo_json});
    json_t *kernel = json_object_get(root, "kernel");
    json_error_t error;

    (void)state;
#define ASSERT_MEMBERS(object, ...)                                                               \
    do {                                                                                          \
        if (json_unpack_ex((object), &error, JSON_VALIDATE_ONLY | JSON_STRICT, __VA_ARGS__) != 0) \
            fail_msg("%s", error.text);                                                           \
    } while (0)
#define FIRST(object, name) json_array_get(json_object_get((object), (name)), 0)
    json_t *(*const member)(const json_t *, const char *) = json_object_get;

    ASSERT_MEMBERS(root, "{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", "schema_version",
                   "source", "machine", "packages", "cores", "caches", "nodes", "distances", "kernel");
    ASSERT_MEMBERS(member(root, "source"), "{s:s, s:n}", "kind", "name");
    ASSERT_MEMBERS(member(root, "machine"), "{s:o, s:i, s:i, s:i, s:i, s:i, s:I}", "model", "packages",
                   "cores", "cpus", "threads_per_core", "nodes", "memory_bytes");
    ASSERT_MEMBERS(FIRST(root, "nodes"), "{s:i, s:I, s:o, s:o}", "id", "memory_bytes", "free_bytes", "cpus");
    ASSERT_MEMBERS(kernel, "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", "release", "architecture",
                   "cpus", "pages", "rseq", "membarrier", "io_uring", "clock");
    ASSERT_MEMBERS(member(kernel, "cpus"), "{s:o, s:o, s:o, s:o, s:o, s:o}", "possible", "online", "allowed",
                   "cgroup_cpuset", "quota", "quota_group");
    ASSERT_MEMBERS(member(kernel, "pages"), "{s:i, s:o, s:{s:o, s:o, s:o, s:o}}", "base_bytes", "huge",
                   "transparent", "mode", "defrag", "shared_memory", "size_bytes");
    ASSERT_MEMBERS(member(kernel, "rseq"), "{s:s, s:b, s:s, s:i, s:b, s:b, s:b, s:b, s:i}", "mode", "runs",
                   "reason", "feature_size", "node_id", "mm_cid", "fence", "fence_cpu", "cpu_limit");
    ASSERT_MEMBERS(member(kernel, "membarrier"), "{s:b, s:o, s:o}", "available", "error", "commands");
    ASSERT_MEMBERS(member(kernel, "io_uring"), "{s:b, s:o, s:o, s:o, s:o, s:o}", "available", "error",
                   "advice", "sysctl_disabled", "operations", "features");
    ASSERT_MEMBERS(member(kernel, "clock"), "{s:o, s:o, s:o, s:b, s:o}", "source", "available_sources",
                   "counter", "invariant", "declared_hz");
    json_decref(root);

    root = synthetic("pack:1 l3:1 core:2 pu:1");
    ASSERT_MEMBERS(FIRST(root, "packages"), "{s:i, s:o, s:o, s:o}", "id", "model", "cpus", "nodes");
    ASSERT_MEMBERS(FIRST(root, "cores"), "{s:i, s:o, s:o, s:o, s:o, s:o}", "id", "package", "die", "nodes",
                   "cpus", "performance_rank");
    ASSERT_MEMBERS(FIRST(root, "caches"), "{s:i, s:s, s:o, s:o, s:o, s:i, s:o}", "level", "type",
                   "size_bytes", "line_bytes", "ways", "cores", "cpus");
    json_decref(root);
}

static void this_machine_is_told_as_the_kernel_tells_it(void **state)
{
    json_t *root = here(&(struct launch){.arguments = topo_json});
    const json_t *kernel = json_object_get(root, "kernel");
    const json_t *pages = json_object_get(kernel, "pages");
    const json_t *allowed = json_object_get(json_object_get(kernel, "cpus"), "allowed");
    cpu_set_t set;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_int_equal(json_array_size(allowed), CPU_COUNT(&set));
    for (size_t i = 0; i < json_array_size(allowed); i++)
        assert_true(CPU_ISSET((size_t)json_integer_value(json_array_get(allowed, i)), &set));
    assert_int_equal(number(pages, "base_bytes"), sysconf(_SC_PAGESIZE));
    assert_true(number(json_object_get(root, "machine"), "cpus") >= CPU_COUNT(&set));
    assert_true(json_is_boolean(json_object_get(json_object_get(kernel, "clock"), "invariant")));
    json_decref(root);
}

static void membarrier_is_told_as_the_kernel_answers(void **state)
{
    json_t *root = here(&(struct launch){.arguments = topo_json});
    const json_t *membarrier = json_object_get(json_object_get(root, "kernel"), "membarrier");
    long commands = syscall(SYS_membarrier, 0, 0, 0);

    (void)state;
    assert_int_equal(json_is_true(json_object_get(membarrier, "available")), commands >= 0);
    assert_int_equal(elements(membarrier, "commands"),
                     commands < 0 ? 0 : __builtin_popcountl((unsigned long)commands));
    json_decref(root);
}

static void to_the_first_allowed_cpu(void)
{
    cpu_set_t set;
    size_t first = 0;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        _exit(122);
    while (!CPU_ISSET(first, &set))
        first++;
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        _exit(123);
}

static void a_restricted_process_sees_what_it_may_use(void **state)
{
    static const char *const arguments[] = {"topo", NULL};
    json_t *root = here(&(struct launch){.arguments = topo_json, .before = to_the_first_allowed_cpu});
    const json_t *cpus = json_object_get(json_object_get(root, "kernel"), "cpus");
    size_t online = elements(cpus, "online");

    (void)state;
    assert_int_equal(elements(cpus, "allowed"), 1);
    json_decref(root);
    if (online == 1)
        skip();
    assert_contains(run(&(struct launch){.arguments = arguments, .before = to_the_first_allowed_cpu})->out,
                    "(1): restricted by affinity or a cpuset");
    assert_contains(run(&(struct launch){.arguments = arguments, .before = to_the_first_allowed_cpu})->out,
                    "llowed]");
    /* All the machine is still shown. */
    assert_contains(run(&(struct launch){.arguments = arguments, .before = to_the_first_allowed_cpu})->out,
                    "Online");
}

static void the_switch_of_the_sequences_is_visible(void **state)
{
    static const char *const off[] = {"PAWL_RSEQ=off", NULL};
    static const char *const arguments[] = {"topo", NULL};
    json_t *root = here(&(struct launch){.arguments = topo_json, .environment = off});
    const json_t *rseq = json_object_get(json_object_get(root, "kernel"), "rseq");

    (void)state;
    assert_true(json_is_false(json_object_get(rseq, "runs")));
    if (strcmp(text(rseq, "mode"), "foreign") != 0)
        assert_string_equal(text(rseq, "mode"), "off");
    json_decref(root);
    assert_contains(run(&(struct launch){.arguments = arguments, .environment = off})->out, "does not run (");
}

/* As a container's filter does. */
static void without_io_uring_and_membarrier(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
}

static void what_a_filter_refuses_is_told_as_refused(void **state)
{
    const struct launch filtered = {.arguments = topo_json, .before = without_io_uring_and_membarrier};
    const json_t *kernel;
    json_t *root;

    (void)state;
    if (run(&filtered)->status == 77)
        skip(); /* a kernel without seccomp filters */
    root = here(&filtered);
    kernel = json_object_get(root, "kernel");
    assert_true(json_is_false(json_object_get(json_object_get(kernel, "io_uring"), "available")));
    assert_string_equal(text(json_object_get(kernel, "io_uring"), "error"), "Operation not permitted");
    assert_true(strlen(text(json_object_get(kernel, "io_uring"), "advice")) > 20);
    assert_true(json_is_false(json_object_get(json_object_get(kernel, "membarrier"), "available")));
    assert_int_equal(elements(json_object_get(kernel, "membarrier"), "commands"), 0);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_cpu_is_a_machine),
        cmocka_unit_test(four_nodes_of_64_cores_are_told_core_by_core),
        cmocka_unit_test(threads_of_one_core_stand_together),
        cmocka_unit_test(a_cache_tells_its_size_and_who_shares_it),
        cmocka_unit_test(the_text_shows_shared_caches_on_lines_of_their_own),
        cmocka_unit_test(private_caches_stand_on_the_line_of_their_core),
        cmocka_unit_test(equal_cores_of_large_machines_are_folded_unless_all_is_asked),
        cmocka_unit_test(the_tree_follows_the_locale),
        cmocka_unit_test(a_wrong_description_is_answered_with_a_right_one),
        cmocka_unit_test(a_saved_machine_is_told_with_its_distances),
        cmocka_unit_test(a_broken_file_is_refused_and_the_way_to_a_good_one_told),
        cmocka_unit_test(the_schema_is_the_documented_one),
        cmocka_unit_test(this_machine_is_told_as_the_kernel_tells_it),
        cmocka_unit_test(membarrier_is_told_as_the_kernel_answers),
        cmocka_unit_test(a_restricted_process_sees_what_it_may_use),
        cmocka_unit_test(the_switch_of_the_sequences_is_visible),
        cmocka_unit_test(what_a_filter_refuses_is_told_as_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
