/* SPDX-License-Identifier: MIT */
/* What the benchmarks of servers share: servers are processes, of which the CPU time is read. */
#ifndef BENCH_ECHO_RUN_H
#define BENCH_ECHO_RUN_H

#include "echo_peers.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct echo_process {
    pid_t pid;
    struct sockaddr_storage address;
    socklen_t address_bytes;
};

/* Ends the program, with errno. */
void echo_die(const char *what) __attribute__((noreturn));

/* This process to the first CPU it may use, or the second, if there are two. */
void echo_pin(int which);

/* A TCP port of this machine that nobody has, as its address. */
void echo_free_port(struct echo_process *process);

/* Starts a server at process->address, on the first CPU. Whether it listens. */
bool echo_start(struct echo_process *process, const char *name, echo_server *serve);

/* ns that all its threads have run. */
uint64_t echo_cpu(const struct echo_process *process);
uint64_t echo_now(void);

/* What stands behind an option, as a number of that range; else the program ends. text: may be NULL. */
unsigned echo_number(const char *text, const char *option, unsigned least, unsigned most);

/* Slices, at most `most`, and their length; what is left out keeps its value. Else the program ends. argv: its arguments. */
struct echo_slices {
    unsigned number, ms;
    const char *only; /* what has this in its name; NULL: all */
};
void echo_read_slices(char **argv, struct echo_slices *slices, unsigned most);

/* Sorts them. */
double echo_median(double *figures, unsigned n);

#endif
