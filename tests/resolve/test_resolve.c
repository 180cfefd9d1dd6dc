/* SPDX-License-Identifier: MIT */
/* Names, and connections to them, with a name server of the test's own: test_resolve epoll|uring */
#include "../rt/io/io.h"
#include "responder.h"

#include <pawl/resolve.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <time.h>

static const char *dns; /* where it is */

/* An assertion on a worker, where cmocka's cannot be. */
#define demand(condition)  \
    ((condition) ? (void)0 \
                 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), abort()))

/* ---- a resolver, driven from the test's thread ---- */

static struct {
    struct pawl_rt *rt;
    struct pawl_resolver *resolver;
    struct pawl_resolver_config config;
} here;

static void open_now(void *arg)
{
    (void)arg;
    demand(pawl_resolver_open(&here.resolver, &here.config) == 0);
}

static void open_with_wrong_servers(void *arg)
{
    static const char *const wrong[] = {
        "127.0.0.1:99999", "127.0.0.1:0", "[::1]:65536", "127.0.0.1:", "127.0.0.1:53,::1,127.0.0.1:65589",
        "127.0.0.1:-53",   "127.0.0.1:5x"};

    (void)arg;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct pawl_resolver_config config = {.servers = wrong[i]};
        struct pawl_resolver *resolver;

        demand(pawl_resolver_open(&resolver, &config) == -EINVAL);
    }
}

static void close_now(void *arg)
{
    (void)arg;
    pawl_resolver_close(here.resolver);
    here.resolver = NULL;
}

static void begin_with(const struct pawl_resolver_config *config)
{
    io_open(&here.rt, 1);
    here.config = *config;
    io_on(here.rt, 0, open_now, NULL);
}

/* One that waits as long as it takes. */
static void begin(void)
{
    begin_with(&(struct pawl_resolver_config){.servers = dns, .timeout_ms = 20000});
}

/* One that soon gives up. */
static void begin_impatiently(void)
{
    begin_with(&(struct pawl_resolver_config){.servers = dns, .timeout_ms = 20, .tries = 1});
}

static void begin_with_nobody(void)
{
    begin_with(&(struct pawl_resolver_config){.servers = "127.0.0.1:1"});
}

static void end(void)
{
    io_on(here.rt, 0, close_now, NULL);
    responder_settle(); /* its descriptors are counted, too */
    io_close(here.rt);
}

static void ports_that_there_are_not_are_refused(void **state)
{
    (void)state;
    begin_with(&(struct pawl_resolver_config){.servers = "127.0.0.1:65535,2001:db8::1,[::1]:53,192.0.2.1"});
    io_on(here.rt, 0, open_with_wrong_servers, NULL);
    end();
}

/* ---- lookups ---- */

static struct {
    const char *name;
    int family, status;
    struct pawl_resolve resolve;
    int64_t result;
    PAWL_ATOMIC(uint64_t) done;
} asked;

static void answered(struct pawl_op *op, int64_t result)
{
    demand(op == &asked.resolve.op);
    asked.result = result;
    io_add(&asked.done, 1);
}

static void ask_now(void *arg)
{
    (void)arg;
    asked.status = pawl_resolve_name(&asked.resolve, here.resolver, asked.name, 4711, asked.family);
}

static void free_now(void *arg)
{
    pawl_resolve_free(arg);
}

/* The result; addresses stay until the next. */
static int64_t ask(const char *name, int family)
{
    io_on(here.rt, 0, free_now, &asked.resolve);
    pawl_store_relaxed(&asked.done, UINT64_C(0)); /* relaxed: the message publishes it */
    pawl_resolve_init(&asked.resolve, answered);
    asked.name = name;
    asked.family = family;
    io_on(here.rt, 0, ask_now, NULL);
    if (asked.status != 0)
        return asked.status;
    io_reach(&asked.done, 1);
    return asked.result;
}

