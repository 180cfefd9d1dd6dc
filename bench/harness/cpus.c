/* SPDX-License-Identifier: MIT */
#include "cpus.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* More CPUs than any kernel is built for: the mask is 8 KiB. */
enum { MASK_CPUS = 65536 };

/* The first CPU of the core that `cpu` belongs to; `cpu` itself where the kernel does not say. */
static int core_of(int cpu)
{
    char path[96];
    int first = cpu;

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return cpu;
    if (fscanf(file, "%d", &first) != 1)
        first = cpu;
    fclose(file);
    return first;
}

/* Stable: the CPUs that are the first of their core in `ids` move before the others. */
static int put_cores_first(int *ids, unsigned count)
{
    int *cores = malloc(count * sizeof(*cores));
    int *siblings = malloc(count * sizeof(*siblings));
    unsigned leaders = 0;
    unsigned rest = 0;

    if (cores == NULL || siblings == NULL) {
        free(cores);
        free(siblings);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < count; ++i) {
        const int core = core_of(ids[i]);
        bool seen = false;

        for (unsigned k = 0; k < leaders && !seen; ++k)
            seen = cores[k] == core;
        if (seen) {
            siblings[rest++] = ids[i];
        } else {
            cores[leaders] = core;
            ids[leaders++] = ids[i];
        }
    }
    for (unsigned k = 0; k < rest; ++k)
        ids[leaders + k] = siblings[k];
    free(cores);
    free(siblings);
    return 0;
}

int bench_cpus_open(struct bench_cpus *cpus)
{
    cpu_set_t *mask = CPU_ALLOC(MASK_CPUS);
    const size_t bytes = CPU_ALLOC_SIZE(MASK_CPUS);
    int error = 0;

    *cpus = (struct bench_cpus){0};
    if (mask == NULL)
        return -ENOMEM;
    CPU_ZERO_S(bytes, mask);
    if (sched_getaffinity(0, bytes, mask) != 0) {
        error = -errno;
        goto out;
    }
    cpus->ids = malloc((size_t)CPU_COUNT_S(bytes, mask) * sizeof(*cpus->ids));
    if (cpus->ids == NULL) {
        error = -ENOMEM;
        goto out;
    }
    for (int cpu = 0; cpu < MASK_CPUS; ++cpu) {
        if (CPU_ISSET_S((size_t)cpu, bytes, mask))
            cpus->ids[cpus->count++] = cpu;
    }
    error = put_cores_first(cpus->ids, cpus->count);
    if (error != 0)
        bench_cpus_close(cpus);
out:
    CPU_FREE(mask);
    return error;
}

void bench_cpus_close(struct bench_cpus *cpus)
{
    free(cpus->ids);
    *cpus = (struct bench_cpus){0};
}

int bench_cpus_pin(int cpu)
{
    cpu_set_t *mask = CPU_ALLOC(MASK_CPUS);
    const size_t bytes = CPU_ALLOC_SIZE(MASK_CPUS);
    int error = 0;

    if (mask == NULL)
        return -ENOMEM;
    CPU_ZERO_S(bytes, mask);
    CPU_SET_S((size_t)cpu, bytes, mask);
    if (sched_setaffinity(0, bytes, mask) != 0)
        error = -errno;
    CPU_FREE(mask);
    return error;
}
