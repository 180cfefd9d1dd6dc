/* SPDX-License-Identifier: MIT */
/* A consumer that sleeps when there is nothing to do, and producers that pay nothing while it is awake. */
#include <pawl/park.h>

#include <pthread.h>
#include <stdio.h>

enum { JOBS = 100000 };

static PAWL_ATOMIC(long) jobs;
static struct pawl_eventcount arrived = PAWL_EVENTCOUNT_INIT;

static bool any_job(void *unused)
{
    (void)unused;
    return pawl_load_acquire(&jobs) > 0;
}

static void *produce(void *unused)
{
    (void)unused;
    for (int i = 0; i < JOBS; i++) {
        pawl_fetch_add_release(&jobs, 1L); /* first make the condition true, ... */
        pawl_eventcount_notify(&arrived);  /* ... then say so: no system call unless somebody sleeps */
    }
    return NULL;
}

int main(void)
{
    pthread_t producer;
    long done = 0;

    if (pthread_create(&producer, NULL, produce, NULL) != 0)
        return 1;
    while (done < JOBS) {
        pawl_eventcount_await(&arrived, any_job, NULL, PAWL_FOREVER);
        done += pawl_exchange_acquire(&jobs, 0L);
    }
    pthread_join(producer, NULL);
    printf("%ld jobs\n", done);
    return 0;
}
