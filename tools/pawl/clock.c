/* SPDX-License-Identifier: MIT */
/* The counter that user space can read, and the clock that the kernel trusts. */
#include "kernel.h"

#include "readfile.h"

#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

static void read_counter(struct clock_facts *clock)
{
#if defined(__x86_64__) || defined(__i386__)
    enum { LEAF_POWER = 0x80000007, EDX_INVARIANT_TSC = 1 << 8, LEAF_TSC = 0x15 };
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;

    clock->counter = "rdtsc";
    clock->invariant = __get_cpuid((unsigned)LEAF_POWER, &a, &b, &c, &d) && (d & EDX_INVARIANT_TSC) != 0;
    /* TSC rate = crystal (ecx Hz) * ebx / eax; a zero says that the processor does not declare it. */
    if (__get_cpuid(LEAF_TSC, &a, &b, &c, &d) && a != 0 && b != 0 && c != 0)
        clock->hz = (uint64_t)c * b / a;
#elif defined(__aarch64__)
    clock->counter = "cntvct_el0";
    clock->invariant = true; /* the architecture's promise for the generic timer */
    __asm__("mrs %0, cntfrq_el0" : "=r"(clock->hz));
#else
    (void)clock; /* no counter known here: programs use clock_gettime() */
#endif
}

static void read_word(char *word, size_t size, const char *root, const char *name)
{
    char path[PATH_MAX];

    if (!path_format(path, sizeof path, root, "/sys/devices/system/clocksource/clocksource0/%s", name) ||
        !read_line(path, word, size))
        word[0] = '\0';
    for (size_t end = strlen(word); end > 0 && word[end - 1] == ' '; end--)
        word[end - 1] = '\0';
}

void clock_read(struct clock_facts *clock, const char *root)
{
    *clock = (struct clock_facts){0};
    read_word(clock->source, sizeof clock->source, root, "current_clocksource");
    read_word(clock->available, sizeof clock->available, root, "available_clocksource");
    read_counter(clock);
}
