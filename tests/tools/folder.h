/* SPDX-License-Identifier: MIT */
/* Temporary folders with small files: a replaced /proc and /sys, a directory of benchmarks. */
#ifndef PAWL_TESTS_TOOLS_FOLDER_H
#define PAWL_TESTS_TOOLS_FOLDER_H

struct folder {
    char path[64];
};

void folder_open(struct folder *folder);

/* Write `content` to `path` below the folder, with the folders on the way. */
void folder_write(const struct folder *folder, const char *path, const char *content);
void folder_make_executable(const struct folder *folder, const char *path);

/* Remove the folder with everything in it. */
void folder_close(const struct folder *folder);

#endif
