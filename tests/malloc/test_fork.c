/* SPDX-License-Identifier: MIT */
/* fork() in the middle of everything: children of a process whose threads never stop allocating. */
#include "family.h"

#include <pawl/atomic.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if PAWL_INSTRUMENTED || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { HELD = 64 };

static PAWL_ATOMIC(bool) over;

static void churn(uint32_t *state, void **held)
{
    *state = *state * 1664525u + 1013904223u;
    void **mine = &held[(*state >> 8) % HELD];

    m(free)(*mine);
    *mine = m(malloc)((*state >> 12) % ((size_t)1 << (4 + *state % 13)));
    if (*mine == NULL)
        abort();
}

static void *keep_allocating(void *number)
{
    uint32_t state = (uint32_t)(uintptr_t)number;
    void *held[HELD] = {NULL};

    while (!pawl_load_relaxed(&over)) /* relaxed: it ends soon enough */
        churn(&state, held);
    for (int i = 0; i < HELD; i++)
        m(free)(held[i]);
    return NULL;
}

/* What a child does: uses the heap, with a thread of its own, and makes a child. */
static int live(int generations)
{
    uint32_t state = 99;
    void *held[HELD] = {NULL};
    pthread_t thread = 0;
    int status = 0;

    alarm(20); /* a lock that nobody lets go ends the child */
    for (int i = 0; i < 1000; i++)
        churn(&state, held);
    /* ThreadSanitizer has no threads in the child of a process that had several, and AddressSanitizer waits there for
     * locks of its own that the parent's threads held. */
    if (!SANITIZED && pthread_create(&thread, NULL, keep_allocating, (void *)5) != 0)
        return 2;
    if (generations > 0) {
        pid_t child = fork();

        if (child == 0)
            _exit(live(generations - 1));
        if (child < 0 || waitpid(child, &status, 0) != child)
            return 3;
    }
    pawl_store_relaxed(&over, true); /* relaxed: this process's own copy */
    if (!SANITIZED)
        pthread_join(thread, NULL);
    for (int i = 0; i < HELD; i++)
        m(free)(held[i]);
    return status != 0;
}

static void children_of_a_busy_process_can_allocate(void **state)
{
    (void)state;
    const char *longer = getenv("PAWL_TEST_LONG");
    int forks = longer != NULL && strcmp(longer, "1") == 0 ? 600 : PAWL_INSTRUMENTED ? 5 : 12;
    pthread_t thread[4];

    for (uintptr_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, keep_allocating, (void *)(i + 1)), 0);
    for (int f = 0; f < forks; f++) {
        int status = -1;
        pid_t child = fork();

        if (child == 0) {
            pawl_store_relaxed(&over, false);
            _exit(live(f % 4 == 0 ? 2 : 0));
        }
        assert_true(child > 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    pawl_store_relaxed(&over, true);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
}

/* A handler of another library, asked for before the allocator's own constructor ran: it still runs before the
 * allocator takes its locks, and after it has let them go. */
static uint32_t handled;

static void allocate_while_forking(void)
{
    void *held[200];

    handled++;
    for (size_t i = 0; i < 200; i++)
        held[i] = m(malloc)((i * 997 + handled) % 40000);
    for (size_t i = 0; i < 200; i++)
        m(free)(held[i]);
}

__attribute__((constructor(101))) static void ask_early(void)
{
    m(free)(m(malloc)(1));
    pthread_atfork(allocate_while_forking, allocate_while_forking, allocate_while_forking);
}

static void handlers_of_others_may_allocate(void **state)
{
    (void)state;
    uint32_t before = handled;
    int status = -1;
    pid_t child;

    alarm(60); /* where the handler finds the locks taken it waits for ever */
    child = fork();
    if (child == 0)
        _exit(handled == before + 2 ? 0 : 1);
    alarm(0);
    assert_int_equal(handled, before + 2);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void blocks_of_the_parent_belong_to_the_child_too(void **state)
{
    (void)state;
    char *block[100];
    int status = -1;
    pid_t child;

    for (int i = 0; i < 100; i++) {
        block[i] = m(malloc)((size_t)1 << i % 20);
        block[i][0] = (char)i;
    }
    child = fork();
    if (child == 0) {
        bool fine = true;

        for (int i = 0; i < 100; i++) {
            fine = block[i][0] == (char)i && fine;
            m(free)(block[i]);
        }
        _exit(fine ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(block[i][0], (char)i);
        m(free)(block[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_of_others_may_allocate),
        cmocka_unit_test(children_of_a_busy_process_can_allocate),
        cmocka_unit_test(blocks_of_the_parent_belong_to_the_child_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
