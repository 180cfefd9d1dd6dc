/* SPDX-License-Identifier: MIT */
/* Clients, which are streams too: whom they believe, and what they send before anybody listens. */
#include "test_tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* ---- a client of the runtime ---- */

static struct {
    const struct io_server *server;
    const struct pawl_stream_config *config;
    const char *first_name, *name; /* NULL: none */
    size_t early;                  /* bytes that are written before it is connected */
    struct pawl_stream *stream;
    struct pawl_op flush;
} call;

static struct {
    struct pawl_tls_facts facts;
    char name[256], error[256];
    uint64_t received; /* of the pattern */
    bool wrong;        /* other bytes than were sent */
    PAWL_ATOMIC(uint64_t) opened, bytes, ended, closed, flushed, reason;
} heard;

static void heard_opened(struct pawl_stream *stream)
{
    demand(pawl_tls_get_facts(stream, &heard.facts) == 0);
    snprintf(heard.name, sizeof heard.name, "%s", heard.facts.name);
    io_add(&heard.opened, 1);
}

static void heard_received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    char expected[65536];

    (void)stream;
    demand(slice->count <= sizeof expected);
    io_fill(expected, slice->count, 1, heard.received);
    heard.wrong = heard.wrong || memcmp(expected, slice->bytes, slice->count) != 0;
    heard.received += slice->count;
    io_add(&heard.bytes, slice->count);
}

static void heard_ended(struct pawl_stream *stream)
{
    io_add(&heard.ended, 1);
    pawl_stream_close(stream);
}

static void heard_closed(struct pawl_stream *stream, int reason)
{
    snprintf(heard.error, sizeof heard.error, "%s", pawl_tls_error(stream));
    pawl_store_relaxed(&heard.reason, (uint64_t)-reason); /* relaxed: the count publishes it */
    io_add(&heard.closed, 1);
}

static const struct pawl_stream_config hearing = {.opened = heard_opened,
                                                  .received = heard_received,
                                                  .ended = heard_ended,
                                                  .closed = heard_closed};

static void flushed(struct pawl_op *op, int64_t result)
{
    (void)op;
    if (result == 0)
        io_add(&heard.flushed, 1);
}

/* On the worker. */
static void connect_now(void *arg)
{
    char *early = malloc(call.early + 1);

    (void)arg;
    demand(early != NULL);
    demand(pawl_stream_connect(&call.stream, call.config, (const struct sockaddr *)&call.server->address,
                               call.server->address_bytes) == 0);
    if (call.first_name != NULL)
        demand(pawl_tls_set_name(call.stream, call.first_name) == 0);
    if (call.name != NULL)
        demand(pawl_tls_set_name(call.stream, call.name) == 0);
    io_fill(early, call.early, 1, 0);
    demand(pawl_stream_write(call.stream, early, call.early) == 0);
    demand(pawl_stream_queued(call.stream) == call.early);
    pawl_op_init(&call.flush, flushed);
    if (call.early > 0)
        demand(pawl_stream_flush(call.stream, &call.flush) == 0);
    free(early);
}

static void close_now(void *arg)
{
    (void)arg;
    pawl_stream_close(call.stream);
}

static void call_server(struct tls_scene *scene, const struct pawl_stream_config *config, const char *name,
                        size_t early)
{
    memset(&heard, 0, sizeof heard);
    call.server = &scene->server;
    call.config = config;
    call.name = name;
    call.early = early;
    io_on(scene->rt, 0, connect_now, NULL);
}

/* A client of these settings calls for that name. Returns the reason why it closed; 0: it opened, and was closed by us. */
static uint64_t try_name(struct tls_scene *scene, const struct pawl_tls_config *settings, const char *name)
{
    struct pawl_stream_config config = hearing;
    struct pawl_tls *tls;

    assert_int_equal(pawl_tls_open(&tls, settings), 0);
    config.layer = pawl_tls_layer(tls);
    call_server(scene, &config, name, 1);
    while (io_get(&heard.closed) == 0 && io_get(&heard.bytes) == 0)
        usleep(500);
    if (io_get(&heard.closed) == 0)
        io_on(scene->rt, 0, close_now, NULL);
    io_reach(&heard.closed, 1);
    pawl_tls_close(tls);
    return pawl_load_relaxed(&heard.reason); /* relaxed: after the count */
}

