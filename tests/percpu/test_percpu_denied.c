/* SPDX-License-Identifier: MIT */
/* <pawl/percpu.h> where a sandbox denies system calls, where there is one CPU only, and where a CPU goes away. */
#include "sandbox.h"

#include <pawl/park.h>

#include <pthread.h>

#define DRAINS 1000   /* a fence is microseconds */
#define DRAINS_FEW 20 /* where the drainer waits for its turn behind others, for milliseconds */
#define COLLECT_NS UINT64_C(3000000000)
#define DRAINED_THREADS 4
#define LONG_COPY 2000

struct slice {
    long count;
    struct pawl_percpu_lock lock;
    char copy[LONG_COPY];
};

#define AT(field) offsetof(struct slice, field)

static const char *program;

/* ---- The fence without membarrier ---- */

static PAWL_ATOMIC(bool) stop;

struct adder {
    struct pawl_percpu *pc;
    long added;
    bool failed;
};

/* Adds one, and takes long over it: a fence that does not work lets the store come after it. */
static int add_slowly(struct pawl_percpu *pc)
{
    static const char source[LONG_COPY];
    long count;
    int status = pawl_percpu_load(pc, AT(count), &count);

    return status != 0
               ? status
               : pawl_percpu_cas_after_copy(pc, AT(count), count, count + 1, AT(copy), source, LONG_COPY);
}

static void *add_until_stopped(void *argument)
{
    struct adder *adder = argument;

    while (!pawl_load_relaxed(&stop)) {
        int status = add_slowly(adder->pc);

        adder->added += status == 0;
        adder->failed |= status != 0 && status != -EBUSY && status != -EAGAIN;
        if (status == -EBUSY)
            sched_yield();
    }
    return NULL;
}

/* Takes slices in use away again and again, collecting their counts. Returns the line of a failure. On a machine
 * that has other work each visit of a CPU waits for its turn there: it goes on for some seconds, not longer. */
static int collect(struct pawl_percpu *pc, int wanted, long *collected)
{
    uint64_t end = pawl_deadline(COLLECT_NS);
    uint32_t slot;
    struct slice *slice;

    for (; wanted > 0 && (*collected == 0 || pawl_deadline(0) < end); sched_yield())
        pawl_percpu_each (pc, slot, slice) {
            volatile struct slice *owned = pawl_percpu_detach(pc, slot);
            long count;

            EXPECT(owned == slice);
            count = owned->count;
            owned->count = 0;
            for (int k = 0; k < 1000; k++)
                EXPECT(owned->count == 0);
            *collected += count;
            EXPECT(pawl_percpu_attach(pc, slot, slice) == 0);
            wanted -= count != 0; /* somebody had been there */
        }
    return 0;
}

static int drain_while_others_add(void)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(struct slice), PAWL_PERCPU_BY_CPU);
    struct adder adder[DRAINED_THREADS] = {{NULL, 0, false}};
    pthread_t thread[DRAINED_THREADS];
    uint32_t slot;
    struct slice *slice;
    long collected = 0;
    int cpu[CPUS_MAX];
    int drains = pawl_rseq_available() && allowed_cpus(cpu) > 1 ? DRAINS : DRAINS_FEW;
    int line;

    EXPECT(pc != NULL);
    pawl_store_relaxed(&stop, false);
    for (int i = 0; i < DRAINED_THREADS; i++) {
        adder[i].pc = pc;
        EXPECT(pthread_create(&thread[i], NULL, add_until_stopped, &adder[i]) == 0);
    }
    line = collect(pc, drains, &collected);
    pawl_store_relaxed(&stop, true);
    for (int i = 0; i < DRAINED_THREADS; i++)
        EXPECT(pthread_join(thread[i], NULL) == 0);
    EXPECT(line == 0 || (fprintf(stderr, "line %d\n", line), false));
    pawl_percpu_each (pc, slot, slice)
        collected += slice->count;
    for (int i = 0; i < DRAINED_THREADS; i++) {
        EXPECT(!adder[i].failed);
        collected -= adder[i].added;
    }
    EXPECT(collected == 0);
    pawl_percpu_close(pc);
    return 0;
}

