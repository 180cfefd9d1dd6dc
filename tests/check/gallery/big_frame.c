/* SPDX-License-Identifier: MIT */
/* expect: fault
 * An array larger than the stack, in a thread: it must not land in the next thread's stack. */
#include <pthread.h>
#include <stddef.h>

#ifdef FIXED
enum { BYTES = 64 << 10 };
#else
enum { BYTES = 1 << 20 };
#endif

static void *large(void *unused)
{
    volatile char bytes[BYTES];
    bytes[0] = 1;
    return bytes[0] ? unused : NULL;
}

int main(void)
{
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, large, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    return 0;
}
