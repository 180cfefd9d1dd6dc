/* SPDX-License-Identifier: MIT */
/* `stats detail`: what is done by key prefix, up to the first ':' of a key. Off at first, and then it costs a load a
 * command; on, a lock. At most CACHE_DETAIL_MAX prefixes are told apart. */
#ifndef CACHE_DETAIL_H
#define CACHE_DETAIL_H

#include "reply.h"

#include <stdbool.h>

enum { CACHE_DETAIL_MAX = 4096 };

struct cache_detail;

/* `on` from the beginning: -D. NULL: memory is out. */
struct cache_detail *cache_detail_open(char delimiter, bool on);
void cache_detail_close(struct cache_detail *detail); /* NULL is fine */

void cache_detail_turn(struct cache_detail *detail, bool on);
bool cache_detail_is_on(const struct cache_detail *detail);
void cache_detail_clear(struct cache_detail *detail);
void cache_detail_dump(struct cache_detail *detail, struct cache_reply *reply);

#endif
