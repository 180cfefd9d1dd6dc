/* SPDX-License-Identifier: MIT */
/* Timers: what it costs to start, to cancel, to put off and to fire one, when many others are armed.
 *
 * By operation, whatever the number of timers: start writes the timer, one neighbour and the slot; cancel
 * writes two neighbours; a start of one that is armed, to later, writes the timer. Heaps write, and compare, along the way up or down. */
#include "timer_peers.h"

#define CONTENDER(shown, peer, size, loop)                                                          \
    {                                                                                               \
        .name = (shown), .setup = peer##_open_##size, .enter = peer##_enter, .leave = peer##_leave, \
        .run = peer##_##loop, .teardown = peer##_close                                              \
    }
#if BENCH_HAVE_LIBUV
#define LIBUV(size, loop) CONTENDER("libuv", bench_libuv, size, loop)
#else
#define LIBUV(size, loop)                                      \
    {                                                          \
        .name = "libuv", .missing = "built without libuv1-dev" \
    }
#endif
#if BENCH_HAVE_LIBEVENT
#define LIBEVENT(size, loop) CONTENDER("libevent", bench_libevent, size, loop)
#else
#define LIBEVENT(size, loop)                                        \
    {                                                               \
        .name = "libevent", .missing = "built without libevent-dev" \
    }
#endif
#if BENCH_HAVE_LIBEV
#define LIBEV(size, loop) CONTENDER("libev", bench_libev, size, loop)
#else
#define LIBEV(size, loop)                                     \
    {                                                         \
        .name = "libev", .missing = "built without libev-dev" \
    }
#endif
#define CONTENDERS(size, loop)                                                                    \
    {                                                                                             \
        CONTENDER("pawl_timer", bench_pawl, size, loop), LIBUV(size, loop), LIBEVENT(size, loop), \
            LIBEV(size, loop),                                                                    \
        {                                                                                         \
            0                                                                                     \
        }                                                                                         \
    }

static const struct bench_contender start_cancel_many[] = CONTENDERS(many, start_cancel);
static const struct bench_contender put_off_many[] = CONTENDERS(many, put_off);
static const struct bench_contender put_off_few[] = CONTENDERS(few, put_off);
static const struct bench_contender later_many[] = CONTENDERS(many, later);
static const struct bench_contender later_few[] = CONTENDERS(few, later);
static const struct bench_contender fire_few[] = CONTENDERS(few, fire);

static const struct bench_group groups[] = {
    {.name = "start-cancel",
     .about = "one more timer is started and cancelled beside a million",
     .unit = "start+cancel",
     .threads_fixed = true,
     .contenders = start_cancel_many},
    {.name = "put-off",
     .about = "any one of a million timers is cancelled and started again",
     .unit = "cancel+start",
     .threads_fixed = true,
     .contenders = put_off_many},
    {.name = "put-off-few",
     .about = "the same with a thousand timers, which are in the cache",
     .unit = "cancel+start",
     .threads_fixed = true,
     .contenders = put_off_few},
    {.name = "later",
     .about = "any one of a million timers is put off behind all others, in one call",
     .unit = "start",
     .threads_fixed = true,
     .contenders = later_many},
    {.name = "later-few",
     .about = "the same with a thousand timers",
     .unit = "start",
     .threads_fixed = true,
     .contenders = later_few},
    {.name = "fire",
     .about = "a thousand timers that are due, in one turn of the loop",
     .unit = "start+fire",
     .threads_fixed = true,
     .ops = BENCH_AT_ONCE,
     .contenders = fire_few},
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_program program = {"timer", "Timers, beside many others.", groups};

    return bench_main(argc, argv, &program);
}
