/* SPDX-License-Identifier: MIT */
/* Sets of CPUs, their list form, and placing the calling thread. */
#include "cpu_limit.h"

#include <pawl/cpu.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CPUSET_LIMIT_MAX (1u << 20)

struct pawl_cpuset {
    uint32_t limit; /* every member is below it; bits from it on stay 0 */
    uint32_t words;
    unsigned long bits[];
};

struct pawl_cpuset *pawl_cpuset_open(uint32_t limit)
{
    if (limit == 0)
        limit = pawl_cpu_limit();
    if (limit > CPUSET_LIMIT_MAX) {
        errno = EINVAL;
        return NULL;
    }
    uint32_t words = (limit + PAWL_BITS_PER_LONG - 1) / PAWL_BITS_PER_LONG;
    struct pawl_cpuset *set = calloc(1, sizeof(*set) + words * sizeof(set->bits[0]));
    if (!set)
        return NULL;
    set->limit = limit;
    set->words = words;
    return set;
}

void pawl_cpuset_close(struct pawl_cpuset *set)
{
    free(set);
}

uint32_t pawl_cpuset_limit(const struct pawl_cpuset *set)
{
    return set->limit;
}

void pawl_cpuset_clear(struct pawl_cpuset *set)
{
    memset(set->bits, 0, set->words * sizeof(set->bits[0]));
}

static bool in_range(const struct pawl_cpuset *set, int cpu)
{
    return cpu >= 0 && (uint32_t)cpu < set->limit;
}

static unsigned long bit_of(uint32_t cpu)
{
    return 1ul << (cpu % PAWL_BITS_PER_LONG);
}

int pawl_cpuset_add(struct pawl_cpuset *set, int cpu)
{
    if (!in_range(set, cpu))
        return -EINVAL;
    set->bits[(uint32_t)cpu / PAWL_BITS_PER_LONG] |= bit_of((uint32_t)cpu);
    return 0;
}

int pawl_cpuset_del(struct pawl_cpuset *set, int cpu)
{
    if (!in_range(set, cpu))
        return -EINVAL;
    set->bits[(uint32_t)cpu / PAWL_BITS_PER_LONG] &= ~bit_of((uint32_t)cpu);
    return 0;
}

bool pawl_cpuset_has(const struct pawl_cpuset *set, int cpu)
{
    return in_range(set, cpu) && (set->bits[(uint32_t)cpu / PAWL_BITS_PER_LONG] & bit_of((uint32_t)cpu));
}

uint32_t pawl_cpuset_count(const struct pawl_cpuset *set)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < set->words; i++)
        count += (uint32_t)__builtin_popcountl(set->bits[i]);
    return count;
}

bool pawl_cpuset_equal(const struct pawl_cpuset *a, const struct pawl_cpuset *b)
{
    uint32_t words = a->words > b->words ? a->words : b->words;
    for (uint32_t i = 0; i < words; i++) {
        unsigned long left = i < a->words ? a->bits[i] : 0;
        unsigned long right = i < b->words ? b->bits[i] : 0;
        if (left != right)
            return false;
    }
    return true;
}

int pawl_cpuset_next(const struct pawl_cpuset *set, int after)
{
    if (after == INT_MAX)
        return -1;
    uint32_t from = after < 0 ? 0 : (uint32_t)after + 1;
    if (from >= set->limit)
        return -1;
    uint32_t i = from / PAWL_BITS_PER_LONG;
    unsigned long rest = set->bits[i] & (~0ul << (from % PAWL_BITS_PER_LONG));
    while (rest == 0) {
        if (++i == set->words)
            return -1;
        rest = set->bits[i];
    }
    return (int)(i * PAWL_BITS_PER_LONG) + __builtin_ctzl(rest);
}

/* ---- the list form ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static int take_number(const char **at, uint32_t *number)
{
    uint64_t value = 0;
    if (!is_digit(**at))
        return -EINVAL;
    for (; is_digit(**at); ++*at) {
        value = value * 10 + (uint64_t)(**at - '0');
        if (value >= INT_MAX)
            return -ERANGE;
    }
    *number = (uint32_t)value;
    return 0;
}

static const char *skip_blanks(const char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

int pawl_cpu_next_range(const char **at, struct pawl_cpu_range *range)
{
    *at = skip_blanks(*at);
    if (**at == '\0')
        return 0;
    int error = take_number(at, &range->first);
    if (error)
        return error;
    range->last = range->first;
    if (**at == '-') {
        ++*at;
        error = take_number(at, &range->last);
        if (error)
            return error;
        if (range->last < range->first)
            return -EINVAL;
    }
    if (**at == ',') {
        ++*at;
        return is_digit(**at) ? 1 : -EINVAL; /* no trailing comma, no blank inside a list */
    }
    *at = skip_blanks(*at);
    return **at == '\0' ? 1 : -EINVAL;
}

