/* SPDX-License-Identifier: MIT */
/* A mailbox for one letter, whose reader sleeps until there is one, and is told when there will be no more. */
#include <pawl/handover.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static struct pawl_handover box; /* zeroed: open, of this process */
static PAWL_ATOMIC(int) letter;  /* 0: the box is empty */

static int try_put(void *text)
{
    int empty = 0;

    return pawl_cas_release(&letter, &empty, *(int *)text) ? 0 : -EAGAIN;
}

static int try_take(void *text)
{
    int closed = pawl_handover_closed(&box); /* before the look into the box */

    *(int *)text = pawl_exchange_acquire(&letter, 0);
    return *(int *)text != 0 ? 0 : closed ? -EPIPE : -EAGAIN;
}

static void *read_letters(void *sum)
{
    int text;

    while (pawl_handover_pop_wait(&box, try_take, &text, PAWL_FOREVER) == 0) {
        pawl_handover_popped(&box, 1);
        *(int *)sum += text;
    }
    return sum;
}

int main(void)
{
    pthread_t reader;
    int sum = 0;

    pthread_create(&reader, NULL, read_letters, &sum);
    for (int text = 1; text <= 100; text++) {
        if (pawl_handover_push_wait(&box, try_put, &text, PAWL_FOREVER) == 0)
            pawl_handover_pushed(&box, 1);
    }
    pawl_handover_close(&box);
    pthread_join(reader, NULL);
    printf("the letters add up to %d\n", sum);
    return sum == 5050 ? 0 : 1;
}
