/* SPDX-License-Identifier: MIT */
#include "family.h"

#include "system.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <pawl/malloc.h>
#include <pawl/slab.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool hardened(void)
{
    struct pawl_malloc_stats stats;

    pawl_malloc_get_stats(&stats);
    return stats.hardened;
}

static struct pawl_slab *slab_of(size_t bytes, size_t alignment)
{
    const struct pawl_slab_options options = {.object_bytes = bytes, .alignment = alignment};
    struct pawl_slab *slab = pawl_slab_open(&options);

    assert_non_null(slab);
    return slab;
}

static void objects_are_apart_and_aligned(void **state)
{
    (void)state;
    const size_t kinds[][2] = {{1, 0}, {24, 8}, {136, 16}, {100, 64}, {5000, 4096}, {32768, 8192}, {700, 0}};
    enum { COUNT = 700 };
    static unsigned char *objects[COUNT];

    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        size_t bytes = kinds[k][0];
        struct pawl_slab *slab = slab_of(bytes, kinds[k][1]);

        for (int i = 0; i < COUNT; i++) {
            objects[i] = pawl_slab_alloc(slab);
            assert_non_null(objects[i]);
            assert_int_equal((uintptr_t)objects[i] % (kinds[k][1] > 16 ? kinds[k][1] : 16), 0);
            memset(objects[i], i % 251, bytes);
        }
        for (int i = 0; i < COUNT; i++)
            for (size_t b = 0; b < bytes; b++)
                assert_int_equal(objects[i][b], i % 251);
        for (int i = 0; i < COUNT; i++)
            pawl_slab_free(slab, objects[i]);
        pawl_slab_free(slab, NULL);
        assert_int_equal(pawl_slab_close(slab), 0);
    }
    assert_int_equal(pawl_slab_close(NULL), 0);
}

static void an_object_costs_its_size_and_no_class_of_malloc(void **state)
{
    (void)state;
    struct pawl_slab *slab = slab_of(136, 8);
    struct pawl_slab_stats stats;
    void *object = pawl_slab_alloc(slab);

    if (hardened()) {
        pawl_slab_free(slab, object);
        pawl_slab_close(slab);
        skip();
    }
    pawl_slab_get_stats(slab, &stats);
    assert_int_equal(stats.object_bytes, 144); /* malloc: 160 */
    assert_int_equal(stats.spans, 1);
    assert_int_equal(stats.used, 1);
    assert_true(stats.objects * 144 * 16 >= stats.memory * 15);
    pawl_slab_free(slab, object);
    pawl_slab_get_stats(slab, &stats);
    assert_int_equal(stats.used, 0);
    assert_int_equal(pawl_slab_close(slab), 0);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    const struct pawl_slab_options wrong[] = {
        {.object_bytes = 0},
        {.object_bytes = 32769},
        {.object_bytes = 8, .alignment = 24},
        {.object_bytes = 8, .alignment = 16384},
    };
    struct pawl_slab *slabs[PAWL_SLABS_MAX];
    const struct pawl_slab_options options = PAWL_SLAB_OF(struct pawl_malloc_stats);

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        errno = 0;
        assert_null(pawl_slab_open(&wrong[i]));
        assert_int_equal(errno, EINVAL);
    }
    for (int i = 0; i < PAWL_SLABS_MAX; i++) {
        slabs[i] = pawl_slab_open(&options);
        assert_non_null(slabs[i]);
    }
    assert_null(pawl_slab_open(&options));
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(pawl_slab_close(slabs[5]), 0);
    slabs[5] = pawl_slab_open(&options);
    assert_non_null(slabs[5]);
    for (int i = 0; i < PAWL_SLABS_MAX; i++)
        assert_int_equal(pawl_slab_close(slabs[i]), 0);
}

/* Whatever is still in use, in caches or on its way goes too, and the next slab finds nothing of it. */
static void a_closed_slab_takes_all_its_objects_along(void **state)
{
    (void)state;
    struct pawl_malloc_stats before, after;

    if (hardened())
        skip();
    pawl_malloc_release(0);
    pawl_malloc_get_stats(&before);
    for (int round = 0; round < 20; round++) {
        size_t bytes = (size_t)64 << round % 6;
        struct pawl_slab *slab = slab_of(bytes, 0);
        void *objects[1000];

        for (int i = 0; i < 1000; i++) {
            objects[i] = pawl_slab_alloc(slab);
            assert_non_null(objects[i]);
            memset(objects[i], 0xee, bytes);
        }
        for (int i = 0; i < 700; i++)
            pawl_slab_free(slab, objects[i]);
        assert_int_equal(pawl_slab_close(slab), 300);
    }
    pawl_malloc_get_stats(&after);
    assert_int_equal(after.used, before.used);
}