static void a_client_believes_only_whom_it_knows(void **state)
{
    struct pawl_tls_config config = tls_serving();
    const struct pawl_tls_config careful = {.ca_file = authority.chain},
                                 foreign = {.ca_file = stranger.chain},
                                 careless = {.verify = PAWL_TLS_VERIFY_NONE},
                                 any_name = {.ca_file = authority.chain, .flags = PAWL_TLS_ANY_NAME};
    struct tls_scene scene;

    (void)state;
    scene_open(&scene, &config);
    assert_int_equal(pawl_tls_add_name(scene.tls, "expired.test", expired.chain, expired.key), 0);
    assert_int_equal(try_name(&scene, &careful, "server.test"), 0);
    assert_true(heard.facts.verified);
    assert_non_null(strstr(heard.facts.peer, "CN=server.test"));
    assert_string_equal(heard.name, "server.test");
    assert_int_equal(try_name(&scene, &careful, "127.0.0.1"), 0);
    assert_int_equal(try_name(&scene, &careful, "other.test"), EKEYREJECTED);
    assert_non_null(strstr(heard.error, "ostname mismatch"));
    assert_int_equal(io_get(&heard.opened), 0);
    assert_int_equal(try_name(&scene, &careful, "127.0.0.2"), EKEYREJECTED);
    assert_int_equal(try_name(&scene, &careful, "expired.test"), EKEYEXPIRED);
    assert_int_equal(try_name(&scene, &foreign, "server.test"), EKEYREJECTED);
    assert_int_equal(try_name(&scene, &careful, NULL), EINVAL);
    assert_int_equal(try_name(&scene, &any_name, NULL), 0);
    assert_int_equal(try_name(&scene, &any_name, "other.test"), 0);
    assert_int_equal(try_name(&scene, &any_name, "127.0.0.2"), 0);
    assert_int_equal(try_name(&scene, &careless, NULL), 0);
    assert_false(heard.facts.verified);
    scene_close(&scene);
}

static void the_name_that_was_set_last_is_the_one_that_counts(void **state)
{
    static const char *const names[][2] = {{"other.test", "server.test"},
                                           {"127.0.0.2", "server.test"},
                                           {"other.test", "127.0.0.1"}};
    struct pawl_tls_config config = tls_serving();
    const struct pawl_tls_config careful = {.ca_file = authority.chain};
    struct tls_scene scene;

    (void)state;
    scene_open(&scene, &config);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        call.first_name = names[i][0];
        assert_int_equal(try_name(&scene, &careful, names[i][1]), 0);
        assert_string_equal(heard.name, names[i][1]);
    }
    call.first_name = NULL;
    scene_close(&scene);
}

static void a_client_shows_its_certificate(void **state)
{
    struct pawl_tls_config config = tls_serving();
    struct pawl_tls_config with = {.ca_file = authority.chain,
                                   .chain_file = client.chain,
                                   .key_file = client.key},
                           without = {.ca_file = authority.chain};
    struct tls_scene scene;

    (void)state;
    config.verify = PAWL_TLS_VERIFY_REQUIRED;
    config.ca_file = authority.chain;
    scene_open(&scene, &config);
    assert_int_equal(try_name(&scene, &with, "server.test"), 0);
    assert_non_null(strstr(tls_facts()->peer, "CN=a client"));
    assert_int_equal(try_name(&scene, &without, "server.test"), EKEYREJECTED); /* the alert's reason */
    scene_close(&scene);
}

