/* SPDX-License-Identifier: MIT */
/* What a command did, told to who listens: `stats detail` and the tap. Where nobody does, a test of a word that is in
 * the turn anyway. */
#ifndef CACHE_TELL_H
#define CACHE_TELL_H

#include "tap.h"
#include "turn.h"

/* The client of a connection, which is asked for once. */
const struct cache_peer *cache_tell_who(struct cache_protocol *protocol);

/* A key was asked for: what was found, or NULL. `counted`: `stats detail` knows the command. */
void cache_tell_get_(struct cache_turn *turn, const struct cache_key *key, const struct cache_item *item,
                     bool counted);
void cache_tell_touch_(struct cache_turn *turn, const struct cache_key *key, const struct cache_item *item);
void cache_tell_store_(struct cache_turn *turn, const struct cache_receiving *receiving,
                       enum cache_result result);
void cache_tell_sum_(struct cache_turn *turn, const struct cache_key *key, const struct cache_sum *sum,
                     enum cache_result result);
void cache_tell_delete_(struct cache_turn *turn, const struct cache_key *key, enum cache_result result);
void cache_tell_line_(struct cache_turn *turn, const char *line, const char *end);

static inline void cache_tell_get(struct cache_turn *turn, const struct cache_key *key,
                                  const struct cache_item *item, bool counted)
{
    if (PAWL_UNLIKELY(turn->watched != 0))
        cache_tell_get_(turn, key, item, counted);
}

static inline void cache_tell_touch(struct cache_turn *turn, const struct cache_key *key,
                                    const struct cache_item *item)
{
    if (PAWL_UNLIKELY((turn->watched & 1u << CACHE_TAP_TOUCH) != 0))
        cache_tell_touch_(turn, key, item);
}

static inline void cache_tell_store(struct cache_turn *turn, const struct cache_receiving *receiving,
                                    enum cache_result result)
{
    if (PAWL_UNLIKELY((turn->watched & 1u << CACHE_TAP_STORE) != 0))
        cache_tell_store_(turn, receiving, result);
}

/* Returns the result, to be looked at. */
static inline enum cache_result cache_tell_sum(struct cache_turn *turn, const struct cache_key *key,
                                               const struct cache_sum *sum, enum cache_result result)
{
    if (PAWL_UNLIKELY((turn->watched & 1u << CACHE_TAP_STORE) != 0))
        cache_tell_sum_(turn, key, sum, result);
    return result;
}

static inline enum cache_result cache_tell_delete(struct cache_turn *turn, const struct cache_key *key,
                                                  enum cache_result result)
{
    if (PAWL_UNLIKELY((turn->watched & 1u << CACHE_TAP_DELETE) != 0))
        cache_tell_delete_(turn, key, result);
    return result;
}

static inline void cache_tell_line(struct cache_turn *turn, const char *line, const char *end)
{
    if (PAWL_UNLIKELY((turn->watched & 1u << CACHE_TAP_LINE) != 0))
        cache_tell_line_(turn, line, end);
}

#endif
