/* SPDX-License-Identifier: MIT */
/* Threads that come and go, processes that fork, handlers inside handlers: none needs to tell the library. */
#include "percpu_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHORT_LIVES (UNDER_TSAN ? 400 : 2000)
#define AT_ONCE 8
#define FORKS (UNDER_TSAN ? 20 : 100)
#define BUSY_THREADS 6
#define DEPTH 12
#define CHILD_SECONDS 20

struct slice {
    long count;
    long late; /* added by destructors of exiting threads */
    struct pawl_percpu_list list;
    long map[2];
};

#define AT(field) offsetof(struct slice, field)

static struct pawl_percpu *pc;

static int open_region(void **state)
{
    (void)state;
    pc = pawl_percpu_open(sizeof(struct slice), PAWL_PERCPU_BY_ANY);
    assert_non_null(pc);
    return 0;
}

static int close_region(void **state)
{
    (void)state;
    pawl_percpu_close(pc);
    return 0;
}

static long sum(size_t at)
{
    uint32_t slot;
    char *slice;
    long total = 0;

    pawl_percpu_each (pc, slot, slice)
        total += *(long *)(void *)(slice + at);
    return total;
}

/* ---- Threads ---- */

static pthread_key_t first_key;
static pthread_key_t again_key;

/* Runs before and after the library's own destructor, in whichever order libc chooses: it asks to be run
 * again, and at the last rounds every registration has gone. */
static void work_late(void *rounds)
{
    if (pawl_percpu_add(pc, AT(late), 1) != 0)
        abort();
    if ((uintptr_t)rounds > 1)
        pthread_setspecific(again_key, (void *)((uintptr_t)rounds - 1));
}

static void *live_shortly(void *unused)
{
    struct pawl_percpu_node *node;

    (void)unused;
    pthread_setspecific(first_key, (void *)1);
    pthread_setspecific(again_key, (void *)3);
    for (int i = 0; i < 10; i++)
        if (pawl_percpu_add(pc, AT(count), 1) != 0)
            return &first_key;
    node = pawl_percpu_pop(pc, AT(list));
    if (node != NULL && pawl_percpu_push(pc, AT(list), node) != 0)
        return &first_key;
    return NULL;
}

static void threads_come_and_go(void **state)
{
    static struct pawl_percpu_node node[4];
    pthread_t thread[AT_ONCE];
    void *failed;

    (void)state;
    /* Keys are destroyed in the order of their numbers: one on either side of the library's. */
    assert_int_equal(pthread_key_create(&first_key, work_late), 0);
    assert_int_equal(pthread_key_create(&again_key, work_late), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pawl_percpu_push(pc, AT(list), &node[i]), 0);
    for (int round = 0; round < SHORT_LIVES / AT_ONCE; round++) {
        for (int i = 0; i < AT_ONCE; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, live_shortly, NULL), 0);
        for (int i = 0; i < AT_ONCE; i++) {
            assert_int_equal(pthread_join(thread[i], &failed), 0);
            assert_null(failed);
        }
    }
    assert_int_equal(sum(AT(count)), SHORT_LIVES * 10);
    assert_int_equal(sum(AT(late)), SHORT_LIVES * 4);
    pthread_key_delete(first_key);
    pthread_key_delete(again_key);
}

/* ---- fork ---- */

static PAWL_ATOMIC(bool) stop;

static void *stay_busy(void *node)
{
    while (!pawl_load_relaxed(&stop)) {
        long id = pawl_percpu_bit_alloc(pc, AT(map), 2);

        if (pawl_percpu_add(pc, AT(count), 1) != 0 || pawl_percpu_push(pc, AT(list), node) != 0)
            return &stop;
        do {
            node = pawl_percpu_pop(pc, AT(list));
        } while (node == NULL && !pawl_load_relaxed(&stop));
        if (id >= 0)
            (void)pawl_percpu_bit_free(pc, AT(map), 2, id); /* -EXDEV is as good: another CPU by now */
        if (node == NULL)
            break;
    }
    return NULL;
}

/* A child that hangs is killed and so noticed. */
static int child_status(int (*child)(void))
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        alarm(CHILD_SECONDS);
        _exit(child());
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return status;
}

static void *add_in_child(void *unused)
{
    (void)unused;
    for (int i = 0; i < 1000; i++)
        if (pawl_percpu_add(pc, AT(late), 1) != 0)
            return &stop;
    return NULL;
}

/* Every slot works, also those whose lock somebody held who is not here, and so do new threads. */
static int use_in_child(void)
{
    struct pawl_percpu_node node;
    pthread_t thread;
    uint32_t slot;
    struct slice *slice;
    void *failed = NULL;
    long before = sum(AT(late));

    for (int i = 0; i < 1000; i++)
        if (pawl_percpu_add(pc, AT(late), 1) != 0 || pawl_percpu_push(pc, AT(list), &node) != 0 ||
            pawl_percpu_pop(pc, AT(list)) != &node)
            return 1;
    pawl_percpu_each (pc, slot, slice) {
        if (pawl_percpu_detach(pc, slot) != slice)
            return 2;
        if (pawl_percpu_attach(pc, slot, slice) != 0)
            return 3;
    }
    /* a sanitizer may have forked with the locks of its allocator held */
    if (!UNDER_SANITIZER &&
        (pthread_create(&thread, NULL, add_in_child, NULL) != 0 || pthread_join(thread, &failed) != 0))
        return 4;
    return failed != NULL || sum(AT(late)) != before + (UNDER_SANITIZER ? 1000 : 2000) ? 5 : 0;
}

