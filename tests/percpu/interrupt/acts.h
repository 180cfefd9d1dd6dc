/* SPDX-License-Identifier: MIT */
/* What other threads do while one is stopped in a sequence. Each is run from beginning to end. */
#ifndef PAWL_TESTS_INTERRUPT_ACTS_H
#define PAWL_TESTS_INTERRUPT_ACTS_H

#include "world.h"

/* By another thread on the CPU. */
extern const struct act act_add, act_there_and_back, act_spend, act_publish, act_guard, act_redirect,
    act_words;
extern const struct act act_push, act_pop, act_pop_all, act_list_aba;
extern const struct act act_stack_push, act_stack_pop, act_stack_aba, act_stack_many;
extern const struct act act_put, act_bump, act_new_chunk;
extern const struct act act_bit_alloc, act_bit_free, act_bit_aba;
extern const struct act act_lock, act_lock_unlock;

/* From another CPU, with a fence. */
extern const struct act act_migrate, act_and_migrate, act_replace, act_take_away, act_mend_and_return,
    act_revoke;

/* From another CPU, without. */
extern const struct act act_get, act_unlock, act_on_old_cpu;

#endif
