/* SPDX-License-Identifier: MIT */
/* Counters: the sums, and the variants that the benchmark compares. */
#include <pawl/counter.h>

#include "slice_words.h"

#include <errno.h>

extern inline void pawl_counter_add(struct pawl_counter *counter, long n);
extern inline void pawl_counter_atomic_add(struct pawl_counter_atomic *counter, long n);
extern inline long pawl_counter_atomic_read(const struct pawl_counter_atomic *counter);
extern inline size_t pawl_counter_shard_of_cpu(void);
extern inline size_t pawl_counter_shard_of_thread(void);
extern inline void pawl_counter_sharded_add(struct pawl_counter_sharded *counter, size_t shard, long n);

int pawl_counter_init(struct pawl_counter *counter)
{
    return pawl_slice_words_take(1, &counter->pc, &counter->at);
}

static PAWL_ATOMIC(long) * word_in(char *slice, const struct pawl_counter *counter)
{
    return (PAWL_ATOMIC(long) *)(void *)(slice + counter->at);
}

long pawl_counter_read(const struct pawl_counter *counter)
{
    unsigned long sum = 0;
    uint32_t slot;
    char *slice;

    pawl_percpu_each (counter->pc, slot, slice)
        sum += (unsigned long)pawl_load_relaxed(word_in(slice, counter)); /* relaxed: late, never wrong */
    return (long)sum;
}

void pawl_counter_destroy(struct pawl_counter *counter)
{
    pawl_slice_words_give(counter->pc, counter->at, 1);
    counter->pc = NULL;
}

size_t pawl_counter_sharded_bytes(size_t shards)
{
    bool power_of_two = shards != 0 && (shards & (shards - 1)) == 0;

    if (!power_of_two || shards > (size_t)1 << 20)
        return 0;
    return sizeof(struct pawl_counter_sharded) + shards * sizeof(struct pawl_counter_atomic);
}

struct pawl_counter_sharded *pawl_counter_sharded_init(void *memory, size_t shards)
{
    struct pawl_counter_sharded *counter = memory;

    if (pawl_counter_sharded_bytes(shards) == 0 || memory == NULL ||
        (uintptr_t)memory % PAWL_CACHELINE_PAIR != 0) {
        errno = EINVAL;
        return NULL;
    }
    counter->shards = shards;
    for (size_t i = 0; i < shards; i++)
        pawl_store_relaxed(&counter->shard[i].value, 0L); /* relaxed: nobody has the counter yet */
    return counter;
}

long pawl_counter_sharded_read(const struct pawl_counter_sharded *counter)
{
    unsigned long sum = 0;

    for (size_t i = 0; i < counter->shards; i++)
        sum += (unsigned long)pawl_counter_atomic_read(&counter->shard[i]);
    return (long)sum;
}
