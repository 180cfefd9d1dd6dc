/* SPDX-License-Identifier: MIT */
/* expect: data race
 * What a compare-exchange expects is an ordinary variable: it is read, though the exchange succeeds. */
#include <pthread.h>
#include <stdatomic.h>

static atomic_int word;
static int expected;

static void *change(void *unused)
{
    expected = 0;
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, change, NULL);
#ifdef FIXED
    int own = 0;
    atomic_compare_exchange_strong(&word, &own, 1);
#else
    atomic_compare_exchange_strong(&word, &expected, 1);
#endif
    pthread_join(t, NULL);
    return 0;
}
