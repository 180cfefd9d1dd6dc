/* SPDX-License-Identifier: MIT */
/* Servers: bytes, certificates, names, sessions. The peers are OpenSSL's own. Every test on both engines. */
#include "test_tls.h"

#include <openssl/err.h>
#include <poll.h>

/* ---- bytes ---- */

static void what_is_sent_comes_back_whole_and_in_order(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    static const size_t sizes[] = {1, 2, 100, 16384, 16385, 100001};
    struct pawl_tls_config config = tls_serving();
    struct tls_scene scene;
    struct peer peer;

    (void)state;
    scene_open(&scene, &config);
    for (int v = 0; v < 2; v++) {
        SSL_CTX *context = peer_context(authority.chain);

        SSL_CTX_set_min_proto_version(context, versions[v]);
        SSL_CTX_set_max_proto_version(context, versions[v]);
        peer_open(&peer, context, &scene.server);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            peer_echo(&peer, sizes[i]);
        peer_close(&peer);
        io_reach(&io_counts.closed, (uint64_t)v + 1);
        assert_string_equal(tls_facts()->version, v == 0 ? "TLSv1.2" : "TLSv1.3");
        SSL_CTX_free(context);
    }
    assert_int_equal(io_get(&io_counts.clean), 2);
    assert_int_equal(io_get(&io_counts.ended), 2);
    assert_string_equal(tls_error(), "");
    scene_close(&scene);
}

/* Passes on what OpenSSL wants to send, a byte at a time, and what comes for it. */
static void pass_bytes(SSL *ssl, BIO *out, BIO *in, int fd)
{
    char byte;

    while (BIO_read(out, &byte, 1) == 1)
        io_write(fd, &byte, 1);
    if (SSL_want_read(ssl)) {
        io_read(fd, &byte, 1);
        assert_int_equal(BIO_write(in, &byte, 1), 1);
    }
}

/* The handshake byte by byte, then the largest record: its beginning and its end byte by byte, too. */
static void records_may_come_in_pieces_of_a_byte(void **state)
{
    enum { RECORD = 16384, EDGE = 300 };
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL *ssl = SSL_new(context);
    char bytes[RECORD + 100], answer[RECORD];
    uint64_t seed = io_seed();
    struct tls_scene scene;
    int fd, count, heard;

    (void)state;
    scene_open(&scene, &config);
    fd = io_connect(&scene.server);
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    while (SSL_do_handshake(ssl) != 1)
        pass_bytes(ssl, out, in, fd);
    while (BIO_pending(out) > 0)
        pass_bytes(ssl, out, in, fd);
    io_fill(bytes, RECORD, seed, 0);
    assert_int_equal(SSL_write(ssl, bytes, RECORD), RECORD);
    count = BIO_read(out, bytes, sizeof bytes);
    assert_true(count > RECORD && BIO_pending(out) == 0);
    for (int at = 0, piece; at < count; at += piece) {
        piece = at < EDGE || at >= count - EDGE ? 1
                                                : 1 + (int)(io_random(&seed) % (unsigned)(count - EDGE - at));
        io_write(fd, bytes + at, (size_t)piece);
    }
    for (heard = 0; heard < RECORD;) {
        const int n = SSL_read(ssl, answer + heard, RECORD - heard);

        if (n > 0)
            heard += n;
        else
            pass_bytes(ssl, out, in, fd);
    }
    io_fill(bytes, RECORD, io_seed(), 0);
    assert_memory_equal(answer, bytes, RECORD);
    SSL_free(ssl);
    close(fd);
    io_reach(&io_counts.closed, 1);
    SSL_CTX_free(context);
    scene_close(&scene);
}

static unsigned records;

static void count_records(int write, int version, int type, const void *bytes, size_t count, SSL *ssl,
                          void *arg)
{
    (void)version;
    (void)ssl;
    (void)arg;
    if (!write && type == SSL3_RT_HEADER && count >= 5 &&
        *(const unsigned char *)bytes == SSL3_RT_APPLICATION_DATA)
        records++;
}

enum { SCRAPS = 200 };

static void write_scraps(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    for (int i = 0; i < SCRAPS; i++)
        demand(pawl_stream_write(stream, slice->bytes, 1) == 0);
    demand(pawl_stream_send(stream, slice) == 0);
}

