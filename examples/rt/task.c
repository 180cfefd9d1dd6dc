/* SPDX-License-Identifier: MIT */
/* Sums the squares of a range by halving it: each task spawns two smaller ones and waits for both. */
#include <pawl/rt.h>
#include <stdio.h>

struct range {
    struct pawl_task task;
    struct pawl_task_waiter waiter[2];
    struct range *half; /* two of them, once it has been halved */
    long from, to, sum;
};

static struct range pool[4096]; /* tasks bring their own memory */
static PAWL_ATOMIC(size_t) used;

static enum pawl_task_next add(struct pawl_task *task)
{
    struct range *self = pawl_task_of(task, struct range, task);

    if (self->to - self->from <= 1000) {
        for (long i = self->from; i < self->to; i++)
            self->sum += i * i;
        return PAWL_TASK_DONE;
    }
    if (self->half == NULL) {
        long middle = self->from + (self->to - self->from) / 2;

        self->half = &pool[pawl_fetch_add_relaxed(&used, (size_t)2)]; /* relaxed: only a number */
        self->half[0] = (struct range){.from = self->from, .to = middle};
        self->half[1] = (struct range){.from = middle, .to = self->to};
        for (int i = 0; i < 2; i++) {
            pawl_task_init(&self->half[i].task, add, 0);
            if (pawl_task_spawn(pawl_rt_here(), &self->half[i].task) != 0)
                return PAWL_TASK_DONE;
        }
    }
    for (int i = 0; i < 2; i++)
        if (pawl_task_await(&self->half[i].task, &self->waiter[i], task) != 0)
            return PAWL_TASK_WAIT;
    self->sum = self->half[0].sum + self->half[1].sum;
    return PAWL_TASK_DONE;
}

int main(void)
{
    struct range all = {.from = 0, .to = 1000000};
    struct pawl_rt *rt;

    if (pawl_rt_open(&rt, NULL) != 0)
        return 1;
    pawl_task_init(&all.task, add, 0);
    if (pawl_task_spawn(rt, &all.task) != 0 || pawl_task_join(&all.task) != 0)
        return 1;
    printf("the sum of the squares below a million is %ld\n", all.sum);
    return pawl_rt_close(rt) != 0 || all.sum != 333332833333500000;
}