static const char *address_text(size_t i)
{
    static char text[INET6_ADDRSTRLEN];
    const struct pawl_address *address = &asked.resolve.addresses[i];

    if (address->socket.any.sa_family == AF_INET) {
        assert_int_equal(ntohs(address->socket.v4.sin_port), 4711);
        assert_int_equal(address->bytes, sizeof address->socket.v4);
        return inet_ntop(AF_INET, &address->socket.v4.sin_addr, text, sizeof text);
    }
    assert_int_equal(ntohs(address->socket.v6.sin6_port), 4711);
    assert_int_equal(address->bytes, sizeof address->socket.v6);
    return inet_ntop(AF_INET6, &address->socket.v6.sin6_addr, text, sizeof text);
}

static void a_name_has_its_addresses(void **state)
{
    (void)state;
    begin();
    assert_int_equal(ask("four.test", AF_INET), 1);
    assert_string_equal(address_text(0), "127.0.0.1");
    assert_int_equal(asked.resolve.addresses[0].ttl, 60);
    assert_int_equal(ask("both.test", AF_INET6), 1);
    assert_string_equal(address_text(0), "::1");
    assert_int_equal(ask("both.test", AF_UNSPEC), 2);
    assert_int_equal(ask("four.test", AF_UNSPEC), 1);
    assert_int_equal(ask("four.test", AF_INET6), -ENOENT);
    io_on(here.rt, 0, free_now, &asked.resolve);
    end();
}

static void digits_need_no_server(void **state)
{
    (void)state;
    begin_with_nobody();
    assert_int_equal(ask("192.0.2.7", AF_UNSPEC), 1);
    assert_string_equal(address_text(0), "192.0.2.7");
    assert_int_equal(ask("2001:db8::7", AF_UNSPEC), 1);
    assert_string_equal(address_text(0), "2001:db8::7");
    assert_int_equal(ask("192.0.2.7", AF_INET6), -ENOENT);
    io_on(here.rt, 0, free_now, &asked.resolve);
    end();
}

static void what_goes_wrong_has_a_number(void **state)
{
    (void)state;
    begin();
    assert_int_equal(ask("none.test", AF_UNSPEC), -ENOENT);
    assert_int_equal(ask("garbage.test", AF_INET), -EPROTO);
    assert_true(ask("broken.test", AF_INET) < 0); /* c-ares asks again, and says what it heard last */
    assert_true(ask("refused.test", AF_INET) < 0);
    assert_int_equal(ask("", AF_INET), -EINVAL);
    assert_int_equal(ask("four.test", AF_UNIX), -EINVAL);
    assert_int_equal(ask("two..dots.test", AF_INET), -EINVAL);
    end();
    begin_impatiently();
    assert_int_equal(ask("silent.test", AF_INET), -ETIMEDOUT);
    end();
    begin_with_nobody();
    assert_int_equal(ask("four.test", AF_INET), -ECONNREFUSED);
    end();
    io_open(&here.rt, 1);
    assert_int_equal(pawl_resolver_open(&here.resolver, NULL), -EPERM); /* not on a worker */
    pawl_resolver_close(NULL);
    io_close(here.rt);
}

static void an_answer_too_long_comes_in_a_stream(void **state)
{
    (void)state;
    begin();
    assert_int_equal(ask("many.test", AF_INET), 60);
    for (size_t i = 0; i < 60; i++)
        assert_memory_equal(address_text(i), "127.0.1.", 8);
    io_on(here.rt, 0, free_now, &asked.resolve);
    end();
}

/* ---- many at a time, and their ends ---- */

enum { CROWD = 64 };

static struct pawl_resolve crowd[CROWD];
static PAWL_ATOMIC(uint64_t) crowd_done, crowd_found, crowd_cancelled, crowd_late, crowd_failed;

static void crowd_answered(struct pawl_op *op, int64_t result)
{
    struct pawl_resolve *resolve = pawl_op_of(op, struct pawl_resolve, op);

    if (result > 0)
        io_add(&crowd_found, 1);
    else if (result == -ECANCELED)
        io_add(&crowd_cancelled, 1);
    else if (result == -ETIMEDOUT)
        io_add(&crowd_late, 1);
    else
        io_add(&crowd_failed, 1);
    pawl_resolve_free(resolve);
    io_add(&crowd_done, 1);
}

