/* SPDX-License-Identifier: MIT */
/* For tests that ruin the process they run in: children, and sandboxes that deny system calls. */
#ifndef PAWL_TESTS_SANDBOX_H
#define PAWL_TESTS_SANDBOX_H

#include "percpu_test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SECONDS 30

/* From here on the calling thread's system calls `number` fail with this errno: a filter as sandboxes use. */
static inline bool deny(int number, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof code[0], code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* ---- In a child, which may ruin itself. Each returns 0, or the line of what went wrong. ---- */

#define EXPECT(truth)        \
    do {                     \
        if (!(truth))        \
            return __LINE__; \
    } while (0)

#define CANNOT (-1) /* the child may not prepare what it wants to test */

static inline void in_child(int (*child)(void))
{
    int line = 0;
    int status;
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        line = child();
        _exit(write(ends[1], &line, sizeof line) == sizeof line ? 0 : 1);
    }
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(read(ends[0], &line, sizeof line), sizeof line);
    close(ends[0]);
    if (line == CANNOT)
        skip();
    if (line != 0)
        print_error("%s:%d: not so in the child\n", __FILE__, line);
    assert_int_equal(line, 0);
}

#endif
