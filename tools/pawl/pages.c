/* SPDX-License-Identifier: MIT */
/* Page sizes: base, reserved huge pages, transparent huge pages. */
#include "kernel.h"

#include "readfile.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t number_in(const char *directory, const char *name)
{
    char path[PATH_MAX];
    int64_t number;

    return path_format(path, sizeof path, directory, "/%s", name) && read_number(path, &number) ? number : 0;
}

static int by_bytes(const void *a, const void *b)
{
    const struct huge_size *left = a;
    const struct huge_size *right = b;

    return (left->bytes > right->bytes) - (left->bytes < right->bytes);
}

static void read_huge_sizes(struct page_facts *pages, const char *root)
{
    char pools[PATH_MAX];
    const struct dirent *entry;
    DIR *directory;

    if (!path_format(pools, sizeof pools, root, "/sys/kernel/mm/hugepages") || !(directory = opendir(pools)))
        return;
    while (pages->huge_count < HUGE_SIZES_MAX && (entry = readdir(directory))) {
        struct huge_size *size = &pages->huge[pages->huge_count];
        char pool[PATH_MAX];
        uint64_t kib;

        if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &kib) != 1 ||
            !path_format(pool, sizeof pool, pools, "/%s", entry->d_name))
            continue;
        size->bytes = kib * 1024;
        size->reserved = number_in(pool, "nr_hugepages");
        size->free = number_in(pool, "free_hugepages");
        size->overcommit = number_in(pool, "nr_overcommit_hugepages");
        pages->huge_count++;
    }
    closedir(directory);
    qsort(pages->huge, pages->huge_count, sizeof pages->huge[0], by_bytes);
}

/* "always [madvise] never": the word in brackets is the one in force. */
static void read_choice(char *choice, size_t size, const char *root, const char *name)
{
    char path[PATH_MAX];
    char line[128];
    const char *open;
    size_t length;

    choice[0] = '\0';
    if (!path_format(path, sizeof path, root, "/sys/kernel/mm/transparent_hugepage/%s", name) ||
        !read_line(path, line, sizeof line))
        return;
    open = strchr(line, '[');
    length = open ? strcspn(open + 1, "]") : 0;
    if (open && length < size) {
        memcpy(choice, open + 1, length);
        choice[length] = '\0';
    }
}

void pages_read(struct page_facts *pages, const char *root)
{
    char path[PATH_MAX];
    int64_t bytes;

    *pages = (struct page_facts){.base_bytes = (uint64_t)sysconf(_SC_PAGESIZE)};
    read_huge_sizes(pages, root);
    read_choice(pages->thp, sizeof pages->thp, root, "enabled");
    read_choice(pages->thp_defrag, sizeof pages->thp_defrag, root, "defrag");
    read_choice(pages->thp_shmem, sizeof pages->thp_shmem, root, "shmem_enabled");
    if (path_format(path, sizeof path, root, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") &&
        read_number(path, &bytes) && bytes > 0)
        pages->thp_bytes = (uint64_t)bytes;
}
