/* SPDX-License-Identifier: MIT */
#include "place.h"

#include <errno.h>
#include <stdlib.h>

static int by_order(const void *a, const void *b)
{
    const struct pawl_site *one = a, *other = b;

    const int keys[][2] = {{(int)one->sibling, (int)other->sibling},
                           {one->node, other->node},
                           {one->last, other->last},
                           {one->near, other->near},
                           {one->core, other->core},
                           {one->cpu, other->cpu}};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

static enum pawl_distance distance(const struct pawl_site *a, const struct pawl_site *b)
{
    if (a->cpu == b->cpu || (a->core >= 0 && a->core == b->core))
        return PAWL_SAME_CORE_;
    if (a->near >= 0 && a->near == b->near)
        return PAWL_SAME_CACHE_;
    if (a->last >= 0 && a->last == b->last)
        return PAWL_SAME_LAST_CACHE_;
    return a->node < 0 || b->node < 0 || a->node == b->node ? PAWL_SAME_NODE_ : PAWL_REMOTE_;
}

static void fill_nodes(struct pawl_place *place, const struct pawl_site *sites)
{
    place->nodes = 0;
    for (uint32_t i = 0; i < place->workers; i++) {
        uint32_t before = 0;

        while (before < i && sites[before].node != sites[i].node)
            before++;
        place->node[i] = before < i ? place->node[before] : place->nodes++;
    }
}

static void fill_victims(struct pawl_place *place, const struct pawl_site *sites, uint32_t self)
{
    uint32_t *victims = place->victims + (size_t)self * (place->workers - 1);
    uint32_t n = 0;

    for (int circle = 0; circle < PAWL_DISTANCES_; circle++) {
        for (uint32_t i = 1; i < place->workers; i++) {
            uint32_t other = (self + i) % place->workers;

            if ((int)distance(&sites[self], &sites[other]) == circle)
                victims[n++] = other;
        }
        place->rings[self * PAWL_DISTANCES_ + (uint32_t)circle] = n;
    }
}

/* The CPUs of the set in the order in which workers take them, or NULL. */
static struct pawl_site *survey(const struct pawl_cpuset *cpus, uint32_t count,
                                struct hwloc_topology *topology)
{
    struct pawl_site *sites = calloc(count, sizeof *sites);
    uint32_t n = 0;

    if (sites == NULL)
        return NULL;
    for (int cpu = pawl_cpuset_next(cpus, -1); cpu >= 0; cpu = pawl_cpuset_next(cpus, cpu))
        sites[n++] = (struct pawl_site){.cpu = cpu, .node = -1, .last = -1, .near = -1, .core = -1};
    for (uint32_t i = 0; i < count; i++)
        pawl_place_look_(&sites[i], topology);
    qsort(sites, count, sizeof *sites, by_order);
    return sites;
}

int pawl_place_init_(struct pawl_place *place, uint32_t workers, const struct pawl_cpuset *cpus,
                     struct hwloc_topology *topology)
{
    uint32_t count = pawl_cpuset_count(cpus);
    struct pawl_site *sites, *machine = survey(cpus, count, topology);

    if (workers == 0)
        workers = count;
    *place = (struct pawl_place){.workers = workers};
    place->cpu = calloc(workers, sizeof *place->cpu);
    place->node = calloc(workers, sizeof *place->node);
    place->victims = calloc((size_t)workers * workers, sizeof *place->victims);
    place->rings = calloc((size_t)workers * PAWL_DISTANCES_, sizeof *place->rings);
    sites = calloc(workers, sizeof *sites);
    if (machine == NULL || place->cpu == NULL || place->node == NULL || place->victims == NULL ||
        place->rings == NULL || sites == NULL) {
        free(machine);
        free(sites);
        pawl_place_destroy_(place);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < workers; i++) {
        sites[i] = machine[i % count];
        place->cpu[i] = sites[i].cpu;
    }
    fill_nodes(place, sites);
    for (uint32_t i = 0; i < workers; i++)
        fill_victims(place, sites, i);
    free(machine);
    free(sites);
    return 0;
}

void pawl_place_destroy_(struct pawl_place *place)
{
    free(place->cpu);
    free(place->node);
    free(place->victims);
    free(place->rings);
}