/* arg: a name for all, or NULL: names in turn, one of four is not there. */
static void ask_crowd(void *arg)
{
    static const char *const names[] = {"four.test", "none.test", "second.test", "both.test"};
    const char *name = arg;

    for (unsigned i = 0; i < CROWD; i++) {
        pawl_resolve_init(&crowd[i], crowd_answered);
        demand(pawl_resolve_name(&crowd[i], here.resolver, name != NULL ? name : names[i % 4], 1,
                                 AF_UNSPEC) == 0);
    }
}

static void reset_crowd(void)
{
    /* relaxed, all: messages publish them */
    pawl_store_relaxed(&crowd_done, UINT64_C(0));
    pawl_store_relaxed(&crowd_found, UINT64_C(0));
    pawl_store_relaxed(&crowd_cancelled, UINT64_C(0));
    pawl_store_relaxed(&crowd_late, UINT64_C(0));
    pawl_store_relaxed(&crowd_failed, UINT64_C(0));
}

static void a_crowd_is_answered(void **state)
{
    (void)state;
    begin();
    reset_crowd();
    io_on(here.rt, 0, ask_crowd, NULL);
    io_reach(&crowd_done, CROWD);
    assert_int_equal(io_get(&crowd_found), CROWD / 4 * 3);
    assert_int_equal(io_get(&crowd_failed), CROWD / 4);
    end();
}

/* Different names: c-ares 1.18 may give two questions one number, and would not tell them apart. */
static void ask_burst(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < RESPONDER_BURST; i++) {
        char name[32];

        snprintf(name, sizeof name, "burst%u.test", i);
        pawl_resolve_init(&crowd[i], crowd_answered);
        demand(pawl_resolve_name(&crowd[i], here.resolver, name, 1, AF_INET) == 0);
    }
}

/* They are more steps than c-ares is called for at an edge; there is no other. Else they are late. */
static void answers_that_come_at_once_are_all_heard(void **state)
{
    (void)state;
    begin_with(&(struct pawl_resolver_config){.servers = dns, .timeout_ms = 20000, .tries = 1});
    reset_crowd();
    io_on(here.rt, 0, ask_burst, NULL);
    io_reach(&crowd_done, RESPONDER_BURST);
    assert_int_equal(io_get(&crowd_found), RESPONDER_BURST);
    end();
}

/* The first half at once, the second by a deadline. */
static void end_crowd(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < CROWD; i++) {
        if (i < CROWD / 2)
            demand(pawl_op_cancel(&crowd[i].op) == 0);
        else
            demand(pawl_op_deadline(&crowd[i].op, 10000000) == 0);
    }
}

static void who_waits_no_more_is_told_once(void **state)
{
    (void)state;
    begin();
    reset_crowd();
    io_on(here.rt, 0, ask_crowd, (void *)(uintptr_t) "silent.test");
    io_on(here.rt, 0, end_crowd, NULL);
    io_reach(&crowd_done, CROWD);
    assert_int_equal(io_get(&crowd_cancelled), CROWD / 2);
    assert_int_equal(io_get(&crowd_late), CROWD / 2);
    assert_int_equal(ask("four.test", AF_INET), 1);
    usleep(30000);
    assert_int_equal(io_get(&crowd_done), CROWD);
    io_on(here.rt, 0, free_now, &asked.resolve);
    end();
}

static void closing_tells_all_that_wait(void **state)
{
    (void)state;
    begin();
    reset_crowd();
    io_on(here.rt, 0, ask_crowd, (void *)(uintptr_t) "silent.test");
    io_on(here.rt, 0, close_now, NULL);
    io_reach(&crowd_done, CROWD);
    assert_int_equal(io_get(&crowd_cancelled), CROWD);
    io_close(here.rt);
    begin();
    reset_crowd();
    io_on(here.rt, 0, ask_crowd, (void *)(uintptr_t) "silent.test");
    io_close(here.rt); /* the resolver goes with the runtime */
    assert_int_equal(io_get(&crowd_cancelled), CROWD);
}

/* ---- connections ---- */

