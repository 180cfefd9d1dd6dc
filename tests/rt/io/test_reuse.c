/* SPDX-License-Identifier: MIT */
/* The number of a descriptor that is closed is given out again at once. What an engine has still to hand to the kernel must
 * not come to whoever has the number next. On both engines. */
#include "io.h"
#include "test_io.h"

#include <netinet/in.h>
#include <pawl/dgram.h>
#include <semaphore.h>
#include <sys/un.h>

enum { MUCH = 2 << 20 }; /* more than a socket takes */

static struct {
    struct pawl_rt *rt;
    struct pawl_stream *stream;
    struct pawl_dgram *dgram;
    struct pawl_listener *listener;
    int old[2], fresh[2]; /* the worker's end, the test's */
    int number;           /* of the descriptor that was closed */
    int listening, client;
    struct sockaddr_un name;
    socklen_t name_bytes;
    sem_t hold;
    PAWL_ATOMIC(uint64_t) held, closed; /* messages that ran; what has ended */
} reuse;

static void begin(void)
{
    memset((void *)&reuse, 0, sizeof reuse);
    io_open(&reuse.rt, 1);
}

static void closed(struct pawl_stream *stream, int reason)
{
    io_closed(stream, reason);
    io_add(&reuse.closed, 1);
}

/* What comes first to the test's end of the new pair. */
static void hears_only(int fd, const char *text)
{
    char heard[64] = "";

    assert_int_equal(recv(fd, heard, sizeof heard, MSG_DONTWAIT), (ssize_t)strlen(text));
    assert_string_equal(heard, text);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* Two turns: what was to be handed to the kernel has been. */
static void let_turn(void)
{
    io_on(reuse.rt, 0, nothing, NULL);
    usleep(2000);
    io_on(reuse.rt, 0, nothing, NULL);
}

/* A pair whose first end has the number that was closed just now, if that was closed just now. */
static void take_number(int type)
{
    assert_int_equal(socketpair(AF_UNIX, type, 0, reuse.fresh), 0);
}

static void close_fresh(void)
{
    close(reuse.fresh[0]);
    close(reuse.fresh[1]);
    close(reuse.old[1]);
}

/* ---- a stream that receives ---- */

static const struct pawl_stream_config deaf = {.opened = io_opened,
                                               .received = io_received_count,
                                               .closed = closed};

static void adopt_paused(void *arg)
{
    (void)arg;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, reuse.old), 0);
    assert_int_equal(pawl_stream_adopt(&reuse.stream, &deaf, reuse.old[0]), 0);
    pawl_stream_pause(reuse.stream);
}

static void resume_and_abort(void *arg)
{
    (void)arg;
    pawl_stream_resume(reuse.stream); /* io_uring: a receive waits to be submitted */
    pawl_stream_abort(reuse.stream, 0);
    take_number(SOCK_STREAM);
    assert_int_equal(send(reuse.fresh[1], "yours", 5, 0), 5);
}

static void a_stream_that_ended_takes_no_bytes_from_who_has_its_number_next(void **state)
{
    (void)state;
    begin();
    io_on(reuse.rt, 0, adopt_paused, NULL);
    io_reach(&io_counts.opened, 1);
    let_turn();
    io_on(reuse.rt, 0, resume_and_abort, NULL);
    io_reach(&reuse.closed, 1);
    hears_only(reuse.fresh[0], "yours");
    close_fresh();
    io_close(reuse.rt);
}

/* ---- a stream that sends ---- */

static void say_much(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    char *bytes = calloc(1, MUCH);

    (void)slice;
    assert_non_null(bytes);
    reuse.stream = stream;
    assert_int_equal(pawl_stream_write(stream, bytes, MUCH), 0);
    free(bytes);
}

/* In the turn in which the other one has filled its socket. */
static void abort_other(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    (void)stream;
    (void)slice;
    assert_true(pawl_stream_queued(reuse.stream) != 0);
    pawl_stream_abort(reuse.stream, 0);
    take_number(SOCK_STREAM);
    pawl_stream_close(stream);
}

/* Which of them is heard first is the kernel's choice: io_uring of Linux 6.1 tells of the last first. */
static void say_much_or_abort_other(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    if (reuse.stream == NULL)
        say_much(stream, slice);
    else
        abort_other(stream, slice);
}

static const struct pawl_stream_config one_of_two = {.opened = io_opened,
                                                     .received = say_much_or_abort_other,
                                                     .closed = closed};

static void adopt_both(void *arg)
{
    int *pairs = arg;
    struct pawl_stream *stream;

    assert_int_equal(pawl_stream_adopt(&stream, &one_of_two, pairs[0]), 0);
    assert_int_equal(pawl_stream_adopt(&stream, &one_of_two, pairs[2]), 0);
}

static void hold_worker(struct pawl_message *message, struct pawl_worker *worker)
{
    (void)message;
    (void)worker;
    io_add(&reuse.held, 1);
    while (sem_wait(&reuse.hold) != 0)
        ;
}

