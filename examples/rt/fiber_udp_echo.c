/* SPDX-License-Identifier: MIT */
/* Datagrams come back to whom they came from, in straight lines: fiber_udp_echo [PORT]. Ends with SIGINT or SIGTERM. */
#include <pawl/fiber_dgram.h>
#include <pawl/rt.h>

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pawl_rt *rt;

static void echo(void *address)
{
    const struct sockaddr_in *here = address;
    struct pawl_mailbox mailbox;
    char bytes[2048];
    int64_t n = pawl_mailbox_open(&mailbox, (const struct sockaddr *)here, sizeof *here, 0, 0);

    printf("fiber_udp_echo on port %d: %s\n", ntohs(here->sin_port), strerror((int)-n));
    fflush(stdout);
    if (n != 0) {
        pawl_rt_stop(rt);
        return;
    }
    while (n != -ECANCELED) { /* other errors are of a datagram, and the next may do better */
        struct sockaddr_storage peer;
        socklen_t peer_bytes = sizeof peer;

        n = pawl_receive_from(&mailbox, bytes, sizeof bytes, (struct sockaddr *)&peer, &peer_bytes);
        if (n >= 0)
            n = pawl_send_to(&mailbox, bytes, (size_t)n, (struct sockaddr *)&peer, peer_bytes);
    }
    pawl_mailbox_close(&mailbox);
}

static void stop(int signal)
{
    (void)signal;
    pawl_rt_stop(rt);
}

int main(int argc, char **argv)
{
    struct sockaddr_in here = {.sin_family = AF_INET,
                               .sin_port = htons(argc > 1 ? (in_port_t)atoi(argv[1]) : 7007)};

    if (pawl_rt_open(&rt, &(struct pawl_rt_config){.workers = 1}) != 0 || pawl_go(rt, echo, &here) != 0)
        return 1;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    pawl_rt_run(rt); /* until it is stopped; closing the runtime cancels the fiber */
    return pawl_rt_close(rt) == 0 ? 0 : 1;
}
