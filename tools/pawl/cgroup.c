/* SPDX-License-Identifier: MIT */
/* Two generations are in use, also side by side: version 2 has one hierarchy for all controllers,
 * version 1 a hierarchy for each. A controller that is mounted as version 1 is not in version 2.
 *
 * The way to our group: /proc/self/cgroup says which group inside the hierarchy,
 * /proc/self/mountinfo where the hierarchy is mounted and which part of it the mount shows (in a
 * container often only our own part). A quota binds everything below it, so all groups from ours
 * up to the mount point count.
 */
#include "cgroup.h"

#include "readfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hierarchy {
    int version;          /* 0: not found */
    char mount[PATH_MAX]; /* where it is mounted */
    char group[PATH_MAX]; /* our group's directory: at or below `mount` */
};

/* Is `word` one of the comma-separated words of `list`? */
static bool lists(const char *list, const char *word)
{
    size_t length = strlen(word);

    while (*list) {
        size_t item = strcspn(list, ",");

        if (item == length && strncmp(list, word, length) == 0)
            return true;
        list += item;
        list += *list == ',';
    }
    return false;
}

/* mountinfo writes space, tab, newline and backslash as \ and three octal digits. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from; to++) {
        if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* Our group in the version 1 hierarchy of `controller`, or with NULL in version 2. */
static bool find_group(const char *root, const char *controller, char *group, size_t size)
{
    char path[PATH_MAX];
    char line[PATH_MAX + 256];
    bool found = false;
    FILE *file;

    if (!path_format(path, sizeof path, root, "/proc/self/cgroup") || !(file = fopen(path, "re")))
        return false;
    while (!found && fgets(line, sizeof line, file)) {
        char *rest = line;
        const char *id = strsep(&rest, ":");
        const char *controllers = strsep(&rest, ":");

        if (!rest)
            continue;
        rest[strcspn(rest, "\n")] = '\0';
        found = controller ? lists(controllers, controller) : strcmp(id, "0") == 0 && controllers[0] == '\0';
        if (found)
            found = (size_t)snprintf(group, size, "%s", rest) < size;
    }
    fclose(file);
    return found;
}

struct mount {
    char *shown; /* the part of the hierarchy that the mount shows */
    char *point;
    char *type;
    char *options; /* of the file system: lists the controllers of version 1 */
};

/* "36 35 0:31 /shown /point rw,opts shared:1 - cgroup source rw,cpu": a variable number of optional
 * fields stands before the lone dash. */
static bool parse_mount(char *line, struct mount *mount)
{
    char *dash = strstr(line, " - ");
    char *rest = line;

    if (!dash)
        return false;
    *dash = '\0';
    for (int i = 0; i < 3; i++)
        strsep(&rest, " ");
    mount->shown = strsep(&rest, " ");
    mount->point = strsep(&rest, " ");
    rest = dash + 3;
    mount->type = strsep(&rest, " ");
    strsep(&rest, " ");
    mount->options = strsep(&rest, " \n");
    if (!mount->shown || !mount->point || !mount->options)
        return false;
    unescape(mount->shown);
    unescape(mount->point);
    return true;
}

/* Our group as seen through the mount. A group outside the part that the mount shows ("/..", or
 * another branch) cannot be looked at: the mount point is the nearest we can see. */
static bool place_group(struct hierarchy *found, const char *root, const struct mount *mount,
                        const char *group)
{
    size_t shown = strcmp(mount->shown, "/") == 0 ? 0 : strlen(mount->shown);
    const char *below = group + shown;

    if (strncmp(group, mount->shown, shown) != 0 || (*below != '/' && *below != '\0') || strstr(group, "/.."))
        below = "";
    if (strcmp(below, "/") == 0)
        below = "";
    return path_format(found->mount, sizeof found->mount, root, "%s", mount->point) &&
           path_format(found->group, sizeof found->group, root, "%s%s", mount->point, below);
}

