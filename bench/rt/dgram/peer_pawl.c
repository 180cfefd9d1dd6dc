/* SPDX-License-Identifier: MIT */
#include "dgram_peers.h"

#include <pawl/dgram.h>
#include <pawl/rt.h>
#include <pawl/task.h>

#include <stddef.h>

static void received(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    const struct pawl_dgram_target back = {.address = packet->from, .address_bytes = packet->from_bytes};

    (void)pawl_dgram_send(dgram, &back, &packet->slice); /* dropped if too many wait */
}

static const struct echo_place *where;
static int status;

static enum pawl_task_next open_here(struct pawl_task *task)
{
    static const struct pawl_dgram_config echo = {.received = received};
    struct pawl_dgram *dgram;

    (void)task;
    status = pawl_dgram_open(&dgram, &echo, where->address, where->bytes);
    if (status == 0)
        echo_ready(where);
    else
        pawl_rt_stop(pawl_rt_here());
    return PAWL_TASK_DONE;
}

static int serve(const struct echo_place *place, const char *engine)
{
    const struct pawl_rt_config config = {.workers = 1, .flags = PAWL_RT_CALLER, .engine = engine};
    static struct pawl_task task;
    struct pawl_rt *rt;

    where = place;
    status = pawl_rt_open(&rt, &config);
    if (status != 0)
        return status;
    pawl_task_init(&task, open_here, 0);
    status = pawl_task_spawn(rt, &task);
    if (status == 0)
        status = pawl_rt_run(rt);
    return status;
}

int dgram_pawl_epoll(const struct echo_place *place)
{
    return serve(place, "epoll");
}

int dgram_pawl_uring(const struct echo_place *place)
{
    return serve(place, "uring");
}
