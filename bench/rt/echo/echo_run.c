/* SPDX-License-Identifier: MIT */
/* Servers as processes: started, pinned, their CPU time read. And medians. */
#include "echo_run.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

void echo_die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

void echo_pin(int which)
{
    cpu_set_t all, one;
    int n = 0;

    if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2)
        return;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && n++ == which)
            CPU_SET(cpu, &one);
    (void)sched_setaffinity(0, sizeof one, &one);
}

void echo_free_port(struct echo_process *process)
{
    struct sockaddr_in *name = (struct sockaddr_in *)&process->address;
    socklen_t bytes = sizeof *name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    name->sin_family = AF_INET;
    name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (const struct sockaddr *)name, bytes) != 0 ||
        getsockname(fd, (struct sockaddr *)name, &bytes) != 0)
        echo_die("a port");
    close(fd);
    process->address_bytes = bytes;
}

bool echo_start(struct echo_process *process, const char *name, echo_server *serve)
{
    int ready[2], status = 0;
    char byte;

    if (pipe(ready) != 0)
        echo_die("pipe");
    fflush(stdout);
    process->pid = fork();
    if (process->pid < 0)
        echo_die("fork");
    if (process->pid == 0) {
        const struct echo_place place = {(const struct sockaddr *)&process->address, process->address_bytes,
                                         ready[1]};

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        echo_pin(0);
        status = serve(&place);
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, name, strerror(-status));
        _exit(1);
    }
    close(ready[1]);
    status = (int)read(ready[0], &byte, 1);
    close(ready[0]);
    return status == 1;
}

uint64_t echo_cpu(const struct echo_process *process)
{
    char path[300];
    uint64_t sum = 0;
    struct dirent *entry;
    DIR *tasks;

    snprintf(path, sizeof path, "/proc/%d/task", (int)process->pid);
    tasks = opendir(path);
    if (tasks == NULL)
        echo_die(path);
    while ((entry = readdir(tasks)) != NULL) {
        unsigned long long ns = 0;
        FILE *file;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)process->pid, entry->d_name);
        file = fopen(path, "r");
        if (file != NULL) {
            if (fscanf(file, "%llu", &ns) == 1)
                sum += ns;
            fclose(file);
        }
    }
    closedir(tasks);
    return sum;
}

uint64_t echo_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

unsigned echo_number(const char *text, const char *option, unsigned least, unsigned most)
{
    char *end;
    unsigned long value = strtoul(text == NULL ? "" : text, &end, 10);

    if (text == NULL || *text == 0 || *end != 0 || value < least || value > most) {
        fprintf(stderr, "%s: %s takes a number from %u to %u\n", program_invocation_short_name, option, least,
                most);
        exit(2);
    }
    return (unsigned)value;
}

void echo_read_slices(char **argv, struct echo_slices *slices, unsigned most)
{
    for (; argv[0] != NULL && argv[1] != NULL; argv += 2)
        if (strcmp(argv[0], "--slices") == 0)
            slices->number = echo_number(argv[1], argv[0], 1, most);
        else if (strcmp(argv[0], "--ms") == 0)
            slices->ms = echo_number(argv[1], argv[0], 1, 60000);
        else if (strcmp(argv[0], "--only") == 0)
            slices->only = argv[1];
        else
            break;
    if (argv[0] != NULL) {
        fprintf(stderr, "usage: %s [--slices N] [--ms N] [--only NAME]\n", program_invocation_short_name);
        exit(2);
    }
}

double echo_median(double *figures, unsigned n)
{
    qsort(figures, n, sizeof *figures, compare);
    return figures[n / 2];
}
