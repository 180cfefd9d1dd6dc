/* SPDX-License-Identifier: MIT */
/* The calls of libevent 1, which act on the base that event_init() made last; and what there is once a process. */
#include "base.h"

#include <event2/event_compat.h>

struct event_base *event_init(void)
{
    struct event_base *base = event_base_new_with_config(NULL);

    if (base == NULL)
        pawl_event_die_("event_init: Unable to construct event_base");
    pawl_event_current_ = base;
    return base;
}

int event_dispatch(void)
{
    return event_base_loop(pawl_event_current_, 0);
}

int event_loop(int flags)
{
    return event_base_loop(pawl_event_current_, flags);
}

int event_loopexit(const struct timeval *tv)
{
    return event_base_loopexit(pawl_event_current_, tv);
}

int event_loopbreak(void)
{
    return event_base_loopbreak(pawl_event_current_);
}

int event_once(evutil_socket_t fd, short events, event_callback_fn callback, void *arg,
               const struct timeval *tv)
{
    return event_base_once(pawl_event_current_, fd, events, callback, arg, tv);
}

const char *event_get_method(void)
{
    return event_base_get_method(pawl_event_current_);
}

int event_priority_init(int npriorities)
{
    return event_base_priority_init(pawl_event_current_, npriorities);
}

/* The version whose calls these are: programs compare it with the one of their headers. */
const char *event_get_version(void)
{
    return EVENT__VERSION;
}

ev_uint32_t event_get_version_number(void)
{
    return EVENT__NUMERIC_VERSION;
}

/* Mistakes that debug mode finds are not looked for. */
void event_enable_debug_mode(void)
{
}

/* Nothing outlives the bases. */
void libevent_global_shutdown(void)
{
}
