/* SPDX-License-Identifier: MIT */
/* expect: not modelled
 * A handler for a signal: no signals come under the checker. Blocking them is nothing. */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

int main(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
#ifndef FIXED
    signal(SIGALRM, SIG_IGN);
#endif
    return 0;
}
