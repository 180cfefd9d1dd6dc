/* SPDX-License-Identifier: MIT */
/* The operators new and delete of C++, under the names that the compilers give them, in C: so the library
 * links no C++ runtime. What it needs of one when there is no memory (the handler of the program, the
 * exception) it finds in the process, where a program that uses these operators has it.
 *
 * A program may replace some of them by its own. C++ says which of the others lead to those: new[] to new, the sized
 * and nothrow forms to the plain ones. So each form asks first whether the one below it is still ours.
 *
 * What a handler or the program's own operator throws must not come out of a nothrow form, and there is no catch in C. So
 * where they would be called the runtime's nothrow form is, which calls the throwing one, this here or the program's, and
 * catches. (Static programs do not have it: there it comes out.) */
#include "api.h"

#include "block.h"
#include "fail.h"
#include "fast.h"

#include <dlfcn.h>

PAWL_STATIC_ASSERT(sizeof(size_t) == sizeof(unsigned long), "`m` in the names");

/* std::get_new_handler() and std::__throw_bad_alloc(), of libstdc++ or libc++. */
extern void (*_ZSt15get_new_handlerv(void))(void) __attribute__((weak));
extern void _ZSt17__throw_bad_allocv(void) __attribute__((weak));
#pragma weak dlsym /* not there in static programs */

static void (*new_handler(void))(void)
{
    return &_ZSt15get_new_handlerv != NULL ? _ZSt15get_new_handlerv() : NULL;
}

/* Until there is memory, the program's handler gives up, or there is none. */
static void *insist(size_t size, size_t alignment)
{
    for (;;) {
        void *block = pawl_block_alloc_(size, alignment, false);
        void (*handler)(void) = NULL;

        if (block != NULL)
            return block;
        handler = new_handler();
        if (handler == NULL)
            return NULL;
        handler(); /* may throw, and may free something */
    }
}

/* The operator of the C++ runtime, behind ours; NULL: there is none. */
static void *of_runtime(const char *name)
{
    return &dlsym != NULL ? dlsym(RTLD_NEXT, name) : NULL;
}

static PAWL_COLD void *new_failed(size_t size, size_t alignment)
{
    void *block = insist(size, alignment);

    if (block != NULL)
        return block;
    if (&_ZSt17__throw_bad_allocv != NULL)
        _ZSt17__throw_bad_allocv();
    pawl_malloc_fail_("operator new: no memory, and no C++ runtime to tell", NULL);
}

static PAWL_COLD void *new_slow(size_t size)
{
    void *block = pawl_block_malloc_(size);

    // cppcheck-suppress memleak
    return PAWL_LIKELY(block != NULL) ? block : new_failed(size, ALIGNMENT);
}

static inline void *new_block(size_t size)
{
    void *block = fast_alloc(size);

    return PAWL_LIKELY(block != NULL) ? block : new_slow(size);
}

static inline void *new_aligned(size_t size, size_t alignment)
{
    void *block = pawl_block_alloc_(size, alignment, false);

    return PAWL_LIKELY(block != NULL) ? block : new_failed(size, alignment);
}

static void delete_block(void *block)
{
    fast_free(block);
}

/* Defines one, under a name of this library, and its name in C++ for it: weak, so that a program which is linked with
 * the archive may define that, too. (Not the other way around: where links optimise, the second name of what a program
 * defines is the program's.) */
