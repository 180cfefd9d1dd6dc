/* SPDX-License-Identifier: MIT */
/* expect: misuse
 * A thread detaches itself while another one waits for its end. */
#include <pthread.h>

static void *work(void *unused)
{
#ifndef FIXED
    pthread_detach(pthread_self());
#endif
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, work, NULL);
    pthread_join(t, NULL);
    return 0;
}
