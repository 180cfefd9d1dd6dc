/* SPDX-License-Identifier: MIT */
/* expect: uninitialised read
 * A local variable that another thread fills, read when it may not have. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

struct answer {
    int value;
    atomic_int ready;
};

static void *answer(void *argument)
{
    struct answer *a = argument;
    a->value = 42;
    atomic_store_explicit(&a->ready, 1, memory_order_release);
    return NULL;
}

int main(void)
{
    struct answer a;
    pthread_t t;
#ifdef FIXED
    atomic_init(&a.ready, 0);
#endif
    pthread_create(&t, NULL, answer, &a);
    if (atomic_load_explicit(&a.ready, memory_order_acquire))
        assert(a.value == 42);
    pthread_join(t, NULL);
    return 0;
}
