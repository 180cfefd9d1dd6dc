/* SPDX-License-Identifier: MIT */
/* expect: fault
 * A pointer is used although the other thread may already have taken it away. */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

static int target;
static _Atomic(int *) pointer = &target;

static void *taker(void *unused)
{
    atomic_exchange(&pointer, NULL);
    return unused;
}

int main(void)
{
    pthread_t t;
    int sum = 0;
    pthread_create(&t, NULL, taker, NULL);
#ifdef FIXED
    const int *p = atomic_load(&pointer);
    if (p)
        sum = *p;
#else
    if (atomic_load(&pointer))
        sum = *atomic_load(&pointer);
#endif
    pthread_join(t, NULL);
    return sum;
}
