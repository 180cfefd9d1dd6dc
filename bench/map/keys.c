/* SPDX-License-Identifier: MIT */
/* Options of the benchmarks of maps. */
#include "keys.h"

#include "peers.h"

#include <pawl/clock.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t bench_map_keys = 1000;
const uint32_t *bench_map_samples;
uint64_t bench_map_many = 1000000;

static bool zipf;

/* J. Gray et al., "Quickly generating billion-record synthetic databases", 1994, with theta 0.99; numbers
 * are strewn by bench_key_of and bench_word_of. */
static void sample_zipf(uint64_t keys)
{
    const double theta = 0.99;
    static uint32_t samples[BENCH_MAP_SAMPLES];
    double zeta = 0, zeta2 = 1 + pow(0.5, theta), eta;
    uint64_t random = 42;

    for (uint64_t i = 1; i <= keys; i++)
        zeta += pow((double)i, -theta);
    eta = (1 - pow(2.0 / (double)keys, 1 - theta)) / (1 - zeta2 / zeta);
    for (int i = 0; i < BENCH_MAP_SAMPLES; i++) {
        double u = bench_random(&random) / 4294967296.0, uz = u * zeta;
        double at = uz < 1 ? 0 : uz < zeta2 ? 1 : (double)keys * pow(eta * u - eta + 1, 1 / (1 - theta));

        samples[i] = at < (double)keys ? (uint32_t)at : 0;
    }
    bench_map_samples = samples;
}

void bench_map_set_keys(uint64_t keys)
{
    if (zipf && (bench_map_samples == NULL || bench_map_keys != keys))
        sample_zipf(keys);
    bench_map_keys = keys;
}

/* Takes our options out of argv. */
static int own_options(int argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--zipf") == 0)
            zipf = true;
        else if (strcmp(argv[i], "--keys") == 0 && i + 1 < argc)
            bench_map_many = strtoull(argv[++i], NULL, 0);
        else
            argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    return kept;
}

int bench_map_main(int argc, char **argv, const struct bench_program *program,
                   int (*time_longest)(uint64_t n))
{
    argc = own_options(argc, argv);
    if (argc >= 2 && strcmp(argv[1], "--longest") == 0)
        return time_longest(argc >= 3 ? strtoull(argv[2], NULL, 0) : bench_map_many);
    if (bench_map_many == 0 || bench_map_many > UINT32_MAX) {
        fprintf(stderr, "bench-%s: --keys must be 1 to %u\n", program->name, UINT32_MAX);
        return 2;
    }
    return bench_main(argc, argv, program);
}

/* ---- the longest ---- */

static uint64_t thread_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void bench_longest_begin(struct bench_longest *longest)
{
    longest->cpu_began = thread_ns();
    longest->wall_began = pawl_clock_ns();
}

void bench_longest_end(struct bench_longest *longest)
{
    uint64_t wall = pawl_clock_ns() - longest->wall_began, cpu = thread_ns() - longest->cpu_began;

    longest->wall = wall > longest->wall ? wall : longest->wall;
    longest->cpu = cpu > longest->cpu ? cpu : longest->cpu;
    longest->over_5ms += cpu > 5000000;
}

void bench_longest_print(const struct bench_longest *insert, const struct bench_longest *del)
{
    unsigned long long over = insert->over_5ms;

    over += del->over_5ms;
    printf("longest insert %.3f ms processor time (%.3f ms by the clock), "
           "longest del %.3f ms (%.3f ms); "
           "%llu of them took more than 5 ms of processor time\n",
           (double)insert->cpu / 1e6, (double)insert->wall / 1e6, (double)del->cpu / 1e6,
           (double)del->wall / 1e6, over);
}
