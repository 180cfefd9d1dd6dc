/* SPDX-License-Identifier: MIT */
/* Stacks, parked threads and the switch between them. */
#include "fiber.h"
#include "arch.h"
#include "graph.h"
#include "run.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

enum { GUARD = 64 << 10, THREAD_AREA = 256 << 10 };
static const uintptr_t STACKS = UINT64_C(0x1f0000000000);
static const unsigned long HWCAP2_FSGSBASE_BIT = 1ul << 1; /* x86-64 */

void pawl_check_switch(void **save_sp, void *to_sp, uintptr_t thread_pointer, long fsgsbase);

static struct fiber fibers[MAX_THREADS];
static int nfibers;
static struct fiber engine;
static long have_fsgsbase;
static pthread_mutex_t parking = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t parked = PTHREAD_COND_INITIALIZER;

struct fiber *fiber_of(int tid)
{
    return &fibers[tid];
}

static void *park(void *argument)
{
    struct fiber *f = argument;
    pthread_mutex_lock(&parking);
    __atomic_store_n(&f->thread_pointer, arch_thread_pointer(), __ATOMIC_RELEASE);
    pthread_cond_broadcast(&parked);
    pthread_mutex_unlock(&parking);
    for (;;)
        pause();
    return NULL;
}

static char *reserve(uintptr_t at, size_t bytes)
{
    void *p = mmap((void *)at, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (p == MAP_FAILED || (uintptr_t)p != at)
        fatal("cannot reserve %zu KiB of address space at %#lx for a stack: %s", bytes >> 10,
              (unsigned long)at, strerror(errno));
    return p;
}

static void park_thread(struct fiber *f, uintptr_t at)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, reserve(at, THREAD_AREA), THREAD_AREA);
    int error = pthread_create(&f->handle, &attr, park, f);
    if (error)
        fatal("cannot create a thread to borrow its thread pointer: %s", strerror(error));
    pthread_attr_destroy(&attr);
    pthread_mutex_lock(&parking);
    while (!f->thread_pointer)
        pthread_cond_wait(&parked, &parking);
    pthread_mutex_unlock(&parking);
}

void fiber_setup(int n)
{
    size_t stack = options.stack_bytes;
    have_fsgsbase = (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT) != 0;
    engine.thread_pointer = arch_thread_pointer();
    nfibers = n;
    for (int t = 0; t < n; t++) {
        uintptr_t at = STACKS + (uintptr_t)t * (stack + GUARD + THREAD_AREA);
        char *low = reserve(at, GUARD + stack);
        if (mprotect(low, GUARD, PROT_NONE))
            fatal("cannot protect the end of a stack: %s", strerror(errno));
        fibers[t].stack = low + GUARD;
        fibers[t].stack_end = fibers[t].lowest = low + GUARD + stack;
        park_thread(&fibers[t], at + GUARD + stack);
    }
}

int fiber_at(uintptr_t address)
{
    uintptr_t each = options.stack_bytes + GUARD + THREAD_AREA;
    if (address < STACKS || address >= STACKS + each * (uintptr_t)nfibers)
        return -1;
    return (int)((address - STACKS) / each);
}

bool fiber_on_stack(uintptr_t address)
{
    int tid = fiber_at(address);
    return tid >= 0 && address >= (uintptr_t)fibers[tid].stack && address < (uintptr_t)fibers[tid].stack_end;
}

int fiber_overflowed(uintptr_t address)
{
    for (int t = 0; t < nfibers; t++)
        if (address < (uintptr_t)fibers[t].stack && address >= (uintptr_t)fibers[t].stack - GUARD)
            return t;
    return -1;
}

static void returned(void)
{
    fatal("a thread ran off the end of its stack");
}

/* AddressSanitizer, when the checker itself is built with it, must not take frames for live that an execution
 * left without returning. */
static void forget_frames(const struct fiber *f)
{
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(f->stack, (size_t)(f->stack_end - f->stack));
#else
    (void)f;
#endif
}

void fiber_prepare(int tid, void (*entry)(void))
{
    struct fiber *f = &fibers[tid];
    forget_frames(f);
    memset(f->lowest, 0, (size_t)(f->stack_end - f->lowest));
    f->sp = arch_first_frame((uintptr_t *)(void *)f->stack_end, entry, returned);
}

void fiber_note_depth(int tid)
{
    enum { BELOW = 2048 }; /* frames that this function's caller calls */
    struct fiber *f = &fibers[tid];
    char *here = (char *)__builtin_frame_address(0) - BELOW;
    if (here < f->lowest)
        f->lowest = here < f->stack ? f->stack : here;
}

void fiber_enter(int tid)
{
    pawl_check_switch(&engine.sp, fibers[tid].sp, fibers[tid].thread_pointer, have_fsgsbase);
}

void fiber_leave(int tid)
{
    pawl_check_switch(&fibers[tid].sp, engine.sp, engine.thread_pointer, have_fsgsbase);
}

void fiber_abandon(void)
{
    static void *nowhere;
    pawl_check_switch(&nowhere, engine.sp, engine.thread_pointer, have_fsgsbase);
}

struct tls_image {
    const char *start;
    size_t filled, bytes, alignment;
};

static int find_tls(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    struct tls_image *image = argument;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_TLS)
            continue;
        image->start = (const char *)(info->dlpi_addr + p->p_vaddr);
        image->filled = p->p_filesz;
        image->bytes = p->p_memsz;
        image->alignment = p->p_align ? p->p_align : 1;
    }
    return 1; /* the executable comes first */
}

static const struct tls_image *tls_image(void)
{
    static struct tls_image image;
    static bool searched;
    if (!searched)
        dl_iterate_phdr(find_tls, &image);
    searched = true;
    return &image;
}

static char *tls_block(const struct fiber *f)
{
    const struct tls_image *image = tls_image();
    return arch_tls_block(f->thread_pointer, image->bytes, image->alignment ? image->alignment : 1);
}

size_t fiber_tls(int tid, const char **start)
{
    *start = tls_block(&fibers[tid]);
    return tls_image()->bytes;
}

/* The first fiber's are those of the thread that ran the constructors. */
void fiber_reset_tls(void)
{
    static char *early;
    struct tls_image image = *tls_image();
    if (image.bytes && !early) {
        early = malloc(image.bytes);
        if (!early)
            fatal("out of memory for a copy of thread-local variables (%zu bytes)", image.bytes);
        memcpy(early, tls_block(&engine), image.bytes);
    }
    for (int t = 0; t < nfibers && image.bytes; t++) {
        char *block = tls_block(&fibers[t]);
        memcpy(block, image.start, image.filled);
        memset(block + image.filled, 0, image.bytes - image.filled);
    }
    if (image.bytes)
        memcpy(tls_block(&fibers[0]), early, image.bytes);
}
