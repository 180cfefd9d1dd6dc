/* SPDX-License-Identifier: MIT */
/* The processors' counters: four ways to read each. Included by <pawl/clock.h> only. "memory" keeps
 * the compiler from moving the timed code's loads and stores across a stamp. */

#if defined(__x86_64__)

PAWL_API PAWL_INLINE uint64_t pawl_clock_counter(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

/* After all before has executed; what comes after may begin earlier. */
PAWL_API PAWL_INLINE uint64_t pawl_clock_counter_ordered(void)
{
    uint32_t lo, hi;
    __asm__ volatile("lfence\n\t" /* wait for all before */
                     "rdtsc"
                     : "=a"(lo), "=d"(hi)
                     :
                     : "memory");
    return (uint64_t)hi << 32 | lo;
}

PAWL_API PAWL_INLINE uint64_t pawl_clock_counter_start(void)
{
    uint32_t lo, hi;
    __asm__ volatile("lfence\n\t" /* wait for all before */
                     "rdtsc\n\t"
                     "lfence" /* the timed code waits for the stamp */
                     : "=a"(lo), "=d"(hi)
                     :
                     : "memory");
    return (uint64_t)hi << 32 | lo;
}

PAWL_API PAWL_INLINE uint64_t pawl_clock_counter_stop(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtscp\n\t" /* waits for all before, its loads seen */
                     "lfence"     /* all after waits for the stamp */
                     : "=a"(lo), "=d"(hi)
                     :
                     : "rcx", "memory"); /* ecx = TSC_AUX */
    return (uint64_t)hi << 32 | lo;
}

#elif defined(__aarch64__)

PAWL_API PAWL_INLINE uint64_t pawl_clock_counter(void)
{
    uint64_t value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
}

/* After all before has executed; what comes after may begin earlier. */
PAWL_API PAWL_INLINE uint64_t pawl_clock_counter_ordered(void)
{
    uint64_t value;
    __asm__ volatile("isb\n\t" /* the counter is read after all before has executed */
                     "mrs %0, cntvct_el0"
                     : "=r"(value)
                     :
                     : "memory");
    return value;
}

PAWL_API PAWL_INLINE uint64_t pawl_clock_counter_start(void)
{
    uint64_t value;
    __asm__ volatile("isb\n\t" /* the counter is read after all before has executed */
                     "mrs %0, cntvct_el0\n\t"
                     "isb" /* the timed code is fetched after the stamp */
                     : "=r"(value)
                     :
                     : "memory");
    return value;
}

PAWL_API PAWL_INLINE uint64_t pawl_clock_counter_stop(void)
{
    return pawl_clock_counter_start(); /* the same order is wanted on both sides */
}

#endif
