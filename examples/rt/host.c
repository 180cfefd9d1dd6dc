/* SPDX-License-Identifier: MIT */
/* Prints the addresses of names, which are looked for all at once: host NAME... */
#include <pawl/resolve.h>
#include <pawl/rt.h>
#include <pawl/task.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pawl_rt *rt;
static struct pawl_resolver *resolver;
static char **names;
static int left, failed;

static void found(struct pawl_op *op, int64_t result)
{
    struct pawl_resolve *resolve = pawl_op_of(op, struct pawl_resolve, op);
    char text[INET6_ADDRSTRLEN];

    if (result < 0) {
        fprintf(stderr, "host: %s\n", strerror((int)-result));
        failed++;
    }
    for (size_t i = 0; i < resolve->count; i++) {
        const struct pawl_address *address = &resolve->addresses[i];
        const int family = address->socket.any.sa_family;

        puts(inet_ntop(family,
                       family == AF_INET ? (const void *)&address->socket.v4.sin_addr
                                         : (const void *)&address->socket.v6.sin6_addr,
                       text, sizeof text));
    }
    pawl_resolve_free(resolve);
    free(resolve);
    if (--left == 0)
        pawl_rt_stop(rt);
}

/* A resolver belongs to a worker: on this one. */
static enum pawl_task_next look_up(struct pawl_task *task)
{
    (void)task;
    if (pawl_resolver_open(&resolver, NULL) != 0)
        abort();
    for (char **name = names; *name != NULL; name++) {
        struct pawl_resolve *resolve = malloc(sizeof *resolve);

        if (resolve == NULL)
            abort();
        pawl_resolve_init(resolve, found);
        left++;
        if (pawl_resolve_name(resolve, resolver, *name, 0, AF_UNSPEC) != 0)
            found(&resolve->op, -1);
    }
    return PAWL_TASK_DONE;
}

int main(int argc, char **argv)
{
    const struct pawl_rt_config config = {.workers = 1};
    struct pawl_task task;

    if (argc < 2 || pawl_rt_open(&rt, &config) != 0)
        return 1;
    names = argv + 1;
    pawl_task_init(&task, look_up, 0);
    if (pawl_task_spawn(rt, &task) == 0)
        pawl_rt_run(rt);
    return pawl_rt_close(rt) == 0 && failed == 0 ? 0 : 1; /* the resolver goes with the runtime */
}
