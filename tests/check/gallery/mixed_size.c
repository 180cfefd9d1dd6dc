/* SPDX-License-Identifier: MIT */
/* expect: mixed-size access
 * One half of a word is read on its own. Repair: read the word. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

static _Atomic(uint64_t) word;

static void *half(void *unused)
{
#ifdef FIXED
    (void)(uint32_t)atomic_load_explicit(&word, memory_order_relaxed);
#else
    (void)__atomic_load_n((uint32_t *)(void *)&word, __ATOMIC_RELAXED);
#endif
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, half, NULL);
    atomic_store_explicit(&word, 1, memory_order_relaxed);
    pthread_join(t, NULL);
    return 0;
}