int pawl_cpuset_parse(struct pawl_cpuset *set, const char *text)
{
    struct pawl_cpu_range range;
    const char *at = text;
    int more;
    while ((more = pawl_cpu_next_range(&at, &range)) > 0)
        if (range.last >= set->limit)
            return -ERANGE;
    if (more < 0)
        return more;
    /* The whole text is good: only now may the old contents go. */
    pawl_cpuset_clear(set);
    at = text;
    while (pawl_cpu_next_range(&at, &range) > 0)
        for (uint32_t cpu = range.first; cpu <= range.last; cpu++)
            set->bits[cpu / PAWL_BITS_PER_LONG] |= bit_of(cpu);
    return 0;
}

/* The last CPU of the run of neighbours that begins with `first`. */
static int run_end(const struct pawl_cpuset *set, int first)
{
    int last = first;
    while (pawl_cpuset_has(set, last + 1))
        last++;
    return last;
}

size_t pawl_cpuset_format(const struct pawl_cpuset *set, char *text, size_t size)
{
    size_t length = 0;
    if (size > 0)
        text[0] = '\0';
    for (int first = pawl_cpuset_next(set, -1); first >= 0;) {
        char range[32]; /* two numbers of ten digits, ",", "-" and the zero */
        int last = run_end(set, first);
        const char *comma = length > 0 ? "," : "";
        int n = first == last ? snprintf(range, sizeof(range), "%s%d", comma, first)
                              : snprintf(range, sizeof(range), "%s%d-%d", comma, first, last);
        for (int i = 0; i < n; i++, length++)
            if (length + 1 < size) {
                text[length] = range[i];
                text[length + 1] = '\0';
            }
        first = pawl_cpuset_next(set, last);
    }
    return length;
}

/* ---- placement ---- */

/* The bits of word `i` that stand for CPUs below the set's limit. */
static unsigned long room_in_word(const struct pawl_cpuset *set, uint32_t i)
{
    uint32_t first = i * PAWL_BITS_PER_LONG;
    if (first >= set->limit)
        return 0;
    uint32_t bits = set->limit - first;
    return bits >= PAWL_BITS_PER_LONG ? ~0ul : (1ul << bits) - 1;
}

int pawl_cpu_get_affinity(struct pawl_cpuset *set)
{
    unsigned long mask[PAWL_CPU_MASK_WORDS];
    int bytes = pawl_cpu_kernel_mask(mask);
    if (bytes < 0)
        return bytes;
    for (uint32_t i = 0; i < PAWL_CPU_MASK_WORDS; i++)
        if (mask[i] & ~room_in_word(set, i))
            return -ERANGE;
    for (uint32_t i = 0; i < set->words; i++)
        set->bits[i] = i < PAWL_CPU_MASK_WORDS ? mask[i] : 0;
    return 0;
}

static int set_mask(const unsigned long *mask, size_t bytes)
{
    if (syscall(SYS_sched_setaffinity, 0, bytes, mask) == 0)
        return 0;
    /* The kernel's EINVAL: none of these CPUs is online and in this thread's cpuset cgroup. */
    return errno == EINVAL ? -ENODEV : -errno;
}

int pawl_cpu_set_affinity(const struct pawl_cpuset *set)
{
    if (pawl_cpuset_next(set, -1) < 0)
        return -EINVAL;
    return set_mask(set->bits, set->words * sizeof(set->bits[0]));
}

int pawl_cpu_pin(int cpu, struct pawl_cpuset *saved)
{
    unsigned long mask[PAWL_CPU_MASK_WORDS] = {0};
    if (cpu < 0 || (uint32_t)cpu >= pawl_cpu_limit())
        return -EINVAL;
    if (saved) {
        int error = pawl_cpu_get_affinity(saved);
        if (error)
            return error;
    }
    mask[(uint32_t)cpu / PAWL_BITS_PER_LONG] = bit_of((uint32_t)cpu);
    return set_mask(mask, sizeof(mask));
}
