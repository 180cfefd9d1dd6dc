/* SPDX-License-Identifier: MIT */
/* The latest message: writers replace it, readers may sleep over it, and garbage stays bounded all the same. */
#include <pawl/hazard.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct message {
    struct pawl_retired retired; /* at offset 0, as pawl_hazard_open() is told */
    long number;
};

static PAWL_ATOMIC(struct message *) latest;
static PAWL_ATOMIC(long) freed;
static struct pawl_hazard *hazard;

static void free_message(struct pawl_retired *retired)
{
    free(pawl_retired_of(retired, struct message, retired));
    pawl_fetch_add_relaxed(&freed, 1L);
}

static void *sleep_over_one(void *unused)
{
    struct pawl_hazard_slot *slot = pawl_hazard_take(hazard);
    struct message *message = pawl_hazard_protect(slot, &latest);
    long number = message->number;

    (void)unused;
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    number -= message->number; /* still there, however many came after it */
    pawl_hazard_give(hazard, slot);
    return (void *)number;
}

static void post(long number)
{
    struct message *message = malloc(sizeof *message);
    struct message *old;

    if (message == NULL)
        abort();
    message->number = number;
    old = pawl_exchange_acq_rel(&latest, message); /* release: publishes; acquire: takes the old one over */
    if (old != NULL)
        pawl_hazard_retire(hazard, &old->retired, free_message);
}

int main(void)
{
    pthread_t reader;
    void *changed;

    hazard = pawl_hazard_open(offsetof(struct message, retired));
    if (hazard == NULL)
        return 1;
    post(0);
    pthread_create(&reader, NULL, sleep_over_one, NULL);
    for (long i = 1; i <= 100000; i++)
        post(i);
    printf("100000 posted, %ld freed while a reader slept\n", pawl_load_relaxed(&freed));
    pthread_join(reader, &changed);
    pawl_hazard_retire(hazard, &pawl_load_relaxed(&latest)->retired, free_message);
    pawl_hazard_close(hazard);
    return changed == NULL && pawl_load_relaxed(&freed) == 100001 ? 0 : 1;
}
