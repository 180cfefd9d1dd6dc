/* SPDX-License-Identifier: MIT */
/* How much time somebody else took from us while we measured.
 *
 * Two views that do not depend on each other:
 *   probe     a thread that does nothing but read the clock. A gap between two readings that is much
 *             longer than a reading is time in which the CPU did something else: an interrupt,
 *             another process, the hypervisor. It sees everything, but only between the slices.
 *   account   what the kernel booked while the slice itself ran: time in which a CPU ran none of our
 *             threads although one was ready (elapsed time less the threads' CPU time), involuntary
 *             context switches (getrusage), and time the hypervisor gave to others (steal in
 *             /proc/stat, in ticks of usually 10 ms). It sees the slice, but no short interrupts. */
#ifndef BENCH_DISTURB_H
#define BENCH_DISTURB_H

#include <stdbool.h>
#include <stdint.h>

/* The share of the time from which a slice or a run is called disturbed: more than timer interrupts
 * take. One probe is so short that a single interrupt is some percent of it. */
#define BENCH_DISTURBED_SHARE 0.02
#define BENCH_DISTURBED_PROBE_SHARE 0.10

struct bench_probe {
    uint64_t gap_ns;  /* a longer step of the clock counts as lost */
    uint64_t spin_ns; /* how long one probe lasts */
};

struct bench_lost {
    uint64_t watched_ns;
    uint64_t lost_ns;
};

/* Learns what an undisturbed reading of the clock costs on this machine. */
void bench_probe_calibrate(struct bench_probe *probe, uint64_t spin_ns);

/* Spins, adds to *lost. */
void bench_probe_spin(const struct bench_probe *probe, struct bench_lost *lost);

/* What the kernel has booked for the calling thread so far. */
struct bench_account {
    uint64_t ran_ns;      /* CPU time */
    uint64_t involuntary; /* context switches it did not ask for */
    uint64_t voluntary;   /* times it went to sleep */
};

void bench_account_read(struct bench_account *account);

/* Nanoseconds stolen by the hypervisor so far from CPUs ids[0 .. count - 1]; 0 where unknown. */
uint64_t bench_stolen_ns(const int *ids, unsigned count);

double bench_lost_share(const struct bench_lost *lost);

#endif