static void statistics_and_the_report_of_leaks_know_slabs(void **state)
{
    (void)state;
    const struct pawl_slab_options options = {.object_bytes = 999, .name = "order"};
    struct pawl_malloc_stats before, after;
    struct pawl_slab *slab;
    int channel[2];
    char said[8192] = "";
    uint64_t blocks;

    if (hardened())
        skip();
    assert_int_equal(pipe(channel), 0);
    blocks = pawl_malloc_leaks(channel[1]);
    pawl_malloc_get_stats(&before);
    slab = pawl_slab_open(&options);
    for (int i = 0; i < 3; i++)
        assert_non_null(opaque(pawl_slab_alloc(slab)));
    pawl_malloc_get_stats(&after);
    assert_int_equal(after.used - before.used, 3 * 1008);
    assert_true(read(channel[0], said, sizeof said - 1) > 0);
    assert_int_equal(pawl_malloc_leaks(channel[1]), blocks + 3);
    memset(said, 0, sizeof said);
    assert_true(read(channel[0], said, sizeof said - 1) > 0);
    assert_non_null(strstr(said, "3 objects of  1008 bytes, order"));
    close(channel[0]);
    close(channel[1]);
    assert_int_equal(pawl_slab_close(slab), 3);
}

/* ---- mistakes ---- */

static struct pawl_slab *mistaken;

static void free_twice(void)
{
    void *object = pawl_slab_alloc(mistaken);

    pawl_slab_free(mistaken, object);
    pawl_slab_free(mistaken, opaque(object));
    (void)opaque(pawl_slab_alloc(mistaken));
    (void)opaque(pawl_slab_alloc(mistaken));
}

static void free_another_slabs(void)
{
    pawl_slab_free(mistaken, pawl_slab_alloc(slab_of(64, 0)));
}

static void free_a_block(void)
{
    pawl_slab_free(mistaken, opaque(m(malloc)(64)));
}

static void free_what_is_nothing(void)
{
    int on_the_stack;

    pawl_slab_free(mistaken, opaque(&on_the_stack));
}

static int signal_of(void (*mistake)(void))
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        const struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        mistake();
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void mistakes_end_the_program(void **state)
{
    (void)state;
    mistaken = slab_of(64, 0);
    assert_int_equal(signal_of(free_twice), SIGABRT);
    assert_int_equal(signal_of(free_what_is_nothing), SIGABRT);
    if (!hardened()) { /* there objects are blocks */
        assert_int_equal(signal_of(free_another_slabs), SIGABRT);
        assert_int_equal(signal_of(free_a_block), SIGABRT);
    }
    m(free)(pawl_slab_alloc(mistaken)); /* that is no mistake */
    assert_int_equal(pawl_slab_close(mistaken), 0);
}

static void no_memory_is_an_answer(void **state)
{
    (void)state;
    struct pawl_slab *slab = slab_of(32768, 0);
    enum { COUNT = 4000 }; /* 128 MiB: the window has to grow */
    static void *objects[COUNT];
    int got = 0;

    pawl_store_relaxed(&pawl_system_faults_.calls, UINT64_C(0)); /* relaxed: one thread */
    pawl_store_relaxed(&pawl_system_faults_.fail_count, UINT64_MAX);
    pawl_store_relaxed(&pawl_system_faults_.fail_at, UINT64_C(1));
    errno = 0;
    while (got < COUNT && (objects[got] = pawl_slab_alloc(slab)) != NULL)
        got++;
    pawl_store_relaxed(&pawl_system_faults_.fail_at, UINT64_C(0));
    assert_in_range(got, 0, COUNT - 1);
    assert_int_equal(errno, ENOMEM);
    while (got > 0)
        pawl_slab_free(slab, objects[--got]);
    objects[0] = pawl_slab_alloc(slab);
    assert_non_null(objects[0]);
    pawl_slab_free(slab, objects[0]);
    assert_int_equal(pawl_slab_close(slab), 0);
}

/* ---- nodes ---- */

static int mode_at(void *address)
{
    int mode = -1;

    return syscall(SYS_get_mempolicy, &mode, NULL, 0ul, address, (unsigned long)MPOL_F_ADDR) == 0 ? mode : -1;
}

