/* SPDX-License-Identifier: MIT */
/* Runs a program and writes to descriptor 3: seconds on the clock, seconds of CPU, peak memory in KiB. A
 * small process of its own, because a child's peak begins with that of the process that made it.
 *
 *      measure LIBRARY PROGRAM [ARGUMENTS...]      LIBRARY: preloaded into PROGRAM alone; "": none */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TOO_LONG_S = 60 };

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

int main(int argc, char **argv)
{
    struct timespec begin, end;
    struct rusage usage;
    int status;
    pid_t child;

    if (argc < 3)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    child = fork();
    if (child == 0) {
        if (argv[1][0] != '\0')
            setenv("LD_PRELOAD", argv[1], 1);
        alarm(TOO_LONG_S);
        execv(argv[2], argv + 2);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    dprintf(3, "%.6f %.6f %ld\n",
            (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9,
            seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss);
    return status == 0 ? 0 : 1;
}
