/* SPDX-License-Identifier: MIT */
/* executions: any
 * 128-bit compare-exchange, 8- and 16-bit atomics side by side, unaligned and copied plain data. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static unsigned __int128 pair;
static struct {
    _Atomic(uint8_t) a, b;
    _Atomic(uint16_t) c;
} small;
static struct __attribute__((packed)) {
    char pad;
    uint64_t value;
} packed, copied;
static atomic_int ready;

static void *add(void *step)
{
    unsigned __int128 old = __atomic_load_n(&pair, __ATOMIC_RELAXED), new;
    do
        new = old + ((unsigned __int128)(uintptr_t)step << 64) + 1;
    while (!__atomic_compare_exchange_n(&pair, &old, new, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    atomic_fetch_add_explicit((uintptr_t)step == 1 ? &small.a : &small.b, 255, memory_order_relaxed);
    atomic_fetch_xor_explicit(&small.c, 0x101, memory_order_relaxed);
    return NULL;
}

static void *writer(void *unused)
{
    packed.value = 0x1122334455667788;
    memcpy(&copied, &packed, sizeof packed);
    atomic_store_explicit(&ready, 1, memory_order_release);
    return unused;
}

int main(void)
{
    pthread_t t[3];
    pthread_create(&t[0], NULL, add, (void *)1);
    pthread_create(&t[1], NULL, add, (void *)2);
    pthread_create(&t[2], NULL, writer, NULL);
    if (atomic_load_explicit(&ready, memory_order_acquire))
        assert(copied.value == 0x1122334455667788);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    assert((uint64_t)(pair >> 64) == 3 && (uint64_t)pair == 2);
    assert(small.a == 255 && small.b == 255 && small.c == 0);
    printf("done\n");
    return 0;
}
