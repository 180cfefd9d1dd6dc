/* SPDX-License-Identifier: MIT */
/* How it ends, and what goes wrong: half-close, cut-off, noise, time, want of memory; and layers that come late. */
#include "test_tls.h"

#include <openssl/err.h>
#include <poll.h>

/* ---- ends that are meant ---- */

static void shut_down_after(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    if (io_get(&io_counts.bytes) == 0) {
        demand(pawl_stream_send(stream, slice) == 0);
        demand(pawl_stream_shutdown(stream) == 0);
        demand(pawl_stream_write(stream, "x", 1) == -EPIPE);
    }
    io_received_count(stream, slice);
}

static const struct pawl_stream_config half_closing = {.opened = tls_opened,
                                                       .received = shut_down_after,
                                                       .ended = io_ended_close,
                                                       .closed = tls_closed};

static void who_shuts_its_side_says_so_and_reads_on(void **state)
{
    static char much[300000];
    struct tls_pair pair;
    char byte;

    (void)state;
    pair_open(&pair, NULL, &half_closing);
    peer_write(&pair.peer, "x", 1);
    peer_read(&pair.peer, &byte, 1);
    peer_read_end(&pair.peer); /* close_notify of the server */
    peer_write(&pair.peer, much, sizeof much);
    io_reach(&io_counts.bytes, 1 + sizeof much);
    assert_int_equal(io_get(&io_counts.closed), 0);
    assert_int_equal(SSL_shutdown(pair.peer.ssl), 1);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.ended), 1);
    assert_int_equal(io_get(&io_counts.clean), 1);
    pair_close(&pair);
}

/* The peer shuts its side; what the server still has to say comes, then its close_notify. */
static void the_peer_that_has_ended_hears_the_rest(void **state)
{
    char bytes[50000], echo[50000];
    struct tls_pair pair;

    (void)state;
    pair_open(&pair, NULL, NULL);
    io_fill(bytes, sizeof bytes, io_seed(), 0);
    peer_write(&pair.peer, bytes, sizeof bytes);
    assert_int_equal(SSL_shutdown(pair.peer.ssl), 0);
    peer_read(&pair.peer, echo, sizeof echo);
    assert_memory_equal(echo, bytes, sizeof bytes);
    peer_read_end(&pair.peer);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.clean), 1);
    pair_close(&pair);
}

static void an_end_without_a_word_may_be_somebody_elses(void **state)
{
    struct pawl_tls_config config = tls_serving();
    struct tls_pair pair;

    (void)state;
    for (int tolerant = 0; tolerant < 2; tolerant++) {
        config.flags = PAWL_TLS_SERVER | (tolerant ? PAWL_TLS_EOF_ENDS : 0u);
        pair_open(&pair, &config, NULL);
        peer_echo(&pair.peer, 100);
        assert_int_equal(shutdown(pair.peer.fd, SHUT_WR), 0);
        io_reach(&io_counts.closed, 1);
        assert_int_equal(tls_reason(), tolerant ? 0 : ECONNRESET);
        assert_int_equal(io_get(&io_counts.ended), tolerant);
        if (!tolerant)
            assert_non_null(strstr(tls_error(), "close_notify"));
        pair_close(&pair);
    }
}

/* ---- pauses ---- */

static struct pawl_stream *paused;

static void pause_at_once(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    paused = stream;
    pawl_stream_pause(stream);
    io_received_count(stream, slice);
}

static const struct pawl_stream_config pausing = {.opened = tls_opened,
                                                  .received = pause_at_once,
                                                  .ended = io_ended_close,
                                                  .closed = tls_closed};

static void resume(void *arg)
{
    (void)arg;
    pawl_stream_resume(paused);
}

static void a_paused_stream_hears_nothing_and_then_all(void **state)
{
    enum { PIECE = 40000, PIECES = 12 };
    static char bytes[PIECE];
    struct tls_pair pair;
    uint64_t before;

    (void)state;
    pair_open(&pair, NULL, &pausing);
    for (int i = 0; i < PIECES; i++)
        peer_write(&pair.peer, bytes, PIECE);
    assert_int_equal(SSL_shutdown(pair.peer.ssl), 0);
    io_reach(&io_counts.bytes, 1);
    usleep(20000);
    before = io_get(&io_counts.bytes);
    usleep(20000);
    assert_int_equal(io_get(&io_counts.bytes), before); /* it is paused */
    assert_true(before <= 65536);
    for (unsigned turns = 0; io_get(&io_counts.bytes) < (uint64_t)PIECE * PIECES; turns++) {
        assert_true(turns < 100000);
        assert_int_equal(io_get(&io_counts.ended), 0);
        io_on(pair.scene.rt, 0, resume, NULL);
    }
    while (io_get(&io_counts.ended) == 0) /* it is paused still, and the end waits */
        io_on(pair.scene.rt, 0, resume, NULL);
    peer_read_end(&pair.peer);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(tls_reason(), 0);
    pair_close(&pair);
}

