/* SPDX-License-Identifier: MIT */
/* Signals at the moments at which they hurt most: inside the registration of a thread, inside its
 * unregistration, and a handler that forks inside its own thread's operation. */
#include "percpu_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A short read-only view of a thread's area: what the kernel and the library left there. */
static int32_t area_word(size_t offset)
{
    const char *self = __builtin_thread_pointer();

    return *(const volatile int32_t *)(const volatile void *)(self + pawl_rseq_get_info()->offset + offset);
}

static struct pawl_percpu *pc;

static long sum_of_cpu_slots(void)
{
    long sum = 0;

    for (uint32_t slot = 0; slot < pc->limit; slot++) {
        PAWL_ATOMIC(long) *word = pawl_percpu_slice(pc, slot);

        sum += word != NULL ? pawl_load_relaxed(word) : 0;
    }
    return sum;
}

/* ---- rseq(2) with a signal just before or just behind ---- */

enum moment { NEVER, BEFORE_REGISTRATION, BEHIND_UNREGISTRATION };

static volatile enum moment moment;
static volatile sig_atomic_t handled;
static volatile int32_t cpu_in_handler;

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    bool unregisters = c == 1;
    long result;

    if (number == __NR_rseq && !unregisters && moment == BEFORE_REGISTRATION) {
        moment = NEVER;
        raise(SIGUSR1);
    }
    result = __real_syscall(number, a, b, c, d, e, f);
    if (number == __NR_rseq && unregisters && moment == BEHIND_UNREGISTRATION) {
        moment = NEVER;
        raise(SIGUSR1); /* blocked: delivered when the library says that it may be */
    }
    return result;
}

static void add_in_handler(int signal_number)
{
    (void)signal_number;
    if (pawl_percpu_add(pc, 0, 1000) == 0)
        handled++;
    cpu_in_handler = area_word(4);
}

static void *add_once(void *registered)
{
    assert_int_equal(pawl_percpu_add(pc, 0, 1), 0);
    /* kernels before 6.3 leave the concurrency id alone */
    *(bool *)registered = area_word(4) >= 0 && (area_word(24) >= 0 || !pawl_rseq_get_info()->has_cid);
    return NULL;
}

static bool run_thread(enum moment when)
{
    pthread_t thread;
    bool registered = false;

    handled = 0;
    moment = when;
    assert_int_equal(pthread_create(&thread, NULL, add_once, &registered), 0);
    pthread_join(thread, NULL);
    assert_int_equal(handled, 1);
    return registered;
}

static int open_region(void **state)
{
    struct sigaction action = {.sa_handler = add_in_handler};

    (void)state;
    sigaction(SIGUSR1, &action, NULL);
    pc = pawl_percpu_open(sizeof(long), PAWL_PERCPU_BY_ANY);
    return pc != NULL ? 0 : -1;
}

static int close_region(void **state)
{
    (void)state;
    pawl_percpu_close(pc);
    return 0;
}

static void skip_unless_own(void)
{
    if (pawl_rseq_get_info()->mode != PAWL_RSEQ_OWN) {
        printf("the library does not register threads itself here\n");
        skip();
    }
}

/* The handler registers the thread first; the interrupted call must not undo that. */
static void a_signal_inside_the_first_operation_leaves_the_thread_registered(void **state)
{
    (void)state;
    skip_unless_own();
    assert_true(run_thread(BEFORE_REGISTRATION));
    assert_int_equal(sum_of_cpu_slots(), 1001);
}

/* The kernel leaves mm_cid 0 behind: a handler that took it for its slot would run unprotected there. */
static void a_signal_inside_unregistration_finds_the_thread_unregistered(void **state)
{
    (void)state;
    skip_unless_own();
    assert_true(run_thread(BEHIND_UNREGISTRATION));
    assert_true(cpu_in_handler < 0);
    assert_int_equal(sum_of_cpu_slots(), 1);
}

/* ---- fork in a handler that interrupts an operation of its own thread ---- */

static long *unreadable;
static volatile sig_atomic_t is_child;

static void fork_in_handler(int signal_number)
{
    (void)signal_number;
    mprotect(unreadable, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE);
    if (fork() == 0) {
        is_child = 1;
        (void)pawl_percpu_add(pc, 0, 100);
    }
}

/* The operation faults when it stores its result: in its locked form, that is in the middle of its turn. */
static void a_handler_that_forks_does_not_take_over_the_turn_below_it(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct sigaction action = {.sa_handler = fork_in_handler};
    struct sigaction before;
    PAWL_ATOMIC(long) * word;
    uint32_t slot;
    long sum = 0;
    int status;

    (void)state;
    if (UNDER_TSAN)
        skip(); /* its runtime runs the handler later, outside the operation */
    unreadable = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(unreadable != MAP_FAILED);
    sigaction(SIGSEGV, &action, &before);
    assert_int_equal(pawl_percpu_fetch_add(pc, 0, 1, unreadable), 0);
    pawl_percpu_each (pc, slot, word)
        sum += pawl_load_relaxed(word);
    if (is_child)
        _exit(sum == 101 ? 0 : 1);
    sigaction(SIGSEGV, &before, NULL);
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    assert_int_equal(sum, 1);
    munmap(unreadable, page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_signal_inside_the_first_operation_leaves_the_thread_registered,
                                        open_region, close_region),
        cmocka_unit_test_setup_teardown(a_signal_inside_unregistration_finds_the_thread_unregistered,
                                        open_region, close_region),
        cmocka_unit_test_setup_teardown(a_handler_that_forks_does_not_take_over_the_turn_below_it,
                                        open_region, close_region),
    };

    print_mode();
    return cmocka_run_group_tests_name("signals at the worst moment", tests, NULL, NULL);
}
