/* SPDX-License-Identifier: MIT */
/* Users and their passwords, from a file of lines `user:password`, as memcached's -Y. */
#ifndef CACHE_TOKENS_H
#define CACHE_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

struct cache_tokens;

/* Returns 0, -ENOMEM, -EINVAL (a line without a colon, no line, or more than 64 KiB), or what open and read say. */
int cache_tokens_open(struct cache_tokens **out, const char *path);
void cache_tokens_close(struct cache_tokens *tokens); /* NULL is fine */

/* Takes as long for a wrong password as for the right one. False also without tokens. */
bool cache_tokens_match(const struct cache_tokens *tokens, const char *user, size_t user_bytes,
                        const char *password, size_t password_bytes);

#endif
