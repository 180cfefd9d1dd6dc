/* SPDX-License-Identifier: MIT */
#include "disturb.h"

#include "clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    CALIBRATION_READINGS = 4096,
    GAP_FACTOR = 20,    /* a cache miss or a slow timer must not look like an interruption */
    GAP_MIN_NS = 2000,  /* a timer interrupt takes 1 to 3 microseconds: part of every machine */
    GAP_MAX_NS = 50000, /* even if calibration itself was disturbed throughout */
};

static int compare(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

void bench_probe_calibrate(struct bench_probe *probe, uint64_t spin_ns)
{
    uint64_t steps[CALIBRATION_READINGS];
    uint64_t last = bench_now_ns();

    for (unsigned i = 0; i < CALIBRATION_READINGS; ++i) {
        const uint64_t now = bench_now_ns();

        steps[i] = now - last;
        last = now;
    }
    qsort(steps, CALIBRATION_READINGS, sizeof(steps[0]), compare);
    probe->spin_ns = spin_ns;
    probe->gap_ns = steps[CALIBRATION_READINGS / 2] * GAP_FACTOR;
    if (probe->gap_ns < GAP_MIN_NS)
        probe->gap_ns = GAP_MIN_NS;
    if (probe->gap_ns > GAP_MAX_NS)
        probe->gap_ns = GAP_MAX_NS;
}

void bench_probe_spin(const struct bench_probe *probe, struct bench_lost *lost)
{
    const uint64_t begin = bench_now_ns();
    uint64_t last = begin;

    while (last - begin < probe->spin_ns) {
        const uint64_t now = bench_now_ns();

        if (now - last > probe->gap_ns)
            lost->lost_ns += now - last;
        last = now;
    }
    lost->watched_ns += last - begin;
}

void bench_account_read(struct bench_account *account)
{
    struct rusage usage;
    struct timespec ran;

    *account = (struct bench_account){0};
    if (getrusage(RUSAGE_THREAD, &usage) == 0) {
        account->involuntary = (uint64_t)usage.ru_nivcsw;
        account->voluntary = (uint64_t)usage.ru_nvcsw;
    }
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ran) == 0)
        account->ran_ns = (uint64_t)ran.tv_sec * 1000000000u + (uint64_t)ran.tv_nsec;
}

static bool contains(const int *ids, unsigned count, int cpu)
{
    for (unsigned i = 0; i < count; ++i) {
        if (ids[i] == cpu)
            return true;
    }
    return false;
}

uint64_t bench_stolen_ns(const int *ids, unsigned count)
{
    FILE *file = fopen("/proc/stat", "re");
    const long hertz = sysconf(_SC_CLK_TCK);
    uint64_t ticks = 0;
    char *line = NULL;
    size_t room = 0;

    if (file == NULL || hertz <= 0) {
        if (file != NULL)
            fclose(file);
        return 0;
    }
    while (getline(&line, &room, file) > 0) {
        int cpu = 0;
        uint64_t steal = 0;

        /* cpuN user nice system idle iowait irq softirq steal ... */
        if (sscanf(line, "cpu%d %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &cpu, &steal) == 2 &&
            contains(ids, count, cpu))
            ticks += steal;
    }
    free(line);
    fclose(file);
    return ticks * (1000000000u / (uint64_t)hertz);
}

double bench_lost_share(const struct bench_lost *lost)
{
    return lost->watched_ns > 0 ? (double)lost->lost_ns / (double)lost->watched_ns : 0;
}
