/* SPDX-License-Identifier: MIT */
/* A table that everybody reads and hardly anybody changes, and a total under the mutex. */
#include <pawl/lock.h>

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, LOOKUPS = 200000 };

static struct pawl_rwlock table_lock = PAWL_RWLOCK_INIT;
static int price[2] = {10, 20};

static struct pawl_mutex total_lock = PAWL_MUTEX_INIT;
static long total;

static void *look_up(void *unused)
{
    long sum = 0;

    (void)unused;
    for (int i = 0; i < LOOKUPS; i++) {
        pawl_rwlock_rdlock(&table_lock); /* no atomic instruction while nobody writes */
        sum += price[1] - price[0];
        pawl_rwlock_rdunlock(&table_lock);
    }
    pawl_mutex_lock(&total_lock);
    total += sum;
    pawl_mutex_unlock(&total_lock);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, look_up, NULL) != 0)
            return 1;
    for (int i = 0; i < 100; i++) {
        pawl_rwlock_wrlock(&table_lock);
        price[0]++; /* nobody sees one changed and the other not */
        price[1]++;
        pawl_rwlock_wrunlock(&table_lock);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pawl_rwlock_destroy(&table_lock);
    printf("%ld\n", total);
    return total == 10L * THREADS * LOOKUPS ? 0 : 1;
}
