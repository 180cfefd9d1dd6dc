/* SPDX-License-Identifier: MIT */
/* page.html, as it stands in the program. */
#ifndef CACHE_PAGE_H
#define CACHE_PAGE_H

#include <stddef.h>

extern const char cache_page[];
extern const size_t cache_page_bytes;

#endif
