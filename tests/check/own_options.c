/* SPDX-License-Identifier: MIT */
/* Options in the program itself: store buffering under the model that it asks for, 3 executions instead of
 * 4. */
#include <pawl/check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

PAWL_CHECK_OPTIONS("--model=sc --json")

static atomic_int x, y;

static void *first(void *unused)
{
    atomic_store_explicit(&x, 1, memory_order_relaxed);
    (void)atomic_load_explicit(&y, memory_order_relaxed);
    return unused;
}

static void *second(void *unused)
{
    atomic_store_explicit(&y, 1, memory_order_relaxed);
    (void)atomic_load_explicit(&x, memory_order_relaxed);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t t[2];
    pthread_create(&t[0], NULL, first, NULL);
    pthread_create(&t[1], NULL, second, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    /* Words behind -- arrive; the checker's own do not. */
    return argc == 2 && argv[1][0] != 'a';
}
