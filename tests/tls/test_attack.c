/* SPDX-License-Identifier: MIT */
/* Peers that mean no good, or that do what is allowed and rare: alerts, cuts, floods, keys that change. */
#include "test_tls.h"

#include <openssl/err.h>

/* ---- before the handshake is done ---- */

/* A client's first words. Returns how many bytes. */
static size_t say_hello(char *bytes, size_t room)
{
    SSL_CTX *context = peer_context(NULL);
    BIO *out = BIO_new(BIO_s_mem());
    SSL *ssl;
    int count;

    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION); /* which hides no alerts */
    ssl = SSL_new(context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(ssl);
    assert_int_equal(SSL_do_handshake(ssl), -1);
    count = BIO_read(out, bytes, (int)room);
    assert_true(count > 0);
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
    return (size_t)count;
}

/* A peer that says this and nothing more. Returns the reason why the stream closed. */
static uint64_t told(struct tls_scene *scene, const void *bytes, size_t count, bool ends)
{
    const uint64_t closed = io_get(&io_counts.closed);
    int fd = io_connect(&scene->server);

    io_write(fd, bytes, count);
    if (ends)
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
    io_reach(&io_counts.closed, closed + 1);
    io_peer_closed(fd, true);
    return tls_reason();
}

/* Hello, and then an alert. */
static uint64_t alerted(struct tls_scene *scene, int level, int alert)
{
    const char record[] = {SSL3_RT_ALERT, 3, 3, 0, 2, (char)level, (char)alert};
    char bytes[4096];
    const size_t count = say_hello(bytes, sizeof bytes - sizeof record);

    memcpy(bytes + count, record, sizeof record);
    return told(scene, bytes, count + sizeof record, false);
}

static void an_alert_in_place_of_an_answer_has_its_reason(void **state)
{
    static const struct {
        int alert;
        uint64_t reason;
    } alerts[] = {{SSL_AD_HANDSHAKE_FAILURE, EPROTONOSUPPORT},
                  {SSL_AD_PROTOCOL_VERSION, EPROTONOSUPPORT},
                  {SSL_AD_UNKNOWN_CA, EKEYREJECTED},
                  {SSL_AD_CERTIFICATE_EXPIRED, EKEYEXPIRED},
                  {SSL_AD_INTERNAL_ERROR, EPROTO},
                  {SSL_AD_NO_APPLICATION_PROTOCOL, EPROTONOSUPPORT}};
    struct pawl_tls_config config = tls_serving();
    struct tls_scene scene;

    (void)state;
    scene_open(&scene, &config);
    for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++) {
        assert_int_equal(alerted(&scene, SSL3_AL_FATAL, alerts[i].alert), alerts[i].reason);
        assert_non_null(strstr(tls_error(), "alert"));
    }
    scene_close(&scene);
}

/* Whatever is allowed behind it. */
static void who_ends_during_the_handshake_was_cut_off(void **state)
{
    struct pawl_tls_config config = tls_serving();
    struct tls_scene scene;

    (void)state;
    for (int tolerant = 0; tolerant < 2; tolerant++) {
        config.flags = PAWL_TLS_SERVER | (tolerant ? PAWL_TLS_EOF_ENDS : 0u);
        scene_open(&scene, &config);
        assert_int_equal(told(&scene, "\x16\x03\x01", 3, true), ECONNRESET);
        assert_non_null(strstr(tls_error(), "during the handshake"));
        assert_int_equal(told(&scene, "", 0, true), ECONNRESET);
        assert_int_equal(alerted(&scene, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY), ECONNRESET);
        assert_non_null(strstr(tls_error(), "during the handshake"));
        assert_int_equal(io_get(&io_counts.opened) + io_get(&io_counts.ended), 0);
        scene_close(&scene);
    }
}

static void the_limits_of_the_stream_hold_while_it_greets(void **state)
{
    static const struct pawl_stream_config limits[] = {{TLS_ECHO, .idle_ms = 40}, {TLS_ECHO, .read_ms = 40}};
    struct pawl_tls_config config = tls_serving();
    struct tls_scene scene;

    (void)state;
    config.handshake_ms = 600000;
    for (int i = 0; i < 2; i++) {
        int fd;

        scene_open_with(&scene, &config, &limits[i]);
        fd = io_connect(&scene.server);
        (void)send(fd, "\x16", 1, MSG_NOSIGNAL); /* on a busy machine it may come too late */
        io_reach(&io_counts.closed, 1);
        io_peer_closed(fd, true);
        assert_int_equal(tls_reason(), ETIMEDOUT);
        assert_int_equal(io_get(&io_counts.opened), 0);
        scene_close(&scene);
    }
}

/* ---- afterwards ---- */

static void what_is_no_good_record_ends_it(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
    } records[] = {
        {"\x17\x03\x03\x00\x20 thirty-two bytes of any contents", 37}, /* tampered with */
        {"\x17\x03\x03\x48\x01", 5},                                   /* longer than any may be */
        {"\x17\x03\x03\x00\x00", 5},                                   /* without so much as a tag */
        {"\x15\x03\x03\x00\x02\x01\x00", 7}, /* a goodbye that anybody may have written */
        {"\x20\x03\x03\x00\x01\x00", 6},     /* of no kind */
        {"GET / HTTP/1.0\r\n\r\n", 18},
    };

    (void)state;
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        struct tls_pair pair;

        pair_open(&pair, NULL, NULL);
        peer_echo(&pair.peer, 10);
        io_write(pair.peer.fd, records[i].bytes, records[i].count);
        io_reach(&io_counts.closed, 1);
        assert_int_equal(tls_reason(), EPROTO);
        assert_int_equal(io_get(&io_counts.ended), 0);
        assert_true(strlen(tls_error()) > 0);
        pair_close(&pair);
    }
}

