/* SPDX-License-Identifier: MIT */
/* TLS as a layer of a stream, by OpenSSL 3. libpawl-tls, `pkg-config --libs pawl-tls`.
 *
 * Purpose    Servers and clients whose streams are encrypted, with the calls of <pawl/stream.h>: a configuration names
 *            the layer, nothing else changes.
 *
 *              struct pawl_tls *tls;
 *              pawl_tls_open(&tls, &(struct pawl_tls_config){.flags = PAWL_TLS_SERVER, .chain_file = ..., .key_file = ...});
 *              struct pawl_stream_config echo = {.received = received, .layer = pawl_tls_layer(tls)};
 *
 * Model      A `struct pawl_tls` is a certificate with its settings; its streams hold it. It makes a stream greet before
 *            `opened`, within handshake_ms. pawl_tls_reload() reads the files again: new streams have the new
 *            certificates, those that are open keep theirs.
 * Ends       pawl_stream_shutdown() and close send close_notify; the peer's is what `ended` tells of, and writing goes on.
 *            A peer that ends without one may have been cut off by somebody else: -ECONNRESET (PAWL_TLS_EOF_ENDS: ended).
 * Errors     closed() is told, and pawl_tls_error() says in words:
 *              -EKEYREJECTED, -EKEYEXPIRED  a certificate: the peer's is not believed (expired), or ours was refused
 *              -EPROTONOSUPPORT             no version, cipher or ALPN protocol in common
 *              -EPROTO                      what came is no TLS, or was tampered with, or the peer said so, or asks for
 *                                           answers (new keys, again and again) that it does not read
 *              -ECONNRESET                  the peer was gone without close_notify
 *              -ETIMEDOUT                   the handshake took too long
 *              -EINVAL                      a client without a name to verify
 * Names      A server has one certificate for each name that clients ask for (SNI), and one for all others. A client gives
 *            the name of the server, which is asked for and which the certificate must have.
 * Safety     TLS 1.2 and 1.3. Clients verify, by the system's authorities unless told otherwise. No renegotiation, no
 *            compression, no early data.
 * Sessions   Are resumed by tickets: 1.3 clients use each once. A client remembers one for each of 64 names, and forgets them in
 *            pawl_tls_reload(); streams from before it leave none. A server's ticket key is made by pawl_tls_open() and
 *            lives as long; if it verifies clients, until pawl_tls_reload(), for authorities may have changed.
 * Threads    Contexts: any thread. Functions of a stream: on its worker.
 * Progress   A handshake computes on the worker: half a millisecond (ECDSA), more with RSA. Nothing waits, but
 *            pawl_tls_open(), add_name and reload, which read files. A stream begins with a section of RCU and an
 *            atomic addition; a client's with a mutex, too, for its session.
 * Memory     docs/tls.md. Buffers of OpenSSL are given back when a stream is idle.
 * Cost       docs/tls.md. All that one continuation writes goes into as few records as it fits into.
 */
#ifndef PAWL_TLS_H
#define PAWL_TLS_H

#include <pawl/config.h>
#include <pawl/layer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

struct ssl_st;
struct pawl_tls;

enum pawl_tls_flags {
    PAWL_TLS_SERVER = 1,
    PAWL_TLS_NO_RESUME = 2, /* no tickets, no sessions */
    PAWL_TLS_EOF_ENDS = 4,  /* a peer that ends without close_notify has just ended */
    PAWL_TLS_ANY_NAME = 8,  /* clients: a certificate that is believed is good for any server */
    PAWL_TLS_KEY_DER = 16,  /* key files are DER, not PEM */
};

enum pawl_tls_verify {
    PAWL_TLS_VERIFY_DEFAULT, /* clients: required, servers: none */
    PAWL_TLS_VERIFY_NONE,    /* the peer may be anybody */
    PAWL_TLS_VERIFY_OPTIONAL, /* servers: clients are asked for a certificate, which must be good if they have one */
    PAWL_TLS_VERIFY_REQUIRED, /* no peer without a good one */
};

