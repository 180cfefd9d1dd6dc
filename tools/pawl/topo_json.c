/* SPDX-License-Identifier: MIT */
/* The machine for programs. The schema is documented in pawl-topo(1): names and meanings stay; new
 * members may join; what must change meaning raises schema_version. */
#include "json.h"
#include "machine.h"

#include <string.h>

enum { SCHEMA_VERSION = 1 };

static json_t *source_json(const struct machine *machine)
{
    static const char *const kinds[] = {
        [MACHINE_HERE] = "this-machine",
        [MACHINE_XML] = "xml",
        [MACHINE_SYNTHETIC] = "synthetic",
        [MACHINE_ENVIRONMENT] = "hwloc-environment",
    };

    return json_pack("{s:s, s:o}", "kind", kinds[machine->source], "name", json_text(machine->described_by));
}

static json_t *machine_json(const struct machine *machine)
{
    hwloc_obj_t root = hwloc_get_root_obj(machine->topology);

    return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "model", json_text(machine_model(machine, NULL)),
                     "packages", (json_int_t)machine_count(machine, HWLOC_OBJ_PACKAGE), "cores",
                     (json_int_t)machine_count(machine, HWLOC_OBJ_CORE), "cpus",
                     (json_int_t)machine_count(machine, HWLOC_OBJ_PU), "threads_per_core",
                     (json_int_t)machine_threads_per_core(machine), "nodes",
                     (json_int_t)machine_count(machine, HWLOC_OBJ_NUMANODE), "memory_bytes",
                     (json_int_t)root->total_memory);
}

/* Append to `array`; a failure empties the reference, and the whole becomes NULL. */
static void append(json_t **array, json_t *element)
{
    if (*array && json_array_append_new(*array, element) == 0)
        return;
    json_decref(*array);
    *array = NULL;
}

static json_t *packages_json(const struct machine *machine)
{
    json_t *array = json_array();
    hwloc_obj_t package = NULL;

    while ((package = hwloc_get_next_obj_by_type(machine->topology, HWLOC_OBJ_PACKAGE, package)))
        append(&array, json_pack("{s:I, s:o, s:o, s:o}", "id", (json_int_t)package->logical_index, "model",
                                 json_text(machine_model(machine, package)), "cpus",
                                 json_set(package->cpuset), "nodes", json_set(package->nodeset)));
    return array;
}

/* hwloc's rank among the kinds of core, 0 the least powerful; null on machines of one kind. */
static json_t *performance_rank(const struct machine *machine, hwloc_obj_t core)
{
    int efficiency;
    int kind;

    if (hwloc_cpukinds_get_nr(machine->topology, 0) <= 1)
        return json_null();
    kind = hwloc_cpukinds_get_by_cpuset(machine->topology, core->cpuset, 0);
    if (kind < 0 ||
        hwloc_cpukinds_get_info(machine->topology, (unsigned)kind, NULL, &efficiency, NULL, NULL, 0) < 0 ||
        efficiency < 0)
        return json_null();
    return json_integer(efficiency);
}

static json_t *ancestor_id(const struct machine *machine, hwloc_obj_t object, hwloc_obj_type_t type)
{
    hwloc_obj_t ancestor = hwloc_get_ancestor_obj_by_type(machine->topology, type, object);

    return ancestor ? json_integer(ancestor->logical_index) : json_null();
}

static json_t *cores_json(const struct machine *machine)
{
    json_t *array = json_array();
    hwloc_obj_t core = NULL;

    while ((core = hwloc_get_next_obj_by_type(machine->topology, HWLOC_OBJ_CORE, core)))
        append(&array,
               json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)core->logical_index, "package",
                         ancestor_id(machine, core, HWLOC_OBJ_PACKAGE), "die",
                         ancestor_id(machine, core, HWLOC_OBJ_DIE), "nodes", json_set(core->nodeset), "cpus",
                         json_set(core->cpuset), "performance_rank", performance_rank(machine, core)));
    return array;
}

static const char *cache_type(hwloc_obj_t cache)
{
    switch (cache->attr->cache.type) {
    case HWLOC_OBJ_CACHE_DATA:
        return "data";
    case HWLOC_OBJ_CACHE_INSTRUCTION:
        return "instruction";
    default:
        return "unified";
    }
}

static json_t *positive_or_null(int64_t number)
{
    return number > 0 ? json_integer(number) : json_null();
}

static json_t *cache_json(const struct machine *machine, hwloc_obj_t cache)
{
    return json_pack("{s:I, s:s, s:o, s:o, s:o, s:I, s:o}", "level", (json_int_t)cache->attr->cache.depth,
                     "type", cache_type(cache), "size_bytes",
                     positive_or_null((int64_t)cache->attr->cache.size), "line_bytes",
                     positive_or_null(cache->attr->cache.linesize), "ways",
                     positive_or_null(cache->attr->cache.associativity), "cores",
                     (json_int_t)machine_count_inside(machine, cache->cpuset, HWLOC_OBJ_CORE), "cpus",
                     json_set(cache->cpuset));
}

/* From the outermost level in. Data and unified caches of one level share an hwloc depth;
 * instruction caches have their own. */
static json_t *caches_json(const struct machine *machine)
{
    json_t *array = json_array();

    for (int depth = 0; depth < hwloc_topology_get_depth(machine->topology); depth++) {
        hwloc_obj_t cache = NULL;

        if (!hwloc_obj_type_is_cache(hwloc_get_depth_type(machine->topology, depth)))
            continue;
        while ((cache = hwloc_get_next_obj_by_depth(machine->topology, depth, cache)))
            append(&array, cache_json(machine, cache));
    }
    return array;
}

