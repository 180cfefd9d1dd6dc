/* SPDX-License-Identifier: MIT */
/* Straight-line code on the workers: fibers that sleep, call what blocks, and hand over to each other. */
#include <pawl/block.h>
#include <pawl/fiber.h>
#include <stdio.h>
#include <unistd.h>

enum { CLERKS = 100 };
#define MS UINT64_C(1000000) /* of nanoseconds */

static int64_t read_a_slow_disk(void *number)
{
    usleep(1000); /* in a thread of the pool: no worker waits for it */
    return INT64_C(10) * *(const int *)number;
}

struct order {
    int number;
    int64_t price;
};

static void clerk(void *argument)
{
    struct order *order = argument;

    pawl_sleep((uint64_t)(order->number % 5) * MS);
    while (pawl_block_await(read_a_slow_disk, &order->number, &order->price) != 0)
        pawl_sleep(MS); /* the pool's queue is full */
}

static void shop(void *argument)
{
    int64_t *total = argument;
    struct order orders[CLERKS];
    struct pawl_fiber *clerks[CLERKS];

    for (int i = 0; i < CLERKS; i++) {
        orders[i] = (struct order){.number = i};
        if (pawl_fiber_open(&clerks[i], pawl_rt_here(), clerk, &orders[i]) != 0)
            return;
    }
    for (int i = 0; i < CLERKS; i++)
        if (pawl_fiber_join(clerks[i]) == 0) /* this fiber waits, its worker does not */
            *total += orders[i].price;
}

int main(void)
{
    struct pawl_rt *rt;
    struct pawl_fiber *owner;
    int64_t total = 0;

    if (pawl_rt_open(&rt, NULL) != 0 || pawl_fiber_open(&owner, rt, shop, &total) != 0 ||
        pawl_fiber_join(owner) != 0)
        return 1;
    pawl_rt_close(rt);
    printf("%d orders: %lld\n", CLERKS, (long long)total);
    return total != 49500;
}