static void small_writes_of_a_continuation_are_one_record(void **state)
{
    static const struct pawl_stream_config scraps = {.opened = tls_opened,
                                                     .received = write_scraps,
                                                     .ended = io_ended_close,
                                                     .closed = tls_closed};
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    char answer[SCRAPS + 1], expected[SCRAPS + 1];
    struct tls_scene scene;
    struct peer peer;

    (void)state;
    scene_open_with(&scene, &config, &scraps);
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION); /* nothing else looks like data there */
    SSL_CTX_set_msg_callback(context,
                             count_records); /* before the handshake: OpenSSL 3.2 and later look at it then */
    peer_open(&peer, context, &scene.server);
    records = 0;
    peer_write(&peer, "x", 1);
    peer_read(&peer, answer, sizeof answer);
    memset(expected, 'x', sizeof expected);
    assert_memory_equal(answer, expected, sizeof answer);
    assert_int_equal(records, 1);
    peer_close(&peer);
    SSL_CTX_free(context);
    io_reach(&io_counts.closed, 1);
    scene_close(&scene);
}

static void a_record_has_no_more_bytes_than_it_may(void **state)
{
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    struct tls_scene scene;
    struct peer peer;

    (void)state;
    config.record_bytes = 512;
    scene_open(&scene, &config);
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_msg_callback(context,
                             count_records); /* before the handshake: OpenSSL 3.2 and later look at it then */
    peer_open(&peer, context, &scene.server);
    records = 0;
    peer_echo(&peer, 10240);
    assert_int_equal(records >= 20, 1);
    peer_close(&peer);
    SSL_CTX_free(context);
    io_reach(&io_counts.closed, 1);
    scene_close(&scene);
}

/* ---- pressure ---- */

enum { NARROW = 100000 };

static PAWL_ATOMIC(uint64_t) most_queued;

