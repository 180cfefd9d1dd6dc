/* SPDX-License-Identifier: MIT */
/* <pawl/percpu.h> with bad arguments and without memory. Linked with mmap, madvise and calloc wrapped, so that
 * they fail on demand. */
#include "sandbox.h"

#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* ---- Failing on demand ---- */

static PAWL_ATOMIC(bool) no_memory;
static PAWL_ATOMIC(bool) no_advice;

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset);
/* The same under the name that programs built with 64-bit file offsets call. */
void *__wrap_mmap64(void *at, size_t bytes, int protection, int flags, int file, off_t offset);
int __real_madvise(void *at, size_t bytes, int advice);
int __wrap_madvise(void *at, size_t bytes, int advice);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset)
{
    if (!pawl_load_relaxed(&no_memory))
        return __real_mmap(at, bytes, protection, flags, file, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

void *__wrap_mmap64(void *at, size_t bytes, int protection, int flags, int file, off_t offset)
{
    return __wrap_mmap(at, bytes, protection, flags, file, offset);
}

int __wrap_madvise(void *at, size_t bytes, int advice)
{
    if (!pawl_load_relaxed(&no_advice))
        return __real_madvise(at, bytes, advice);
    errno = EINVAL;
    return -1;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    if (!pawl_load_relaxed(&no_memory))
        return __real_calloc(count, bytes);
    errno = ENOMEM;
    return NULL;
}

/* ---- Arguments ---- */

static void sizes_out_of_range_are_refused(void **state)
{
    static const size_t sizes[] = {
        0, SIZE_MAX, SIZE_MAX - 4095, (size_t)1 << 63, ((size_t)1 << 40) + 1, (size_t)1 << 40};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        errno = 0;
        assert_null(pawl_percpu_open(sizes[i], PAWL_PERCPU_BY_ANY));
        assert_int_equal(errno, EINVAL);
    }
}

static void one_byte_is_a_size(void **state)
{
    struct pawl_percpu *pc = pawl_percpu_open(1, PAWL_PERCPU_BY_ANY);

    (void)state;
    assert_non_null(pc);
    assert_int_equal(pc->bytes, 1);
    assert_int_equal(pawl_percpu_add(pc, 0, 1), 0); /* slices are pages */
    pawl_percpu_close(pc);
}

static void unknown_indexes_are_refused(void **state)
{
    static const int unknown[] = {-1, 3, 99, INT32_MIN, INT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        errno = 0;
        assert_null(pawl_percpu_open(64, (enum pawl_percpu_index)unknown[i]));
        assert_int_equal(errno, EINVAL);
    }
    pawl_percpu_close(NULL);
}

static void an_index_that_the_kernel_lacks_is_refused(void **state)
{
    struct pawl_percpu *pc;

    (void)state;
    errno = 0;
    pc = pawl_percpu_open(64, PAWL_PERCPU_BY_CID);
    if (kind_is_offered(PAWL_PERCPU_BY_CID)) {
        assert_non_null(pc);
    } else {
        assert_null(pc);
        assert_int_equal(errno, ENOTSUP);
    }
    pawl_percpu_close(pc);
}

/* ---- Memory ---- */

static void open_without_memory_says_so(void **state)
{
    struct pawl_percpu *pc;

    (void)state;
    pawl_store_relaxed(&no_memory, true);
    errno = 0;
    pc = pawl_percpu_open(64, PAWL_PERCPU_BY_ANY);
    pawl_store_relaxed(&no_memory, false);
    assert_null(pc);
    assert_int_equal(errno, ENOMEM);
}

static void open_needs_no_advice(void **state)
{
    struct pawl_percpu *pc;

    (void)state;
    pawl_store_relaxed(&no_advice, true);
    pc = pawl_percpu_open(64, PAWL_PERCPU_BY_ANY);
    pawl_store_relaxed(&no_advice, false);
    assert_non_null(pc);
    assert_int_equal(pawl_percpu_add(pc, 0, 1), 0);
    pawl_percpu_close(pc);
}

static int open_within_a_limit(void)
{
    struct rlimit limit = {64 << 20, 64 << 20};
    struct pawl_percpu *pc;

    EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
    /* qemu-user accepts the limit and does not keep it */
    if (mmap(NULL, (size_t)1 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        return CANNOT;
    errno = 0;
    EXPECT(pawl_percpu_open((size_t)1 << 30, PAWL_PERCPU_BY_ANY) == NULL);
    EXPECT(errno == ENOMEM);
    pc = pawl_percpu_open(64, PAWL_PERCPU_BY_ANY);
    EXPECT(pc != NULL && pawl_percpu_add(pc, 0, 1) == 0);
    pawl_percpu_close(pc);
    return 0;
}

static void an_address_space_limit_is_respected(void **state)
{
    (void)state;
    if (UNDER_ASAN || UNDER_TSAN)
        skip(); /* their shadow alone is above any limit */
    in_child(open_within_a_limit);
}

static int fence_without_memory(void)
{
    if (!pawl_rseq_available() || !deny(SYS_membarrier, ENOSYS))
        return CANNOT;
    pawl_store_relaxed(&no_memory, true);
    EXPECT(pawl_rseq_fence(0) == -ENOMEM);
    pawl_store_relaxed(&no_memory, false);
    EXPECT(pawl_rseq_fence(0) == 0);
    return 0;
}

static void a_fence_by_visits_without_memory_says_so(void **state)
{
    (void)state;
    in_child(fence_without_memory);
}

/* Pages of this memory that are in RAM. */
static size_t resident_pages(char *memory, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = bytes / page;
    unsigned char *is_there = malloc(pages);
    size_t resident = 0;

    assert_non_null(is_there);
    assert_int_equal(mincore(memory, bytes, is_there), 0);
    for (size_t i = 0; i < pages; i++)
        resident += is_there[i] & 1;
    free(is_there);
    return resident;
}

static size_t resident_pages_of_slices(struct pawl_percpu *pc)
{
    size_t resident = 0;

    for (uint32_t slot = 0; slot < pc->slots; slot++) {
        char *slice = pawl_percpu_detach(pc, slot);

        if (slice == NULL)
            continue;
        resident += resident_pages(slice, pc->stride);
        assert_int_equal(pawl_percpu_attach(pc, slot, slice), 0);
    }
    return resident;
}

static void an_untouched_slice_costs_no_memory(void **state)
{
    struct pawl_percpu *pc = pawl_percpu_open((size_t)4 << 20, PAWL_PERCPU_BY_ANY);
    int cpu[CPUS_MAX];
    cpu_set_t everywhere;

    (void)state;
    assert_non_null(pc);
    assert_int_equal(sched_getaffinity(0, sizeof everywhere, &everywhere), 0);
    assert_true(allowed_cpus(cpu) > 0);
    assert_int_equal(pin(0, cpu[0]), 0);
    assert_int_equal(resident_pages_of_slices(pc), 0);
    assert_int_equal(pawl_percpu_add(pc, 0, 1), 0);
    assert_int_equal(resident_pages_of_slices(pc), 1);
    assert_int_equal(pawl_percpu_add(pc, (size_t)2 << 20, 1), 0);
    assert_int_equal(resident_pages_of_slices(pc), 2);
    pawl_percpu_close(pc);
    assert_int_equal(sched_setaffinity(0, sizeof everywhere, &everywhere), 0);
}

/* ---- Nodes ---- */

/* The node of the page at `address`, which must have been written. */
static int node_of_page(const void *address)
{
    int node = -1;

    return syscall(__NR_get_mempolicy, &node, NULL, 0, address, MPOL_F_NODE | MPOL_F_ADDR) == 0 ? node : -1;
}

/* Memory can be asked for on this node, and is there. */
static bool node_has_memory(unsigned int node)
{
    unsigned long mask = 1ul << node;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool has;

    assert_true(memory != MAP_FAILED);
    (void)syscall(__NR_mbind, memory, page, MPOL_PREFERRED, &mask, 8 * sizeof mask, 0);
    *memory = 1;
    has = node_of_page(memory) == (int)node;
    munmap(memory, page);
    return has;
}

/* First touched by the CPU itself, in a thread that wants its own memory elsewhere; and from afar, by detach. */
static void judge_placement(const int *cpu, int cpus, unsigned int first_node)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(long), PAWL_PERCPU_BY_CPU);
    struct pawl_percpu *afar = pawl_percpu_open(sizeof(long), PAWL_PERCPU_BY_CPU);

    assert_non_null(pc);
    assert_non_null(afar);
    for (int i = 0; i < cpus; i++) {
        unsigned long elsewhere = 1ul << first_node;
        unsigned int node;
        long *slice;

        assert_int_equal(pin(0, cpu[i]), 0);
        assert_int_equal(syscall(__NR_getcpu, NULL, &node, NULL), 0);
        if (node >= 63 || !node_has_memory(node))
            continue;
        assert_int_equal(syscall(__NR_set_mempolicy, MPOL_PREFERRED, &elsewhere, 8 * sizeof elsewhere), 0);
        assert_int_equal(pawl_percpu_add(pc, 0, 1), 0);
        assert_int_equal(node_of_page(pawl_percpu_slice(pc, (uint32_t)cpu[i])), node);
        assert_int_equal(pin(0, cpu[0]), 0);
        slice = pawl_percpu_detach(afar, (uint32_t)cpu[i]);
        assert_non_null(slice);
        *slice = 1;
        assert_int_equal(node_of_page(slice), node);
        assert_int_equal(syscall(__NR_set_mempolicy, MPOL_DEFAULT, NULL, 0), 0);
    }
    pawl_percpu_close(afar);
    pawl_percpu_close(pc);
}

static void a_slice_lies_on_the_node_of_its_cpu(void **state)
{
    int cpu[CPUS_MAX];
    int cpus = allowed_cpus(cpu);
    unsigned int first_node;
    cpu_set_t everywhere;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof everywhere, &everywhere), 0);
    assert_int_equal(pin(0, cpu[0]), 0);
    assert_int_equal(syscall(__NR_getcpu, NULL, &first_node, NULL), 0);
    if (!pawl_rseq_available() || first_node >= 63 || access("/sys/devices/system/node/node1", F_OK) != 0) {
        assert_int_equal(sched_setaffinity(0, sizeof everywhere, &everywhere), 0);
        skip();
    }
    judge_placement(cpu, cpus, first_node);
    assert_int_equal(sched_setaffinity(0, sizeof everywhere, &everywhere), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_out_of_range_are_refused),
        cmocka_unit_test(one_byte_is_a_size),
        cmocka_unit_test(unknown_indexes_are_refused),
        cmocka_unit_test(an_index_that_the_kernel_lacks_is_refused),
        cmocka_unit_test(open_without_memory_says_so),
        cmocka_unit_test(open_needs_no_advice),
        cmocka_unit_test(an_address_space_limit_is_respected),
        cmocka_unit_test(a_fence_by_visits_without_memory_says_so),
        cmocka_unit_test(an_untouched_slice_costs_no_memory),
        cmocka_unit_test(a_slice_lies_on_the_node_of_its_cpu),
    };

    print_mode();
    return cmocka_run_group_tests_name("edges", tests, NULL, NULL);
}
