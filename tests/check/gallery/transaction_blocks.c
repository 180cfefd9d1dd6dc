/* SPDX-License-Identifier: MIT */
/* expect: misuse
 * Taking a mutex inside a transaction: the processor would give up at the system call. */
#include <pawl/check.h>
#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

int main(void)
{
#ifdef FIXED
    pthread_mutex_lock(&mutex);
    pawl_check_atomic_begin();
#else
    pawl_check_atomic_begin();
    pthread_mutex_lock(&mutex);
#endif
    pawl_check_atomic_end();
    pthread_mutex_unlock(&mutex);
    return 0;
}
