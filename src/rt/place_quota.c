/* SPDX-License-Identifier: MIT */
/* The quota of CPU time that control groups give this process: of its own group and of all above it the least.
 *
 *     v2   /proc/self/cgroup "0::/a/b"              /sys/fs/cgroup/a/b/cpu.max "200000 100000" or "max 100000"
 *     v1   /proc/self/cgroup "4:cpu,cpuacct:/a/b"   /sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us, .../cpu.cfs_period_us
 *
 * In a container the path may be that of the host, which is not to be seen inside: then the files stand at the top. */
#include "place.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first line of a file: false if there is none. */
static bool read_line(const char *root, const char *directory, const char *path, const char *name, char *line,
                      size_t size)
{
    char full[PATH_MAX];
    FILE *file;
    bool read;

    if (snprintf(full, sizeof full, "%s%s%s/%s", root, directory, path, name) >= (int)sizeof full)
        return false;
    file = fopen(full, "re");
    if (file == NULL)
        return false;
    read = fgets(line, (int)size, file) != NULL;
    fclose(file);
    return read;
}

static uint32_t rounded_up(long long quota, long long period)
{
    long long cpus;

    if (quota <= 0 || period <= 0)
        return UINT32_MAX;
    cpus = quota / period + (quota % period != 0);
    return cpus < (long long)UINT32_MAX ? (uint32_t)cpus : UINT32_MAX;
}

static uint32_t quota_v2(const char *root, const char *path)
{
    char line[64], *end;
    long long quota;

    if (!read_line(root, "/sys/fs/cgroup", path, "cpu.max", line, sizeof line) ||
        strncmp(line, "max", 3) == 0)
        return UINT32_MAX;
    quota = strtoll(line, &end, 10);
    return rounded_up(quota, *end == ' ' ? strtoll(end, NULL, 10) : 100000);
}

static uint32_t quota_v1(const char *root, const char *path)
{
    static const char *const mounts[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct",
                                         "/sys/fs/cgroup/cpuacct,cpu"};
    char quota[64], period[64];

    for (size_t i = 0; i < sizeof mounts / sizeof mounts[0]; i++)
        if (read_line(root, mounts[i], path, "cpu.cfs_quota_us", quota, sizeof quota) &&
            read_line(root, mounts[i], path, "cpu.cfs_period_us", period, sizeof period))
            return rounded_up(strtoll(quota, NULL, 10), strtoll(period, NULL, 10)); /* -1: none */
    return UINT32_MAX;
}

/* The group and those above it. */
static uint32_t least_upwards(const char *root, char *path,
                              uint32_t (*quota)(const char *root, const char *path))
{
    uint32_t least = UINT32_MAX;

    for (;;) {
        uint32_t here = quota(root, path);
        char *slash = strrchr(path, '/');

        if (here < least)
            least = here;
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* Whether the controllers of a v1 hierarchy, "cpu,cpuacct", contain cpu. */
static bool has_cpu(const char *controllers)
{
    for (const char *at = controllers; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, "cpu", 3) == 0 && (at[3] == ',' || at[3] == '\0'))
            return true;
    }
    return false;
}

uint32_t pawl_place_quota_(const char *root)
{
    uint32_t least = UINT32_MAX;
    char full[PATH_MAX], line[PATH_MAX + 256];
    FILE *file;

    if (snprintf(full, sizeof full, "%s/proc/self/cgroup", root) >= (int)sizeof full)
        return least;
    file = fopen(full, "re");
    if (file == NULL)
        return least;
    while (fgets(line, sizeof line, file) != NULL) {
        char *controllers = strchr(line, ':'),
             *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        uint32_t here = UINT32_MAX;

        if (path == NULL)
            continue;
        *path++ = '\0';
        controllers++;
        path[strcspn(path, "\n")] = '\0';
        if (strcmp(path, "/") == 0)
            *path = '\0';
        if (*controllers == '\0')
            here = least_upwards(root, path, quota_v2);
        else if (has_cpu(controllers))
            here = least_upwards(root, path, quota_v1);
        if (here < least)
            least = here;
    }
    fclose(file);
    return least;
}
