/* SPDX-License-Identifier: MIT */
/* Which counter can be trusted, how fast it runs, what a stamp costs. Without state and without
 * locks, so that a signal handler can do it while the thread it interrupted is doing it. */
#include "clock.h"
#include "cpu_limit.h"

#include <pawl/clock.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define PAIR_TRIES 5
#define CHECK_NS UINT64_C(2000000)    /* long enough to refute a wrong statement of the frequency */
#define MEASURE_NS UINT64_C(20000000) /* a pair is good to about 50 ns at either end: 5 ppm */
#define STAMP_TRIES 1000
#define HZ_MIN UINT64_C(1000000)
#define HZ_MAX UINT64_C(20000000000)

struct clock_ratio pawl_clock_ratio_of(uint64_t to, uint64_t from)
{
    struct clock_ratio ratio;
    uint32_t shift = 63;
    /* floor(to * 2^shift / from) with the largest shift at which it fits 64 bits */
    unsigned __int128 scaled = ((unsigned __int128)to << shift) / from;
    while (scaled >> 64) {
        scaled >>= 1;
        shift--;
    }
    /* More bits for small quotients, kept below a shift of 127 */
    if (!(scaled >> 63)) {
        uint32_t more = (uint32_t)__builtin_clzll((uint64_t)scaled);
        more = more > 63 ? 63 : more;
        unsigned __int128 whole = ((unsigned __int128)to << 63) / from;
        unsigned __int128 rest = ((unsigned __int128)to << 63) % from;
        scaled = (whole << more) + ((rest << more) / from);
        shift += more;
    }
    ratio.mult = (uint64_t)scaled;
    ratio.shift = shift;
    return ratio;
}

uint64_t pawl_clock_scale(struct clock_ratio ratio, uint64_t x)
{
    unsigned __int128 product = ((unsigned __int128)x * ratio.mult) >> ratio.shift;
    return product > UINT64_MAX ? UINT64_MAX : (uint64_t)product;
}

uint64_t pawl_clock_kernel_ns(int id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__) || defined(__aarch64__)

struct clock_pair pawl_clock_read_pair(int id)
{
    struct clock_pair best = {0, 0, UINT64_MAX};
    /* The narrowest of a few: an interrupt inside widens a pair, and a wide one says little. */
    for (int i = 0; i < PAIR_TRIES; i++) {
        uint64_t before = pawl_clock_counter_start();
        uint64_t ns = pawl_clock_kernel_ns(id);
        uint64_t width = pawl_clock_counter_stop() - before;
        if (width < best.width)
            best = (struct clock_pair){before + width / 2, ns, width};
    }
    return best;
}

/* Cycles per second, from two pairs at least `ns` apart by CLOCK_MONOTONIC_RAW, which NTP does not
 * touch. 0 if the counter stood still. */
static uint64_t measure_hz(uint64_t ns)
{
    struct clock_pair from = pawl_clock_read_pair(CLOCK_MONOTONIC_RAW);
    /* Spins: 2 ms asleep may be 10. */
    while (pawl_clock_kernel_ns(CLOCK_MONOTONIC_RAW) - from.ns < ns)
        pawl_relax();
    struct clock_pair to = pawl_clock_read_pair(CLOCK_MONOTONIC_RAW);
    unsigned __int128 cycles = to.cycles - from.cycles;
    return (uint64_t)(cycles * CLOCK_NS_PER_S / (to.ns - from.ns));
}

static bool agree(uint64_t stated, uint64_t measured)
{
    uint64_t difference = stated > measured ? stated - measured : measured - stated;
    return difference <= stated / 2000; /* 500 ppm: ten times the error of a measurement of 2 ms */
}

static uint64_t measure_stamp_cost(void)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < STAMP_TRIES; i++) {
        uint64_t start = pawl_clock_counter_start();
        uint64_t cost = pawl_clock_counter_stop() - start;
        least = cost < least ? cost : least;
    }
    return least;
}

#endif

#if defined(__x86_64__)

#define COUNTER_NAME "tsc"
#define CPUID_MAX_EXTENDED 0x80000000u
#define CPUID_EXTENDED 0x80000001u
#define CPUID_POWER 0x80000007u
#define CPUID_TSC 0x15u
#define CPUID_HYPERVISOR 0x40000000u
#define CPUID_HYPERVISOR_TSC 0x40000010u
#define RDTSCP_BIT (1u << 27)        /* CPUID_EXTENDED, edx */
#define INVARIANT_BIT (1u << 8)      /* CPUID_POWER, edx */
#define IN_HYPERVISOR_BIT (1u << 31) /* leaf 1, ecx */