static int drain_without_membarrier(void)
{
    if (!deny(SYS_membarrier, ENOSYS))
        return CANNOT;
    return drain_while_others_add();
}

static int drain_with_forbidden_membarrier(void)
{
    if (!deny(SYS_membarrier, EPERM))
        return CANNOT;
    return drain_while_others_add();
}

/* As above, but the library has not even seen a membarrier at its start. */
static int start_without_membarrier(void)
{
    if (!deny(SYS_membarrier, ENOSYS))
        return CANNOT;
    execl(program, program, "--drain", (char *)NULL);
    return __LINE__;
}

static int fence_without_any_means(void)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(struct slice), PAWL_PERCPU_BY_CPU);
    int cpu[CPUS_MAX];
    uint32_t slot;
    void *slice;

    EXPECT(pc != NULL && allowed_cpus(cpu) > 0 && pin(0, cpu[0]) == 0);
    slot = (uint32_t)cpu[0];
    EXPECT(pawl_percpu_add(pc, AT(count), 1) == 0);
    slice = pawl_percpu_slice(pc, slot);
    if (!deny(SYS_membarrier, ENOSYS) || !deny(SYS_sched_setaffinity, EPERM))
        return CANNOT;
    if (!pawl_rseq_available())
        return CANNOT;
    EXPECT(pawl_rseq_fence(cpu[0]) == -EPERM && pawl_rseq_fence(-1) == -EPERM);
    EXPECT(pawl_percpu_fence(pc, slot) == -EPERM);
    errno = 0;
    EXPECT(pawl_percpu_detach(pc, slot) == NULL && errno == EPERM);
    EXPECT(pawl_percpu_slice(pc, slot) == slice); /* it stays with its CPU */
    EXPECT(pawl_percpu_add(pc, AT(count), 1) == 0);
    errno = 0;
    EXPECT(pawl_percpu_revoke(pc, slot, AT(lock)) == NULL && errno == EPERM);
    EXPECT(pawl_percpu_trylock(pc, AT(lock)) != NULL);
    return 0;
}

static void without_membarrier_the_fence_visits_the_cpus(void **state)
{
    (void)state;
    in_child(drain_without_membarrier);
    in_child(drain_with_forbidden_membarrier);
}

static void a_library_that_never_saw_membarrier_fences_too(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        _exit(start_without_membarrier() == CANNOT ? 77 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

static void a_fence_that_is_denied_leaves_everything_as_it_was(void **state)
{
    (void)state;
    in_child(fence_without_any_means);
}

/* A visit must end where it began. */
static int fence_from_a_pinned_thread(void)
{
    cpu_set_t before;
    cpu_set_t after;
    int cpu[CPUS_MAX];

    EXPECT(allowed_cpus(cpu) > 0 && pin(0, cpu[0]) == 0);
    EXPECT(sched_getaffinity(0, sizeof before, &before) == 0);
    if (!deny(SYS_membarrier, ENOSYS))
        return CANNOT;
    EXPECT(pawl_rseq_fence(-1) == 0);
    EXPECT(sched_getaffinity(0, sizeof after, &after) == 0);
    EXPECT(CPU_EQUAL(&before, &after));
    return drain_while_others_add(); /* all of them on that CPU */
}

static void one_allowed_cpu_is_enough(void **state)
{
    (void)state;
    in_child(fence_from_a_pinned_thread);
}

/* ---- Threads that cannot register ---- */

static bool libc_registers(void)
{
    extern const unsigned int __rseq_size __attribute__((weak));

    return &__rseq_size != NULL && __rseq_size != 0;
}

static void *add_once(void *pc)
{
    return (void *)(long)pawl_percpu_add(pc, AT(count), 1);
}

static int add_without_registration(void)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(struct slice), PAWL_PERCPU_BY_CPU);
    pthread_t thread;
    uint32_t slot;
    struct slice *slice;
    void *status;
    long sum = 0;
    int used = 0;

    EXPECT(pc != NULL && pawl_percpu_add(pc, AT(count), 1) == 0);
    if (!deny(SYS_rseq, EPERM))
        return CANNOT;
    EXPECT(pthread_create(&thread, NULL, add_once, pc) == 0 && pthread_join(thread, &status) == 0);
    EXPECT(status == NULL);
    EXPECT(pawl_percpu_add(pc, AT(count), 1) == 0);
    pawl_percpu_each (pc, slot, slice) {
        sum += slice->count;
        used++;
    }
    EXPECT(sum == 3);
    /* Sequences of the first thread and the locked form of the second never meet in one slice. */
    EXPECT(used >= (pawl_rseq_available() ? 2 : 1));
    return 0;
}

