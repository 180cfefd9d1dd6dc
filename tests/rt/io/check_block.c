/* SPDX-License-Identifier: MIT */
/* Closure of the holders of a block for the model checker: the loop lends it, others keep it, read, and let go; the loop
 * writes over it when it is alone, and lets go too.
 *
 *   -DHOLDERS=n   threads that keep it
 *   -DAGAIN=1     each holds it once more for itself before it lets go, as who passes a slice on
 *
 * The bytes are plain memory: that nobody writes while another reads is the checker's to see. Given back exactly once. */
#include "../../../src/rt/slice.h"

#include <assert.h>
#include <pthread.h>

#ifndef HOLDERS
#define HOLDERS 2
#endif
#ifndef TWICE
#define TWICE 0
#endif

static struct pawl_block block;
static int bytes, given_back;

static void give_back(struct pawl_block *self)
{
    (void)self;
    bytes = -1;
    given_back++;
}

static void *keep(void *argument)
{
    const struct pawl_slice slice = {.block = &block};

    (void)argument;
    assert(bytes == 1);
    if (TWICE) {
        pawl_slice_hold(&slice);
        pawl_block_let_go_(&block);
        assert(bytes == 1);
    }
    pawl_block_let_go_(&block);
    return NULL;
}

int main(void)
{
    const struct pawl_slice slice = {.block = &block};
    pthread_t threads[HOLDERS];

    pawl_block_init(&block, give_back);
    bytes = 1;
    for (int i = 0; i < HOLDERS; i++)
        pawl_slice_hold(&slice); /* by the continuation, for each */
    for (int i = 0; i < HOLDERS; i++)
        pthread_create(&threads[i], NULL, keep, NULL);
    if (pawl_block_alone_(&block))
        bytes = 2; /* the next read */
    pawl_block_let_go_(&block);
    for (int i = 0; i < HOLDERS; i++)
        pthread_join(threads[i], NULL);
    assert(given_back == 1);
    return 0;
}