/* Sends without reading until the server is above its mark and nothing moves any more. Returns how much went. */
static uint64_t push_until_stuck(struct peer *peer)
{
    static char bytes[16384];
    struct pollfd poll_fd = {.fd = peer->fd, .events = POLLOUT};
    uint64_t total = 0;

    SSL_set_mode(peer->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    while (poll(&poll_fd, 1, 60) == 1 || io_get(&most_queued) <= NARROW) {
        size_t written;

        if (SSL_write_ex(peer->ssl, bytes, 1024, &written) == 1)
            total += written;
    }
    return total;
}

static void received_watched(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    io_received_echo(stream, slice);
    if (pawl_stream_queued(stream) > io_get(&most_queued))
        io_add(&most_queued, pawl_stream_queued(stream) - io_get(&most_queued));
}

static void who_does_not_read_costs_no_more_than_the_marks(void **state)
{
    static const struct pawl_stream_config narrow = {.opened = tls_opened,
                                                     .received = received_watched,
                                                     .ended = io_ended_close,
                                                     .drained = io_drained,
                                                     .closed = tls_closed,
                                                     .high = NARROW,
                                                     .low = 1000};
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    struct tls_scene scene;
    struct peer peer;
    uint64_t sent;
    char *echo;

    (void)state;
    pawl_store_relaxed(&most_queued, UINT64_C(0)); /* relaxed: there is no worker yet */
    scene_open_with(&scene, &config, &narrow);
    peer_open(&peer, context, &scene.server);
    sent = push_until_stuck(&peer);
    assert_true(sent > NARROW);
    echo = malloc(sent);
    assert_non_null(echo);
    peer_read(&peer, echo, sent); /* all of it comes when it is read */
    assert_true(io_get(&most_queued) <= NARROW + 2 * 65536);
    free(echo);
    peer_close(&peer);
    io_reach(&io_counts.closed, 1);
    assert_true(io_get(&io_counts.drained) > 0);
    SSL_CTX_free(context);
    scene_close(&scene);
}

/* ---- names ---- */

static const char *shown_to(struct tls_scene *scene, SSL_CTX *context, const char *name)
{
    const char *seen;
    struct peer peer;

    peer_connect(&peer, context, &scene->server);
    if (name != NULL)
        assert_int_equal(SSL_set_tlsext_host_name(peer.ssl, (char *)(uintptr_t)name), 1);
    peer_greet(&peer);
    peer_echo(&peer, 10);
    if (name != NULL)
        assert_string_equal(tls_name(), name);
    seen = peer_sees(&peer);
    peer_close(&peer);
    return seen;
}

static void a_name_chooses_the_certificate(void **state)
{
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    struct tls_scene scene;

    (void)state;
    scene_open(&scene, &config);
    assert_int_equal(pawl_tls_add_name(scene.tls, "*.wild.test", wild_server.chain, wild_server.key), 0);
    assert_int_equal(pawl_tls_add_name(scene.tls, "other.test", other_server.chain, other_server.key), 0);
    assert_int_equal(pawl_tls_add_name(scene.tls, "mine.wild.test", other_server.chain, other_server.key), 0);
    assert_string_equal(shown_to(&scene, context, NULL), "server.test");
    assert_string_equal(shown_to(&scene, context, "nobody.test"), "server.test");
    assert_string_equal(shown_to(&scene, context, "OTHER.test"), "other.test");
    assert_string_equal(shown_to(&scene, context, "a.wild.test"), "*.wild.test");
    assert_string_equal(shown_to(&scene, context, "mine.wild.test"), "other.test");
    assert_string_equal(shown_to(&scene, context, "a.b.wild.test"), "server.test");
    assert_string_equal(shown_to(&scene, context, "wild.test"), "server.test");
    assert_int_equal(pawl_tls_add_name(scene.tls, "other.test", main_server.chain, main_server.key), -EEXIST);
    assert_int_equal(pawl_tls_add_name(scene.tls, "", main_server.chain, main_server.key), -EINVAL);
    assert_int_equal(pawl_tls_add_name(scene.tls, "new.test", "/nowhere.pem", main_server.key), -ENOENT);
    assert_int_equal(pawl_tls_reload(scene.tls), 0); /* the name that failed is forgotten */
    SSL_CTX_free(context);
    scene_close(&scene);
}

static void the_first_protocol_of_ours_that_both_know_is_taken(void **state)
{
    static const unsigned char theirs[] = "\3one\3two\5three", strange[] = "\4four";
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    struct tls_scene scene;
    struct peer peer;

    (void)state;
    config.alpn = "zero,two,one";
    scene_open(&scene, &config);
    SSL_CTX_set_alpn_protos(context, theirs, sizeof theirs - 1);
    peer_open(&peer, context, &scene.server);
    peer_echo(&peer, 1);
    assert_string_equal(tls_facts()->alpn, "two");
    peer_close(&peer);
    SSL_CTX_set_alpn_protos(context, strange, sizeof strange - 1);
    peer_connect(&peer, context, &scene.server);
    assert_int_equal(SSL_do_handshake(peer.ssl), -1);
    io_reach(&io_counts.closed, 2);
    assert_int_equal(tls_reason(), EPROTONOSUPPORT);
    peer_drop(&peer);
    SSL_CTX_free(context);
    scene_close(&scene);
}

/* ---- who may come ---- */

/* A handshake with this certificate. Returns the reason with which the stream closed, 0 if it was served. */
static uint64_t come_with(struct tls_scene *scene, const struct certificate *certificate)
{
    SSL_CTX *context = peer_context(authority.chain);
    const uint64_t closed = io_get(&io_counts.closed);
    struct peer peer;
    char byte = 'x';
    size_t n;

    if (certificate != NULL) {
        assert_int_equal(SSL_CTX_use_certificate_chain_file(context, certificate->chain), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(context, certificate->key, SSL_FILETYPE_PEM), 1);
    }
    peer_connect(&peer, context, &scene->server);
    if (SSL_do_handshake(peer.ssl) == 1 && SSL_write_ex(peer.ssl, &byte, 1, &n) == 1 &&
        SSL_read_ex(peer.ssl, &byte, 1, &n) == 1)
        peer_close(&peer);
    else
        peer_drop(&peer);
    io_reach(&io_counts.closed, closed + 1);
    SSL_CTX_free(context);
    return tls_reason();
}

static void clients_without_a_good_certificate_stay_outside(void **state)
{
    struct pawl_tls_config config = tls_serving();
    struct tls_scene scene;

    (void)state;
    config.verify = PAWL_TLS_VERIFY_REQUIRED;
    config.ca_file = authority.chain;
    scene_open(&scene, &config);
    assert_int_equal(come_with(&scene, &client), 0);
    assert_non_null(strstr(tls_facts()->peer, "CN=a client"));
    assert_true(tls_facts()->verified);
    assert_int_equal(come_with(&scene, &strange_client), EKEYREJECTED);
    assert_non_null(strstr(tls_error(), "certificate verify failed"));
    assert_int_equal(come_with(&scene, NULL), EKEYREJECTED);
    assert_int_equal(come_with(&scene, &expired), EKEYEXPIRED);
    assert_int_equal(io_get(&io_counts.opened), 1);
    scene_close(&scene);
}

static void clients_may_be_asked_without_being_forced(void **state)
{
    struct pawl_tls_config config = tls_serving();
    struct tls_scene scene;

    (void)state;
    config.verify = PAWL_TLS_VERIFY_OPTIONAL;
    config.ca_file = authority.chain;
    scene_open(&scene, &config);
    assert_int_equal(come_with(&scene, NULL), 0);
    assert_false(tls_facts()->verified);
    assert_int_equal(come_with(&scene, &client), 0);
    assert_true(tls_facts()->verified);
    assert_int_equal(come_with(&scene, &strange_client), EKEYREJECTED);
    scene_close(&scene);
}

static void versions_that_are_not_wanted_are_refused(void **state)
{
    struct pawl_tls_config config = tls_serving();
    SSL_CTX *context = peer_context(authority.chain);
    struct tls_scene scene;
    struct peer peer;

    (void)state;
    config.least = 13;
    scene_open(&scene, &config);
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    peer_connect(&peer, context, &scene.server);
    assert_int_equal(SSL_do_handshake(peer.ssl), -1);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(tls_reason(), EPROTONOSUPPORT);
    peer_drop(&peer);
    SSL_CTX_free(context);
    scene_close(&scene);
}

/* ---- sessions ---- */

/* Twice: does the second connection resume the first? */
static bool comes_back(struct tls_scene *scene, int version, bool reload)
{
    SSL_CTX *context = peer_context(authority.chain);
    SSL_SESSION *session;
    struct peer peer;
    bool resumed;

    SSL_CTX_set_max_proto_version(context, version);
    peer_open(&peer, context, &scene->server);
    peer_echo(&peer, 1); /* with 1.3 the ticket comes behind the handshake */
    session = SSL_get1_session(peer.ssl);
    assert_non_null(session);
    peer_close(&peer);
    if (reload)
        assert_int_equal(pawl_tls_reload(scene->tls), 0);
    peer_connect(&peer, context, &scene->server);
    assert_int_equal(SSL_set_session(peer.ssl, session), 1);
    peer_greet(&peer);
    peer_echo(&peer, 1);
    resumed = SSL_session_reused(peer.ssl) == 1;
    assert_int_equal(tls_facts()->resumed, resumed);
    peer_close(&peer);
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
    return resumed;
}

static void who_comes_back_resumes_its_session(void **state)
{
    struct pawl_tls_config config = tls_serving();
    struct tls_scene scene;

    (void)state;
    scene_open(&scene, &config);
    assert_true(comes_back(&scene, TLS1_2_VERSION, false));
    assert_true(comes_back(&scene, TLS1_3_VERSION, false));
    assert_true(comes_back(&scene, TLS1_2_VERSION, true));
    assert_true(comes_back(&scene, TLS1_3_VERSION, true));
    scene_close(&scene);
    /* whose clients are verified: by authorities that may be others now */
    config.verify = PAWL_TLS_VERIFY_OPTIONAL;
    config.ca_file = authority.chain;
    scene_open(&scene, &config);
    assert_true(comes_back(&scene, TLS1_2_VERSION, false));
    assert_true(comes_back(&scene, TLS1_3_VERSION, false));
    assert_false(comes_back(&scene, TLS1_2_VERSION, true));
    assert_false(comes_back(&scene, TLS1_3_VERSION, true));
    scene_close(&scene);
    config.flags |= PAWL_TLS_NO_RESUME;
    scene_open(&scene, &config);
    assert_false(comes_back(&scene, TLS1_2_VERSION, false));
    assert_false(comes_back(&scene, TLS1_3_VERSION, false));
    scene_close(&scene);
}

/* ---- certificates that change ---- */

static void certificates_change_without_a_restart(void **state)
{
    struct certificate files;
    struct pawl_tls_config config;
    SSL_CTX *context = peer_context(authority.chain);
    struct tls_scene scene;
    struct peer before, after;
    FILE *file;

    (void)state;
    files = changing;
    certificate_replace(&files, "first.test");
    config = (struct pawl_tls_config){.flags = PAWL_TLS_SERVER,
                                      .chain_file = files.chain,
                                      .key_file = files.key};
    scene_open(&scene, &config);
    peer_open(&before, context, &scene.server);
    assert_string_equal(peer_sees(&before), "first.test");
    certificate_replace(&files, "second.test");
    assert_string_equal(shown_to(&scene, context, NULL), "first.test");
    assert_int_equal(pawl_tls_reload(scene.tls), 0);
    peer_open(&after, context, &scene.server);
    assert_string_equal(peer_sees(&after), "second.test");
    peer_echo(&before, 1000); /* the old one lives on */
    file = fopen(files.chain, "we");
    assert_non_null(file);
    assert_true(fputs("no certificate\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(pawl_tls_reload(scene.tls), -EINVAL);
    assert_non_null(strstr(pawl_tls_failure(), files.chain));
    assert_string_equal(shown_to(&scene, context, NULL), "second.test");
    unlink(files.chain);
    assert_int_equal(pawl_tls_reload(scene.tls), -ENOENT);
    certificate_replace(&files, "third.test");
    assert_int_equal(rename(main_server.key, files.key) == 0 ? pawl_tls_reload(scene.tls) : 1, -EKEYREJECTED);
    assert_int_equal(rename(files.key, main_server.key), 0);
    peer_close(&before);
    peer_close(&after);
    SSL_CTX_free(context);
    scene_close(&scene);
}

static void settings_that_make_no_sense_are_refused(void **state)
{
    const struct pawl_tls_config bad[] = {
        {.flags = PAWL_TLS_SERVER},
        {.flags = 1u << 31},
        {.chain_file = main_server.chain},
        {.least = 11},
        {.least = 13, .most = 12},
        {.record_bytes = 100},
        {.record_bytes = 16385},
        {.alpn = "h2,"},
        {.alpn = ""},
        {.ciphers = "NOTHING"},
        {.suites = "TLS_NOTHING"},
        {.flags = PAWL_TLS_SERVER, .chain_file = main_server.key, .key_file = main_server.key},
        {.flags = PAWL_TLS_SERVER | PAWL_TLS_KEY_DER,
         .chain_file = main_server.chain,
         .key_file = main_server.key},
    };
    struct pawl_tls *tls;
    struct pawl_rt *rt;

    (void)state;
    tls_open(&rt, 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (pawl_tls_open(&tls, &bad[i]) != -EINVAL)
            fail_msg("setting %zu", i);
        assert_true(strlen(pawl_tls_failure()) > 0);
    }
    assert_int_equal(pawl_tls_open(&tls, &(struct pawl_tls_config){.chain_file = main_server.chain,
                                                                   .key_file = other_server.key}),
                     -EKEYREJECTED);
    assert_int_equal(pawl_tls_open(&tls, &(struct pawl_tls_config){.ca_file = "/nowhere.pem"}), -ENOENT);
    pawl_tls_close(NULL);
    tls_close(rt);
}

const struct CMUnitTest server_tests[] = {
    cmocka_unit_test(what_is_sent_comes_back_whole_and_in_order),
    cmocka_unit_test(records_may_come_in_pieces_of_a_byte),
    cmocka_unit_test(small_writes_of_a_continuation_are_one_record),
    cmocka_unit_test(a_record_has_no_more_bytes_than_it_may),
    cmocka_unit_test(who_does_not_read_costs_no_more_than_the_marks),
    cmocka_unit_test(a_name_chooses_the_certificate),
    cmocka_unit_test(the_first_protocol_of_ours_that_both_know_is_taken),
    cmocka_unit_test(clients_without_a_good_certificate_stay_outside),
    cmocka_unit_test(clients_may_be_asked_without_being_forced),
    cmocka_unit_test(versions_that_are_not_wanted_are_refused),
    cmocka_unit_test(who_comes_back_resumes_its_session),
    cmocka_unit_test(settings_that_make_no_sense_are_refused),
    cmocka_unit_test(certificates_change_without_a_restart),
};
const size_t server_test_count = sizeof server_tests / sizeof server_tests[0];
