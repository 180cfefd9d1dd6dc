/* SPDX-License-Identifier: MIT */
/* expect: misuse
 * Two threads wait for the end of the same one. */
#include <pthread.h>

static pthread_t worker;

static void *work(void *unused)
{
    return unused;
}

static void *wait_for_it(void *unused)
{
    pthread_join(worker, NULL);
    return unused;
}

int main(void)
{
    pthread_t other;
    pthread_create(&worker, NULL, work, NULL);
    pthread_create(&other, NULL, wait_for_it, NULL);
#ifndef FIXED
    pthread_join(worker, NULL);
#endif
    pthread_join(other, NULL);
    return 0;
}
