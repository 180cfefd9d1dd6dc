/* SPDX-License-Identifier: MIT */
/* The time of a base: CLOCK_MONOTONIC in microseconds, looked up once a turn. */
#include "base.h"

#include <time.h>

enum {
    US = 1000000,        /* in a second */
    REAL_EVERY = 5 * US, /* how long the lead of CLOCK_REALTIME is taken for granted */
};

/* Half of the microseconds that there are, so that two of them can be added: 70,000 years. */
#define MOST_SECONDS (INT64_MAX / 4 / US)

int64_t pawl_event_micros_(const struct timeval *tv)
{
    int64_t seconds = tv->tv_sec;

    if (seconds > MOST_SECONDS)
        seconds = MOST_SECONDS;
    else if (seconds < -MOST_SECONDS)
        seconds = -MOST_SECONDS;
    return seconds * US + tv->tv_usec;
}

struct timeval pawl_event_timeval_(int64_t us)
{
    struct timeval tv = {.tv_sec = us / US, .tv_usec = us % US};

    if (tv.tv_usec < 0) {
        tv.tv_usec += US;
        tv.tv_sec--;
    }
    return tv;
}

static int64_t clock_us(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts); /* cannot fail for these clocks */
    return (int64_t)ts.tv_sec * US + ts.tv_nsec / 1000;
}

int64_t pawl_event_now_(struct event_base *base)
{
    int64_t now = base->now;

    if (now != 0)
        return now;
    now = clock_us(CLOCK_MONOTONIC);
    if (base->real_at == 0 || now - base->real_at > REAL_EVERY) {
        base->real_minus_now = clock_us(CLOCK_REALTIME) - now;
        base->real_at = now;
    }
    return now;
}

void pawl_event_now_keep_(struct event_base *base)
{
    base->now = 0;
    if (!base->no_cache)
        base->now = pawl_event_now_(base);
}

int event_gettime_monotonic(struct event_base *base, struct timeval *tp)
{
    if (base == NULL || tp == NULL)
        return -1;
    *tp = pawl_event_timeval_(clock_us(CLOCK_MONOTONIC));
    return 0;
}

int event_base_gettimeofday_cached(struct event_base *base, struct timeval *tv)
{
    if (base == NULL)
        base = pawl_event_current_;
    if (base == NULL)
        return gettimeofday(tv, NULL);
    pawl_event_lock_(base);
    if (base->now == 0)
        *tv = pawl_event_timeval_(clock_us(CLOCK_REALTIME));
    else
        *tv = pawl_event_timeval_(base->now + base->real_minus_now);
    pawl_event_unlock_(base);
    return 0;
}

int event_base_update_cache_time(struct event_base *base)
{
    if (base == NULL)
        base = pawl_event_current_;
    if (base == NULL)
        return -1;
    pawl_event_lock_(base);
    if (base->running)
        pawl_event_now_keep_(base);
    pawl_event_unlock_(base);
    return 0;
}
