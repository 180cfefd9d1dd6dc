/* SPDX-License-Identifier: MIT */
#include "fork.h"

#include "cache.h"
#include "central.h"
#include "decay.h"
#include "hardened.h"
#include "meta.h"
#include "page_heap.h"
#include "profile.h"
#include "slab.h"
#include "span.h"

#include <pthread.h>

static void before(void)
{
    pawl_profile_lock_();
    pawl_hardened_lock_();
    pawl_slabs_lock_();
    pawl_cache_lock_();
    pawl_central_lock_();
    pawl_spans_lock_();
    pawl_pages_lock_();
    pawl_meta_lock_();
}

static void let_go(bool child)
{
    pawl_meta_unlock_(child);
    pawl_pages_unlock_(child);
    pawl_spans_unlock_(child);
    pawl_central_unlock_(child);
    pawl_cache_unlock_(child);
    pawl_slabs_unlock_(child);
    pawl_hardened_unlock_(child);
    pawl_profile_unlock_(child);
}

static void after(void)
{
    let_go(false);
}

static void after_in_child(void)
{
    let_go(true);
    pawl_decay_forget_();
}

void pawl_fork_watch_(void)
{
    pthread_atfork(before, after, after_in_child);
}
