/* SPDX-License-Identifier: MIT */
/* TLS inside. The contract is in <pawl/tls.h>. */
#ifndef PAWL_TLS_TLS_H
#define PAWL_TLS_TLS_H

#include <pawl/atomic.h>
#include <pawl/layer.h>
#include <pawl/mutex.h>
#include <pawl/rcu_cell.h>
#include <pawl/timer.h>
#include <pawl/tls.h>

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef TLS_SESSIONS /* closures for the model checker make do with 1 */
#define TLS_SESSIONS 64u
#endif

enum {
    TLS_RECORD_MOST = 16384,
    TLS_TEXT_BYTES = 256,
    TLS_TICKET_KEYS_MOST = 128,
    TLS_UNHEARD_MOST = 16 << 10, /* bytes that OpenSSL answers by itself to a peer that does not read */
};

/* ---- certificates ---- */

/* What a server presents to those who ask for a name; paths are kept to be read again. */
struct tls_identity {
    char *name; /* NULL: everybody else */
    char *chain_file, *key_file;
};

/* What was read of all of them at one time. Held by pawl_rcu_cell, and never changed. */
struct tls_named {
    char *name;
    SSL_CTX *context;
};

struct tls_set {
    SSL_CTX *context; /* of the first identity: all connections begin with it */
    uint64_t number;  /* sets of a context are counted: sessions belong to one */
    size_t count;
    struct tls_named named[];
};

/* ---- sessions of a client ---- */

struct tls_session {
    char *name;
    SSL_SESSION *session; /* NULL: free */
};

struct tls_sessions {
    struct pawl_mutex mutex;
    uint64_t
        set; /* whose they are: a stream of an older set, whose authorities may be others, neither leaves nor takes one */
    unsigned next; /* the one that is thrown out when a new name comes */
    struct tls_session session[TLS_SESSIONS];
};

struct pawl_tls {
    struct pawl_layer layer;     /* first: what streams name */
    PAWL_ATOMIC(uint64_t) holds; /* T: the opener and each stream */
    struct pawl_rcu_cell set;
    struct pawl_mutex mutex; /* who changes identities, and the set with them */
    struct tls_identity *identities;
    size_t identity_count;
    uint64_t sets;                 /* that were published */
    struct pawl_tls_config config; /* strings are copies; chain_file and key_file are in identities[0] */
    unsigned char *alpn;           /* as it is on the wire */
    unsigned alpn_bytes;
    unsigned char ticket_keys[TLS_TICKET_KEYS_MOST];
    struct tls_sessions sessions;
};

static inline bool tls_serves(const struct pawl_tls *tls)
{
    return (tls->config.flags & PAWL_TLS_SERVER) != 0;
}

static inline void tls_hold(struct pawl_tls *tls)
{
    (void)pawl_fetch_add_relaxed(&tls->holds, UINT64_C(1)); /* relaxed: who holds it keeps it meanwhile */
}

void pawl_tls_let_go_(struct pawl_tls *tls);

/* ---- a stream's ---- */

struct tls_stream {
    struct pawl_layered layered; /* first */
    struct pawl_tls *tls;
    struct pawl_rcu_version *version; /* of the set */
    SSL *ssl;
    const char *in; /* what OpenSSL reads: a lent slice, or kept */
    size_t in_count;
    char *kept; /* what came while the program did not read */
    size_t kept_room;
    struct pawl_timer timer; /* of the handshake */
    char *name;              /* a client's: of the server */
    int put_error;           /* why the out-queue took nothing; 0 */
    bool started, open, eof, over, encoding;
    uint32_t unheard; /* bytes of answers since the out-queue was empty */
    char *text;       /* why it is over */
};

/* attach.c */
struct pawl_layered *pawl_tls_attach_(const struct pawl_layer *layer);
void pawl_tls_detach_(struct pawl_layered *layered);
/* stream.c */
/* The handshake has taken too long. */
void pawl_tls_too_late_(struct pawl_timer *timer);
void pawl_tls_start_(struct pawl_layered *layered);
void pawl_tls_received_(struct pawl_layered *layered, const struct pawl_slice *slice);
void pawl_tls_resumed_(struct pawl_layered *layered);
void pawl_tls_ended_(struct pawl_layered *layered);
void pawl_tls_encode_(struct pawl_layered *layered);
void pawl_tls_finish_(struct pawl_layered *layered);

/* bio.c. Before the first of them: 0, or -ENOMEM. */
int pawl_tls_bio_ready_(void);
/* OpenSSL's reads and writes. NULL: no memory. */
BIO *pawl_tls_bio_(struct tls_stream *stream);

/* set.c: reads all files. 0, or a negative errno, and pawl_tls_failure() says why. */
int pawl_tls_set_read_(struct tls_set **out, struct pawl_tls *tls);
void pawl_tls_set_drop_(void *data);
/* The configuration's, or what stands for the default. */
enum pawl_tls_verify pawl_tls_verification_(const struct pawl_tls *tls);

/* session.c */
int pawl_tls_session_new_(SSL *ssl, SSL_SESSION *session);
void pawl_tls_session_offer_(struct tls_stream *stream);
/* All of them; from now on they are those of another set. */
void pawl_tls_sessions_forget_(struct tls_sessions *sessions, uint64_t set);

/* error.c: what OpenSSL has to say, as an errno and as a line of TLS_TEXT_BYTES. Its queue is empty afterwards. */
int pawl_tls_why_(const SSL *ssl, char *text);
/* For pawl_tls_failure(): returns `error`. */
int pawl_tls_fail_(int error, const char *what, const char *which);
int pawl_tls_fail_openssl_(const char *what, const char *which);

#endif
