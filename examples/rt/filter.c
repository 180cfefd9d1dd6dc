/* SPDX-License-Identifier: MIT */
/* filter LINE...: the lines, sorted by a child: sort(1), with a stream to its input and one from its output. */
#include <pawl/child.h>
#include <pawl/fiber.h>
#include <pawl/park.h>
#include <pawl/rt.h>
#include <pawl/stream.h>

#include <stdio.h>
#include <string.h>

static struct pawl_fiber *waiting;

static void print(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    (void)stream;
    (void)fwrite(slice->bytes, 1, slice->count, stdout);
}

static void heard_all(struct pawl_stream *stream, int reason)
{
    (void)stream;
    (void)reason;
    pawl_fiber_unpark(waiting);
}

static void sort(void *lines)
{
    static const struct pawl_stream_config in = {.received = print},
                                           out = {.received = print, .closed = heard_all};
    static char sort[] = "sort", numbers[] = "-n", *argv[] = {sort, numbers, NULL};
    struct pawl_child_config config = {.argv = argv,
                                       .stdio = {{.kind = PAWL_CHILD_STREAM, .config = &in},
                                                 {.kind = PAWL_CHILD_STREAM, .config = &out}}};
    struct pawl_child child = {.pid = 0};
    struct pawl_op end;
    int64_t status;

    waiting = pawl_fiber_self();
    pawl_op_init(&end, NULL);
    if ((status = pawl_child_spawn(&child, &config)) == 0) {
        for (char **line = lines; *line != NULL; line++) {
            pawl_stream_write(config.stdio[0].stream, *line, strlen(*line));
            pawl_stream_write(config.stdio[0].stream, "\n", 1);
        }
        pawl_stream_shutdown(config.stdio[0].stream); /* the end of its input */
        pawl_fiber_park(PAWL_FOREVER);                /* its output has ended */
        if ((status = pawl_child_wait(&child, &end, child.pid)) == 0)
            status = pawl_await(&end);
    }
    if (status != 0)
        printf("%s: %s\n", sort, status < 0 ? strerror((int)-status) : "it failed");
}

int main(int argc, char **argv)
{
    struct pawl_fiber *fiber;
    struct pawl_rt *rt;

    (void)argc;
    if (pawl_rt_open(&rt, &(struct pawl_rt_config){.workers = 1}) != 0 ||
        pawl_fiber_open(&fiber, rt, sort, argv + 1) != 0)
        return 1;
    if (pawl_fiber_join(fiber) != 0)
        return 1;
    return pawl_rt_close(rt) == 0 ? 0 : 1;
}