static void what_a_stream_was_to_send_goes_to_nobody_who_has_its_number_next(void **state)
{
    struct pawl_message message = {.run = hold_worker};
    char bytes[64];
    int pairs[4];

    (void)state;
    begin();
    assert_int_equal(sem_init(&reuse.hold, 0, 0), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs + 2), 0);
    reuse.old[1] = pairs[1];
    io_on(reuse.rt, 0, adopt_both, pairs);
    io_reach(&io_counts.opened, 2);
    let_turn();
    pawl_worker_send_(&reuse.rt->worker[0], &message);
    io_reach(&reuse.held, 1);
    io_write(pairs[1], "a", 1); /* the worker hears of both in the same turn */
    io_write(pairs[3], "b", 1);
    assert_int_equal(sem_post(&reuse.hold), 0);
    io_reach(&reuse.closed, 2);
    assert_int_equal(recv(reuse.fresh[1], bytes, sizeof bytes, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    close(pairs[3]);
    close_fresh();
    sem_destroy(&reuse.hold);
    io_close(reuse.rt);
}

/* ---- datagrams ---- */

static void packet_came(struct pawl_dgram *dgram, const struct pawl_packet *packet)
{
    (void)dgram;
    (void)packet;
}

static void dgram_closed(struct pawl_dgram *dgram, int reason)
{
    (void)dgram;
    (void)reason;
    io_add(&reuse.closed, 1);
}

static const struct pawl_dgram_config packets = {.received = packet_came, .closed = dgram_closed};

static void end_dgram(struct pawl_message *message, struct pawl_worker *worker)
{
    (void)message;
    (void)worker;
    pawl_dgram_abort(reuse.dgram, 0);
    take_number(SOCK_DGRAM);
    assert_int_equal(send(reuse.fresh[1], "yours", 5, 0), 5);
}

static void begin_dgram(void *arg)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, reuse.old), 0);
    /* what it arms, and what ends it, stand one behind the other in the worker's queue */
    assert_int_equal(pawl_dgram_adopt(&reuse.dgram, &packets, reuse.old[0]), 0);
    pawl_worker_later_(pawl_worker_here_(), arg);
}

static void a_socket_that_ended_takes_no_datagram_from_who_has_its_number_next(void **state)
{
    struct pawl_message message = {.run = end_dgram};

    (void)state;
    begin();
    io_on(reuse.rt, 0, begin_dgram, &message);
    io_reach(&reuse.closed, 1);
    hears_only(reuse.fresh[0], "yours");
    close_fresh();
    io_close(reuse.rt);
}

/* ---- listeners ---- */

static void listener_closed(struct pawl_listener *listener, void *arg)
{
    (void)listener;
    (void)arg;
    io_add(&reuse.closed, 1);
}

/* A listening socket that has the number now, with somebody who waits to be accepted. */
static void listen_anew(struct pawl_message *message, struct pawl_worker *worker)
{
    (void)message;
    (void)worker;
    reuse.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(reuse.listening, (struct sockaddr *)&reuse.name, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(reuse.listening, 1), 0);
    reuse.name_bytes = sizeof reuse.name;
    assert_int_equal(getsockname(reuse.listening, (struct sockaddr *)&reuse.name, &reuse.name_bytes), 0);
    reuse.client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(reuse.client, (struct sockaddr *)&reuse.name, reuse.name_bytes), 0);
    io_add(&reuse.held, 1);
}

static void listen_and_close(void *arg)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct pawl_listener_config config = {.address = (const struct sockaddr *)&address,
                                                .address_bytes = sizeof address,
                                                .stream = &deaf,
                                                .closed = listener_closed};

    assert_int_equal(pawl_listener_open(&reuse.listener, reuse.rt, &config), 0);
    pawl_listener_close(reuse.listener);
    pawl_worker_send_(pawl_worker_here_(), arg);
}

static void a_listener_that_ended_accepts_nobody_for_who_has_its_number_next(void **state)
{
    struct pawl_message message = {.run = listen_anew};
    int accepted;

    (void)state;
    begin();
    reuse.name.sun_family = AF_UNIX; /* binding to no more than that chooses a name */
    io_on(reuse.rt, 0, listen_and_close, &message);
    io_reach(&reuse.held, 1);
    io_reach(&reuse.closed, 1);
    accepted = accept(reuse.listening, NULL, NULL);
    assert_true(accepted >= 0);
    close(accepted);
    close(reuse.client);
    close(reuse.listening);
    io_close(reuse.rt);
}

const struct CMUnitTest reuse_tests[] = {
    cmocka_unit_test(a_stream_that_ended_takes_no_bytes_from_who_has_its_number_next),
    cmocka_unit_test(what_a_stream_was_to_send_goes_to_nobody_who_has_its_number_next),
    cmocka_unit_test(a_socket_that_ended_takes_no_datagram_from_who_has_its_number_next),
    cmocka_unit_test(a_listener_that_ended_accepts_nobody_for_who_has_its_number_next),
};
const size_t reuse_test_count = sizeof reuse_tests / sizeof reuse_tests[0];
