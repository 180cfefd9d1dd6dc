/* SPDX-License-Identifier: MIT */
/* executions: any
 * Two readers see both writes of the writer or none. */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>

static pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
static int a, b, seen[2];

static void *read_both(void *number)
{
    pthread_rwlock_rdlock(&l);
    assert(a == b);
    seen[(long)number] = a;
    pthread_rwlock_unlock(&l);
    return NULL;
}

int main(void)
{
    pthread_t t[2];
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, read_both, (void *)i);
    pthread_rwlock_wrlock(&l);
    a = b = 1;
    pthread_rwlock_unlock(&l);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    printf("%d %d\n", seen[0], seen[1]);
    return 0;
}