static json_t *node_free_json(const struct machine *machine, hwloc_obj_t node)
{
    int64_t bytes = machine->has_kernel ? node_free_bytes(node->os_index, "") : -1;

    return bytes >= 0 ? json_integer(bytes) : json_null();
}

static json_t *nodes_json(const struct machine *machine)
{
    json_t *array = json_array();
    hwloc_obj_t node = NULL;

    while ((node = hwloc_get_next_obj_by_type(machine->topology, HWLOC_OBJ_NUMANODE, node)))
        append(&array, json_pack("{s:I, s:I, s:o, s:o}", "id", (json_int_t)node->os_index, "memory_bytes",
                                 (json_int_t)node->attr->numanode.local_memory, "free_bytes",
                                 node_free_json(machine, node), "cpus", json_set(node->cpuset)));
    return array;
}

static json_t *distances_json(const struct hwloc_distances_s *distances)
{
    json_t *nodes;
    json_t *rows;

    if (!distances)
        return json_null();
    nodes = json_array();
    rows = json_array();
    for (unsigned from = 0; from < distances->nbobjs; from++) {
        json_t *row = json_array();

        append(&nodes, json_integer(distances->objs[from]->os_index));
        for (unsigned to = 0; to < distances->nbobjs; to++)
            append(&row, json_integer((json_int_t)distances->values[from * distances->nbobjs + to]));
        append(&rows, row);
    }
    return json_pack("{s:o, s:o}", "nodes", nodes, "latency", rows);
}

static json_t *cpus_json(const struct cpu_facts *cpus)
{
    const struct cgroup_cpu *cgroup = &cpus->cgroup;

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "possible", json_set(cpus->possible), "online",
                     json_set(cpus->online), "allowed", json_set(cpus->allowed), "cgroup_cpuset",
                     json_set(cgroup->cpuset), "quota",
                     cgroup->limited ? json_real(cgroup->quota) : json_null(), "quota_group",
                     json_text(cgroup->group));
}

static json_t *pages_json(const struct page_facts *pages)
{
    json_t *huge = json_array();

    for (size_t i = 0; i < pages->huge_count; i++)
        append(&huge,
               json_pack("{s:I, s:I, s:I, s:I}", "size_bytes", (json_int_t)pages->huge[i].bytes, "reserved",
                         (json_int_t)pages->huge[i].reserved, "free", (json_int_t)pages->huge[i].free,
                         "overcommit", (json_int_t)pages->huge[i].overcommit));
    return json_pack("{s:I, s:o, s:{s:o, s:o, s:o, s:o}}", "base_bytes", (json_int_t)pages->base_bytes,
                     "huge", huge, "transparent", "mode", json_text(pages->thp), "defrag",
                     json_text(pages->thp_defrag), "shared_memory", json_text(pages->thp_shmem), "size_bytes",
                     positive_or_null((int64_t)pages->thp_bytes));
}

static json_t *membarrier_json(const struct membarrier_facts *membarrier)
{
    return json_pack("{s:b, s:o, s:o}", "available", membarrier->error == 0, "error",
                     json_text(membarrier->error ? strerror(membarrier->error) : NULL), "commands",
                     json_flags(membarrier_names, membarrier->commands));
}

static json_t *io_uring_json(const struct io_uring_facts *io_uring)
{
    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "available", io_uring->error == 0, "error",
                     json_text(io_uring->error ? strerror(io_uring->error) : NULL), "advice",
                     json_text(io_uring->error ? io_uring_reason(io_uring) : NULL), "sysctl_disabled",
                     io_uring->disabled >= 0 ? json_integer(io_uring->disabled) : json_null(), "operations",
                     positive_or_null(io_uring->opcodes), "features",
                     json_flags(io_uring_feature_names, io_uring->features));
}

static json_t *available_sources(const char *text)
{
    json_t *array = json_array();

    while (*text) {
        size_t length = strcspn(text, " ");

        if (length > 0)
            append(&array, json_stringn(text, length));
        text += length + (text[length] == ' ');
    }
    return array;
}

static json_t *clock_json(const struct clock_facts *clock)
{
    return json_pack("{s:o, s:o, s:o, s:b, s:o}", "source", json_text(clock->source), "available_sources",
                     available_sources(clock->available), "counter", json_text(clock->counter), "invariant",
                     (int)clock->invariant, "declared_hz", positive_or_null((int64_t)clock->hz));
}

static json_t *kernel_json(const struct machine *machine)
{
    const struct kernel_facts *kernel = &machine->kernel;

    if (!machine->has_kernel)
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", kernel->uts.sysname, "release",
                     kernel->uts.release, "architecture", kernel->uts.machine, "cpus",
                     cpus_json(&kernel->cpus), "pages", pages_json(&kernel->pages), "rseq",
                     json_rseq(kernel->rseq), "membarrier", membarrier_json(&kernel->membarrier), "io_uring",
                     io_uring_json(&kernel->io_uring), "clock", clock_json(&kernel->clock));
}

int topo_print_json(const struct machine *machine, const struct command *command)
{
    return json_print(json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", "pawl-topo",
                                "schema_version", SCHEMA_VERSION, "source", source_json(machine), "machine",
                                machine_json(machine), "packages", packages_json(machine), "cores",
                                cores_json(machine), "caches", caches_json(machine), "nodes",
                                nodes_json(machine), "distances", distances_json(machine->distances),
                                "kernel", kernel_json(machine)),
                      command);
}