static const struct pawl_stream_config echo = {IO_ECHO};

static struct {
    const char *name;
    uint16_t port;
    int status;
    struct pawl_stream_config config;
    struct pawl_connect connect;
    int64_t result;
    PAWL_ATOMIC(uint64_t) done, opened, bytes, closed;
} call;

static bool without_memory; /* then it may be missing where a call is answered, too */

static void called(struct pawl_op *op, int64_t result)
{
    demand(op == &call.connect.op);
    demand(io_get(&call.opened) == 0); /* done() comes first */
    call.result = result;
    io_add(&call.done, 1);
}

static void call_opened(struct pawl_stream *stream)
{
    demand(stream == call.connect.stream);
    if (pawl_stream_write(stream, "hello", 5) != 0) {
        demand(without_memory);
        pawl_stream_abort(stream, -ENOMEM);
    }
    io_add(&call.opened, 1);
}

static void call_received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    io_add(&call.bytes, slice->count);
    if (io_get(&call.bytes) == 5)
        pawl_stream_close(stream);
}

static void call_closed(struct pawl_stream *stream, int reason)
{
    (void)stream;
    (void)reason;
    io_add(&call.closed, 1);
}

static void call_now(void *arg)
{
    (void)arg;
    call.status = pawl_connect_name(&call.connect, here.resolver, &call.config, call.name, call.port);
}

static void start_call(const char *name, uint16_t port)
{
    memset(&call, 0, sizeof call);
    call.config = (struct pawl_stream_config){.opened = call_opened,
                                              .received = call_received,
                                              .closed = call_closed};
    call.name = name;
    call.port = port;
    pawl_connect_init(&call.connect, called);
    io_on(here.rt, 0, call_now, NULL);
}

/* Says hello there. */
static int64_t call_name(const char *name, uint16_t port)
{
    start_call(name, port);
    if (call.status != 0)
        return call.status;
    io_reach(&call.done, 1);
    if (call.result == 0) {
        io_reach(&call.closed, 1);
        assert_int_equal(io_get(&call.bytes), 5);
    }
    return call.result;
}

static uint16_t port_of(const struct io_server *server)
{
    return ntohs(((const struct sockaddr_in *)&server->address)->sin_port);
}

static void a_name_is_called_by_any_address_that_answers(void **state)
{
    struct io_server server;

    (void)state;
    begin();
    io_listen(&server, here.rt, IO_TCP, &echo); /* at 127.0.0.1 alone */
    assert_int_equal(call_name("four.test", port_of(&server)), 0);
    assert_int_equal(call_name("both.test", port_of(&server)), 0);   /* ::1 refuses */
    assert_int_equal(call_name("second.test", port_of(&server)), 0); /* 127.0.0.2 refuses */
    assert_int_equal(call_name("late6.test", port_of(&server)), 0);  /* who knows about ::1 */
    assert_int_equal(call_name("127.0.0.1", port_of(&server)), 0);
    assert_int_equal(call_name("none.test", 1), -ENOENT);
    assert_int_equal(call_name("four.test", 1), -ECONNREFUSED);
    assert_int_equal(call_name("", 1), -EINVAL);
    io_reach(&io_counts.closed, 5);
    io_unlisten(&server);
    end();
}

/* A socket at that address whose queue is full, so that the kernel answers nobody any more. Returns how many descriptors
 * that took. */
static unsigned make_black_hole(int *fds, unsigned most, uint16_t port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_port = htons(port),
                                   .sin6_addr = in6addr_loopback};
    unsigned n = 0;

    fds[n] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fds[n] < 0)
        return 0;
    if (bind(fds[n], (const struct sockaddr *)&address, sizeof address) != 0 || listen(fds[n], 0) != 0) {
        close(fds[n]);
        return 0;
    }
    for (n = 1; n < most; n++) {
        fds[n] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fds[n], (const struct sockaddr *)&address, sizeof address);
    }
    return n;
}

