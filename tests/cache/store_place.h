/* SPDX-License-Identifier: MIT */
/* What the tests of the store share: a store, numbers by chance. */
#ifndef TEST_CACHE_STORE_PLACE_H
#define TEST_CACHE_STORE_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store.h"

#include <pawl/config.h>

#define MIB ((size_t)1 << 20)

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER true
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER PAWL_INSTRUMENTED
#endif

extern uint64_t seed;

static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % n);
}

static inline bool longer(void)
{
    const char *given = getenv("PAWL_TEST_LONG");

    return given != NULL && given[0] == '1';
}

struct fixture {
    struct cache_store *store;
    struct cache_session *session;
};

static inline struct fixture open_store(size_t limit, bool no_eviction)
{
    const struct cache_store_config config = {.limit = limit,
                                              .item_max = limit / 2,
                                              .no_eviction = no_eviction};
    struct fixture f;

    assert_int_equal(cache_store_open(&f.store, &config), 0);
    f.session = cache_session_open(f.store);
    assert_non_null(f.session);
    return f;
}

static inline void close_store(struct fixture f)
{
    cache_session_close(f.session);
    cache_store_close(f.store);
}

static inline struct cache_key key_of(const struct fixture *f, const char *text)
{
    struct cache_key key;

    cache_key_make(f->store, &key, text, strlen(text));
    return key;
}

/* layout.c */
void flags_stay_with_their_item(void **state);
void items_of_any_length_are_spared_whole(void **state);
void the_largest_item_is_memcacheds(void **state);

/* large.c */
void large_values_come_in_pieces(void **state);
void large_values_that_came_in_pieces_share_segments(void **state);
void a_large_value_that_is_not_stored_leaves_nothing(void **state);

/* gather.c */
void without_eviction_what_is_deleted_makes_room(void **state);
void without_eviction_what_is_overwritten_makes_room(void **state);
void without_eviction_a_large_value_can_be_replaced_again_and_again(void **state);
void without_eviction_small_values_make_room_for_a_large_one(void **state);
void without_eviction_a_flush_makes_room_at_once(void **state);
void without_eviction_what_is_being_sent_makes_room_when_it_was(void **state);
void without_eviction_what_is_there_can_be_changed_when_all_is_full(void **state);
void without_eviction_nothing_is_looked_for_twice_in_vain(void **state);
void without_eviction_several_workers_can_change_what_is_there(void **state);
void without_eviction_who_has_waited_in_vain_gets_a_spare_segment(void **state);
void without_eviction_several_workers_make_room_for_each_other(void **state);
void several_workers_at_the_limit_are_refused_nothing(void **state);
void slow_readers_do_not_let_overwriting_take_all_there_is(void **state);
void a_large_value_that_is_replaced_takes_no_more_and_more(void **state);
void overwriting_at_the_limit_evicts_nothing_that_there_is_room_for(void **state);
void clients_that_read_nothing_do_not_let_what_moves_exceed_the_limit(void **state);

/* churn.c */
void resident_memory_keeps_to_the_limit_whatever_sizes_come(void **state);
void two_hours_of_churn_keep_to_the_limit_all_the_time(void **state);
void a_table_that_the_map_gave_up_counts_until_its_readers_have_left(void **state);
void segments_of_one_huge_page_go_back_one_by_one(void **state);

#endif
