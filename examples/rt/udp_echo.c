/* SPDX-License-Identifier: MIT */
/* Datagrams come back to whom they came from, on all processors: udp_echo [PORT]. Ends with SIGINT or SIGTERM. */
#include <pawl/dgram.h>
#include <pawl/rt.h>
#include <pawl/task.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pawl_rt *rt;

static void received(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    const struct pawl_dgram_target back = {.address = packet->from, .address_bytes = packet->from_bytes};

    /* refused when the queue is full: dropped, as the network would */
    (void)pawl_dgram_send(dgram, &back, &packet->slice);
}

static const struct pawl_dgram_config echo = {.received = received, .flags = PAWL_DGRAM_SHARE_PORT};

struct opening {
    struct pawl_task task;
    struct sockaddr_in here;
    int status;
};

/* A socket belongs to a worker, so a worker opens it. */
static enum pawl_task_next open_here(struct pawl_task *task)
{
    struct opening *opening = pawl_task_of(task, struct opening, task);
    struct pawl_dgram *dgram;

    opening->status = pawl_dgram_open(&dgram, &echo, (const struct sockaddr *)&opening->here,
                                      sizeof opening->here);
    return PAWL_TASK_DONE;
}

static void stop(int signal)
{
    (void)signal;
    pawl_rt_stop(rt);
}

int main(int argc, char **argv)
{
    struct opening opening = {
        .here = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? (in_port_t)atoi(argv[1]) : 7007)}};
    int status = pawl_rt_open(&rt, NULL);

    pawl_task_init(&opening.task, open_here, 0);
    if (status == 0)
        status = pawl_task_spawn(rt, &opening.task);
    if (status == 0 && pawl_task_join(&opening.task) == 0)
        status = opening.status;
    if (status != 0) {
        fprintf(stderr, "udp_echo: %s\n", strerror(-status));
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("udp_echo on port %d, %s\n", ntohs(opening.here.sin_port), pawl_rt_engine(rt));
    fflush(stdout);
    pawl_rt_run(rt); /* until it is stopped; closing the runtime closes the socket */
    return pawl_rt_close(rt) == 0 ? 0 : 1;
}