/* ---- what goes wrong ---- */

static void who_says_nothing_is_not_waited_for(void **state)
{
    struct pawl_tls_config config = tls_serving();
    struct tls_scene scene;
    int fd;

    (void)state;
    config.handshake_ms = 50;
    scene_open(&scene, &config);
    fd = io_connect(&scene.server);
    (void)send(fd, "\x16\x03\x01", 3, MSG_NOSIGNAL); /* a beginning; on a busy machine it may come too late */
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.timed_out), 1);
    assert_int_equal(io_get(&io_counts.opened), 0);
    assert_non_null(strstr(tls_error(), "too long"));
    close(fd);
    scene_close(&scene);
}

static void noise_is_no_handshake(void **state)
{
    static const char *const noises[] = {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff",
                                         "\x16\x03\x01\x00\x05\x01\xff\xff\xff\x00", /* a hello of 16 MiB */
                                         "\x80\x01\x02\x03\x04\x05\x06\x07\x08\x09"};
    struct pawl_tls_config config = tls_serving();
    struct tls_scene scene;

    (void)state;
    scene_open(&scene, &config);
    for (uint64_t i = 0; i < sizeof noises / sizeof noises[0]; i++) {
        int fd = io_connect(&scene.server);

        io_write(fd, noises[i], i == 0 ? strlen(noises[i]) : 10);
        io_reach(&io_counts.closed, i + 1);
        assert_int_equal(tls_reason(), EPROTO);
        assert_true(strlen(tls_error()) > 0);
        io_peer_closed(fd, true);
    }
    assert_int_equal(io_get(&io_counts.opened), 0);
    scene_close(&scene);
}

/* Gone with RST after so many bytes that the server sent. */
static void a_reset_at_any_moment_is_a_reset(void **state)
{
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    struct tls_scene scene;

    (void)state;
    scene_open(&scene, &config);
    for (uint64_t steps = 0; steps < 6; steps++) {
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        SSL *ssl = SSL_new(context);
        int fd = io_connect(&scene.server);
        char bytes[16384];

        SSL_set_bio(ssl, in, out);
        SSL_set_connect_state(ssl);
        for (uint64_t step = 0; step < steps; step++) {
            int n, done = SSL_do_handshake(ssl);

            while ((n = BIO_read(out, bytes, sizeof bytes)) > 0)
                io_write(fd, bytes, (size_t)n);
            if (done == 1)
                break;
            n = (int)recv(fd, bytes, 1 + io_random(&(uint64_t){steps}) % sizeof bytes, 0);
            assert_true(n > 0);
            assert_int_equal(BIO_write(in, bytes, n), n);
        }
        io_reset(fd);
        SSL_free(ssl);
        io_reach(&io_counts.closed, steps + 1);
        assert_int_equal(io_get(&io_counts.reset), steps + 1); /* or EPIPE, if it was writing */
    }
    ERR_clear_error();
    SSL_CTX_free(context);
    scene_close(&scene);
}

/* Every n-th allocation of the runtime and of ours fails. OpenSSL's: test_attack.c. */
static void without_memory_it_ends_and_goes_on_later(void **state)
{
    const struct timeval impatience = {.tv_usec = 60000};
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    struct tls_scene scene;
    struct peer peer;

    (void)state;
    scene_open(&scene, &config);
    for (uint32_t every = 1; every < 9; every++) {
        char bytes[60000] = {0};
        size_t n;

        io_fail_every(every);
        peer_connect(&peer, context, &scene.server);
        assert_int_equal(setsockopt(peer.fd, SOL_SOCKET, SO_RCVTIMEO, &impatience, sizeof impatience), 0);
        if (SSL_do_handshake(peer.ssl) == 1 && SSL_write_ex(peer.ssl, bytes, sizeof bytes, &n) == 1)
            (void)SSL_read_ex(peer.ssl, bytes, sizeof bytes, &n);
        io_fail_every(0);
        peer_drop(&peer);
    }
    assert_true(io_failed() > 0);
    peer_open(&peer, context, &scene.server);
    peer_echo(&peer, 60000);
    peer_close(&peer);
    SSL_CTX_free(context);
    scene_close(&scene);
}

