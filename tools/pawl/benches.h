/* SPDX-License-Identifier: MIT */
/* Where the benchmarks are: executables named bench-NAME. */
#ifndef PAWL_TOOL_BENCHES_H
#define PAWL_TOOL_BENCHES_H

#include <stddef.h>

struct bench {
    char *path;
    const char *name; /* within path, after "bench-" */
};

struct benches {
    size_t count;
    struct bench *found; /* by name; of two with one name the first found counts */
    size_t directories;  /* that were searched, whether they exist or not */
    char *searched[3];
};

/* Look into $PAWL_BENCH_DIR alone if it is set; else into the build tree that the running executable
 * stands in, if it stands in one; else into the installed directory.
 * Returns 0; a negative errno: -ENOMEM, or why $PAWL_BENCH_DIR (then searched[0]) cannot be read. */
int benches_find(struct benches *benches);
void benches_free(struct benches *benches);

const struct bench *benches_named(const struct benches *benches, const char *name);

#endif
