/* SPDX-License-Identifier: MIT */
/* Standard input to standard output, whatever they are (files, pipes, terminals): the two calls of any fiber. */
#include <pawl/fiber_io.h>
#include <pawl/rt.h>

#include <stdio.h>
#include <string.h>

static void copy(void *status)
{
    static char bytes[65536];
    struct pawl_conn in, out;
    int64_t n = pawl_conn_adopt(&in, 0);

    if (n == 0 && (n = pawl_conn_adopt(&out, 1)) == 0) {
        while ((n = pawl_read(&in, bytes, sizeof bytes)) > 0)
            if ((n = pawl_write(&out, bytes, (size_t)n)) < 0)
                break;
        if (n == 0)
            n = pawl_conn_close(&out);
        else
            pawl_conn_close(&out);
    }
    pawl_conn_close(&in);
    *(int *)status = (int)n;
}

int main(void)
{
    const struct pawl_rt_config one = {.workers = 1};
    struct pawl_fiber *fiber;
    struct pawl_rt *rt;
    int result = 0, status = pawl_rt_open(&rt, &one);

    if (status == 0)
        status = pawl_fiber_open(&fiber, rt, copy, &result);
    if (status == 0)
        status = pawl_fiber_join(fiber);
    if (status != 0 || result != 0) {
        fprintf(stderr, "cat: %s\n", strerror(-(status != 0 ? status : result)));
        return 1;
    }
    return pawl_rt_close(rt) == 0 ? 0 : 1;
}
