/* SPDX-License-Identifier: MIT */
/* Closure of the per-CPU counter for the model checker: adds on two processors, beside a reader. Each thread has a
 * processor of its own; the sequences are the library's plain-C form (docs/check.md says what the checker sees).
 * -DADDS: how often each thread adds. -DREADS: how often the first thread reads beside them.
 *
 * Of the nine orders --mutate weakens all survive, and should: a slice comes zeroed from the kernel, so nothing is stored
 * in it before it is published, and what the adds and reads do with it is relaxed. That a region's own
 * contents are published is for closures of structures that initialise slices. */
#include <pawl/counter.h>

#include <assert.h>
#include <pthread.h>
#include <stddef.h>

#ifndef ADDS
#define ADDS 1
#endif
#ifndef READS
#define READS 0
#endif

static struct pawl_counter counter;

static void *add(void *unused)
{
    for (int i = 0; i < ADDS; i++)
        pawl_counter_add(&counter, 1);
    return unused;
}

int main(void)
{
    pthread_t thread[2];
    assert(pawl_counter_init(&counter) == 0);
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, add, NULL);
    for (long i = 0, before = 0; i < READS; i++) {
        long now = pawl_counter_read(&counter);
        assert(now >= before && now <= 2 * ADDS);
        before = now;
    }
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    assert(pawl_counter_read(&counter) == 2 * ADDS);
    pawl_counter_destroy(&counter);
    return 0;
}
