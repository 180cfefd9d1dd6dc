/* SPDX-License-Identifier: MIT */
#include "slice.h"

#include "clock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WARM_UP_PART = 8,     /* of the iterations, run untimed first: the others have used the caches since */
    CALIBRATION_PART = 4, /* of the slice: long enough to extrapolate from */
    CALIBRATION_GROWTH = 10,
};

/* A day of the fastest loop: a contender that needs more does nothing at all. */
static const uint64_t iterations_max = UINT64_C(1) << 48;

/* What one thread uses and leaves; aligned by its first member. */
struct bench_lane {
    struct bench_thread thread;
    uint64_t begin_ns;
    uint64_t end_ns;
    uint64_t ran_ns;
    uint64_t involuntary;
    bool slept;
    struct bench_lost probed;
};

struct slice {
    struct bench_crew *crew;
    const struct bench_contender *contender;
    void *shared;
    uint64_t iterations;
    unsigned ops;
    struct bench_barrier barrier;
};

int bench_crew_open(struct bench_crew *crew, struct bench_workers *workers, const struct bench_cpus *cpus,
                    struct bench_probe probe, unsigned threads)
{
    *crew = (struct bench_crew){.workers = workers, .cpus = cpus, .probe = probe, .threads = threads};
    crew->lanes = aligned_alloc(_Alignof(struct bench_lane), threads * sizeof(*crew->lanes));
    if (crew->lanes == NULL)
        return -ENOMEM;
    memset(crew->lanes, 0, threads * sizeof(*crew->lanes));
    return 0;
}

void bench_crew_close(struct bench_crew *crew)
{
    free(crew->lanes);
    *crew = (struct bench_crew){0};
}

unsigned bench_crew_cpus(const struct bench_crew *crew)
{
    return crew->threads < crew->cpus->count ? crew->threads : crew->cpus->count;
}

static void probe_job(unsigned index, void *argument)
{
    struct bench_crew *crew = argument;
    struct bench_lane *lane = &crew->lanes[index];

    lane->probed = (struct bench_lost){0};
    bench_probe_spin(&crew->probe, &lane->probed);
}

void bench_crew_probe(struct bench_crew *crew, struct bench_lost *lost)
{
    const unsigned cpus = bench_crew_cpus(crew);

    bench_workers_run(crew->workers, cpus, probe_job, crew);
    for (unsigned i = 0; i < cpus; ++i) {
        lost->watched_ns += crew->lanes[i].probed.watched_ns;
        lost->lost_ns += crew->lanes[i].probed.lost_ns;
    }
}