static void a_bound_slab_is_on_its_node(void **state)
{
    (void)state;
    struct pawl_slab_options options = {.object_bytes = 200, .node = PAWL_SLAB_NODE(1023)};
    struct pawl_slab_stats stats;
    struct pawl_slab *slab;
    void *objects[2000];

    errno = 0;
    assert_null(pawl_slab_open(&options));
    assert_int_not_equal(errno, 0);
    options.node = PAWL_SLAB_NODE(0);
    slab = pawl_slab_open(&options);
    if (slab == NULL) { /* a kernel without NUMA, a container that forbids it */
        assert_true(errno == ENOSYS || errno == EPERM);
        skip();
    }
    if (hardened()) {
        pawl_slab_close(slab);
        skip();
    }
    for (int i = 0; i < 2000; i++) {
        objects[i] = pawl_slab_alloc(slab);
        assert_non_null(objects[i]);
        memset(objects[i], 1, 200);
        assert_int_equal(mode_at(objects[i]), MPOL_BIND);
    }
    pawl_slab_get_stats(slab, &stats);
    assert_true(stats.memory / stats.spans >= 65536); /* few mappings */
    for (int i = 0; i < 2000; i++)
        pawl_slab_free(slab, objects[i]);
    assert_int_equal(pawl_slab_close(slab), 0);
    assert_int_equal(mode_at(objects[0]), MPOL_DEFAULT);
}

/* ---- threads ---- */

enum { THREADS = 6, SLOTS = 64, TURNS = 20000 };

struct item {
    uint64_t name, inverse;
    uint64_t rest[5];
};

static PAWL_ATOMIC(struct item *) desk[SLOTS];

struct worker {
    struct pawl_slab *slab;
    uint64_t seed;
};

/* Lays new objects on a desk that all share, and frees those it finds there. */
static void *work(void *argument)
{
    struct worker *w = argument;
    uint64_t random = w->seed;

    for (int turn = 0; turn < TURNS; turn++) {
        struct item *item = pawl_slab_alloc(w->slab);

        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        if (item == NULL)
            abort();
        item->name = random;
        item->inverse = ~random;
        /* acq_rel: publishes this item, and what was done with the one that comes back */
        item = pawl_exchange_acq_rel(&desk[random >> 58], item);
        if (item != NULL) {
            if (item->name != ~item->inverse)
                abort();
            item->inverse = 0;
            pawl_slab_free(w->slab, item);
        }
        if (random % 4096 == 0)
            pawl_malloc_release(0);
    }
    return NULL;
}

static void objects_go_from_thread_to_thread(void **state)
{
    (void)state;
    const struct pawl_slab_options options = PAWL_SLAB_OF(struct item);
    struct pawl_slab *slab = pawl_slab_open(&options);
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    int64_t left = 0;

    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){slab, (uint64_t)i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SLOTS; i++) {
        struct item *item = pawl_exchange_acq_rel(&desk[i], NULL); /* acq_rel: as in work */

        if (item != NULL && i % 2 == 0)
            pawl_slab_free(slab, item);
        else if (item != NULL && hardened())
            m(free)(item);
        else if (item != NULL)
            left++;
    }
    assert_int_equal(pawl_slab_close(slab), left);
}

static void a_child_of_fork_uses_it_at_once(void **state)
{
    (void)state;
    struct pawl_slab *slab = slab_of(48, 0);
    void *object = pawl_slab_alloc(slab);
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        pawl_slab_free(slab, object);
        for (int i = 0; i < 1000; i++)
            if (opaque(pawl_slab_alloc(slab)) == NULL)
                _exit(1);
        _exit(hardened() || pawl_slab_close(slab) == 1000 ? 0 : 2);
    }
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    pawl_slab_free(slab, object);
    assert_int_equal(pawl_slab_close(slab), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_apart_and_aligned),
        cmocka_unit_test(an_object_costs_its_size_and_no_class_of_malloc),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_closed_slab_takes_all_its_objects_along),
        cmocka_unit_test(statistics_and_the_report_of_leaks_know_slabs),
        cmocka_unit_test(mistakes_end_the_program),
        cmocka_unit_test(no_memory_is_an_answer),
        cmocka_unit_test(a_bound_slab_is_on_its_node),
        cmocka_unit_test(objects_go_from_thread_to_thread),
        cmocka_unit_test(a_child_of_fork_uses_it_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
