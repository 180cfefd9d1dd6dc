/* SPDX-License-Identifier: MIT */
/* The records of pawl-cache's tap (apps/cache/tap_record.h): whose ring it is, which kinds are wanted, how they are shown. */
#ifndef PAWL_TAP_CACHE_H
#define PAWL_TAP_CACHE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All kinds but the lines of commands, which say the same again. */
#define TAP_CACHE_USUAL (UINT32_MAX & ~(UINT32_C(1) << 8))

/* "get,store,..." as bits; false: one of them is none. */
bool tap_cache_kinds(const char *list, uint32_t *kinds);

/* The ring of a pawl-cache, as a path in /proc. False: the process has none, or it may not be looked at; errno. */
bool tap_cache_find(uint64_t pid, char *path, size_t size);

/* From now on the server writes these kinds, for as long as the descriptor is open, whatever becomes of us. Returns 0 or a
 * negative errno. */
int tap_cache_want(int fd, uint32_t kinds);

/* Is it one of these, and did it take at least so long? What is no record of a cache is wanted. */
bool tap_cache_wanted(const void *data, size_t bytes, uint32_t kinds, uint64_t least_us);

/* The bytes, on one line, as they are where they are printable ASCII or UTF-8; everything else, and a backslash, so that
 * no terminal takes it for a command. Blanks too, unless `blanks`. */
void tap_print_bytes(const void *bytes, size_t count, bool blanks);

/* Behind the time, without an end. False: it is no such record. */
bool tap_cache_print(const void *data, size_t bytes);

/* What it says, into an object. False: it is no such record. */
bool tap_cache_set(json_t *object, const void *data, size_t bytes);

#endif
