/* SPDX-License-Identifier: MIT */
/* The operators new and delete of C++, under the names that the compilers give them, in C: so the library
 * links no C++ runtime. What it needs of one when there is no memory (the handler of the program, the
 * exception) it finds in the process, where a program that uses these operators has it. */
#include "api.h"

#include "block.h"
#include "fail.h"

#include <errno.h>

PAWL_STATIC_ASSERT(sizeof(size_t) == sizeof(unsigned long), "`m` in the names");

/* std::get_new_handler() and std::__throw_bad_alloc(), of libstdc++ or libc++. */
extern void (*_ZSt15get_new_handlerv(void))(void) __attribute__((weak));
extern void _ZSt17__throw_bad_allocv(void) __attribute__((weak));

/* Until there is memory, the program's handler gives up, or there is none. */
static void *insist(size_t size, size_t alignment)
{
    for (;;) {
        void *block = pawl_block_alloc_(size, alignment, false);
        void (*handler)(void) = NULL;

        if (block != NULL)
            return block;
        if (&_ZSt15get_new_handlerv != NULL)
            handler = _ZSt15get_new_handlerv();
        if (handler == NULL)
            return NULL;
        handler(); /* may throw, and may free something */
    }
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

static inline void *new_block(size_t size)
{
    void *block = PUBLIC(malloc)(size);

    // cppcheck-suppress memleak
    return PAWL_LIKELY(block != NULL) ? block : new_failed(size, ALIGNMENT);
}

static inline void *new_aligned(size_t size, size_t alignment)
{
    void *block = pawl_block_alloc_(size, alignment, false);

    return PAWL_LIKELY(block != NULL) ? block : new_failed(size, alignment);
}

#define NEW(name, parameters, expression) \
    PAWL_API void *name parameters;       \
    void *name parameters                 \
    {                                     \
        return expression;                \
    }
#define DELETE(name, parameters)   \
    PAWL_API void name parameters; \
    void name parameters           \
    {                              \
        PUBLIC(free)(block);       \
    }
#define UNUSED __attribute__((unused))

/* new(size), new[](size), with std::nothrow, with std::align_val_t */
NEW(_Znwm, (size_t size), new_block(size))
NEW(_Znam, (size_t size), new_block(size))
NEW(_ZnwmRKSt9nothrow_t, (size_t size, const void *tag UNUSED), insist(size, ALIGNMENT))
NEW(_ZnamRKSt9nothrow_t, (size_t size, const void *tag UNUSED), insist(size, ALIGNMENT))
NEW(_ZnwmSt11align_val_t, (size_t size, size_t alignment), new_aligned(size, alignment))
NEW(_ZnamSt11align_val_t, (size_t size, size_t alignment), new_aligned(size, alignment))
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t alignment, const void *tag UNUSED),
    insist(size, alignment))
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t alignment, const void *tag UNUSED),
    insist(size, alignment))

/* delete(block), delete[](block), sized, with std::nothrow, with std::align_val_t */
DELETE(_ZdlPv, (void *block))
DELETE(_ZdaPv, (void *block))
DELETE(_ZdlPvm, (void *block, size_t size UNUSED))
DELETE(_ZdaPvm, (void *block, size_t size UNUSED))
DELETE(_ZdlPvRKSt9nothrow_t, (void *block, const void *tag UNUSED))
DELETE(_ZdaPvRKSt9nothrow_t, (void *block, const void *tag UNUSED))
DELETE(_ZdlPvSt11align_val_t, (void *block, size_t alignment UNUSED))
DELETE(_ZdaPvSt11align_val_t, (void *block, size_t alignment UNUSED))
DELETE(_ZdlPvmSt11align_val_t, (void *block, size_t size UNUSED, size_t alignment UNUSED))
DELETE(_ZdaPvmSt11align_val_t, (void *block, size_t size UNUSED, size_t alignment UNUSED))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t alignment UNUSED, const void *tag UNUSED))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t alignment UNUSED, const void *tag UNUSED))
