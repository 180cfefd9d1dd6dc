/* SPDX-License-Identifier: MIT */
#include "benches.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 8 }; /* of folders below a searched directory: stops at loops of links */

static const char prefix[] = "bench-";

static int add(struct benches *benches, const char *path)
{
    const char *file = strrchr(path, '/') + 1;
    struct bench *grown;
    char *copy;

    if (benches_named(benches, file + sizeof prefix - 1))
        return 0;
    grown = realloc(benches->found, (benches->count + 1) * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    benches->found = grown;
    copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    grown[benches->count].path = copy;
    grown[benches->count].name = copy + (file - path) + sizeof prefix - 1;
    benches->count++;
    return 0;
}

static bool is_bench(const char *name, const char *path, const struct stat *status)
{
    return strncmp(name, prefix, sizeof prefix - 1) == 0 && name[sizeof prefix - 1] != '\0' &&
           S_ISREG(status->st_mode) && access(path, X_OK) == 0;
}

/* Meson keeps an executable's objects in NAME.p beside it. */
static bool holds_objects(const char *name)
{
    size_t length = strlen(name);

    return length > 2 && strcmp(name + length - 2, ".p") == 0;
}

static int search(struct benches *benches, const char *folder, int depth)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    int result = 0;

    if (!directory)
        return -errno;
    while (result == 0 && (entry = readdir(directory))) {
        char path[PATH_MAX];
        struct stat status;

        if (entry->d_name[0] == '.' || holds_objects(entry->d_name))
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= sizeof path ||
            stat(path, &status) != 0)
            continue;
        if (is_bench(entry->d_name, path, &status))
            result = add(benches, path);
        else if (S_ISDIR(status.st_mode) && depth < DEPTH_MAX && search(benches, path, depth + 1) == -ENOMEM)
            result = -ENOMEM; /* a folder that may not be read has nothing for us: go on */
    }
    closedir(directory);
    return result;
}

static int search_top(struct benches *benches, const char *folder)
{
    char *copy = strdup(folder);

    if (!copy)
        return -ENOMEM;
    benches->searched[benches->directories++] = copy;
    return search(benches, folder, 0);
}

/* The directory of the running executable; "" where /proc is not mounted. */
static void own_directory(char *directory, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", directory, size - 1);
    char *slash;

    directory[length > 0 ? length : 0] = '\0';
    slash = strrchr(directory, '/');
    if (slash)
        *slash = '\0';
}

static bool beside(char *path, size_t size, const char *directory, const char *relative)
{
    char joined[PATH_MAX];
    char resolved[PATH_MAX];

    if (directory[0] == '\0' ||
        (size_t)snprintf(joined, sizeof joined, "%s/%s", directory, relative) >= sizeof joined)
        return false;
    return realpath(joined, resolved) && (size_t)snprintf(path, size, "%s", resolved) < size;
}

static int search_defaults(struct benches *benches)
{
    char directory[PATH_MAX];
    char path[PATH_MAX];
    int result = 0;

    own_directory(directory, sizeof directory);
    /* Only a build directory of Meson has meson-info: /usr/bin/../../bench is none of ours. */
    if (beside(path, sizeof path, directory, "../../meson-info") &&
        beside(path, sizeof path, directory, "../../bench"))
        result = search_top(benches, path);
    /* An installed tree may have been moved, or staged by DESTDIR: go by our own place first. */
    else if (beside(path, sizeof path, directory, PAWL_BENCH_FROM_BIN))
        result = search_top(benches, path);
    else
        result = search_top(benches, PAWL_BENCH_INSTALLED);
    return result == -ENOMEM ? result : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct bench *)a)->name, ((const struct bench *)b)->name);
}

int benches_find(struct benches *benches)
{
    const char *chosen = getenv("PAWL_BENCH_DIR");
    int result;

    *benches = (struct benches){0};
    result = chosen && chosen[0] ? search_top(benches, chosen) : search_defaults(benches);
    if (benches->count > 1)
        qsort(benches->found, benches->count, sizeof benches->found[0], by_name);
    return result;
}

void benches_free(struct benches *benches)
{
    for (size_t i = 0; i < benches->count; i++)
        free(benches->found[i].path);
    for (size_t i = 0; i < benches->directories; i++)
        free(benches->searched[i]);
    free(benches->found);
    *benches = (struct benches){0};
}

const struct bench *benches_named(const struct benches *benches, const char *name)
{
    for (size_t i = 0; i < benches->count; i++)
        if (strcmp(benches->found[i].name, name) == 0)
            return &benches->found[i];
    return NULL;
}
