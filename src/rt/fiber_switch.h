/* SPDX-License-Identifier: MIT */
/* What the sanitizers want to know about a change of stacks. Nothing in other builds. */
#ifndef PAWL_RT_FIBER_SWITCH_H
#define PAWL_RT_FIBER_SWITCH_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define PAWL_FIBER_ASAN_ 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PAWL_FIBER_ASAN_ 1
#endif
#endif
#ifndef PAWL_FIBER_TSAN_ /* the model checker's builds look like ThreadSanitizer's: it says 0 */
#if defined(__SANITIZE_THREAD__)
#define PAWL_FIBER_TSAN_ 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PAWL_FIBER_TSAN_ 1
#endif
#endif
#endif
#ifndef PAWL_FIBER_TSAN_
#define PAWL_FIBER_TSAN_ 0
#endif

#ifdef PAWL_FIBER_ASAN_
#include <sanitizer/common_interface_defs.h>
#endif
#if PAWL_FIBER_TSAN_
#include <sanitizer/tsan_interface.h>
#endif

/* Before the switch: *fake is the present stack's, NULL: it is left for good. */
static inline void pawl_switch_begins_(void **fake, const void *low, size_t bytes)
{
#ifdef PAWL_FIBER_ASAN_
    __sanitizer_start_switch_fiber(fake, low, bytes);
#else
    (void)fake;
    (void)low;
    (void)bytes;
#endif
}

/* On the new stack; `low` and `bytes` tell about the old one. */
static inline void pawl_switch_ends_(void *fake, const void **low, size_t *bytes)
{
#ifdef PAWL_FIBER_ASAN_
    __sanitizer_finish_switch_fiber(fake, low, bytes);
#else
    (void)fake;
    (void)low;
    (void)bytes;
#endif
}

static inline void *pawl_switch_thread_(void)
{
#if PAWL_FIBER_TSAN_
    return __tsan_get_current_fiber();
#else
    return NULL;
#endif
}

static inline void *pawl_switch_thread_new_(void)
{
#if PAWL_FIBER_TSAN_
    return __tsan_create_fiber(0);
#else
    return NULL;
#endif
}

static inline void pawl_switch_thread_to_(void *thread)
{
#if PAWL_FIBER_TSAN_
    __tsan_switch_to_fiber(thread, 0);
#else
    (void)thread;
#endif
}

static inline void pawl_switch_thread_free_(void *thread)
{
#if PAWL_FIBER_TSAN_
    __tsan_destroy_fiber(thread);
#else
    (void)thread;
#endif
}

#endif