/* Of its IPv6 address nothing is heard. How many milliseconds the call takes; -1: there is no IPv6 here. */
static long call_past_a_black_hole(const char *name)
{
    struct io_server server;
    struct timespec before, after;
    int fds[8];
    unsigned n;

    begin();
    io_listen(&server, here.rt, IO_TCP, &echo);
    n = make_black_hole(fds, 8, port_of(&server));
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(call_name(name, port_of(&server)), 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    if (n == 0)
        print_message("no IPv6 here: no black hole was made\n");
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
    io_reach(&io_counts.closed, 1);
    io_unlisten(&server);
    end();
    return n == 0 ? -1 : (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
}

static void nobody_waits_long_for_a_black_hole(void **state)
{
    long ms = call_past_a_black_hole("both.test");

    (void)state;
    assert_true(ms == -1 || ms >= 240);
}

static void an_address_that_is_late_is_called_beside_a_black_hole(void **state)
{
    long ms = call_past_a_black_hole("late4.test");

    (void)state;
    assert_true(ms == -1 || (ms >= 240 && ms < 20000)); /* the kernel gives up after two minutes */
}

static void cancel_call(void *arg)
{
    (void)arg;
    demand(pawl_op_cancel(&call.connect.op) == 0);
}

static void late_call(void *arg)
{
    (void)arg;
    demand(pawl_op_deadline(&call.connect.op, 20000000) == 0);
}

static void a_call_ends_when_it_is_told(void **state)
{
    (void)state;
    begin();
    start_call("silent.test", 1);
    io_on(here.rt, 0, cancel_call, NULL);
    io_reach(&call.done, 1);
    assert_int_equal(call.result, -ECANCELED);
    start_call("silent.test", 1);
    io_on(here.rt, 0, late_call, NULL);
    io_reach(&call.done, 1);
    assert_int_equal(call.result, -ETIMEDOUT);
    start_call("silent.test", 1);
    io_close(here.rt); /* with it under way */
    assert_int_equal(io_get(&call.done), 1);
    assert_int_equal(call.result, -ECANCELED);
}

static void without_memory_nothing_is_lost(void **state)
{
    struct io_server server;

    (void)state;
    begin_impatiently();
    io_listen(&server, here.rt, IO_TCP, &echo);
    without_memory = true;
    for (uint32_t every = 1; every < 8; every++) {
        io_fail_every(every);
        start_call("both.test", port_of(&server));
        if (call.status == 0)
            io_reach(&call.done, 1);
        io_fail_every(0);
        if (call.status == 0 && call.result == 0)
            io_reach(&call.closed, 1);
    }
    assert_true(io_failed() > 0);
    without_memory = false;
    io_on(here.rt, 0, close_now, NULL);
    here.config = (struct pawl_resolver_config){.servers = dns, .timeout_ms = 20000};
    io_on(here.rt, 0, open_now, NULL);
    assert_int_equal(call_name("both.test", port_of(&server)), 0);
    io_unlisten(&server);
    io_streams(here.rt, 0);
    end();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_name_has_its_addresses),
    cmocka_unit_test(ports_that_there_are_not_are_refused),
    cmocka_unit_test(digits_need_no_server),
    cmocka_unit_test(what_goes_wrong_has_a_number),
    cmocka_unit_test(an_answer_too_long_comes_in_a_stream),
    cmocka_unit_test(a_crowd_is_answered),
    cmocka_unit_test(answers_that_come_at_once_are_all_heard),
    cmocka_unit_test(who_waits_no_more_is_told_once),
    cmocka_unit_test(closing_tells_all_that_wait),
    cmocka_unit_test(a_name_is_called_by_any_address_that_answers),
    cmocka_unit_test(nobody_waits_long_for_a_black_hole),
    cmocka_unit_test(an_address_that_is_late_is_called_beside_a_black_hole),
    cmocka_unit_test(a_call_ends_when_it_is_told),
    cmocka_unit_test(without_memory_nothing_is_lost),
};

int main(int argc, char **argv)
{
    int failed = io_begin(argc > 1 ? argv[1] : "epoll");

    if (failed != 0)
        return failed;
    dns = responder_start();
    failed = cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
    responder_stop();
    return failed == 0 ? 0 : 1;
}
