/* SPDX-License-Identifier: MIT */
/* Closure of the holders of a chunk for the model checker: the loop lends it, others keep it, read, and let go; the loop
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

static struct pawl_chunk chunk;
static int bytes, given_back;

static void give_back(struct pawl_chunk *self)
{
    (void)self;
    bytes = -1;
    given_back++;
}

static void *keep(void *argument)
{
    const struct pawl_slice slice = {.chunk = &chunk};

    (void)argument;
    assert(bytes == 1);
    if (TWICE) {
        pawl_slice_hold(&slice);
        pawl_chunk_let_go_(&chunk);
        assert(bytes == 1);
    }
    pawl_chunk_let_go_(&chunk);
    return NULL;
}

int main(void)
{
    const struct pawl_slice slice = {.chunk = &chunk};
    pthread_t threads[HOLDERS];

    pawl_chunk_init(&chunk, give_back);
    bytes = 1;
    for (int i = 0; i < HOLDERS; i++)
        pawl_slice_hold(&slice); /* by the continuation, for each */
    for (int i = 0; i < HOLDERS; i++)
        pthread_create(&threads[i], NULL, keep, NULL);
    if (pawl_chunk_alone_(&chunk))
        bytes = 2; /* the next read */
    pawl_chunk_let_go_(&chunk);
    for (int i = 0; i < HOLDERS; i++)
        pthread_join(threads[i], NULL);
    assert(given_back == 1);
    return 0;
}
