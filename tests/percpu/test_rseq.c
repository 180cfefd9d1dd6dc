/* SPDX-License-Identifier: MIT */
/* What <pawl/rseq.h> says about this process, and its fence. */
#include "percpu_test.h"

#include <pawl/cpu.h>
#include <pawl/park.h>
#include <pawl/rseq.h>

#include <pthread.h>
#include <stdbool.h>

static bool is(const char *value, const char *expected)
{
    return value != NULL && strcmp(value, expected) == 0;
}

/* What the documentation says follows from the environment that the tests are started in. */
static void the_mode_follows_the_environment(void **state)
{
    const struct pawl_rseq_info *info = pawl_rseq_get_info();
    bool libc_off = is(getenv("GLIBC_TUNABLES"), "glibc.pthread.rseq=0");
    bool own = is(getenv("PAWL_RSEQ"), "own");

    (void)state;
    if (info->mode == PAWL_RSEQ_FOREIGN || info->mode == PAWL_RSEQ_BROKEN)
        skip();
    if (is(getenv("PAWL_RSEQ"), "off"))
        assert_int_equal(info->mode, PAWL_RSEQ_OFF);
    else if (libc_off && !own)
        assert_int_equal(info->mode, PAWL_RSEQ_MISSING);
    else if (libc_off)
        assert_true(info->mode == PAWL_RSEQ_OWN || info->mode == PAWL_RSEQ_MISSING);
    else
        assert_true(info->mode == PAWL_RSEQ_LIBC || info->mode == PAWL_RSEQ_OWN ||
                    info->mode == PAWL_RSEQ_MISSING);
}

static void the_answers_agree_with_each_other(void **state)
{
    const struct pawl_rseq_info *info = pawl_rseq_get_info();
    bool runs = info->mode == PAWL_RSEQ_LIBC || info->mode == PAWL_RSEQ_OWN;

    (void)state;
    assert_ptr_equal(info, pawl_rseq_get_info());
    assert_int_equal(pawl_rseq_available(), runs);
    assert_non_null(info->reason);
    assert_true(strlen(info->reason) > 0);
    assert_int_equal(info->feature_size != 0, runs);
    assert_int_equal(info->has_node, info->feature_size >= 24);
    assert_int_equal(info->has_cid, info->feature_size >= 28);
    assert_int_equal(info->limit, pawl_cpu_limit());
    assert_true(info->limit > 0);
    assert_int_equal(info->offset, pawl_rseq_offset);
    assert_int_not_equal(info->offset, 0);
}

static void every_mode_has_its_word(void **state)
{
    static const char *const names[] = {"libc", "own", "off", "missing", "broken", "foreign"};

    (void)state;
    for (unsigned int mode = 0; mode < sizeof names / sizeof names[0]; mode++)
        assert_string_equal(pawl_rseq_mode_name((enum pawl_rseq_mode)mode), names[mode]);
    assert_string_equal(pawl_rseq_mode_name((enum pawl_rseq_mode)99), "unknown");
}

static void the_area_tells_the_cpu(void **state)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(long), PAWL_PERCPU_BY_CPU);
    int cpu[CPUS_MAX];
    int count = allowed_cpus(cpu);

    (void)state;
    if (!pawl_rseq_available()) {
        pawl_percpu_close(pc);
        skip();
    }
    assert_int_equal(pawl_percpu_add(pc, 0, 1), 0); /* the library's own registration happens here */
    for (int i = 0; i < count; i++) {
        assert_int_equal(pin(0, cpu[i]), 0);
        assert_int_equal(pawl_cpu_rseq_field(pawl_rseq_offset, PAWL_RSEQ_CPU_ID), cpu[i]);
    }
    pawl_percpu_close(pc);
}

static void fence_refuses_what_is_no_cpu(void **state)
{
    (void)state;
    assert_int_equal(pawl_rseq_fence(-2), -EINVAL);
    assert_int_equal(pawl_rseq_fence(INT32_MIN), -EINVAL);
    assert_int_equal(pawl_rseq_fence(INT32_MAX), -EINVAL);
    assert_int_equal(pawl_rseq_fence((int)pawl_rseq_get_info()->limit), -EINVAL);
}

