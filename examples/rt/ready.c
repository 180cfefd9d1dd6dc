/* SPDX-License-Identifier: MIT */
/* ready MS: waits until standard input can be read, so many milliseconds at most. Ends with 0 if it can, with 1 if not:
 * a watch of a descriptor as an operation with a deadline. */
#include <pawl/op.h>
#include <pawl/rt.h>
#include <pawl/task.h>
#include <pawl/watch.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct {
    struct pawl_rt *rt;
    struct pawl_task starter;
    struct pawl_watch input;
    struct pawl_op readable;
    uint64_t ns;
    int64_t result;
} self;

static void ended(struct pawl_op *op, int64_t result)
{
    (void)op;
    self.result = result; /* EPOLLIN and the like; -ETIMEDOUT */
    pawl_rt_stop(self.rt);
}

static enum pawl_task_next begin(struct pawl_task *task)
{
    int status = pawl_watch_once(&self.input, &self.readable, STDIN_FILENO, EPOLLIN);

    (void)task;
    if (status == -EPERM)
        ended(&self.readable, EPOLLIN); /* a file, which is always ready */
    else if (status != 0)
        ended(&self.readable, status);
    else
        pawl_op_deadline(&self.readable, self.ns);
    return PAWL_TASK_DONE;
}

int main(int argc, char **argv)
{
    self.ns = argc > 1 ? strtoull(argv[1], NULL, 10) * 1000000 : 0;
    pawl_op_init(&self.readable, ended);
    pawl_task_init(&self.starter, begin, 0);
    if (pawl_rt_open(&self.rt, &(struct pawl_rt_config){.workers = 1}) != 0 ||
        pawl_task_spawn(self.rt, &self.starter) != 0)
        return 2;
    pawl_rt_run(self.rt);
    pawl_rt_close(self.rt);
    if (self.result < 0 && self.result != -ETIMEDOUT)
        fprintf(stderr, "ready: %s\n", strerror((int)-self.result));
    return self.result > 0 ? 0 : self.result == -ETIMEDOUT ? 1 : 2;
}
