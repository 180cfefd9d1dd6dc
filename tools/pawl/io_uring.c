/* SPDX-License-Identifier: MIT */
/* Whether this process gets an io_uring, and what the kernel's can do. Asked by setting one up: a
 * container's seccomp filter or the sysctl may refuse what the kernel has. */
#include "kernel.h"

#include "readfile.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Own numbers: the build machine's header may be older than the kernel that is asked. */
const struct flag_name io_uring_feature_names[] = {
    {1U << 0, "SINGLE_MMAP"},
    {1U << 1, "NODROP"},
    {1U << 2, "SUBMIT_STABLE"},
    {1U << 3, "RW_CUR_POS"},
    {1U << 4, "CUR_PERSONALITY"},
    {1U << 5, "FAST_POLL"},
    {1U << 6, "POLL_32BITS"},
    {1U << 7, "SQPOLL_NONFIXED"},
    {1U << 8, "EXT_ARG"},
    {1U << 9, "NATIVE_WORKERS"},
    {1U << 10, "RSRC_TAGS"},
    {1U << 11, "CQE_SKIP"},
    {1U << 12, "LINKED_FILE"},
    {1U << 13, "REG_REG_RING"},
    {1U << 14, "RECVSEND_BUNDLE"},
    {1U << 15, "MIN_TIMEOUT"},
    {1U << 16, "RW_ATTR"},
    {1U << 17, "NO_IOWAIT"},
    {0, NULL},
};

enum { PROBED_OPCODES = 256 }; /* the most that the interface can describe: ops_len is 8 bits wide */

static unsigned supported_opcodes(int ring)
{
    size_t bytes = sizeof(struct io_uring_probe) + PROBED_OPCODES * sizeof(struct io_uring_probe_op);
    struct io_uring_probe *probe = calloc(1, bytes);
    unsigned supported = 0;

    if (!probe)
        return 0;
    if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_PROBE, probe, PROBED_OPCODES) == 0)
        for (unsigned i = 0; i < probe->ops_len; i++)
            supported += (probe->ops[i].flags & IO_URING_OP_SUPPORTED) != 0;
    free(probe);
    return supported;
}

void io_uring_read(struct io_uring_facts *io_uring, const char *root)
{
    struct io_uring_params parameters = {0};
    char path[PATH_MAX];
    int64_t disabled;
    int ring;

    *io_uring = (struct io_uring_facts){.disabled = -1};
    if (path_format(path, sizeof path, root, "/proc/sys/kernel/io_uring_disabled") &&
        read_number(path, &disabled))
        io_uring->disabled = (int)disabled;
    ring = (int)syscall(SYS_io_uring_setup, 1, &parameters);
    if (ring < 0) {
        io_uring->error = errno;
        return;
    }
    io_uring->features = parameters.features;
    io_uring->opcodes = supported_opcodes(ring);
    close(ring);
}

const char *io_uring_reason(const struct io_uring_facts *io_uring)
{
    switch (io_uring->error) {
    case ENOSYS:
        return "the kernel has none (Linux 5.1 brought it), or a seccomp filter hides it: "
               "a container must allow io_uring_setup, io_uring_enter and io_uring_register";
    case EPERM:
    case EACCES:
        if (io_uring->disabled == 2)
            return "switched off for everyone: sysctl kernel.io_uring_disabled=0 allows it";
        if (io_uring->disabled == 1)
            return "only for CAP_SYS_ADMIN and the group of kernel.io_uring_group: join it, or set "
                   "sysctl kernel.io_uring_disabled=0";
        return "refused by a seccomp filter or security module: "
               "a container must allow io_uring_setup, io_uring_enter and io_uring_register";
    case ENOMEM:
        return "out of locked memory: raise the limit with ulimit -l";
    case EMFILE:
    case ENFILE:
        return "no free file descriptor: raise the limit with ulimit -n";
    default:
        return "io_uring_setup failed for a reason of its own";
    }
}
