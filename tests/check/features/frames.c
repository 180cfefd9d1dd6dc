/* SPDX-License-Identifier: MIT */
/* executions: 1 (frames come and go: what another thread uses lives, in places that were others' before) */
#include <pawl/check.h>

#include <alloca.h>
#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>

#ifdef __clang__ /* it would fill that, too */
#define ALLOCA __builtin_alloca_uninitialized
#else
#define ALLOCA alloca
#endif

static _Atomic(_Atomic int *) shared;
static sem_t used;
static jmp_buf back;

/* It stays until the other thread has used it, who learns by a relaxed load which one to use. */
static void hand_out(_Atomic int *variable)
{
    atomic_store_explicit(&shared, variable, memory_order_relaxed);
    sem_wait(&used);
}

static __attribute__((noinline)) void in_a_frame(int depth)
{
    __attribute__((uninitialized)) _Atomic int variable; /* the compiler does not fill it, plainly */
    if (depth > 0)
        in_a_frame(depth - 1);
    else
        hand_out(&variable);
}

static __attribute__((noinline)) void in_the_frame_that_grows(unsigned n)
{
    _Atomic int *variables = ALLOCA(n * sizeof *variables);
    hand_out(&variables[n / 2]);
}

static __attribute__((noinline)) void left_by_a_jump(void)
{
    __attribute__((uninitialized)) _Atomic int variable;
    hand_out(&variable);
    longjmp(back, 1);
}

static int compare(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void *user(void *unused)
{
    for (int i = 0; i < 2; i++) {
        _Atomic int *variable = atomic_load_explicit(&shared, memory_order_relaxed);
        pawl_check_assume(variable != NULL);
        atomic_store_explicit(&shared, NULL, memory_order_relaxed);
        atomic_store_explicit(variable, 1, memory_order_relaxed);
        sem_post(&used);
    }
    return unused;
}

int main(void)
{
    pthread_t t;
    int numbers[] = {3, 1, 2};
    sem_init(&used, 0, 0);
    pthread_create(&t, NULL, user, NULL);
    in_a_frame(2);
    if (!setjmp(back))
        left_by_a_jump();
    pthread_join(t, NULL);
    pthread_create(&t, NULL, user, NULL);
    in_the_frame_that_grows(9);
    qsort(numbers, 3, sizeof numbers[0], compare);
    assert(numbers[0] == 1);
    in_a_frame(0);
    pthread_join(t, NULL);
    return 0;
}
