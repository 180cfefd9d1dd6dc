/* SPDX-License-Identifier: MIT */
/* expect: misuse
 * A thread that was detached is nobody's to detach again. */
#include <pthread.h>
#include <stddef.h>

static void *nothing(void *unused)
{
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, nothing, NULL);
    pthread_detach(t);
#ifndef FIXED
    pthread_detach(t);
#endif
    return 0;
}
