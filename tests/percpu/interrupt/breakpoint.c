/* SPDX-License-Identifier: MIT */
#include "breakpoint.h"

#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* x86 wants the length of a word for instructions, aarch64 that of an instruction. */
#if defined(__x86_64__)
#define INSTRUCTION_LENGTH sizeof(long)
#else
#define INSTRUCTION_LENGTH HW_BREAKPOINT_LEN_4
#endif

int breakpoint_open(uintptr_t ip, unsigned int occurrence)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_BREAKPOINT,
        .size = sizeof attr,
        .bp_type = HW_BREAKPOINT_X,
        .bp_addr = ip,
        .bp_len = INSTRUCTION_LENGTH,
        .sample_period = occurrence,
        .disabled = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
        .remove_on_exec = 1, /* the kernel wants it with sigtrap */
        .sigtrap = 1,
    };
    long fd = syscall(__NR_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

    return fd >= 0 ? (int)fd : -errno;
}

void breakpoint_on(int fd)
{
    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
}

void breakpoint_off(int fd)
{
    ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
}