#define OPERATOR(type, name, parameters)                                          \
    type pawl_own##name parameters HIDDEN;                                        \
    PAWL_API type name parameters __attribute__((weak, alias("pawl_own" #name))); \
    type pawl_own##name parameters
#define UNUSED __attribute__((unused))

/* Whether the operator of this name that the program uses is not the one here. The compiler must not know that they
 * are defined as the same. */
#define IS_REPLACED(name) (!is_same((uintptr_t)&name, (uintptr_t)&pawl_own##name))
static inline bool is_same(uintptr_t used, uintptr_t own)
{
    __asm__("" : "+r"(own));
    return PAWL_LIKELY(used == own);
}

/* ---- new(size), new[](size), with std::nothrow ---- */

OPERATOR(void *, _Znwm, (size_t size))
{
    return new_block(size);
}

OPERATOR(void *, _Znam, (size_t size))
{
    return IS_REPLACED(_Znwm) ? _Znwm(size) : new_block(size);
}

/* With the program's handler, or its own new. */
static PAWL_COLD void *nothrow_by_runtime(size_t size, const void *tag)
{
    void *(*catching)(size_t size, const void *tag);

    *(void **)&catching = of_runtime("_ZnwmRKSt9nothrow_t");
    if (catching != NULL)
        return catching(size, tag);
    return IS_REPLACED(_Znwm) ? _Znwm(size) : insist(size, ALIGNMENT);
}

static PAWL_COLD void *nothrow_slow(size_t size, const void *tag)
{
    void *block = pawl_block_malloc_(size);

    return block != NULL || new_handler() == NULL ? block : nothrow_by_runtime(size, tag);
}

OPERATOR(void *, _ZnwmRKSt9nothrow_t, (size_t size, const void *tag))
{
    void *block;

    if (IS_REPLACED(_Znwm))
        return nothrow_by_runtime(size, tag);
    block = fast_alloc(size);
    return PAWL_LIKELY(block != NULL) ? block : nothrow_slow(size, tag);
}

OPERATOR(void *, _ZnamRKSt9nothrow_t, (size_t size, const void *tag))
{
    void *(*catching)(size_t size, const void *tag);

    if (!IS_REPLACED(_Znam))
        return pawl_own_ZnwmRKSt9nothrow_t(size, tag); /* as new(size) is, not the program's nothrow one */
    *(void **)&catching = of_runtime("_ZnamRKSt9nothrow_t");
    return catching != NULL ? catching(size, tag) : _Znam(size);
}

/* ---- with std::align_val_t ---- */

OPERATOR(void *, _ZnwmSt11align_val_t, (size_t size, size_t alignment))
{
    return new_aligned(size, alignment);
}

OPERATOR(void *, _ZnamSt11align_val_t, (size_t size, size_t alignment))
{
    return IS_REPLACED(_ZnwmSt11align_val_t) ? _ZnwmSt11align_val_t(size, alignment)
                                             : new_aligned(size, alignment);
}

static PAWL_COLD void *nothrow_aligned_by_runtime(const char *name, size_t size, size_t alignment,
                                                  const void *tag)
{
    void *(*catching)(size_t size, size_t alignment, const void *tag);

    *(void **)&catching = of_runtime(name);
    if (catching != NULL)
        return catching(size, alignment, tag);
    return IS_REPLACED(_ZnwmSt11align_val_t) ? _ZnwmSt11align_val_t(size, alignment)
                                             : insist(size, alignment);
}

OPERATOR(void *, _ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t alignment, const void *tag))
{
    void *block;

    if (!IS_REPLACED(_ZnwmSt11align_val_t)) {
        block = pawl_block_alloc_(size, alignment, false);
        if (PAWL_LIKELY(block != NULL) || new_handler() == NULL)
            return block;
    }
    return nothrow_aligned_by_runtime("_ZnwmSt11align_val_tRKSt9nothrow_t", size, alignment, tag);
}

OPERATOR(void *, _ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t alignment, const void *tag))
{
    if (IS_REPLACED(_ZnamSt11align_val_t))
        return nothrow_aligned_by_runtime("_ZnamSt11align_val_tRKSt9nothrow_t", size, alignment, tag);
    return pawl_own_ZnwmSt11align_val_tRKSt9nothrow_t(size, alignment, tag);
}

/* ---- delete(block), delete[](block), sized, with std::nothrow ---- */

OPERATOR(void, _ZdlPv, (void *block))
{
    delete_block(block);
}

static inline void delete_one(void *block)
{
    if (IS_REPLACED(_ZdlPv))
        _ZdlPv(block);
    else
        delete_block(block);
}

OPERATOR(void, _ZdlPvm, (void *block, size_t size UNUSED))
{
    delete_one(block);
}

OPERATOR(void, _ZdlPvRKSt9nothrow_t, (void *block, const void *tag UNUSED))
{
    delete_one(block);
}

OPERATOR(void, _ZdaPv, (void *block))
{
    delete_one(block);
}

static inline void delete_array(void *block)
{
    if (IS_REPLACED(_ZdaPv))
        _ZdaPv(block);
    else
        delete_one(block);
}

OPERATOR(void, _ZdaPvm, (void *block, size_t size UNUSED))
{
    delete_array(block);
}

OPERATOR(void, _ZdaPvRKSt9nothrow_t, (void *block, const void *tag UNUSED))
{
    delete_array(block);
}

/* ---- with std::align_val_t ---- */

OPERATOR(void, _ZdlPvSt11align_val_t, (void *block, size_t alignment UNUSED))
{
    delete_block(block);
}

static inline void delete_one_aligned(void *block, size_t alignment)
{
    if (IS_REPLACED(_ZdlPvSt11align_val_t))
        _ZdlPvSt11align_val_t(block, alignment);
    else
        delete_block(block);
}

OPERATOR(void, _ZdlPvmSt11align_val_t, (void *block, size_t size UNUSED, size_t alignment))
{
    delete_one_aligned(block, alignment);
}

OPERATOR(void, _ZdlPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t alignment, const void *tag UNUSED))
{
    delete_one_aligned(block, alignment);
}

OPERATOR(void, _ZdaPvSt11align_val_t, (void *block, size_t alignment))
{
    delete_one_aligned(block, alignment);
}

static inline void delete_array_aligned(void *block, size_t alignment)
{
    if (IS_REPLACED(_ZdaPvSt11align_val_t))
        _ZdaPvSt11align_val_t(block, alignment);
    else
        delete_one_aligned(block, alignment);
}

OPERATOR(void, _ZdaPvmSt11align_val_t, (void *block, size_t size UNUSED, size_t alignment))
{
    delete_array_aligned(block, alignment);
}

OPERATOR(void, _ZdaPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t alignment, const void *tag UNUSED))
{
    delete_array_aligned(block, alignment);
}
