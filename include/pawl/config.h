/* SPDX-License-Identifier: MIT */
/* What every public header needs first: linkage, and the compiler's attributes under short names. */
#ifndef PAWL_CONFIG_H
#define PAWL_CONFIG_H

/* clang warns of flexible array members in C++ even where `__extension__` says that they are meant. */
#if defined(__cplusplus) && defined(__clang__)
#define PAWL_BEGIN_DECLS                                                                                 \
    _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wc99-extensions\"") extern "C" \
    {
#define PAWL_END_DECLS \
    }                  \
    _Pragma("clang diagnostic pop")
#elif defined(__cplusplus)
#define PAWL_BEGIN_DECLS extern "C" {
#define PAWL_END_DECLS }
#else
#define PAWL_BEGIN_DECLS
#define PAWL_END_DECLS
#endif

#ifdef __cplusplus
#define PAWL_STATIC_ASSERT(condition, message) static_assert(condition, message)
#else
#define PAWL_STATIC_ASSERT(condition, message) _Static_assert(condition, message)
#endif

#if !defined(__LP64__)
#error "Pawl is for 64-bit Linux: a word holds a pointer, and counters do not wrap"
#endif

/* Before a flexible array member, which C++ has as an extension only. */
#ifdef __cplusplus
#define PAWL_FLEXIBLE __extension__
#else
#define PAWL_FLEXIBLE
#endif

/* Exported from the shared library; everything else is hidden. */
#define PAWL_API __attribute__((visibility("default")))

#define PAWL_LIKELY(x) __builtin_expect(!!(x), 1)
#define PAWL_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PAWL_COLD __attribute__((cold, noinline))
#define PAWL_NONNULL __attribute__((nonnull))
#define PAWL_MUST_USE __attribute__((warn_unused_result))

/* False when the compiler knows that the object behind `pointer` is smaller. Queues have a path for elements of 8 bytes;
 * with this it is left out where an `int` is pushed, instead of being warned of. */
#define PAWL_MAY_HOLD(pointer, bytes) (__builtin_object_size((pointer), 0) >= (size_t)(bytes))

/* The inline functions of the public headers. The library instantiates each once
 * (`extern inline`), so that other languages can link them by name. C++ has `inline` for that. */
#define PAWL_INLINE inline

/* Compiled with instrumentation that does not see inline assembly: ThreadSanitizer or the model
 * checker. Such builds take plain C in place of every assembly sequence. */
#if defined(__SANITIZE_THREAD__)
#define PAWL_INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PAWL_INSTRUMENTED 1
#endif
#endif
#ifndef PAWL_INSTRUMENTED
#define PAWL_INSTRUMENTED 0
#endif

#endif
