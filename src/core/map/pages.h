/* SPDX-License-Identifier: MIT */
/* Large tables: pages of their own, zero already, and given back. Those of more than 2 MiB take memory when they are touched. */
#ifndef PAWL_CORE_MAP_PAGES_H
#define PAWL_CORE_MAP_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* NULL if there are none. `huge`: of 4 MiB and more the kernel is asked to take huge pages: fewer misses of address
 * translation, and whoever touches a fresh one waits until the kernel has found and cleared it. */
void *pawl_map_pages_open_(size_t bytes, bool huge);
void pawl_map_pages_close_(void *pages, size_t bytes);

#endif