/* NULL if the counter can be trusted, else why not. */
static const char *refuse_counter(bool any_clocksource)
{
    unsigned a, b, c, d;
    if ((unsigned)__get_cpuid_max(CPUID_MAX_EXTENDED, NULL) < CPUID_POWER)
        return "cpuid does not say whether the TSC is invariant";
    __cpuid(CPUID_EXTENDED, a, b, c, d);
    if (!(d & RDTSCP_BIT))
        return "the processor has no rdtscp";
    __cpuid(CPUID_POWER, a, b, c, d);
    if (!(d & INVARIANT_BIT))
        return "the TSC is not invariant";
    if (any_clocksource)
        return NULL;
    char name[64];
    ssize_t n = pawl_cpu_read_file("/sys/devices/system/clocksource/clocksource0/current_clocksource", name,
                                   sizeof(name));
    if (n <= 0)
        return "the kernel's clocksource is unknown: /sys cannot be read";
    if (strcmp(name, "tsc\n") != 0)
        return "the kernel does not keep time by the TSC (PAWL_CLOCK=counter overrides)";
    return NULL;
}

/* What the processor or the hypervisor says of the TSC's frequency; 0: nothing plausible. */
static uint64_t stated_hz(void)
{
    unsigned a, b, c, d;
    uint64_t hz = 0;
    if ((unsigned)__get_cpuid_max(0, NULL) >= CPUID_TSC) {
        __cpuid(CPUID_TSC, a, b, c, d);
        if (a != 0 && b != 0 && c != 0) /* crystal (Hz) * ratio */
            hz = (uint64_t)c * b / a;
    }
    __cpuid(1, a, b, c, d);
    if (hz == 0 && (c & IN_HYPERVISOR_BIT)) {
        __cpuid(CPUID_HYPERVISOR, a, b, c, d);
        if (a >= CPUID_HYPERVISOR_TSC && a < CPUID_HYPERVISOR + 0x10000) {
            __cpuid(CPUID_HYPERVISOR_TSC, a, b, c, d);
            hz = (uint64_t)a * 1000; /* kHz, the convention of VMware and KVM */
        }
    }
    return hz >= HZ_MIN && hz <= HZ_MAX ? hz : 0;
}

#elif defined(__aarch64__)

#define COUNTER_NAME "cntvct"

/* The architecture promises one constant rate on all CPUs. */
static const char *refuse_counter(bool any_clocksource)
{
    (void)any_clocksource;
    return NULL;
}

static uint64_t stated_hz(void)
{
    uint64_t hz;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz)); /* set by firmware, not always rightly */
    return hz >= HZ_MIN && hz <= HZ_MAX ? hz : 0;
}

#endif

static void use_kernel(struct clock_calibration *found, const char *reason)
{
    found->source = "monotonic";
    found->reason = reason;
    found->mode = PAWL_CLOCK_KERNEL;
    found->hz = CLOCK_NS_PER_S;
    found->stamp_cost = UINT64_MAX;
    for (int i = 0; i < STAMP_TRIES; i++) {
        uint64_t start = pawl_clock_kernel_ns(CLOCK_MONOTONIC);
        uint64_t cost = pawl_clock_kernel_ns(CLOCK_MONOTONIC) - start;
        found->stamp_cost = cost < found->stamp_cost ? cost : found->stamp_cost;
    }
}

#if defined(__x86_64__) || defined(__aarch64__)

static void try_counter(struct clock_calibration *found, bool any_clocksource)
{
    const char *refusal = refuse_counter(any_clocksource);
    if (refusal) {
        use_kernel(found, refusal);
        return;
    }
    uint64_t stated = stated_hz();
    uint64_t measured = measure_hz(stated ? CHECK_NS : MEASURE_NS);
    found->reason = "invariant counter, frequency measured";
    if (stated && agree(stated, measured)) {
        measured = stated;
        found->reason = "invariant counter, frequency as stated by the processor";
    } else if (stated) {
        measured = measure_hz(MEASURE_NS);
    }
    if (measured < HZ_MIN || measured > HZ_MAX) {
        use_kernel(found, "the counter does not run at a plausible rate");
        return;
    }
    found->source = COUNTER_NAME;
    found->mode = PAWL_CLOCK_COUNTER;
    found->hz = measured;
    found->stamp_cost = measure_stamp_cost();
}

#else

struct clock_pair pawl_clock_read_pair(int id)
{
    uint64_t ns = pawl_clock_kernel_ns(id);
    return (struct clock_pair){ns, ns, 0};
}

static void try_counter(struct clock_calibration *found, bool any_clocksource)
{
    (void)any_clocksource;
    use_kernel(found, "no counter is known on this architecture");
}

#endif

void pawl_clock_calibrate_into(struct clock_calibration *found)
{
    const char *wish = secure_getenv("PAWL_CLOCK");
    if (wish && strcmp(wish, "monotonic") == 0)
        use_kernel(found, "PAWL_CLOCK=monotonic");
    else
        try_counter(found, wish && strcmp(wish, "counter") == 0);
    found->to_ns = pawl_clock_ratio_of(CLOCK_NS_PER_S, found->hz);
    found->to_cycles = pawl_clock_ratio_of(found->hz, CLOCK_NS_PER_S);
}
