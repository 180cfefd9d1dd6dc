/* SPDX-License-Identifier: MIT */
/* Numbers in text, as memcached reads them by strtoull, strtoul and strtol: blanks before, a sign, digits, then the end
 * or a blank. What is too large for 64 bits is wrong; 32 are cut off from what is not. */
#ifndef CACHE_NUMBER_H
#define CACHE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool cache_number_read(const char *text, size_t count, uint64_t *number);
bool cache_number_read_u32(const char *text, size_t count, uint32_t *number);
bool cache_number_read_i32(const char *text, size_t count, int32_t *number);

#endif
