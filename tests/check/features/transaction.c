/* SPDX-License-Identifier: MIT */
/* executions: 5 (before or after the writer's two stores or between them; or given up with or without the first store) */
#include <assert.h>
#include <pawl/check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int a, b, c;
int plain = 1; /* not static: a compiler may take it for one that no other function changes */

static void *transfer(void *unused)
{
    bool commit = !pawl_check_choose(2);
    pawl_check_atomic_begin();
    pawl_check_atomic_begin();
    plain = 2;
    int seen = atomic_load_explicit(&a, memory_order_relaxed);
    atomic_store_explicit(&c, seen + 5, memory_order_relaxed);
    atomic_fetch_add_explicit(&c, 1, memory_order_relaxed);
    assert(atomic_load_explicit(&c, memory_order_relaxed) == seen + 6); /* sees its own stores */
    pawl_check_atomic_end();
    if (!commit) {
        pawl_check_atomic_abort();
        assert(plain == 1 && atomic_load_explicit(&c, memory_order_relaxed) == 0);
        printf("%d\n", seen);
        return unused;
    }
    int expected = 7;
    assert(!atomic_compare_exchange_strong_explicit(&a, &expected, 8, memory_order_relaxed,
                                                    memory_order_relaxed));
    assert(expected == seen);
    int second = atomic_load_explicit(&b, memory_order_relaxed);
    pawl_check_atomic_end();
    assert(second <= seen && plain == 2);
    printf("%d %d\n", seen, second);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, transfer, NULL);
    atomic_store_explicit(&a, 1, memory_order_relaxed);
    atomic_store_explicit(&b, 1, memory_order_release);
    pthread_join(t, NULL);
    return 0;
}
