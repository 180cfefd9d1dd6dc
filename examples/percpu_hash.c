/* SPDX-License-Identifier: MIT */
/* Bytes by client, counted by all threads without an atomic instruction. */
#include <pawl/percpu_hash.h>

#include <pthread.h>
#include <stdio.h>

static struct pawl_percpu_hash bytes;

static void *serve(void *unused)
{
    (void)unused;
    for (uint64_t i = 0; i < 100000; i++)
        if (pawl_percpu_hash_add(&bytes, 1 + i % 5, 100) != 0) /* the client's number is the key */
            return (void *)1;
    return NULL;
}

static bool print(uint64_t client, long sum, void *total)
{
    printf("client %llu: %ld bytes\n", (unsigned long long)client, sum);
    *(long *)total += sum;
    return true;
}

int main(void)
{
    pthread_t threads[4];
    long total = 0;

    if (pawl_percpu_hash_init(&bytes, 1000) != 0)
        return 1;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, serve, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    if (pawl_percpu_hash_each(&bytes, print, &total) != 0)
        return 1;
    pawl_percpu_hash_destroy(&bytes);
    return total == 40000000 ? 0 : 1;
}
