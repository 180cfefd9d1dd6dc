/* SPDX-License-Identifier: MIT */
/* executions: 2 (transactions that touch two locations: whoever comes second has seen all of the first, also where the
 * exploration lets it read from one that has written only the first of the two) */
#include <assert.h>
#include <pawl/check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int first, second;
static int plain;

static void *add(void *unused)
{
    pawl_check_atomic_begin();
    int seen = atomic_load_explicit(&first, memory_order_relaxed);
    plain++;
    atomic_store_explicit(&first, seen + 1, memory_order_relaxed);
    int also = atomic_load_explicit(&second, memory_order_relaxed);
    assert(seen == also);
    atomic_store_explicit(&second, also + 1, memory_order_relaxed);
    pawl_check_atomic_end();
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, add, NULL);
    pawl_check_atomic_begin();
    int seen = atomic_load_explicit(&second, memory_order_relaxed);
    assert(seen == atomic_load_explicit(&first, memory_order_relaxed));
    plain += 2;
    pawl_check_atomic_end();
    printf("%d\n", seen);
    pthread_join(t, NULL);
    assert(plain == 3);
    return 0;
}