/* Strings are copied. */
struct pawl_tls_config {
    uint32_t flags;              /* of enum pawl_tls_flags */
    enum pawl_tls_verify verify; /* of the peer */
    const char
        *chain_file; /* PEM: our certificate, then those between it and the authority. Clients: NULL, none */
    const char *key_file;  /* its private key, without a password */
    const char *ca_file;   /* PEM: authorities that are believed; NULL: the system's */
    const char *ciphers;   /* of TLS 1.2, as openssl-ciphers(1); NULL: OpenSSL's choice */
    const char *suites;    /* of TLS 1.3; NULL: likewise */
    const char *alpn;      /* protocols with commas, the best first: "h2,http/1.1"; NULL: none */
    uint32_t least, most;  /* versions: 12, 13; 0: 12, 13 */
    uint32_t handshake_ms; /* 0: 10 s */
    uint32_t record_bytes; /* most bytes of a record, 512 to 16384; 0: 16384 */
};

/* Reads the files. Returns 0; -EINVAL (a setting, or a file that is none of those), -ENOENT, -EACCES, ..., -EKEYREJECTED (the
 * key is not the certificate's), -ENOMEM. pawl_tls_failure() says more. */
PAWL_API int pawl_tls_open(struct pawl_tls **tls, const struct pawl_tls_config *config)
    PAWL_NONNULL PAWL_MUST_USE;

/* Streams that have it go on. NULL is nothing. */
PAWL_API void pawl_tls_close(struct pawl_tls *tls);

/* For pawl_stream_config.layer: valid until pawl_tls_close(). */
PAWL_API const struct pawl_layer *pawl_tls_layer(const struct pawl_tls *tls) PAWL_NONNULL;

/* A server's certificate for clients that ask for `name`, or "*.name" for those that ask for one label before it. Returns as
 * pawl_tls_open(), or -EEXIST; nothing has changed if it fails. */
PAWL_API int pawl_tls_add_name(struct pawl_tls *tls, const char *name, const char *chain_file,
                               const char *key_file) PAWL_NONNULL;

/* Reads all files again, for streams that begin from now on. Returns as pawl_tls_open(); if it fails all is as it was. */
PAWL_API int pawl_tls_reload(struct pawl_tls *tls) PAWL_NONNULL;

/* What the last of these functions that failed on this thread found wrong, in a line of text. */
PAWL_API const char *pawl_tls_failure(void);

/* ---- of a stream with this layer ---- */

/* A client: the server's name or address, before `opened`: asked for (SNI; addresses are not), verified. The last one counts.
 * Returns 0, -EINVAL (no client of this layer, or no name), -EALREADY (the handshake has begun), -ENOMEM. */
PAWL_API int pawl_tls_set_name(struct pawl_stream *stream, const char *name) PAWL_NONNULL;

struct pawl_tls_facts {
    const char *version; /* "TLSv1.3" */
    const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
    const char *name;    /* that the client asked for; "": none. The stream's */
    char alpn[256];      /* the protocol that was agreed on; "": none */
    char peer[256];      /* the subject of the peer's certificate; "": it has none */
    bool verified;       /* it was verified */
    bool resumed;        /* an earlier session's keys */
};

/* From `opened` on. Returns 0, -EINVAL (not of this layer), -EAGAIN (not opened). */
PAWL_API int pawl_tls_get_facts(const struct pawl_stream *stream, struct pawl_tls_facts *facts) PAWL_NONNULL;

/* Why TLS ended the stream, in words, until closed() returns; "": it did not. */
PAWL_API const char *pawl_tls_error(const struct pawl_stream *stream) PAWL_NONNULL;

/* OpenSSL's own object, to be looked at; NULL: not of this layer. */
PAWL_API struct ssl_st *pawl_tls_ssl(const struct pawl_stream *stream) PAWL_NONNULL;

PAWL_END_DECLS
#endif