static void nobody_negotiates_again(void **state)
{
    struct pawl_tls_config config = tls_serving();
    struct tls_pair pair;

    (void)state;
    config.most = 12;
    pair_open(&pair, &config, NULL);
    peer_echo(&pair.peer, 10);
    assert_int_equal(SSL_renegotiate(pair.peer.ssl), 1);
    assert_int_equal(SSL_do_handshake(pair.peer.ssl), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    pair_close(&pair);
}

static void keys_may_change_at_any_time(void **state)
{
    struct tls_pair pair;

    (void)state;
    pair_open(&pair, NULL, NULL);
    for (int i = 0; i < 6; i++) {
        peer_echo(&pair.peer, 20000);
        assert_int_equal(SSL_key_update(pair.peer.ssl,
                                        i % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED),
                         1);
    }
    peer_echo(&pair.peer, 20000);
    assert_true(SSL_shutdown(pair.peer.ssl) >= 0);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.clean), 1);
    pair_close(&pair);
}

/* Each request for new keys wants an answer. A program that reads on, and looks at its queue when it writes, would not see
 * that it grows. A UNIX socket, of which a little fills all there is between the two. */
static void who_asks_and_does_not_listen_is_let_go(void **state)
{
    struct pawl_stream_config reading_on = {.opened = tls_opened,
                                            .received = io_received_count,
                                            .ended = io_ended_close,
                                            .closed = tls_closed,
                                            .flags = PAWL_STREAM_READ_ON};
    const struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    struct io_server server;
    struct pawl_tls *tls;
    struct pawl_rt *rt;
    struct peer peer;

    (void)state;
    tls_open(&rt, 1);
    assert_int_equal(pawl_tls_open(&tls, &config), 0);
    reading_on.layer = pawl_tls_layer(tls);
    io_listen(&server, rt, IO_UNIX, &reading_on);
    peer_open(&peer, context, &server);
    for (int asked = 0; io_get(&io_counts.closed) == 0; asked++) {
        assert_true(asked < 100000);
        if (SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED) != 1 || SSL_do_handshake(peer.ssl) != 1)
            break; /* it is gone */
    }
    io_reach(&io_counts.closed, 1);
    assert_int_equal(tls_reason(), EPROTO);
    assert_non_null(strstr(tls_error(), "does not listen"));
    peer_drop(&peer);
    io_unlisten(&server);
    pawl_tls_close(tls);
    SSL_CTX_free(context);
    tls_close(rt);
}

/* ---- OpenSSL without memory ---- */

void *__real_malloc(size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void __real_free(void *memory);

/* relaxed, all: nothing depends on which allocation it is */
static PAWL_ATOMIC(uint32_t) scarce;
static PAWL_ATOMIC(uint64_t) asked_for, refused;

/* Every n-th of the workers' own. */
static bool refuses(void)
{
    const uint32_t n = pawl_load_relaxed(&scarce);

    if (n == 0 || gettid() == getpid() || pawl_fetch_add_relaxed(&asked_for, UINT64_C(1)) % n != n - 1)
        return false;
    (void)pawl_fetch_add_relaxed(&refused, UINT64_C(1));
    return true;
}

static void *scarce_malloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return refuses() ? NULL : __real_malloc(bytes);
}

static void *scarce_realloc(void *old, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return refuses() ? NULL : __real_realloc(old, bytes);
}

static void scarce_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    __real_free(memory);
}

bool tls_make_memory_scarce(void)
{
    return CRYPTO_set_mem_functions(scarce_malloc, scarce_realloc, scarce_free) == 1;
}

static void openssl_without_memory_ends_a_stream_and_no_more(void **state)
{
    const struct timeval impatience = {.tv_usec = 60000};
    struct tls_pair pair;

    (void)state;
    pair_open(&pair, NULL, NULL);
    peer_echo(&pair.peer, 10); /* the server is done with it, too */
    for (uint32_t every = 2; every < 2000; every += 1 + every / 3) {
        char bytes[20000] = {0};
        struct peer peer;
        size_t n;

        peer_connect(&peer, pair.context, &pair.scene.server);
        assert_int_equal(setsockopt(peer.fd, SOL_SOCKET, SO_RCVTIMEO, &impatience, sizeof impatience), 0);
        pawl_store_relaxed(&scarce, every);
        if (SSL_do_handshake(peer.ssl) == 1 && SSL_write_ex(peer.ssl, bytes, sizeof bytes, &n) == 1)
            (void)SSL_read_ex(peer.ssl, bytes, sizeof bytes, &n);
        pawl_store_relaxed(&scarce, 0u);
        peer_drop(&peer);
    }
    assert_true(pawl_load_relaxed(&refused) > 0);
    peer_echo(&pair.peer, 60000);
    pair_close(&pair);
}

const struct CMUnitTest attack_tests[] = {
    cmocka_unit_test(an_alert_in_place_of_an_answer_has_its_reason),
    cmocka_unit_test(who_ends_during_the_handshake_was_cut_off),
    cmocka_unit_test(the_limits_of_the_stream_hold_while_it_greets),
    cmocka_unit_test(what_is_no_good_record_ends_it),
    cmocka_unit_test(nobody_negotiates_again),
    cmocka_unit_test(keys_may_change_at_any_time),
    cmocka_unit_test(who_asks_and_does_not_listen_is_let_go),
    cmocka_unit_test(openssl_without_memory_ends_a_stream_and_no_more),
};
const size_t attack_test_count = sizeof attack_tests / sizeof attack_tests[0];
