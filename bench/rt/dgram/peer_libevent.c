/* SPDX-License-Identifier: MIT */
/* libevent tells of readiness; the server receives and sends one by one, as it has no call for more. */
#include "dgram_peers.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>

#include <errno.h>
#include <netinet/in.h>

static void readable(evutil_socket_t fd, short what, void *arg)
{
    static char bytes[2048];
    struct sockaddr_in from;
    socklen_t from_bytes = sizeof from;
    ssize_t n;

    (void)what;
    (void)arg;
    while ((n = recvfrom((int)fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_bytes)) >= 0)
        (void)sendto((int)fd, bytes, (size_t)n, 0, (const struct sockaddr *)&from, from_bytes);
}

int dgram_libevent(const struct echo_place *place)
{
    struct event_config *config = event_config_new();
    struct event_base *base;
    struct event *event;
    int fd = dgram_bound(place);

    if (fd < 0)
        return fd;
    if (config == NULL)
        return -ENOMEM;
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(config);
    if (base == NULL)
        return -ENOMEM;
    event = event_new(base, fd, EV_READ | EV_PERSIST, readable, NULL);
    if (event == NULL || event_add(event, NULL) != 0)
        return -ENOMEM;
    echo_ready(place);
    return event_base_dispatch(base);
}
