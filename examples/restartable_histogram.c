/* SPDX-License-Identifier: MIT */
/* A histogram a CPU: which power of two a value is below. Counting is one load and one store. */
#include <pawl/restartable.h>

#include <pthread.h>
#include <stdio.h>

enum { BUCKETS = 65, THREADS = 4, VALUES = 1000000 };

struct histogram {
    PAWL_ATOMIC(long) count[BUCKETS]; /* [k]: values of k binary digits */
};

PAWL_RESTARTABLE(long, histogram_record, (struct pawl_percpu * pc, unsigned long value), (pc, value))
{
    struct histogram *histogram = PAWL_RS_BEGIN(pc, struct histogram);
    unsigned int k = value != 0 ? 64 - (unsigned int)__builtin_clzl(value) : 0;

    PAWL_RS_COMMIT(histogram->count[k], PAWL_RS_LOAD(histogram->count[k]) + 1);
    return 0;
}

static void *record(void *pc)
{
    for (unsigned long i = 0; i < VALUES; i++)
        histogram_record(pc, i);
    return NULL;
}

int main(void)
{
    struct pawl_percpu *pc = pawl_percpu_open(sizeof(struct histogram), PAWL_PERCPU_BY_ANY);
    pthread_t threads[THREADS];
    long sum = 0;

    if (pc == NULL)
        return 1;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, record, pc) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int k = 0; k < BUCKETS; k++) {
        struct histogram *slice;
        uint32_t slot;
        long count = 0;

        pawl_percpu_each (pc, slot, slice)
            count += pawl_load_relaxed(&slice->count[k]); /* relaxed: a sum of words that grow */
        if (count != 0)
            printf("< 2^%-2d %8ld\n", k, count);
        sum += count;
    }
    pawl_percpu_close(pc);
    return sum == (long)THREADS * VALUES ? 0 : 1;
}