static bool find_hierarchy(struct hierarchy *found, const char *root, const char *controller, int version)
{
    char path[PATH_MAX];
    char group[PATH_MAX];
    char line[2 * PATH_MAX + 256];
    FILE *file;

    found->version = 0;
    if (!find_group(root, version == 1 ? controller : NULL, group, sizeof group))
        return false;
    if (!path_format(path, sizeof path, root, "/proc/self/mountinfo") || !(file = fopen(path, "re")))
        return false;
    while (found->version == 0 && fgets(line, sizeof line, file)) {
        struct mount mount;
        bool wanted = parse_mount(line, &mount) &&
                      (version == 1 ? strcmp(mount.type, "cgroup") == 0 && lists(mount.options, controller)
                                    : strcmp(mount.type, "cgroup2") == 0);

        if (wanted && place_group(found, root, &mount, group))
            found->version = version;
    }
    fclose(file);
    return found->version != 0;
}

static bool quota_of(const struct hierarchy *hierarchy, const char *directory, double *cpus)
{
    char path[PATH_MAX];
    char line[64];
    int64_t quota;
    int64_t period;

    if (hierarchy->version == 2) {
        if (!path_format(path, sizeof path, directory, "/cpu.max") || !read_line(path, line, sizeof line))
            return false;
        if (sscanf(line, "%" SCNd64 " %" SCNd64, &quota, &period) != 2) /* "max 100000": no quota */
            return false;
    } else {
        if (!path_format(path, sizeof path, directory, "/cpu.cfs_quota_us") || !read_number(path, &quota))
            return false;
        if (!path_format(path, sizeof path, directory, "/cpu.cfs_period_us") || !read_number(path, &period))
            return false;
    }
    if (quota <= 0 || period <= 0) /* -1: no quota */
        return false;
    *cpus = (double)quota / (double)period;
    return true;
}

static void smallest_quota(struct cgroup_cpu *cpu, const struct hierarchy *hierarchy)
{
    char directory[PATH_MAX];
    size_t top = strlen(hierarchy->mount);

    memcpy(directory, hierarchy->group, sizeof directory);
    for (;;) {
        double cpus;
        char *slash;

        if (quota_of(hierarchy, directory, &cpus) && (!cpu->limited || cpus < cpu->quota)) {
            cpu->limited = true;
            cpu->quota = cpus;
            memcpy(cpu->group, directory, sizeof cpu->group);
        }
        slash = strrchr(directory, '/');
        if (strlen(directory) <= top || !slash)
            return;
        *slash = '\0';
    }
}

/* The kernel folds the cpusets of all groups above into the effective one. */
static hwloc_bitmap_t effective_cpuset(const struct hierarchy *hierarchy)
{
    static const char *const names[] = {"/cpuset.cpus.effective", "/cpuset.effective_cpus"};
    char directory[PATH_MAX];
    char path[PATH_MAX];
    char list[4096];
    size_t top = strlen(hierarchy->mount);

    memcpy(directory, hierarchy->group, sizeof directory);
    for (;;) {
        char *slash;

        if (path_format(path, sizeof path, directory, "%s", names[hierarchy->version == 1]) &&
            read_line(path, list, sizeof list)) {
            hwloc_bitmap_t set = hwloc_bitmap_alloc();

            if (set && hwloc_bitmap_list_sscanf(set, list) == 0)
                return set;
            hwloc_bitmap_free(set);
        }
        /* Version 2 has the file only where the controller is enabled: ask the group above. */
        slash = strrchr(directory, '/');
        if (strlen(directory) <= top || !slash)
            return NULL;
        *slash = '\0';
    }
}

void cgroup_cpu_read(struct cgroup_cpu *cpu, const char *root)
{
    struct hierarchy hierarchy;

    *cpu = (struct cgroup_cpu){0};
    if (find_hierarchy(&hierarchy, root, "cpu", 1) || find_hierarchy(&hierarchy, root, NULL, 2)) {
        cpu->version = hierarchy.version;
        smallest_quota(cpu, &hierarchy);
    }
    if (find_hierarchy(&hierarchy, root, "cpuset", 1) || find_hierarchy(&hierarchy, root, NULL, 2))
        cpu->cpuset = effective_cpuset(&hierarchy);
}

void cgroup_cpu_free(struct cgroup_cpu *cpu)
{
    hwloc_bitmap_free(cpu->cpuset);
    cpu->cpuset = NULL;
}
