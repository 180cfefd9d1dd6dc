/* SPDX-License-Identifier: MIT */
/* Shared by cpu.c, cpuset.c and clock.c: the kernel's masks, lists and small files. */
#ifndef PAWL_CORE_CPU_LIMIT_H
#define PAWL_CORE_CPU_LIMIT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Room for 32,768 CPUs, on the stack; the largest kernel configuration today has 8,192. */
#define PAWL_CPU_MASK_WORDS (4096 / sizeof(unsigned long))
#define PAWL_BITS_PER_LONG ((uint32_t)(8 * sizeof(unsigned long)))

/* A list file is one range on ordinary machines; this holds more than 1,500 of them. */
#define PAWL_CPU_LIST_BYTES 16384

/* The calling thread's affinity, zeros above the kernel's mask.
 * Returns the bytes of the kernel's mask, or a negative errno. */
int pawl_cpu_kernel_mask(unsigned long mask[static PAWL_CPU_MASK_WORDS]);

/* A whole file of /sys as text. Returns its length, or a negative errno; -EFBIG if it does not fit. */
ssize_t pawl_cpu_read_file(const char *path, char *text, size_t size);

struct pawl_cpu_range {
    uint32_t first, last;
};

/* Take the next range of a list "0-3,8" from *at and move *at behind it. Call with *at at the start
 * of the text first. Returns 1 for a range, 0 at the end, -EINVAL for malformed text, -ERANGE for a
 * number that does not fit an int. */
int pawl_cpu_next_range(const char **at, struct pawl_cpu_range *range);

#endif
