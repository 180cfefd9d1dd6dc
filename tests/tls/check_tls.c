/* SPDX-License-Identifier: MIT */
/* For the model checker: what streams on several threads share of a context, which is who holds it, the set of certificates that is
 * the current one, and the sessions of a client. OpenSSL is played by the functions below.
 *
 *   -DSTREAMS=n   so many threads, each with a stream that began before
 *   -DAGAIN=1     and one more, that each begins itself while the context is open
 *   -DRELOADS=n   the opener reads the files again so often, each time with another authority
 *   -DCLOSE=1     it closes the context while the streams are still there
 *
 * The sets' own grace periods end with the program (tests/reclaim/check_cell.c has those that end before). Mutants that
 * survive, and why: docs/tls.md. */
#include "../../src/tls/tls.h"
#include "played_mutex.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#ifndef STREAMS
#define STREAMS 2
#endif
#ifndef AGAIN
#define AGAIN 0
#endif
#ifndef RELOADS
#define RELOADS 1
#endif
#ifndef CLOSE
#define CLOSE 1
#endif

/* ---- OpenSSL, as far as it is used ---- */

struct ssl_ctx_st {
    int authority; /* who is believed: what stood in the file */
};

struct ssl_session_st {
    int authority; /* who vouched for the peer */
};

struct ssl_st {
    const SSL_CTX *context;
    void *data;
    int resumed;
};

SSL *SSL_new(SSL_CTX *context)
{
    SSL *ssl = calloc(1, sizeof *ssl);

    ssl->context = context;
    return ssl;
}

void SSL_free(SSL *ssl)
{
    assert(ssl->context->authority >= 0); /* its set is there as long as it is */
    free(ssl);
}

int SSL_set_ex_data(SSL *ssl, int index, void *data)
{
    (void)index;
    ssl->data = data;
    return 1;
}

void *SSL_get_ex_data(const SSL *ssl, int index)
{
    (void)index;
    return ssl->data;
}

int SSL_set_session(SSL *ssl, SSL_SESSION *session)
{
    assert(session->authority == ssl->context->authority); /* nobody is believed who is believed no more */
    ssl->resumed = 1;
    return 1;
}

int SSL_SESSION_is_resumable(const SSL_SESSION *session)
{
    return session->authority >= 0;
}

int SSL_SESSION_get_protocol_version(const SSL_SESSION *session)
{
    (void)session;
    return TLS1_3_VERSION;
}

void SSL_SESSION_free(SSL_SESSION *session)
{
    if (session == NULL)
        return;
    session->authority = -1;
    free(session);
}

void SSL_set_bio(SSL *ssl, BIO *in, BIO *out)
{
    assert(ssl->data == NULL && in == out);
}

void SSL_set_accept_state(SSL *ssl)
{
    assert(ssl == NULL); /* clients all */
}

void SSL_set_connect_state(SSL *ssl)
{
    assert(ssl->data != NULL);
}

void ERR_clear_error(void)
{
}

int RAND_bytes(unsigned char *bytes, int count)
{
    bytes[count - 1] = 1;
    return 1;
}

void OPENSSL_cleanse(void *bytes, size_t count)
{
    memset(bytes, 0, count);
}

/* ---- the rest of the layer ---- */

static int authority;  /* what stands in the file: the opener's */
static int dropped[4]; /* the set of that authority is gone */

int pawl_tls_set_read_(struct tls_set **out, struct pawl_tls *tls)
{
    (void)tls;
    *out = calloc(1, sizeof **out);
    (*out)->context = malloc(sizeof(SSL_CTX));
    (*out)->context->authority = authority;
    return 0;
}

void pawl_tls_set_drop_(void *data)
{
    struct tls_set *set = data;
    const int whose = set->context->authority;

    assert(dropped[whose]++ == 0);
    set->context->authority = -1;
    free(set->context);
    free(set);
}

enum pawl_tls_verify pawl_tls_verification_(const struct pawl_tls *tls)
{
    (void)tls;
    return PAWL_TLS_VERIFY_REQUIRED;
}

int pawl_tls_bio_ready_(void)
{
    return 0;
}

BIO *pawl_tls_bio_(struct tls_stream *stream)
{
    return (BIO *)(void *)stream; /* nobody looks into it */
}

int pawl_tls_fail_(int error, const char *what, const char *which)
{
    (void)what;
    (void)which;
    return error;
}

int pawl_tls_fail_openssl_(const char *what, const char *which)
{
    return pawl_tls_fail_(-1, what, which);
}

/* Called by the runtime, which is not there. */
void pawl_tls_start_(struct pawl_layered *layered)
{
    assert(layered == NULL);
}