static void fence_reaches_every_cpu(void **state)
{
    (void)state;
    assert_int_equal(pawl_rseq_fence(-1), 0);
    for (int cpu = 0; cpu < (int)pawl_rseq_get_info()->limit; cpu++)
        assert_int_equal(pawl_rseq_fence(cpu), 0);
}

/* Where the library says that a sequence of this thread is armed, whatever this executable's variable says. */
static const volatile uint64_t *last_descriptor(void)
{
    ptrdiff_t offset = pawl_rseq_get_info()->offset + 8;

    return (const volatile uint64_t *)(const volatile void *)((const char *)__builtin_thread_pointer() +
                                                              offset);
}

static void clear_forgets_the_last_sequence(void **state)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(long), PAWL_PERCPU_BY_CPU);
    const volatile uint64_t *last = last_descriptor();

    (void)state;
    pawl_rseq_clear();
    if (pawl_rseq_available()) {
        /* The kernel clears the field at every preemption between two sequences: ask several times. */
        bool seen = false;

        for (int i = 0; i < 1000 && !seen; i++) {
            assert_int_equal(pawl_percpu_add(pc, 0, 1), 0);
            seen = *last != 0;
        }
        assert_true(seen);
        pawl_rseq_clear();
        assert_int_equal(*last, 0);
    }
    pawl_percpu_close(pc);
}

/* Dekker's question, asked with the fast side's fence moved to the slow one: the fast side raises its flag in a
 * sequence and then looks at the other's; the slow side raises its own, fences, then looks. Without a
 * fence that works both miss each other sooner or later (here: within a second). */
#define ROUNDS 4000
#define ROUNDS_NS \
    UINT64_C(1000000000) /* where threads wait for a CPU a round takes milliseconds: fewer then */

static struct {
    struct pawl_percpu *pc;
    PAWL_ATOMIC(long) slow_flag PAWL_LINE_PAIR_ALIGNED;
    PAWL_ATOMIC(long) round PAWL_LINE_PAIR_ALIGNED; /* odd: the fast side may run */
    PAWL_ATOMIC(long) fast_done PAWL_LINE_PAIR_ALIGNED;
    PAWL_ATOMIC(bool) enough; /* stored before the round that will not be played */
    long fast_saw;
} dekker;

/* Both sides start together only if neither sleeps; a busy machine needs them to let go sometimes. */
static void relax_or_yield(void)
{
    static __thread unsigned int turns;

    if (++turns % 1024 == 0)
        sched_yield();
    else
        pawl_relax();
}

static void *fast_side(void *cpu)
{
    if (pin(0, *(int *)cpu) != 0)
        return cpu;
    for (long round = 1; round <= ROUNDS; round++) {
        while (pawl_load_acquire(&dekker.round) != round) /* acquire: the flags are down */
            relax_or_yield();
        if (pawl_load_relaxed(&dekker.enough)) /* relaxed: the round publishes it */
            break;
        if (pawl_percpu_cas(dekker.pc, 0, 0, 1) != 0)
            return cpu;
        dekker.fast_saw = pawl_load_relaxed(&dekker.slow_flag);
        pawl_store_release(&dekker.fast_done, round); /* release: publishes fast_saw */
    }
    return NULL;
}

static void a_flag_before_the_fence_and_one_before_a_sequence_do_not_miss_each_other(void **state)
{
    int cpu[CPUS_MAX];
    PAWL_ATOMIC(long) * flag;
    pthread_t thread;
    void *failed;
    int count = allowed_cpus(cpu);
    uint64_t end;

    (void)state;
    if (count < 2 || !pawl_rseq_available())
        skip();
    memset(&dekker, 0, sizeof dekker);
    dekker.pc = pawl_percpu_open(sizeof(long), PAWL_PERCPU_BY_CPU);
    assert_non_null(dekker.pc);
    assert_int_equal(pin(0, cpu[1]), 0);
    assert_int_equal(pawl_percpu_attach(dekker.pc, (uint32_t)cpu[0],
                                        pawl_percpu_detach(dekker.pc, (uint32_t)cpu[0])),
                     0);
    flag = pawl_percpu_slice(dekker.pc, (uint32_t)cpu[0]);
    assert_non_null(flag);
    assert_int_equal(pthread_create(&thread, NULL, fast_side, &cpu[0]), 0);
    end = pawl_deadline(ROUNDS_NS);
    for (long round = 1; round <= ROUNDS; round++) {
        bool enough = round > 1 && pawl_deadline(0) > end;
        long slow_saw;

        pawl_store_relaxed(flag, 0L);
        pawl_store_relaxed(&dekker.slow_flag, 0L);
        pawl_store_relaxed(&dekker.enough, enough);
        pawl_store_release(&dekker.round, round); /* release: pairs with fast_side, the flags are down */
        if (enough)
            break;
        pawl_store_relaxed(&dekker.slow_flag, 1L);
        assert_int_equal(pawl_percpu_fence(dekker.pc, (uint32_t)cpu[0]), 0);
        slow_saw = pawl_load_relaxed(flag);
        while (pawl_load_acquire(&dekker.fast_done) !=
               round) /* acquire: pairs with the release of fast_saw */
            relax_or_yield();
        assert_true(slow_saw != 0 || dekker.fast_saw != 0);
    }
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    pawl_percpu_close(dekker.pc);
}