/* Seeds must differ between threads in all bits: the finaliser of splitmix64. */
static uint64_t seed_of(unsigned index)
{
    uint64_t z = (index + 1) * 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void slice_job(unsigned index, void *argument)
{
    struct slice *slice = argument;
    const struct bench_contender *contender = slice->contender;
    struct bench_lane *lane = &slice->crew->lanes[index];
    struct bench_thread *thread = &lane->thread;
    const uint64_t warm_up = slice->iterations / WARM_UP_PART;
    struct bench_account before, after;

    *thread = (struct bench_thread){
        .index = index,
        .threads = slice->crew->threads,
        .cpu = bench_workers_cpu(slice->crew->workers, index),
        .shared = slice->shared,
        .random = seed_of(index),
    };
    if (contender->enter != NULL)
        contender->enter(thread);
    if (warm_up > 0)
        contender->run(thread, warm_up);
    thread->operations = slice->iterations * slice->ops;

    bench_barrier_pass(&slice->barrier);
    bench_account_read(&before);
    lane->begin_ns = bench_now_ns();
    contender->run(thread, slice->iterations);
    lane->end_ns = bench_now_ns();
    bench_account_read(&after);

    if (contender->leave != NULL)
        contender->leave(thread);
    lane->ran_ns = after.ran_ns - before.ran_ns;
    lane->involuntary = after.involuntary - before.involuntary;
    lane->slept = after.voluntary != before.voluntary;
}

/* Time in which CPU number `seat` ran none of our threads although one of them was ready. Threads
 * that sleep by their own wish leave the CPU idle, so nothing can be said then: 0. */
static uint64_t missing_ns(const struct bench_crew *crew, unsigned seat)
{
    uint64_t first = UINT64_MAX;
    uint64_t last = 0;
    uint64_t ran_ns = 0;

    for (unsigned i = seat; i < crew->threads; i += crew->cpus->count) {
        const struct bench_lane *lane = &crew->lanes[i];

        if (lane->slept)
            return 0;
        first = lane->begin_ns < first ? lane->begin_ns : first;
        last = lane->end_ns > last ? lane->end_ns : last;
        ran_ns += lane->ran_ns;
    }
    return last > first + ran_ns ? last - first - ran_ns : 0;
}

static uint64_t all_missing_ns(const struct bench_crew *crew)
{
    const unsigned cpus = bench_crew_cpus(crew);
    uint64_t sum = 0;

    /* Without pinning, threads that share CPUs cannot be assigned to one. */
    if (crew->threads > cpus && bench_workers_cpu(crew->workers, 0) < 0)
        return 0;
    for (unsigned seat = 0; seat < cpus; ++seat)
        sum += missing_ns(crew, seat);
    return sum;
}

static void sum_up(const struct bench_crew *crew, uint64_t stolen_ns, struct bench_measurement *out)
{
    const unsigned cpus = bench_crew_cpus(crew);
    uint64_t first = UINT64_MAX;
    uint64_t last = 0;
    uint64_t operations = 0;
    uint64_t ran_ns = 0;

    *out = (struct bench_measurement){0};
    for (unsigned i = 0; i < crew->threads; ++i) {
        const struct bench_lane *lane = &crew->lanes[i];

        first = lane->begin_ns < first ? lane->begin_ns : first;
        last = lane->end_ns > last ? lane->end_ns : last;
        operations += lane->thread.operations;
        ran_ns += lane->ran_ns;
        out->involuntary += lane->involuntary;
    }
    out->wall_ns = last > first ? last - first : 1;
    const double spent_ns = crew->cpu_time ? (double)ran_ns : (double)out->wall_ns * cpus;
    out->ns_per_op = operations > 0 && spent_ns > 0 ? spent_ns / (double)operations : nan("");
    out->ops_per_s = 1e9 * cpus / out->ns_per_op;
    out->account.watched_ns = out->wall_ns * cpus;
    /* The larger of the two: most kernels do not book stolen time as CPU time, so both contain it. */
    const uint64_t missing = all_missing_ns(crew);
    out->account.lost_ns = missing > stolen_ns ? missing : stolen_ns;
}

void bench_slice_run(struct bench_crew *crew, const struct bench_contender *contender, void *shared,
                     uint64_t iterations, unsigned ops, struct bench_measurement *out)
{
    const unsigned cpus = bench_crew_cpus(crew);
    struct slice slice = {
        .crew = crew,
        .contender = contender,
        .shared = shared,
        .iterations = iterations,
        .ops = ops,
    };

    if (contender->reset != NULL)
        contender->reset(shared);
    bench_barrier_init(&slice.barrier, crew->threads);
    const uint64_t stolen_ns = bench_stolen_ns(crew->cpus->ids, cpus);
    bench_workers_run(crew->workers, crew->threads, slice_job, &slice);
    sum_up(crew, bench_stolen_ns(crew->cpus->ids, cpus) - stolen_ns, out);
}

/* How many iterations take target_ns if `iterations` took wall_ns. */
static uint64_t scale(uint64_t iterations, uint64_t wall_ns, uint64_t target_ns)
{
    const double wanted = (double)iterations * (double)target_ns / (double)wall_ns;

    if (wanted < 1)
        return 1;
    return wanted < (double)iterations_max ? (uint64_t)wanted : iterations_max;
}

static uint64_t wall_ns_of(struct bench_crew *crew, const struct bench_contender *contender, void *shared,
                           uint64_t iterations, unsigned ops)
{
    struct bench_measurement measured;

    bench_slice_run(crew, contender, shared, iterations, ops, &measured);
    return measured.wall_ns;
}

uint64_t bench_slice_calibrate(struct bench_crew *crew, const struct bench_contender *contender, void *shared,
                               unsigned ops, uint64_t target_ns)
{
    const uint64_t enough = target_ns / CALIBRATION_PART;
    uint64_t iterations = 1;
    uint64_t wall_ns;

    for (;;) {
        wall_ns = wall_ns_of(crew, contender, shared, iterations, ops);
        if (wall_ns >= enough) {
            /* An interruption looks like slow work, and would end the search at its first step: the shorter of two. */
            const uint64_t again = wall_ns_of(crew, contender, shared, iterations, ops);
            wall_ns = again < wall_ns ? again : wall_ns;
        }
        if (wall_ns >= enough)
            break;
        if (iterations > iterations_max / CALIBRATION_GROWTH)
            return iterations;
        const uint64_t wanted = scale(iterations, wall_ns, target_ns);
        iterations = wanted < iterations * CALIBRATION_GROWTH ? wanted : iterations * CALIBRATION_GROWTH;
    }
    iterations = scale(iterations, wall_ns, target_ns);
    if (wall_ns >= target_ns)
        return iterations;

    /* Once more at full length: interrupted both times, the short runs would have made all slices short. */
    wall_ns = wall_ns_of(crew, contender, shared, iterations, ops);
    if (wall_ns < target_ns)
        iterations = scale(iterations, wall_ns, target_ns);
    return iterations;
}
