/* SPDX-License-Identifier: MIT */
/* What the tests of this room share: threads, an alarm for lost wake-ups, children. */
#ifndef PAWL_TESTS_SYNC_TEST_H
#define PAWL_TESTS_SYNC_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pawl/atomic.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MILLISECOND UINT64_C(1000000)

/* Who waits for ever is ended by a signal: a test that hangs fails. Instrumented programs have more time, which they need
 * on a slow machine that does other things, too. */
static inline void expect_end_within(unsigned seconds)
{
    alarm(PAWL_INSTRUMENTED ? 4 * seconds : seconds);
}

/* Rounds of a stress: `n`, many times more in the long form, fewer where everything is slow. */
static inline int rounds(int n)
{
    const char *longer = getenv("PAWL_TEST_LONG");

    if (PAWL_INSTRUMENTED)
        n = n / 10 > 0 ? n / 10 : 1;
    return longer != NULL && longer[0] == '1' ? n * 20 : n;
}

static inline uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void sleep_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&time, &time) != 0) {
    }
}

static inline pthread_t start(void *(*run)(void *), void *argument)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run, argument), 0);
    return thread;
}

static inline void *join(pthread_t thread)
{
    void *result;

    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

static inline void *map_shared(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    return memory;
}

static inline int status_of(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Runs `run` in a child and returns its wait status; the child ends with 0 when run returns. */
static inline int status_of_child(void (*run)(void *), void *argument)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        expect_end_within(20);
        run(argument);
        _exit(0);
    }
    return status_of(child);
}

/* The child must abort and say `line` on stderr. */
static inline void expect_abort(void (*run)(void *), void *argument, const char *line)
{
    char text[512] = "";
    size_t length = 0;
    ssize_t got;
    int pipes[2];
    pid_t child;
    int status;

    assert_int_equal(pipe(pipes), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        expect_end_within(20);
        dup2(pipes[1], STDERR_FILENO);
        run(argument);
        _exit(0);
    }
    close(pipes[1]);
    while ((got = read(pipes[0], text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    close(pipes[0]);
    status = status_of(child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, line));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
}

/* True once a thread of this process, by its kernel id, sleeps in the kernel. */
static inline bool asleep(pid_t tid)
{
    char path[64], line[256] = "";
    FILE *file;
    char *state;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    file = fopen(path, "r");
    if (file == NULL)
        return false;
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    fclose(file);
    state = strrchr(line, ')');
    return state != NULL && state[1] != '\0' && state[2] == 'S';
}

static inline void until_asleep(PAWL_ATOMIC(pid_t) * tid)
{
    while (pawl_load_acquire(tid) == 0 || !asleep(pawl_load_acquire(tid)))
        sched_yield();
}

#endif
