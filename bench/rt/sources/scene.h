/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SOURCES_SCENE_H
#define BENCH_SOURCES_SCENE_H

#include "sources_peers.h"

/* A file, a folder, a pipe of this process's own; ends it if they are not to be had. */
void scene_open(struct source_scene *scene);
void scene_close(struct source_scene *scene);

#endif