static void the_runtime_closes_whatever_they_are_at(void **state)
{
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    struct tls_scene scene;
    struct peer open;
    int fd;

    (void)state;
    scene_open(&scene, &config);
    peer_open(&open, context, &scene.server);
    peer_echo(&open, 10);
    fd = io_connect(&scene.server);
    io_write(fd, "\x16\x03\x01", 3);
    io_streams(scene.rt, 2);
    pawl_tls_close(scene.tls); /* before its streams */
    peer_echo(&open, 1000);
    assert_int_equal(pawl_rt_close(scene.rt), 0);
    assert_int_equal(io_get(&io_counts.cancelled), 2);
    peer_drop(&open);
    close(fd);
    SSL_CTX_free(context);
    tls_close(NULL);
}

/* ---- from plain to TLS, from here to there ---- */

static struct pawl_stream_config secure;

static void wait_for_start(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    demand(slice->count == 9);
    demand(pawl_stream_write(stream, "go ahead\n", 9) == 0);
    pawl_stream_become(stream, &secure);
}

static void wait_for_start_and_move(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    demand(pawl_stream_move(stream, 1 - pawl_worker_here_()->index) == 0);
    wait_for_start(stream, slice);
}

static void become_safe(uint32_t workers,
                        void (*received)(struct pawl_stream *stream, const struct pawl_slice *slice))
{
    static const struct pawl_stream_config echo = {TLS_ECHO};
    struct pawl_stream_config plain = {.received = received, .closed = tls_closed};
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    struct io_server server;
    struct pawl_tls *tls;
    struct peer peer;
    struct pawl_rt *rt;
    char answer[9];

    tls_open(&rt, workers);
    assert_int_equal(pawl_tls_open(&tls, &config), 0);
    secure = echo;
    secure.layer = pawl_tls_layer(tls);
    io_listen(&server, rt, IO_TCP, &plain);
    peer_connect(&peer, context, &server);
    io_write(peer.fd, "STARTTLS\n", 9);
    io_read(peer.fd, answer, 9);
    assert_memory_equal(answer, "go ahead\n", 9);
    peer_greet(&peer);
    peer_echo(&peer, 30000);
    assert_int_equal(io_get(&io_counts.opened), 1);
    peer_close(&peer);
    io_reach(&io_counts.closed, 1);
    io_unlisten(&server);
    pawl_tls_close(tls);
    SSL_CTX_free(context);
    tls_close(rt);
}

static void a_plain_stream_becomes_a_safe_one(void **state)
{
    (void)state;
    become_safe(1, wait_for_start);
}

static void a_plain_stream_that_moves_becomes_a_safe_one_there(void **state)
{
    (void)state;
    become_safe(2, wait_for_start_and_move);
}

static void echo_elsewhere(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    io_received_echo(stream, slice);
    demand(pawl_stream_move(stream, (uint32_t)(io_get(&io_counts.bytes) & 1)) == 0);
}

static void a_stream_moves_with_its_keys(void **state)
{
    static const struct pawl_stream_config moving = {.opened = tls_opened,
                                                     .received = echo_elsewhere,
                                                     .ended = io_ended_close,
                                                     .closed = tls_closed};
    struct pawl_stream_config stream = moving;
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    struct io_server server;
    struct pawl_tls *tls;
    struct peer peer;
    struct pawl_rt *rt;

    (void)state;
    tls_open(&rt, 2);
    assert_int_equal(pawl_tls_open(&tls, &config), 0);
    stream.layer = pawl_tls_layer(tls);
    io_listen(&server, rt, IO_TCP_SHARED, &stream);
    peer_open(&peer, context, &server);
    for (int i = 0; i < 50; i++)
        peer_echo(&peer, 1 + (size_t)i % 3);
    peer_close(&peer);
    io_reach(&io_counts.closed, 1);
    io_unlisten(&server);
    pawl_tls_close(tls);
    SSL_CTX_free(context);
    tls_close(rt);
}

const struct CMUnitTest end_tests[] = {
    cmocka_unit_test(who_shuts_its_side_says_so_and_reads_on),
    cmocka_unit_test(the_peer_that_has_ended_hears_the_rest),
    cmocka_unit_test(an_end_without_a_word_may_be_somebody_elses),
    cmocka_unit_test(a_paused_stream_hears_nothing_and_then_all),
    cmocka_unit_test(who_says_nothing_is_not_waited_for),
    cmocka_unit_test(noise_is_no_handshake),
    cmocka_unit_test(a_reset_at_any_moment_is_a_reset),
    cmocka_unit_test(without_memory_it_ends_and_goes_on_later),
    cmocka_unit_test(the_runtime_closes_whatever_they_are_at),
    cmocka_unit_test(a_plain_stream_becomes_a_safe_one),
    cmocka_unit_test(a_plain_stream_that_moves_becomes_a_safe_one_there),
    cmocka_unit_test(a_stream_moves_with_its_keys),
};
const size_t end_test_count = sizeof end_tests / sizeof end_tests[0];
