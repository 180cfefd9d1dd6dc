/* SPDX-License-Identifier: MIT */
/* Streams: timeouts. One timer a stream, which is not touched when bytes move: it looks at when they did. */
#include "stream.h"

#include "wheel.h"

#include <errno.h>
#include <poll.h>

#define NS_A_MS UINT64_C(1000000)

enum { STARVED_MS = 10 };

/* The earliest moment at which something must have happened, and how long the wait for it is. */
static uint64_t deadline_of(const struct pawl_stream *stream, uint64_t *limit_ms)
{
    const struct pawl_stream_config *config = stream->config;
    uint64_t moved = stream->read_at > stream->write_at ? stream->read_at : stream->write_at;
    uint64_t earliest = UINT64_MAX;
    const struct {
        bool on;
        uint64_t since;
        uint32_t ms;
    } limits[] = {
        {(stream->state & STREAM_CONNECTING) != 0, stream->read_at, config->connect_ms},
        {(stream->state & STREAM_OPENED) != 0, moved, config->idle_ms},
        {pawl_stream_reads_(stream), stream->read_at, config->read_ms},
        {(stream->state & STREAM_OPENED) != 0 && (pawl_stream_waiting_(stream) != 0 || stream->zeroing != 0),
         stream->write_at, config->write_ms},
    };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i].on && limits[i].ms != 0 && limits[i].since + limits[i].ms * NS_A_MS < earliest) {
            earliest = limits[i].since + limits[i].ms * NS_A_MS;
            *limit_ms = limits[i].ms;
        }
    return earliest;
}

static void arm(struct pawl_stream *stream, uint64_t deadline, uint64_t limit_ms)
{
    pawl_stream_time_stop_(stream);
    stream->timer.tick = pawl_wheel_tick_(deadline, pawl_wheel_slack_shift_(limit_ms * NS_A_MS / 8));
    pawl_wheel_insert_(&stream->source.engine->worker->wheel, &stream->timer);
}

static void arm_next(struct pawl_stream *stream)
{
    uint64_t now = stream->source.engine->worker->now;
    uint64_t limit = 0, deadline = deadline_of(stream, &limit);

    if ((stream->state & STREAM_STARVED) != 0 && now + STARVED_MS * NS_A_MS < deadline) {
        deadline = now + STARVED_MS * NS_A_MS;
        limit = STARVED_MS;
    }
    if (deadline != UINT64_MAX)
        arm(stream, deadline, limit);
}

/* The worker may have been busy for longer than the limit, and the peer has sent something meanwhile that it hears of in this
 * turn: counted from now on. (A file can be read at any time.) */
static void look_whether_it_moved(struct pawl_stream *stream)
{
    struct pollfd look = {.fd = stream->source.fd, .events = POLLIN};

    if ((stream->state & STREAM_OPENED) != 0 && (stream->state & STREAM_BY_FILE) == 0 &&
        pawl_stream_reads_(stream) && poll(&look, 1, 0) == 1 &&
        (look.revents & (POLLIN | POLLHUP)) != 0) /* not what stands in the queue of errors */
        stream->read_at = stream->source.engine->worker->now;
}

/* Who has been told everything is told the end by FIN; who misses what was queued, by RST. */
static void time_out(struct pawl_stream *stream)
{
    if (pawl_stream_waiting_(stream) == 0)
        pawl_stream_failed_(stream, -ETIMEDOUT);
    else
        pawl_stream_abort(stream, -ETIMEDOUT);
}

static void fire(struct pawl_timer *timer)
{
    struct pawl_stream *stream = pawl_timer_of(timer, struct pawl_stream, timer);
    struct pawl_engine *engine = stream->source.engine;
    uint64_t limit;

    if (deadline_of(stream, &limit) <= engine->worker->now)
        look_whether_it_moved(stream);
    if (deadline_of(stream, &limit) <= engine->worker->now) {
        time_out(stream);
        return;
    }
    if ((stream->state & STREAM_STARVED) != 0) {
        stream->state &= ~(uint32_t)STREAM_STARVED;
        if (pawl_stream_reads_(stream))
            pawl_stream_class_(stream)->receive(engine, stream);
    }
    arm_next(stream);
}

void pawl_stream_time_start_(struct pawl_stream *stream)
{
    uint64_t now = stream->source.engine->worker->now;

    stream->timer.fire = fire;
    if (stream->read_at == 0)
        stream->read_at = now;
    if (stream->write_at == 0)
        stream->write_at = now;
    arm_next(stream);
}

void pawl_stream_time_stop_(struct pawl_stream *stream)
{
    if (stream->timer.link.next != NULL)
        pawl_wheel_del_(&stream->source.engine->worker->wheel, &stream->timer);
}
