/* SPDX-License-Identifier: MIT */
/* executions: 2 (a loop that reads one element after the other is no wait, though only the address changes)
 *
 * The address is in a register that the call preserves: a hash in which the two cancel is the same in every round. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 8 };
struct place {
    _Atomic(unsigned long) slot[SLOTS];
};
static struct place *places;

__attribute__((noinline)) static bool inside(struct place *p, unsigned n)
{
    p = &p[n];
    for (size_t i = 0; i < SLOTS; i++)
        if (atomic_load_explicit(&p->slot[i], memory_order_relaxed) != 0)
            return true;
    return false;
}

static void *enter(void *unused)
{
    atomic_store_explicit(&places[1].slot[SLOTS - 1], 1, memory_order_relaxed);
    return unused;
}

int main(void)
{
    pthread_t t;
    places = calloc(3, sizeof *places);
    pthread_create(&t, NULL, enter, NULL);
    printf("%d\n", inside(places, 1));
    pthread_join(t, NULL);
    assert(inside(places, 1));
    free(places);
    return 0;
}
