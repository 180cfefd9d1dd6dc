/* SPDX-License-Identifier: MIT */
/* An echo server in straight lines, a fiber a connection: fiber_echo [PORT]. Ends with SIGINT or SIGTERM. */
#include <pawl/fiber_io.h>
#include <pawl/rt.h>

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct pawl_rt *rt;

static void serve(void *fd)
{
    struct pawl_conn conn;
    char bytes[4096];
    int64_t n;

    if (pawl_conn_adopt(&conn, (int)(intptr_t)fd) != 0) {
        close((int)(intptr_t)fd);
        return;
    }
    while ((n = pawl_read_until(&conn, bytes, sizeof bytes, pawl_deadline(60000000000))) > 0)
        if (pawl_write(&conn, bytes, (size_t)n) < 0)
            break;
    pawl_conn_close(&conn);
}

static void listen_here(void *argument)
{
    const struct sockaddr_in *here = argument;
    struct pawl_acceptor acceptor;
    int fd, status = pawl_acceptor_open(&acceptor, (const struct sockaddr *)here, sizeof *here);

    printf("fiber_echo on port %d: %s\n", ntohs(here->sin_port), strerror(-status));
    fflush(stdout);
    if (status != 0) {
        pawl_rt_stop(rt);
        return;
    }
    while ((fd = pawl_accept(&acceptor)) != -ECANCELED)
        if (fd < 0)
            pawl_sleep(10000000); /* no descriptors, no memory: some will have gone by then */
        else if (pawl_go(rt, serve, (void *)(intptr_t)fd) != 0)
            close(fd);
    pawl_acceptor_close(&acceptor);
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
    int status = pawl_rt_open(&rt, NULL);

    if (status == 0)
        status = pawl_go(rt, listen_here, &here);
    if (status != 0) {
        fprintf(stderr, "fiber_echo: %s\n", strerror(-status));
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    pawl_rt_run(rt); /* until it is stopped */
    return pawl_rt_close(rt) == 0 ? 0 : 1;
}
