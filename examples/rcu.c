/* SPDX-License-Identifier: MIT */
/* A table that is read without a lock and replaced as a whole. */
#include <pawl/rcu.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct table {
    int generation;
    struct pawl_retired retired;
};

static PAWL_ATOMIC(struct table *) table;

static void free_table(struct pawl_retired *retired)
{
    free(pawl_retired_of(retired, struct table, retired));
}

static void *read_tables(void *unused)
{
    long sum = 0;

    (void)unused;
    for (int i = 0; i < 1000000; i++) {
        pawl_rcu_read_lock(); /* no fence, no shared line written */
        sum += pawl_rcu_dereference(&table)->generation;
        pawl_rcu_read_unlock();
    }
    return (void *)sum;
}

static int publish(int generation)
{
    struct table *old = pawl_load_relaxed(&table); /* one writer: nobody else stores */
    struct table *fresh = malloc(sizeof *fresh);

    if (fresh == NULL)
        return -1;
    fresh->generation = generation;
    pawl_rcu_assign(&table, fresh);
    if (old != NULL)
        pawl_rcu_call(&old->retired, free_table); /* when no reader can have it */
    return 0;
}

int main(void)
{
    pthread_t readers[3];

    if (publish(0) != 0)
        return 1;
    for (int i = 0; i < 3; i++)
        pthread_create(&readers[i], NULL, read_tables, NULL);
    for (int generation = 1; generation <= 1000; generation++)
        if (publish(generation) != 0)
            return 1;
    for (int i = 0; i < 3; i++)
        pthread_join(readers[i], NULL);
    pawl_rcu_synchronize(); /* or wait oneself, and free directly */
    pawl_rcu_barrier();
    printf("generation %d, nothing left behind\n", pawl_load_relaxed(&table)->generation);
    free(pawl_load_relaxed(&table));
    return 0;
}
