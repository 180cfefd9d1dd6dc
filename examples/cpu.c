/* SPDX-License-Identifier: MIT */
/* Visit every CPU this program may use, and go back to where it was. */
#include <pawl/cpu.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    struct pawl_cpuset *allowed = pawl_cpuset_open(0);
    if (!allowed)
        return perror("pawl_cpuset_open"), 1;
    int error = pawl_cpu_get_affinity(allowed);
    if (error)
        return fprintf(stderr, "affinity: %s\n", strerror(-error)), 1;

    char list[256];
    pawl_cpuset_format(allowed, list, sizeof(list));
    printf("%u of %u possible CPUs allowed: %s\n", pawl_cpu_allowed(), pawl_cpu_possible(), list);

    for (int cpu = pawl_cpuset_next(allowed, -1); cpu >= 0; cpu = pawl_cpuset_next(allowed, cpu)) {
        error = pawl_cpu_pin(cpu, NULL);
        if (error) /* went offline meanwhile, or the cgroup changed */
            return fprintf(stderr, "CPU %d: %s\n", cpu, strerror(-error)), 1;
        printf("on CPU %d, node %d, concurrency id %d\n", pawl_cpu_id(), pawl_cpu_node(), pawl_cpu_cid());
    }
    error = pawl_cpu_set_affinity(allowed);
    pawl_cpuset_close(allowed);
    return error ? 1 : 0;
}