static void a_client_comes_back_with_its_ticket(void **state)
{
    for (uint32_t version = 12; version <= 13; version++) {
        struct pawl_tls_config config = tls_serving();
        const struct pawl_tls_config settings = {.ca_file = authority.chain,
                                                 .least = version,
                                                 .most = version};
        struct pawl_stream_config stream = hearing;
        struct tls_scene scene;
        struct pawl_tls *tls;

        (void)state;
        scene_open(&scene, &config);
        assert_int_equal(pawl_tls_open(&tls, &settings), 0);
        stream.layer = pawl_tls_layer(tls);
        for (int i = 0; i < 3; i++) {
            call_server(&scene, &stream, i < 2 ? "server.test" : "127.0.0.1", 1);
            io_reach(&heard.bytes, 1); /* 1.3: behind the ticket */
            assert_int_equal(heard.facts.resumed, i == 1);
            io_on(scene.rt, 0, close_now, NULL);
            io_reach(&heard.closed, 1);
        }
        pawl_tls_close(tls);
        scene_close(&scene);
    }
}

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "re"), *out = fopen(to, "we");
    char bytes[8192];
    size_t count;

    assert_true(in != NULL && out != NULL);
    count = fread(bytes, 1, sizeof bytes, in);
    assert_true(count > 0 && count < sizeof bytes);
    assert_int_equal(fwrite(bytes, 1, count, out), count);
    assert_int_equal(fclose(in) | fclose(out), 0);
}

/* Of the server: a ticket before each answer. */
static void echo_with_a_ticket(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    demand(SSL_new_session_ticket(pawl_tls_ssl(stream)) == 1);
    io_received_echo(stream, slice);
}

static const struct pawl_stream_config giving_tickets = {.opened = tls_opened,
                                                         .received = echo_with_a_ticket,
                                                         .ended = io_ended_close,
                                                         .closed = tls_closed};

static void write_now(void *arg)
{
    demand(pawl_stream_write(call.stream, arg, 1) == 0);
}

/* A client's authorities are replaced by others, then it calls again: nobody is there whom it believes. A session stands for a
 * certificate that was verified by those from before; a stream that began with them may get one at any time. */
static void change_authorities(bool ticket_afterwards)
{
    struct pawl_tls_config config = tls_serving();
    struct pawl_tls_config settings = {0};
    struct pawl_stream_config stream = hearing;
    char path[sizeof authority.chain + 8];
    struct tls_scene scene;
    struct pawl_tls *tls;

    snprintf(path, sizeof path, "%s.copy", authority.chain);
    copy_file(authority.chain, path);
    settings.ca_file = path;
    scene_open_with(&scene, &config, &giving_tickets);
    assert_int_equal(pawl_tls_open(&tls, &settings), 0);
    stream.layer = pawl_tls_layer(tls);
    call_server(&scene, &stream, "server.test", 1);
    io_reach(&heard.bytes, 1);
    copy_file(stranger.chain, path);
    assert_int_equal(pawl_tls_reload(tls), 0);
    if (ticket_afterwards) {
        io_on(scene.rt, 0, write_now, &(char){0});
        io_reach(&heard.bytes, 2);
    }
    io_on(scene.rt, 0, close_now, NULL);
    io_reach(&heard.closed, 1);
    call_server(&scene, &stream, "server.test", 1);
    while (io_get(&heard.closed) == 0 && io_get(&heard.opened) == 0)
        usleep(500);
    assert_int_equal(io_get(&heard.opened), 0);
    assert_int_equal(pawl_load_relaxed(&heard.reason), EKEYREJECTED); /* relaxed: after the count */
    unlink(path);
    pawl_tls_close(tls);
    scene_close(&scene);
}

static void a_client_that_read_its_authorities_again_resumes_nothing_from_before(void **state)
{
    (void)state;
    change_authorities(false);
}

static void nor_what_a_stream_from_before_has_got_since(void **state)
{
    (void)state;
    change_authorities(true);
}

static void a_client_hears_that_no_protocol_is_common(void **state)
{
    struct pawl_tls_config config = tls_serving();
    const struct pawl_tls_config strange = {.ca_file = authority.chain, .alpn = "four"},
                                 known = {.ca_file = authority.chain, .alpn = "four,two"};
    struct tls_scene scene;

    (void)state;
    config.alpn = "one,two";
    scene_open(&scene, &config);
    assert_int_equal(try_name(&scene, &strange, "server.test"), EPROTONOSUPPORT);
    assert_int_equal(io_get(&heard.opened), 0);
    assert_int_equal(try_name(&scene, &known, "server.test"), 0);
    assert_string_equal(heard.facts.alpn, "two");
    scene_close(&scene);
}

