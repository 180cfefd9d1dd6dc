/* SPDX-License-Identifier: MIT */
/* How often each word length occurs, counted by four threads in one map that grows while they count. */
#include <pawl/u64map.h>

#include <pthread.h>
#include <stdio.h>

static struct pawl_u64map counts;

static void *count(void *unused)
{
    (void)unused;
    for (uint64_t i = 0; i < 100000; i++) {
        uint64_t length = i * i % 1000; /* of a word that somebody read */

        if (pawl_u64map_add(&counts, length, 1, NULL) < 0)
            return (void *)1;
    }
    return NULL;
}

static bool sum_up(uint64_t length, uint64_t times, void *total)
{
    (void)length;
    *(uint64_t *)total += times;
    return true;
}

int main(void)
{
    pthread_t thread[4];
    uint64_t total = 0, most = 0;

    if (pawl_u64map_init(&counts, 0) != 0)
        return 1;
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, count, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    pawl_u64map_each(&counts, sum_up, &total);
    if (pawl_u64map_get(&counts, 0, &most) != 0)
        return 1;
    printf("%zu lengths, %llu words, %llu of length 0\n", pawl_u64map_size(&counts),
           (unsigned long long)total, (unsigned long long)most);
    pawl_u64map_destroy(&counts);
    return total == 400000 ? 0 : 1;
}
