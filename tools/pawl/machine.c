/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include "pawl.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* hwloc answers a missing file, a directory and a broken file alike. */
static int check_file(const char *path, const struct command *command)
{
    struct stat status;

    if (access(path, R_OK) != 0 || stat(path, &status) != 0)
        return command_failed(command, "cannot read %s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return command_failed(command, "cannot read %s: it is a directory; name the XML file in it", path);
    return STATUS_OK;
}

static int bad_xml(const char *path, const struct command *command)
{
    return command_failed(command,
                          "%s is not a topology that hwloc understands; write one on that machine with "
                          "'lstopo %s'",
                          path, "machine.xml");
}

static int choose_source(struct machine *machine, const struct command *command)
{
    int status;

    switch (machine->source) {
    case MACHINE_XML:
        status = check_file(machine->described_by, command);
        if (status != STATUS_OK)
            return status;
        if (hwloc_topology_set_xml(machine->topology, machine->described_by) < 0)
            return bad_xml(machine->described_by, command);
        return STATUS_OK;
    case MACHINE_SYNTHETIC:
        if (hwloc_topology_set_synthetic(machine->topology, machine->described_by) < 0)
            return command_misused(command,
                                   "'%s' does not describe a machine; levels go from the outside in and end "
                                   "with pu, for example 'pack:2 l3:1 core:8 pu:2'",
                                   machine->described_by);
        return STATUS_OK;
    default:
        return STATUS_OK;
    }
}

static void find_distances(struct machine *machine)
{
    unsigned wanted = 1;

    if (hwloc_distances_get_by_type(machine->topology, HWLOC_OBJ_NUMANODE, &wanted, &machine->distances,
                                    HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) < 0 ||
        wanted == 0)
        machine->distances = NULL;
}

static int load(struct machine *machine, const struct command *command)
{
    int status = choose_source(machine, command);

    if (status != STATUS_OK)
        return status;
    /* CPUs that a cpuset takes from us are part of the machine: shown, and marked. Instruction caches
     * are left out by default. */
    if (hwloc_topology_set_flags(machine->topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) < 0 ||
        hwloc_topology_set_icache_types_filter(machine->topology, HWLOC_TYPE_FILTER_KEEP_ALL) < 0)
        return command_failed(command, "hwloc refused its settings: %s", strerror(errno));
    errno = 0;
    if (hwloc_topology_load(machine->topology) < 0) {
        if (machine->source == MACHINE_XML)
            return bad_xml(machine->described_by, command);
        return command_failed(command, "hwloc could not read the machine: %s; are /proc and /sys mounted?",
                              strerror(errno ? errno : EIO));
    }
    if (machine->source == MACHINE_HERE && !hwloc_topology_is_thissystem(machine->topology))
        machine->source = MACHINE_ENVIRONMENT;
    find_distances(machine);
    if (machine->source == MACHINE_HERE) {
        int result = kernel_read(&machine->kernel, "");

        if (result < 0)
            return command_failed(command, "could not ask the kernel: %s", strerror(-result));
        machine->has_kernel = true;
    }
    return STATUS_OK;
}

int machine_open(struct machine *machine, enum machine_source source, const char *described_by,
                 const struct command *command)
{
    int status;

    *machine = (struct machine){.source = source, .described_by = described_by};
    if (hwloc_topology_init(&machine->topology) < 0)
        return command_failed(command, "out of memory");
    status = load(machine, command);
    if (status != STATUS_OK)
        machine_close(machine);
    return status;
}

void machine_close(struct machine *machine)
{
    if (machine->distances)
        hwloc_distances_release(machine->topology, machine->distances);
    hwloc_topology_destroy(machine->topology);
    if (machine->has_kernel)
        kernel_free(&machine->kernel);
}

unsigned machine_count(const struct machine *machine, hwloc_obj_type_t type)
{
    int count = hwloc_get_nbobjs_by_type(machine->topology, type);

    return count > 0 ? (unsigned)count : 0;
}

unsigned machine_count_inside(const struct machine *machine, hwloc_const_bitmap_t set, hwloc_obj_type_t type)
{
    int count = hwloc_get_nbobjs_inside_cpuset_by_type(machine->topology, set, type);

    return count > 0 ? (unsigned)count : 0;
}

unsigned machine_threads_per_core(const struct machine *machine)
{
    unsigned most = 1;
    hwloc_obj_t core = NULL;

    while ((core = hwloc_get_next_obj_by_type(machine->topology, HWLOC_OBJ_CORE, core))) {
        int threads = hwloc_bitmap_weight(core->cpuset);

        if (threads > 0 && (unsigned)threads > most)
            most = (unsigned)threads;
    }
    return most;
}

const char *machine_model(const struct machine *machine, hwloc_obj_t object)
{
    const char *model;

    if (object)
        return hwloc_obj_get_info_by_name(object, "CPUModel");
    model = hwloc_obj_get_info_by_name(hwloc_get_root_obj(machine->topology), "CPUModel");
    if (!model && (object = hwloc_get_obj_by_type(machine->topology, HWLOC_OBJ_PACKAGE, 0)))
        model = hwloc_obj_get_info_by_name(object, "CPUModel");
    return model;
}
