/* SPDX-License-Identifier: MIT */
/* executions: 3 (what the reader sees of two stores, from the depth of three calls) */
#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int x;
static jmp_buf back;

static void dive(int depth)
{
    if (depth == 0)
        longjmp(back, 1 + atomic_load_explicit(&x, memory_order_relaxed));
    dive(depth - 1);
    assert(!"came back");
}

static void *reader(void *unused)
{
    int seen = setjmp(back);
    if (seen == 0)
        dive(3);
    printf("%d\n", seen);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, reader, NULL);
    atomic_store_explicit(&x, 1, memory_order_relaxed);
    atomic_store_explicit(&x, 2, memory_order_relaxed);
    pthread_join(t, NULL);
    return 0;
}
