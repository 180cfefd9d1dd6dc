/* SPDX-License-Identifier: MIT */
/* Large tables: pages of their own, zero already, and given back. Those of more than 2 MiB take memory when they are touched. */
#ifndef PAWL_CORE_MAP_PAGES_H
#define PAWL_CORE_MAP_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#define PAWL_MAP_HUGE_PAGE_ ((size_t)2 << 20)

/* NULL if there are none. `huge`: for so many bytes, if they are 4 MiB and more, the kernel is asked to take huge pages: fewer
 * misses of address translation, and whoever touches a fresh one waits until the kernel has found and cleared it. They begin behind
 * the first `head` bytes, at most 4 KiB, which stand in a small page: who opens the table writes there, and does not wait. What
 * follows behind them, and all of it if `huge` is 0, is kept from huge pages. */
void *pawl_map_pages_open_(size_t bytes, size_t head, size_t huge);
void pawl_map_pages_close_(void *pages, size_t bytes);

/* Whether the kernel is asked for them. */
static inline bool pawl_map_pages_are_huge_(size_t huge)
{
    return huge >= 2 * PAWL_MAP_HUGE_PAGE_;
}

/* Touches them all, from the begin of one on. Returns whether the kernel could. */
bool pawl_map_pages_populate_(void *from, size_t bytes);

#endif
