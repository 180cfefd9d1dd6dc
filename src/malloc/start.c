/* SPDX-License-Identifier: MIT */
#include "start.h"

#include "cache.h"
#include "central.h"
#include "decay.h"
#include "fork.h"
#include "libc.h"
#include "map.h"
#include "profile.h"
#include "report.h"
#include "settings.h"
#include "size_class.h"
#include "system.h"

#include <pawl/mutex.h>

PAWL_ATOMIC(uint32_t) pawl_malloc_stage_;

static struct pawl_mutex starting;

static bool first_step(void)
{
    pawl_malloc_fill_classes_();
    if (!pawl_map_open_())
        return false;
    pawl_store_relaxed(&pawl_malloc_stage_, 1u); /* relaxed: who finds stage 1 takes the lock as well */
    return true;
}

static bool second_step(void)
{
    if (!pawl_settings_read_())
        return false;
    pawl_cache_open_();
    if (pawl_settings_.profile[0] != '\0')
        (void)pawl_profile_open_(pawl_settings_.sample_bytes);
    /* In the other modes every call takes the slow path, which knows what to do. */
    if (pawl_cache_mode_ == CACHE_CPU && !pawl_settings_.hardened && pawl_settings_.profile[0] == '\0') {
        pawl_central_set_fast_(true);
        pawl_map_open_fast_();
        pawl_store_relaxed(&pawl_map_.fast_max, FINE_MAX + 1); /* relaxed: nobody else runs yet */
    }
    pawl_store_release(&pawl_malloc_stage_, 2u); /* release: pairs with started() */
    return true;
}

bool pawl_malloc_start_(void)
{
    bool done = false;
    uint32_t stage;

    pawl_mutex_lock(&starting);
    stage = pawl_load_relaxed(&pawl_malloc_stage_); /* relaxed: changed with the lock only */
    if (stage == 0 && first_step())
        stage = 1;
    if (stage == 1)
        done = second_step();
    pawl_mutex_unlock(&starting);
    /* Now, not in the constructor: before a fork, the handlers of those who asked later run first, and may allocate,
     * as those of other libraries' constructors do. Without the lock, because libc may allocate for it. */
    if (done)
        pawl_fork_watch_();
    return stage > 0;
}

/* Early, but after libc: the environment is there, and most other constructors are still to come. */
__attribute__((constructor(101))) static void start_at_load(void)
{
    if (!started())
        return;
    pawl_libc_replace_();
    pawl_report_watch_();
    if (pawl_settings_.background)
        (void)pawl_decay_start_(); /* without the thread everything works as well */
}
