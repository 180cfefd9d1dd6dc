/* SPDX-License-Identifier: MIT */
/* expect: assertion failure
 * A thread ends the program in the middle of everything, with a status that is not 0. */
#include <pthread.h>
#include <stdlib.h>

static void *leave(void *unused)
{
    (void)unused;
#ifdef FIXED
    _Exit(0);
#else
    _Exit(3);
#endif
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, leave, NULL);
    pthread_join(t, NULL);
    return 0;
}
