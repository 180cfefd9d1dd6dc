/* SPDX-License-Identifier: MIT */
/* expect: leak
 * The loser of a race to install a block forgets its own. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Atomic(int *) slot;

static void *install(void *unused)
{
    int *mine = calloc(1, sizeof *mine), *none = NULL;
    if (!atomic_compare_exchange_strong(&slot, &none, mine)) {
#ifdef FIXED
        free(mine);
#endif
    }
    return unused;
}

int main(void)
{
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, install, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    return 0; /* what `slot` holds can still be reached: no leak */
}
