/* SPDX-License-Identifier: MIT */
/* Four workers share three buffers of 64 KiB: who finds none waits. */
#include <pawl/pool.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { BUFFERS = 3, BYTES = 65536, WORKERS = 4, ROUNDS = 1000 };

static struct pawl_pool *pool;

static void *work(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        char *buffer = pawl_pool_get_wait(pool, PAWL_FOREVER);

        memset(buffer, i, 100);
        pawl_pool_put(pool, buffer);
    }
    return argument;
}

int main(void)
{
    struct pawl_pool_options options = {.object_bytes = BYTES, .count = BUFFERS, .alignment = 4096};
    pthread_t workers[WORKERS];
    size_t leaked;

    pool = pawl_pool_open(&options);
    if (pool == NULL)
        return 1;
    for (int i = 0; i < WORKERS; i++)
        if (pthread_create(&workers[i], NULL, work, NULL) != 0)
            return 1;
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    leaked = pawl_pool_close(pool, NULL, NULL);
    printf("%zu leaked\n", leaked);
    return leaked != 0;
}
