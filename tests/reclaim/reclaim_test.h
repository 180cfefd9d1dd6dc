/* SPDX-License-Identifier: MIT */
/* What the tests of the reclamation rooms share: seeds, time, children. */
#ifndef RECLAIM_TEST_H
#define RECLAIM_TEST_H

#include <pawl/atomic.h>

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void sleep_ns(long ns)
{
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* Milliseconds a stress may take: short in `make test`. */
static inline uint64_t stress_ms(uint64_t usual)
{
    return getenv("PAWL_TEST_LONG") != NULL ? 20 * usual : usual;
}

/* From PAWL_TEST_SEED, else from the clock; printed, so that a failure can be repeated. */
static inline uint64_t test_seed(void)
{
    const char *given = getenv("PAWL_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : now_ns();

    printf("# seed %#llx (PAWL_TEST_SEED)\n", (unsigned long long)seed);
    return seed;
}

static inline uint32_t test_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

/* Waits until *flag is at least `value`. */
static inline void await_flag(PAWL_ATOMIC(int) * flag, int value)
{
    while (pawl_load_acquire(flag) < value)
        sleep_ns(100000);
}

/* ThreadSanitizer or AddressSanitizer. */
static inline bool under_sanitizer(void)
{
#if PAWL_INSTRUMENTED || defined(__SANITIZE_ADDRESS__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

/* Runs `body` in a child, which a deadlock ends by SIGALRM; returns the wait status. stderr goes to `said`
 * (256 bytes) unless NULL. */
static inline int in_child(void (*body)(void), char *said)
{
    int pipe_ends[2];
    int status = -1;
    ssize_t length;
    pid_t child;

    if (pipe(pipe_ends) != 0)
        abort();
    fflush(NULL);
    child = fork();
    if (child == 0) {
        alarm(30);
        if (said != NULL)
            dup2(pipe_ends[1], 2);
        signal(SIGABRT, SIG_DFL); /* cmocka's handler would report the child as a failed test */
        body();
        _exit(0);
    }
    close(pipe_ends[1]);
    if (said != NULL) {
        size_t filled = 0;

        while (filled < 255 && (length = read(pipe_ends[0], said + filled, 255 - filled)) > 0)
            filled += (size_t)length;
        said[filled] = '\0';
    }
    close(pipe_ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    return status;
}

#endif