/* A copy of the library that came first, as far as the one under test can see: it has set the variable that both
 * share, before any constructor. (No function of libc yet: not even sanitizers are there.) */
#define ANOTHER_COPY "PAWL_TEST_ANOTHER_COPY=1"

static __thread struct {
    uint32_t cpu_id_start;
    uint32_t cpu_id;
    uint64_t rseq_cs;
    uint32_t flags[4];
} area_of_another_copy __attribute__((aligned(32)));

__attribute__((no_sanitize("address", "undefined", "thread"))) static void another_copy(int argc, char **argv,
                                                                                        char **variables)
{
    (void)argc;
    (void)argv;
    for (; *variables != NULL; variables++) {
        size_t same = 0;

        while (same < sizeof ANOTHER_COPY && (*variables)[same] == ANOTHER_COPY[same])
            same++;
        if (same == sizeof ANOTHER_COPY)
            pawl_rseq_offset = (char *)&area_of_another_copy - (char *)__builtin_thread_pointer();
    }
}
__attribute__((section(".preinit_array"),
               used)) static void (*const before_constructors)(int, char **, char **) = another_copy;

/* Inlined sequences would arm in the other's area, which this copy's index is not part of. */
static void a_copy_that_comes_second_runs_no_sequences(void **state)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(long), PAWL_PERCPU_BY_ANY);
    long sum = 0;

    (void)state;
    assert_non_null(pc);
    assert_int_equal(pawl_rseq_get_info()->mode, PAWL_RSEQ_FOREIGN);
    assert_false(pawl_rseq_available());
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pawl_percpu_add(pc, 0, 1), 0);
    for (uint32_t slot = 0; slot < pc->slots; slot++) {
        long *slice = pawl_percpu_slice(pc, slot);

        assert_true(slice == NULL || slot >= pc->limit);
        sum += slice != NULL ? *slice : 0;
    }
    assert_int_equal(sum, 1000);
    pawl_percpu_close(pc);
}

/* Tests pin themselves; each starts where this process may run. */
static cpu_set_t everywhere;

static int run_everywhere(void **state)
{
    (void)state;
    return sched_setaffinity(0, sizeof everywhere, &everywhere);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define PROMISE(name) cmocka_unit_test_setup(name, run_everywhere)
        PROMISE(the_mode_follows_the_environment),
        PROMISE(the_answers_agree_with_each_other),
        PROMISE(every_mode_has_its_word),
        PROMISE(the_area_tells_the_cpu),
        PROMISE(fence_refuses_what_is_no_cpu),
        PROMISE(fence_reaches_every_cpu),
        PROMISE(clear_forgets_the_last_sequence),
        PROMISE(a_flag_before_the_fence_and_one_before_a_sequence_do_not_miss_each_other),
    };

    static const struct CMUnitTest second[] = {cmocka_unit_test(a_copy_that_comes_second_runs_no_sequences)};

    print_mode();
    if (getenv("PAWL_TEST_ANOTHER_COPY") != NULL)
        return cmocka_run_group_tests_name("rseq, second copy", second, NULL, NULL);
    if (sched_getaffinity(0, sizeof everywhere, &everywhere) != 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests_name("rseq", tests, NULL, NULL);
}