static void a_child_uses_the_region_at_once(void **state)
{
    static struct pawl_percpu_node node[BUSY_THREADS];
    pthread_t thread[BUSY_THREADS];
    void *failed;

    (void)state;
    pawl_store_relaxed(&stop, false);
    for (int i = 0; i < BUSY_THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, stay_busy, &node[i]), 0);
    for (int i = 0; i < FORKS; i++)
        assert_int_equal(child_status(use_in_child), 0);
    pawl_store_relaxed(&stop, true);
    for (int i = 0; i < BUSY_THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(sum(AT(late)), 0); /* what children did is theirs */
}

static int fork_again(void)
{
    return child_status(use_in_child) == 0 ? use_in_child() : 9;
}

static void a_childs_child_uses_it_too(void **state)
{
    (void)state;
    assert_int_equal(child_status(fork_again), 0);
}

/* ---- Handlers inside handlers ---- */

static volatile sig_atomic_t depth;
static volatile sig_atomic_t deepest;

/* Each level is in the middle of nothing, and yet every operation below it may be in the middle of one. */
static void descend(int signal_number)
{
    int saved_errno = errno;

    (void)signal_number;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (pawl_percpu_add(pc, AT(count), 1) != 0)
        abort();
    if (depth < DEPTH)
        raise(SIGUSR2);
    if (pawl_percpu_add(pc, AT(count), 1) != 0)
        abort();
    depth--;
    errno = saved_errno;
}

static void handlers_nest(void **state)
{
    struct sigaction action = {.sa_handler = descend, .sa_flags = SA_NODEFER};
    struct sigaction before;

    (void)state;
    if (UNDER_TSAN)
        skip(); /* its runtime holds signals back, and a handler's own signal for ever */
    deepest = 0;
    assert_int_equal(sigaction(SIGUSR2, &action, &before), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(raise(SIGUSR2), 0);
    assert_int_equal(sigaction(SIGUSR2, &before, NULL), 0);
    assert_int_equal(deepest, DEPTH);
    assert_int_equal(sum(AT(count)), 100l * DEPTH * 2);
}

/* Timer signals that interrupt one another's handlers, which are in the middle of operations by then. Each
 * handler asks for the next signal itself, down to a depth with fewer operations at once than there
 * are locked slots: see "Progress" in percpu.h. */
#define HANDLERS (UNDER_ASAN ? 200 : 20000)

static timer_t timer;
static PAWL_ATOMIC(long) handlers_run; /* one may come in the middle of another's addition */

static void ask_for_signal(void)
{
    struct itimerspec soon = {{0, 0}, {0, 3000}};

    timer_settime(timer, 0, &soon, NULL);
}

static void pile_up(int signal_number)
{
    int saved_errno = errno;

    (void)signal_number;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (depth < DEPTH)
        ask_for_signal();
    for (int i = 0; i < 100; i++)
        if (pawl_percpu_add(pc, AT(count), 1) != 0)
            abort();
    pawl_fetch_add_relaxed(&handlers_run, 1L); /* relaxed, all: one thread */
    depth--;
    errno = saved_errno;
}

static void handlers_interrupt_one_another(void **state)
{
    struct sigaction action = {.sa_handler = pile_up, .sa_flags = SA_NODEFER | SA_RESTART};
    struct sigaction before;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    long own = 0;
    long run;

    (void)state;
    if (UNDER_TSAN)
        skip(); /* as above */
    deepest = 0;
    pawl_store_relaxed(&handlers_run, 0L);
    assert_int_equal(sigaction(SIGUSR2, &action, &before), 0);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    while (pawl_load_relaxed(&handlers_run) < HANDLERS) {
        ask_for_signal();
        for (int i = 0; i < 1000; i++, own++)
            assert_int_equal(pawl_percpu_add(pc, AT(count), 1), 0);
    }
    assert_int_equal(timer_delete(timer), 0);
    signal(SIGUSR2, SIG_IGN);
    run = pawl_load_relaxed(&handlers_run);
    assert_int_equal(sigaction(SIGUSR2, &before, NULL), 0);
    assert_true(deepest > 0);
    printf("handlers up to %d deep\n", (int)deepest);
    assert_int_equal(sum(AT(count)), own + 100 * run);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, open_region, close_region)
        PROMISE(threads_come_and_go),
        PROMISE(a_child_uses_the_region_at_once),
        PROMISE(a_childs_child_uses_it_too),
        PROMISE(handlers_nest),
        PROMISE(handlers_interrupt_one_another),
    };

    print_mode();
    return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
