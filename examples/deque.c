/* SPDX-License-Identifier: MIT */
/* Two workers, each with a deque: the first gets all the work, the second helps itself to half of it. */
#include <pawl/deque.h>

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>

enum { TASKS = 100000 };

static struct pawl_deque deques[2];
static PAWL_ATOMIC(int) left = TASKS;

static void *work(void *argument)
{
    struct pawl_deque *own = argument, *other = own == &deques[0] ? &deques[1] : &deques[0];
    uintptr_t sum = 0;
    void *task;

    while (pawl_load_relaxed(&left) > 0) {
        if (pawl_deque_pop(own, &task) != 0 && pawl_deque_steal_into(other, own, &task) != 0) {
            sched_yield(); /* a worker with a life of its own would sleep */
            continue;
        }
        sum += (uintptr_t)task;
        pawl_fetch_sub_relaxed(&left, 1);
    }
    return (void *)sum;
}

int main(void)
{
    pthread_t thread;
    void *sums[2];

    if (pawl_deque_init(&deques[0], 1024, 0) != 0 || pawl_deque_init(&deques[1], 1024, 0) != 0)
        return 1;
    for (uintptr_t i = 1; i <= TASKS; i++)
        if (pawl_deque_push(&deques[0], (void *)i) != 0)
            return 1;
    if (pthread_create(&thread, NULL, work, &deques[1]) != 0)
        return 1;
    sums[0] = work(&deques[0]);
    pthread_join(thread, &sums[1]);
    printf("%ju of %ju\n", (uintmax_t)((uintptr_t)sums[0] + (uintptr_t)sums[1]),
           (uintmax_t)TASKS * (TASKS + 1) / 2);
    pawl_deque_destroy(&deques[0]);
    pawl_deque_destroy(&deques[1]);
    return (uintptr_t)sums[0] + (uintptr_t)sums[1] != (uintptr_t)TASKS * (TASKS + 1) / 2;
}