/* ---- bytes ---- */

/* Written before the connection, far more than the marks: waits for the handshake, and comes back whole. */
static void what_is_written_before_the_handshake_follows_it(void **state)
{
    enum { MUCH = 3 << 20 };
    struct pawl_tls_config config = tls_serving();
    const struct pawl_tls_config settings = {.ca_file = authority.chain};
    struct pawl_stream_config stream = hearing;
    struct tls_scene scene;
    struct pawl_tls *tls;

    (void)state;
    scene_open(&scene, &config);
    assert_int_equal(pawl_tls_open(&tls, &settings), 0);
    stream.layer = pawl_tls_layer(tls);
    stream.flags = PAWL_STREAM_READ_ON; /* else both would wait for each other to read */
    call_server(&scene, &stream, "server.test", MUCH);
    io_reach(&heard.bytes, MUCH);
    assert_false(heard.wrong);
    io_reach(&heard.flushed, 1);
    io_on(scene.rt, 0, close_now, NULL);
    io_reach(&heard.closed, 1);
    pawl_tls_close(tls); /* while nobody has it any more */
    scene_close(&scene);
}

/* ---- time, and other ends of a beginning ---- */

static void names_come_before_the_handshake(void **state)
{
    struct pawl_tls_config config = tls_serving();
    const struct pawl_tls_config settings = {.ca_file = authority.chain};
    struct pawl_stream_config stream = hearing;
    struct tls_scene scene;
    struct pawl_tls *tls;

    (void)state;
    scene_open(&scene, &config);
    assert_int_equal(pawl_tls_open(&tls, &settings), 0);
    stream.layer = pawl_tls_layer(tls);
    call_server(&scene, &stream, "server.test", 0);
    io_reach(&heard.opened, 1);
    assert_int_equal(pawl_tls_set_name(call.stream, "late.test"), -EALREADY);
    assert_non_null(pawl_tls_ssl(call.stream));
    io_on(scene.rt, 0, close_now, NULL);
    io_reach(&heard.closed, 1);
    pawl_tls_close(tls);
    scene_close(&scene);
}

static void who_closes_while_it_greets_is_told_so(void **state)
{
    const struct pawl_tls_config settings = {.ca_file = authority.chain};
    struct pawl_stream_config stream = hearing;
    struct tls_scene scene = {0};
    struct sockaddr_in *address = (struct sockaddr_in *)&scene.server.address;
    struct pawl_tls *tls;
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    scene.server.address_bytes = sizeof *address;
    assert_int_equal(bind(silent, (const struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(listen(silent, 1), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)address, &scene.server.address_bytes), 0);
    tls_open(&scene.rt, 1);
    assert_int_equal(pawl_tls_open(&tls, &settings), 0);
    stream.layer = pawl_tls_layer(tls);
    call_server(&scene, &stream, "server.test", 100);
    usleep(20000);
    io_on(scene.rt, 0, close_now, NULL);
    io_reach(&heard.closed, 1);
    assert_int_equal(pawl_load_relaxed(&heard.reason), ECANCELED); /* relaxed: after the count */
    assert_int_equal(io_get(&heard.opened), 0);
    pawl_tls_close(tls);
    tls_close(scene.rt);
    close(silent);
}

const struct CMUnitTest client_tests[] = {
    cmocka_unit_test(a_client_believes_only_whom_it_knows),
    cmocka_unit_test(the_name_that_was_set_last_is_the_one_that_counts),
    cmocka_unit_test(a_client_shows_its_certificate),
    cmocka_unit_test(a_client_comes_back_with_its_ticket),
    cmocka_unit_test(a_client_that_read_its_authorities_again_resumes_nothing_from_before),
    cmocka_unit_test(nor_what_a_stream_from_before_has_got_since),
    cmocka_unit_test(a_client_hears_that_no_protocol_is_common),
    cmocka_unit_test(what_is_written_before_the_handshake_follows_it),
    cmocka_unit_test(names_come_before_the_handshake),
    cmocka_unit_test(who_closes_while_it_greets_is_told_so),
};
const size_t client_test_count = sizeof client_tests / sizeof client_tests[0];
