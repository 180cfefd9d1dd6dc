/* SPDX-License-Identifier: MIT */
/* CPUs and memory as the kernel grants them; the other facts have files of their own. */
#include "kernel.h"

#include "readfile.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hwloc_bitmap_t read_list(const char *root, const char *name)
{
    char path[PATH_MAX];
    char list[4096];
    hwloc_bitmap_t set;

    if (!path_format(path, sizeof path, root, "%s", name) || !read_line(path, list, sizeof list))
        return NULL;
    set = hwloc_bitmap_alloc();
    if (set && hwloc_bitmap_list_sscanf(set, list) == 0)
        return set;
    hwloc_bitmap_free(set);
    return NULL;
}

/* The kernel refuses with EINVAL a set smaller than its own, and does not say how large that is. */
static int read_affinity(hwloc_bitmap_t allowed)
{
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        size_t bytes = CPU_ALLOC_SIZE((size_t)cpus);
        int result;

        if (!set)
            return -ENOMEM;
        result = sched_getaffinity(0, bytes, set) == 0 ? 0 : -errno;
        for (int cpu = 0; result == 0 && cpu < cpus; cpu++)
            if (CPU_ISSET_S((size_t)cpu, bytes, set) && hwloc_bitmap_set(allowed, (unsigned)cpu) < 0)
                result = -ENOMEM;
        CPU_FREE(set);
        if (result != -EINVAL)
            return result;
    }
    return -EINVAL;
}

static int cpus_read(struct cpu_facts *cpus, const char *root)
{
    int result;

    cpus->possible = read_list(root, "/sys/devices/system/cpu/possible");
    cpus->online = read_list(root, "/sys/devices/system/cpu/online");
    cgroup_cpu_read(&cpus->cgroup, root);
    cpus->allowed = hwloc_bitmap_alloc();
    result = cpus->allowed ? read_affinity(cpus->allowed) : -ENOMEM;
    return result;
}

int64_t node_free_bytes(unsigned node, const char *root)
{
    char path[PATH_MAX];
    char line[256];
    int64_t kib = -1;
    FILE *file;

    if (!path_format(path, sizeof path, root, "/sys/devices/system/node/node%u/meminfo", node))
        return -1;
    file = fopen(path, "re");
    if (!file)
        return -1;
    while (kib < 0 && fgets(line, sizeof line, file))
        if (sscanf(line, "Node %*u MemFree: %" SCNd64 " kB", &kib) != 1)
            kib = -1;
    fclose(file);
    return kib < 0 ? -1 : kib * 1024;
}

int kernel_read(struct kernel_facts *facts, const char *root)
{
    int result;

    *facts = (struct kernel_facts){0};
    uname(&facts->uts); /* fails only for a bad pointer */
    result = cpus_read(&facts->cpus, root);
    if (result < 0) {
        kernel_free(facts);
        return result;
    }
    pages_read(&facts->pages, root);
    facts->rseq = pawl_rseq_get_info();
    membarrier_read(&facts->membarrier);
    io_uring_read(&facts->io_uring, root);
    clock_read(&facts->clock, root);
    return 0;
}

void kernel_free(struct kernel_facts *facts)
{
    hwloc_bitmap_free(facts->cpus.possible);
    hwloc_bitmap_free(facts->cpus.online);
    hwloc_bitmap_free(facts->cpus.allowed);
    cgroup_cpu_free(&facts->cpus.cgroup);
    *facts = (struct kernel_facts){0};
}
