/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void folder_open(struct folder *folder)
{
    snprintf(folder->path, sizeof folder->path, "/tmp/pawl-test-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
}

static void join(char full[PATH_MAX], const struct folder *folder, const char *path)
{
    int length = snprintf(full, PATH_MAX, "%s/%s", folder->path, path);

    assert_in_range(length, 1, PATH_MAX - 1);
}

void folder_write(const struct folder *folder, const char *path, const char *content)
{
    char full[PATH_MAX];
    FILE *file;

    join(full, folder, path);
    for (char *slash = full + strlen(folder->path) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(full, 0777);
    }
    file = fopen(full, "w");
    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
}

void folder_make_executable(const struct folder *folder, const char *path)
{
    char full[PATH_MAX];

    join(full, folder, path);
    assert_int_equal(chmod(full, 0755), 0);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void folder_close(const struct folder *folder)
{
    assert_int_equal(nftw(folder->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}