void pawl_tls_received_(struct pawl_layered *layered, const struct pawl_slice *slice)
{
    assert(layered == NULL && slice == NULL);
}

void pawl_tls_resumed_(struct pawl_layered *layered)
{
    assert(layered == NULL);
}

void pawl_tls_ended_(struct pawl_layered *layered)
{
    assert(layered == NULL);
}

void pawl_tls_encode_(struct pawl_layered *layered)
{
    assert(layered == NULL);
}

void pawl_tls_finish_(struct pawl_layered *layered)
{
    assert(layered == NULL);
}

void pawl_tls_too_late_(struct pawl_timer *timer)
{
    assert(timer == NULL);
}

void pawl_timer_init(struct pawl_timer *timer, void (*fire)(struct pawl_timer *timer))
{
    timer->link.next = NULL;
    timer->fire = fire;
}

int pawl_timer_cancel(struct pawl_timer *timer)
{
    assert(timer == NULL);
    return 0;
}

/* ---- mutexes ---- */

static pthread_mutex_t mutexes[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};

void played_init(struct pawl_mutex *mutex, int flags)
{
    static uint32_t count;

    assert(flags == 0 && count < 2);
    pawl_store_relaxed(&mutex->wake, count++); /* relaxed: nobody has it yet */
}

void played_lock(struct pawl_mutex *mutex)
{
    pthread_mutex_lock(&mutexes[pawl_load_relaxed(&mutex->wake)]); /* relaxed: never changed */
}

void played_unlock(struct pawl_mutex *mutex)
{
    pthread_mutex_unlock(&mutexes[pawl_load_relaxed(&mutex->wake)]); /* relaxed: as above */
}

/* ---- RCU: each grace period ends when the program does ---- */

static struct pawl_reader nobody = {.word = PAWL_READER_NONE};
__thread struct pawl_reader *pawl_reader_self_ = &nobody;
struct pawl_rcu pawl_rcu_default;
static struct pawl_retired *retired[4];
static int retired_count;

void pawl_grace_enter_slow_(struct pawl_grace *grace)
{
    assert(grace == &pawl_rcu_default.grace);
}

void pawl_grace_leave_slow_(struct pawl_grace *grace)
{
    assert(grace == &pawl_rcu_default.grace);
}

/* Plain memory: one replaces a set at a time, or has the context for himself. */
void pawl_rcu_call(struct pawl_retired *version, void (*reclaim)(struct pawl_retired *))
{
    version->reclaim = reclaim;
    retired[retired_count++] = version;
}

void pawl_rcu_barrier(void)
{
    assert(retired_count < 0); /* of pawl_rcu_cell_destroy(), which nobody calls */
}

/* ---- the program ---- */

static struct pawl_tls *tls;
static int authorities; /* the last one that was read: the opener's, and after it */

static struct tls_stream *begin(void)
{
    struct pawl_layered *layered = pawl_tls_attach_(pawl_tls_layer(tls));
    struct tls_stream *stream = (struct tls_stream *)(void *)layered;

    stream->name = malloc(2);
    stream->name[0] = 'a';
    stream->name[1] = '\0';
    return stream;
}

/* A handshake, a ticket, the end. */
static void go_through(struct tls_stream *stream)
{
    SSL_SESSION *session = malloc(sizeof *session);

    pawl_tls_session_offer_(stream);
    session->authority = stream->ssl->context->authority;
    if (pawl_tls_session_new_(stream->ssl, session) == 0)
        SSL_SESSION_free(session);
    pawl_tls_detach_(&stream->layered);
}

static void *run(void *stream)
{
    if (AGAIN)
        go_through(begin());
    go_through(stream);
    return NULL;
}

int main(void)
{
    pthread_t threads[STREAMS];
    struct tls_stream *last;

    assert(pawl_tls_open(&tls, &(struct pawl_tls_config){0}) == 0);
    for (int i = 0; i < STREAMS; i++)
        pthread_create(&threads[i], NULL, run, begin());
    for (int i = 0; i < RELOADS; i++) {
        authority = ++authorities;
        assert(pawl_tls_reload(tls) == 0);
        last = begin();
        assert(last->ssl->context->authority == authorities); /* who begins now has what was read last */
        go_through(last);
    }
    if (CLOSE && !AGAIN)
        pawl_tls_close(tls);
    for (int i = 0; i < STREAMS; i++)
        pthread_join(threads[i], NULL);
    if (!CLOSE || AGAIN)
        pawl_tls_close(tls);
    for (int i = 0; i < retired_count; i++)
        retired[i]->reclaim(retired[i]);
    for (int i = 0; i <= authorities; i++)
        assert(dropped[i] == 1);
    return 0;
}
