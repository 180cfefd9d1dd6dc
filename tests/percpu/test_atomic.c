/* SPDX-License-Identifier: MIT */
/* The vocabulary of atomics, tags, pairs and versioned pointers. */
#include <pawl/atomic.h>

#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define THREADS 4
/* Enough that the threads overlap for many time slices' worth of contention. */
#define OPERATIONS (PAWL_INSTRUMENTED ? 100000 : 500000)

/* ---- words ---- */

#define EXPECT_RMW(operation, before, operand, after)            \
    do {                                                         \
        pawl_store_relaxed(&word, (before));                     \
        assert_int_equal(operation(&word, (operand)), (before)); \
        assert_int_equal(pawl_load_relaxed(&word), (after));     \
    } while (0)

#define EXPECT_RMW_ORDERS(family, before, operand, after)     \
    do {                                                      \
        EXPECT_RMW(family##_relaxed, before, operand, after); \
        EXPECT_RMW(family##_acquire, before, operand, after); \
        EXPECT_RMW(family##_release, before, operand, after); \
        EXPECT_RMW(family##_acq_rel, before, operand, after); \
        EXPECT_RMW(family##_seq_cst, before, operand, after); \
    } while (0)

static void every_read_modify_write_returns_the_old_and_stores_the_new(void **state)
{
    (void)state;
    PAWL_ATOMIC(uint64_t) word;
    pawl_store_relaxed(&word, 0);
    EXPECT_RMW_ORDERS(pawl_exchange, 5u, 9u, 9u);
    EXPECT_RMW_ORDERS(pawl_fetch_add, 5u, 9u, 14u);
    EXPECT_RMW_ORDERS(pawl_fetch_add, UINT64_MAX, 1u, 0u);
    EXPECT_RMW_ORDERS(pawl_fetch_sub, 0u, 1u, UINT64_MAX);
    EXPECT_RMW_ORDERS(pawl_fetch_or, 5u, 10u, 15u);
    EXPECT_RMW_ORDERS(pawl_fetch_and, 13u, 7u, 5u);
    EXPECT_RMW_ORDERS(pawl_fetch_xor, 13u, 7u, 10u);
}

#define EXPECT_CAS(operation)                                                           \
    do {                                                                                \
        uint64_t expected = 7;                                                          \
        pawl_store_relaxed(&word, 7);                                                   \
        while (!operation(&word, &expected, 8)) /* a weak one may fail for no reason */ \
            assert_int_equal(expected, 7);                                              \
        assert_int_equal(pawl_load_relaxed(&word), 8);                                  \
        assert_false(operation(&word, &expected, 9));                                   \
        assert_int_equal(expected, 8);                                                  \
        assert_int_equal(pawl_load_relaxed(&word), 8);                                  \
    } while (0)

static void every_compare_and_swap_stores_or_tells_what_was_there(void **state)
{
    (void)state;
    PAWL_ATOMIC(uint64_t) word;
    EXPECT_CAS(pawl_cas_relaxed);
    EXPECT_CAS(pawl_cas_acquire);
    EXPECT_CAS(pawl_cas_release);
    EXPECT_CAS(pawl_cas_acq_rel);
    EXPECT_CAS(pawl_cas_seq_cst);
    EXPECT_CAS(pawl_cas_weak_relaxed);
    EXPECT_CAS(pawl_cas_weak_acquire);
    EXPECT_CAS(pawl_cas_weak_release);
    EXPECT_CAS(pawl_cas_weak_acq_rel);
    EXPECT_CAS(pawl_cas_weak_seq_cst);
}

/* ---- tags ---- */

static void a_tag_and_a_pointer_come_back_from_their_word(void **state)
{
    (void)state;
    static _Alignas(4096) char object[4096];
    for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
        uintptr_t tags[] = {0, alignment - 1, alignment / 2};
        for (size_t i = 0; i < 3; i++) {
            uintptr_t word = pawl_tag_pack(object, tags[i], alignment);
            assert_ptr_equal(pawl_tag_pointer(word, alignment), object);
            assert_int_equal(pawl_tag_bits(word, alignment), tags[i]);
        }
    }
    assert_null(pawl_tag_pointer(pawl_tag_pack(NULL, 7, 8), 8));
}

#ifndef NDEBUG
/* In a child that may die: the signal that killed it, 0 if none did. */
static int pack_in_child(const void *pointer, uintptr_t tag, size_t alignment)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        (void)pawl_tag_pack(pointer, tag, alignment);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void a_debug_build_aborts_on_a_tag_that_does_not_fit(void **state)
{
    (void)state;
    assert_int_equal(pack_in_child((void *)64, 7, 8), 0);
    assert_int_equal(pack_in_child((void *)65, 0, 8), SIGABRT);
    assert_int_equal(pack_in_child((void *)64, 8, 8), SIGABRT);
    assert_int_equal(pack_in_child((void *)64, 0, 0), SIGABRT);
    assert_int_equal(pack_in_child((void *)64, 1, 6), SIGABRT);
}
#endif

/* ---- pairs ---- */

typedef bool cas_pair(struct pawl_pair *, struct pawl_pair *, struct pawl_pair);

static cas_pair *const cas_pairs[] = {
    pawl_cas_pair_relaxed, pawl_cas_pair_acquire, pawl_cas_pair_release,
    pawl_cas_pair_acq_rel, pawl_cas_pair_seq_cst,
};

static void assert_pair(struct pawl_pair value, uint64_t lo, uint64_t hi)
{
    assert_true(value.lo == lo && value.hi == hi);
}

static void a_pair_is_swapped_only_if_both_words_are_equal(void **state)
{
    (void)state;
    const uint64_t big = UINT64_C(0x8000000000000001);
    for (size_t i = 0; i < sizeof(cas_pairs) / sizeof(cas_pairs[0]); i++) {
        struct pawl_pair pair, desired = {big, 4}, wrong_lo = {0, 2}, wrong_hi = {1, 0}, right = {1, 2};
        pawl_pair_init(&pair, 1, 2);
        assert_false(cas_pairs[i](&pair, &wrong_lo, desired));
        assert_pair(wrong_lo, 1, 2);
        assert_false(cas_pairs[i](&pair, &wrong_hi, desired));
        assert_pair(wrong_hi, 1, 2);
        assert_pair(pawl_load_pair_acquire(&pair), 1, 2);
        assert_true(cas_pairs[i](&pair, &right, desired));
        assert_pair(right, 1, 2);
        assert_pair(pawl_load_pair_acquire(&pair), big, 4);
        assert_pair(pawl_load_pair_relaxed(&pair), big, 4);
        assert_pair(pawl_snapshot_pair_acquire(&pair), big, 4);
    }
}

static void a_snapshot_of_zeros_leaves_zeros(void **state)
{
    (void)state;
    struct pawl_pair pair;
    pawl_pair_init(&pair, 0, 0);
    assert_pair(pawl_snapshot_pair_acquire(&pair), 0, 0);
    pawl_pair_init(&pair, 0, UINT64_MAX);
    assert_pair(pawl_snapshot_pair_acquire(&pair), 0, UINT64_MAX);
}

static pthread_barrier_t together; /* without it the first thread is done before the last begins */

static void run_threads(void *(*body)(void *), void *results[THREADS])
{
    pthread_t threads[THREADS];
    assert_int_equal(pthread_barrier_init(&together, NULL, THREADS), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], &results[i]);
    pthread_barrier_destroy(&together);
}

#define TOTAL UINT64_C(1000000)
static struct pawl_pair account PAWL_LINE_PAIR_ALIGNED;

/* Moves a unit to and fro; checks between that no snapshot and no failed CAS shows a torn pair. */
static void *transfer(void *number)
{
    uintptr_t torn = 0;
    pthread_barrier_wait(&together);
    for (int i = 0; i < OPERATIONS; i++) {
        struct pawl_pair from = pawl_load_pair_acquire(&account), to;
        for (;;) {
            uint64_t unit = ((uintptr_t)number + (unsigned)i) & 1 ? 1 : UINT64_MAX;
            to.lo = from.lo + unit;
            to.hi = from.hi - unit;
            if (pawl_cas_pair_acq_rel(&account, &from, to))
                break;
            torn += from.lo + from.hi != TOTAL;
        }
        torn += from.lo + from.hi != TOTAL; /* a successful CAS vouches for what it was given */
        from = pawl_snapshot_pair_acquire(&account);
        torn += from.lo + from.hi != TOTAL;
    }
    return (void *)torn;
}

static void transfers_between_two_words_conserve_their_sum(void **state)
{
    (void)state;
    void *torn[THREADS];
    pawl_pair_init(&account, TOTAL / 2, TOTAL / 2);
    run_threads(transfer, torn);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal((uintptr_t)torn[i], 0);
    /* Each thread moved as many units one way as the other. */
    assert_pair(pawl_snapshot_pair_acquire(&account), TOTAL / 2, TOTAL / 2);
}

/* The first two change the pair all the time, the others only look. */
static void *change_or_look(void *number)
{
    uintptr_t torn = 0;
    pthread_barrier_wait(&together);
    for (int i = 0; i < OPERATIONS; i++) {
        struct pawl_pair now = pawl_snapshot_pair_acquire(&account);
        torn += now.lo != now.hi;
        struct pawl_pair next = {now.lo + 1, now.hi + 1};
        if ((uintptr_t)number < 2)
            (void)pawl_cas_pair_release(&account, &now, next);
    }
    return (void *)torn;
}

static void a_snapshot_is_never_torn(void **state)
{
    (void)state;
    void *torn[THREADS];
    pawl_pair_init(&account, 0, 0);
    run_threads(change_or_look, torn);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal((uintptr_t)torn[i], 0);
    struct pawl_pair end = pawl_snapshot_pair_acquire(&account);
    assert_true(end.lo > 0 && end.lo == end.hi);
}

/* ---- versioned pointers: a Treiber stack of nodes that are never freed ---- */

#define NODES 8 /* few, so that the same node comes back quickly: ABA */

struct node {
    PAWL_ATOMIC(struct node *) next;
    PAWL_ATOMIC(uint32_t) owners; /* threads that hold it; more than one: popped twice */
};

static struct node nodes[NODES];
static struct pawl_tagged top PAWL_LINE_PAIR_ALIGNED;

static void push(struct node *node)
{
    struct pawl_tagged seen = pawl_tagged_load_acquire(&top);
    do /* relaxed: published by the CAS */
        pawl_store_relaxed(&node->next, (struct node *)seen.pointer);
    while (!pawl_tagged_cas(&top, &seen, node));
}

static struct node *pop(void)
{
    struct pawl_tagged seen = pawl_tagged_load_acquire(&top);
    while (seen.pointer) {
        struct node *node = seen.pointer;
        /* relaxed: may be stale, in which case the version has moved and the CAS fails */
        if (pawl_tagged_cas(&top, &seen, pawl_load_relaxed(&node->next)))
            return node;
    }
    return NULL;
}

/* Returns twice the pops it made, plus one if a node was held by two threads. */
static void *churn(void *unused)
{
    (void)unused;
    uintptr_t pops = 0, shared = 0;
    pthread_barrier_wait(&together);
    for (int i = 0; i < OPERATIONS; i++) {
        struct node *node = pop();
        if (!node)
            continue;
        pops++;
        shared |= pawl_fetch_add_relaxed(&node->owners, 1) != 0; /* relaxed: the count alone */
        pawl_fetch_sub_relaxed(&node->owners, 1);                /* relaxed: ordered by push() */
        push(node);
    }
    return (void *)(pops << 1 | shared);
}

static void fill_stack(void)
{
    pawl_tagged_init(&top, NULL);
    for (int i = 0; i < NODES; i++)
        push(&nodes[i]);
}

static void no_node_is_popped_twice_and_every_change_counts_in_the_version(void **state)
{
    (void)state;
    void *results[THREADS];
    uint64_t pops = 0;
    fill_stack();
    run_threads(churn, results);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal((uintptr_t)results[i] & 1, 0);
        pops += (uintptr_t)results[i] >> 1;
    }
    assert_int_equal(pawl_tagged_load_acquire(&top).version, NODES + 2 * pops);
    int left = 0;
    while (pop())
        left++;
    assert_int_equal(left, NODES);
}

static void a_pointer_that_went_and_came_back_is_not_taken_for_the_same(void **state)
{
    (void)state;
    fill_stack();
    struct pawl_tagged stale = pawl_tagged_load_acquire(&top);
    struct node *a = pop(), *b = pop();
    assert_non_null(b);
    push(a); /* the top is `a` again, but what is below it changed */
    assert_ptr_equal(pawl_tagged_load_acquire(&top).pointer, stale.pointer);
    assert_false(pawl_tagged_cas(&top, &stale, b));
    assert_ptr_equal(stale.pointer, a);
    assert_true(pawl_tagged_cas(&top, &stale, b)); /* with the version of now it is taken */
}

/* ---- the rest ---- */

#if !PAWL_INSTRUMENTED
static int is_libatomic(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    return strstr(info->dlpi_name, "libatomic") != NULL;
}

static void nothing_needs_libatomic(void **state)
{
    (void)state;
    assert_int_equal(dl_iterate_phdr(is_libatomic, NULL), 0);
}
#endif

static double ns_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void what_it_costs_is_printed(void **state)
{
    (void)state;
    static PAWL_ATOMIC(uint64_t) word PAWL_LINE_PAIR_ALIGNED;
    double word_ns = 1e18, pair_ns = 1e18;
    pawl_pair_init(&account, 0, 0);
    for (int round = 0; round < 10; round++) { /* interleaved; the least of ten */
        uint64_t expected = pawl_load_relaxed(&word);
        struct pawl_pair from = pawl_load_pair_relaxed(&account);
        double t0 = ns_now();
        for (int i = 0; i < OPERATIONS; i++)
            expected += pawl_cas_acq_rel(&word, &expected, expected + 1);
        double t1 = ns_now();
        for (int i = 0; i < OPERATIONS; i++) {
            struct pawl_pair to = {from.lo + 1, from.hi + 1};
            if (pawl_cas_pair_acq_rel(&account, &from, to))
                from = to;
        }
        double t2 = ns_now();
        word_ns = t1 - t0 < word_ns ? t1 - t0 : word_ns;
        pair_ns = t2 - t1 < pair_ns ? t2 - t1 : pair_ns;
    }
    assert_int_equal(pawl_load_relaxed(&word), 10 * OPERATIONS);
    assert_pair(pawl_snapshot_pair_acquire(&account), 10 * OPERATIONS, 10 * OPERATIONS);
    printf("uncontended CAS: word %.1f ns, pair %.1f ns, ratio %.2f\n", word_ns / OPERATIONS,
           pair_ns / OPERATIONS, pair_ns / word_ns);
    pawl_relax();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_read_modify_write_returns_the_old_and_stores_the_new),
        cmocka_unit_test(every_compare_and_swap_stores_or_tells_what_was_there),
        cmocka_unit_test(a_tag_and_a_pointer_come_back_from_their_word),
#ifndef NDEBUG
        cmocka_unit_test(a_debug_build_aborts_on_a_tag_that_does_not_fit),
#endif
        cmocka_unit_test(a_pair_is_swapped_only_if_both_words_are_equal),
        cmocka_unit_test(a_snapshot_of_zeros_leaves_zeros),
        cmocka_unit_test(transfers_between_two_words_conserve_their_sum),
        cmocka_unit_test(a_snapshot_is_never_torn),
        cmocka_unit_test(no_node_is_popped_twice_and_every_change_counts_in_the_version),
        cmocka_unit_test(a_pointer_that_went_and_came_back_is_not_taken_for_the_same),
#if !PAWL_INSTRUMENTED
        cmocka_unit_test(nothing_needs_libatomic),
#endif
        cmocka_unit_test(what_it_costs_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