static void a_thread_that_cannot_register_takes_the_locked_form(void **state)
{
    (void)state;
    if (libc_registers())
        skip(); /* it ends a program whose new thread it cannot register */
    in_child(add_without_registration);
}

/* ---- A CPU that goes away ---- */

#define CPU1_ONLINE "/sys/devices/system/cpu/cpu1/online"

static bool set_cpu1_online(bool online)
{
    FILE *file = fopen(CPU1_ONLINE, "w");
    bool done;

    if (file == NULL)
        return false;
    done = fputc(online ? '1' : '0', file) != EOF;
    return fclose(file) == 0 && done;
}

static int use_slot_of_missing_cpu(void)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(struct slice), PAWL_PERCPU_BY_CPU);
    struct pawl_percpu_lock *lock;
    struct slice *slice;
    cpu_set_t everywhere;

    EXPECT(pc != NULL && sched_getaffinity(0, sizeof everywhere, &everywhere) == 0);
    EXPECT(pin(0, 1) == 0 && pawl_percpu_add(pc, AT(count), 5) == 0);
    EXPECT(sched_setaffinity(0, sizeof everywhere, &everywhere) == 0);
    if (!set_cpu1_online(false))
        return CANNOT;
    EXPECT(pawl_percpu_add(pc, AT(count), 1) == 0);
    EXPECT(pawl_percpu_fence(pc, 1) == 0);
    slice = pawl_percpu_detach(pc, 1);
    EXPECT(slice != NULL && (!pawl_rseq_available() || slice->count == 5));
    EXPECT(pawl_percpu_attach(pc, 1, slice) == 0);
    lock = pawl_percpu_revoke(pc, 1, AT(lock));
    EXPECT(lock != NULL);
    pawl_percpu_restore(lock);
    EXPECT(drain_while_others_add() == 0);
    EXPECT(drain_without_membarrier() == 0);
    EXPECT(set_cpu1_online(true));
    EXPECT(pin(0, 1) == 0 && pawl_percpu_add(pc, AT(count), 1) == 0);
    EXPECT(!pawl_rseq_available() || slice->count == 6);
    return 0;
}

static int restore_cpu1(void **state)
{
    (void)state;
    if (getenv("PAWL_TEST_HOTPLUG") != NULL)
        set_cpu1_online(true);
    return 0;
}

static void the_slot_of_a_cpu_that_went_away_can_be_drained(void **state)
{
    (void)state;
    if (getenv("PAWL_TEST_HOTPLUG") == NULL || access(CPU1_ONLINE, W_OK) != 0) {
        print_message("needs PAWL_TEST_HOTPLUG=1 and the right to write " CPU1_ONLINE "\n");
        skip();
    }
    in_child(use_slot_of_missing_cpu);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_membarrier_the_fence_visits_the_cpus),
        cmocka_unit_test(a_library_that_never_saw_membarrier_fences_too),
        cmocka_unit_test(a_fence_that_is_denied_leaves_everything_as_it_was),
        cmocka_unit_test(one_allowed_cpu_is_enough),
        cmocka_unit_test(a_thread_that_cannot_register_takes_the_locked_form),
        cmocka_unit_test_teardown(the_slot_of_a_cpu_that_went_away_can_be_drained, restore_cpu1),
    };

    if (argc == 2 && strcmp(argv[1], "--drain") == 0)
        return pawl_rseq_get_info()->has_fence ? 2 : drain_while_others_add() != 0;
    program = argv[0];
    print_mode();
    return cmocka_run_group_tests_name("denied", tests, NULL, NULL);
}
