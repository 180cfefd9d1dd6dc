/* SPDX-License-Identifier: MIT */
/* Certificates: from the settings and the files to OpenSSL's contexts, one for each name. */
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- what OpenSSL asks ---- */

/* Keys with a password are not for servers: without this OpenSSL would ask on the terminal. */
static int no_password(char *bytes, int room, int writing, void *arg)
{
    (void)bytes;
    (void)room;
    (void)writing;
    (void)arg;
    return -1;
}

static bool matches(const char *pattern, const char *name)
{
    const char *dot;

    if (pattern[0] != '*' || pattern[1] != '.')
        return strcasecmp(pattern, name) == 0;
    dot = strchr(name, '.');
    return dot != NULL && dot != name && strcasecmp(pattern + 1, dot) == 0;
}

/* A client has asked for a name. Names without a pattern come first in the set. */
static int choose_name(SSL *ssl, int *alert, void *arg)
{
    const struct tls_stream *stream = SSL_get_app_data(ssl);
    const struct tls_set *set = stream->version->data;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    (void)arg;
    for (size_t i = 0; name != NULL && i < set->count; i++)
        if (matches(set->named[i].name, name)) {
            (void)SSL_set_SSL_CTX(ssl, set->named[i].context); /* no memory: the certificate for everybody */
            break;
        }
    return SSL_TLSEXT_ERR_OK;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                           const unsigned char *in, unsigned in_bytes, void *arg)
{
    const struct pawl_tls *tls = arg;

    (void)ssl;
    /* The cast is the interface's: what it gives points into one of the two lists. */
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_bytes, tls->alpn, tls->alpn_bytes, in,
                              in_bytes) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- one context ---- */

static int version_of(uint32_t number, int otherwise)
{
    return number == 12 ? TLS1_2_VERSION : number == 13 ? TLS1_3_VERSION : otherwise;
}

static int set_versions(SSL_CTX *context, const struct pawl_tls_config *config)
{
    const int least = version_of(config->least, TLS1_2_VERSION),
              most = version_of(config->most, TLS1_3_VERSION);

    if (SSL_CTX_set_min_proto_version(context, least) != 1 ||
        SSL_CTX_set_max_proto_version(context, most) != 1)
        return pawl_tls_fail_openssl_("cannot set the versions", NULL);
    if (config->ciphers != NULL && SSL_CTX_set_cipher_list(context, config->ciphers) != 1)
        return pawl_tls_fail_openssl_("cannot set the ciphers", config->ciphers);
    if (config->suites != NULL && SSL_CTX_set_ciphersuites(context, config->suites) != 1)
        return pawl_tls_fail_openssl_("cannot set the suites of TLS 1.3", config->suites);
    return 0;
}

enum pawl_tls_verify pawl_tls_verification_(const struct pawl_tls *tls)
{
    if (tls->config.verify != PAWL_TLS_VERIFY_DEFAULT)
        return tls->config.verify;
    return tls_serves(tls) ? PAWL_TLS_VERIFY_NONE : PAWL_TLS_VERIFY_REQUIRED;
}

static int set_verification(SSL_CTX *context, const struct pawl_tls *tls)
{
    const struct pawl_tls_config *config = &tls->config;
    const enum pawl_tls_verify verify = pawl_tls_verification_(tls);
    int mode = SSL_VERIFY_NONE;

    if (verify != PAWL_TLS_VERIFY_NONE)
        mode = SSL_VERIFY_PEER;
    if (verify == PAWL_TLS_VERIFY_REQUIRED && tls_serves(tls))
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT | SSL_VERIFY_CLIENT_ONCE;
    SSL_CTX_set_verify(context, mode, NULL);
    if (verify == PAWL_TLS_VERIFY_NONE)
        return 0;
    if (config->ca_file == NULL) {
        if (SSL_CTX_set_default_verify_paths(context) != 1)
            return pawl_tls_fail_openssl_("cannot read the system's authorities", NULL);
        return 0;
    }
    if (SSL_CTX_load_verify_file(context, config->ca_file) != 1)
        return pawl_tls_fail_openssl_("cannot read authorities from", config->ca_file);
    if (tls_serves(tls))
        /* names of authorities for the client to choose a certificate by; NULL: it chooses without */
        SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(config->ca_file));
    return 0;
}

static int set_certificate(SSL_CTX *context, const struct pawl_tls *tls, const struct tls_identity *identity)
{
    const int type = (tls->config.flags & PAWL_TLS_KEY_DER) != 0 ? SSL_FILETYPE_ASN1 : SSL_FILETYPE_PEM;

    if (identity->chain_file == NULL)
        return 0;
    if (SSL_CTX_use_certificate_chain_file(context, identity->chain_file) != 1)
        return pawl_tls_fail_openssl_("cannot read certificates from", identity->chain_file);
    if (SSL_CTX_use_PrivateKey_file(context, identity->key_file, type) != 1)
        return pawl_tls_fail_openssl_("cannot read the key from", identity->key_file);
    if (SSL_CTX_check_private_key(context) != 1)
        return pawl_tls_fail_openssl_("not the certificate's key:", identity->key_file);
    return 0;
}

static int set_sessions(SSL_CTX *context, const struct pawl_tls *tls)
{
    static const unsigned char id[] = "pawl";
    unsigned char keys[TLS_TICKET_KEYS_MOST];
    long bytes;

    if ((tls->config.flags & PAWL_TLS_NO_RESUME) != 0) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        (void)SSL_CTX_set_num_tickets(context, 0);
        return 0;
    }
    if (!tls_serves(tls)) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, pawl_tls_session_new_);
        return 0;
    }
    /* Tickets alone: the server remembers nothing. The same key in all contexts, and over reloads. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_session_id_context(context, id, sizeof id - 1) != 1)
        return pawl_tls_fail_openssl_("cannot set up sessions", NULL);
    memcpy(keys, tls->ticket_keys, sizeof keys);
    bytes = SSL_CTX_get_tlsext_ticket_keys(context, NULL, 0);
    if (bytes > (long)sizeof keys || SSL_CTX_set_tlsext_ticket_keys(context, keys, bytes) != 1)
        return pawl_tls_fail_openssl_("cannot set the key of tickets", NULL);
    return 0;
}

static int set_protocols(SSL_CTX *context, struct pawl_tls *tls)
{
    if (tls->alpn == NULL)
        return 0;
    if (tls_serves(tls))
        SSL_CTX_set_alpn_select_cb(context, choose_protocol, tls);
    else if (SSL_CTX_set_alpn_protos(context, tls->alpn, tls->alpn_bytes) != 0)
        return pawl_tls_fail_(-ENOMEM, "cannot set the protocols", NULL);
    return 0;
}

static int make_context(SSL_CTX **out, struct pawl_tls *tls, const struct tls_identity *identity)
{
    SSL_CTX *context;
    int error;

    ERR_clear_error();
    context = SSL_CTX_new(tls_serves(tls) ? TLS_server_method() : TLS_client_method());
    if (context == NULL)
        return pawl_tls_fail_(-ENOMEM, "cannot make a context", NULL);
    SSL_CTX_set_default_passwd_cb(context, no_password);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    error = set_versions(context, &tls->config);
    if (error == 0)
        error = set_verification(context, tls);
    if (error == 0)
        error = set_certificate(context, tls, identity);
    if (error == 0)
        error = set_sessions(context, tls);
    if (error == 0)
        error = set_protocols(context, tls);
    if (error != 0) {
        SSL_CTX_free(context);
        return error;
    }
    *out = context;
    return 0;
}

/* ---- all of them ---- */

void pawl_tls_set_drop_(void *data)
{
    struct tls_set *set = data;

    for (size_t i = 0; i < set->count; i++) {
        SSL_CTX_free(set->named[i].context);
        free(set->named[i].name);
    }
    SSL_CTX_free(set->context);
    free(set);
}

static int add(struct tls_set *set, struct pawl_tls *tls, const struct tls_identity *identity)
{
    char *name = strdup(identity->name);
    SSL_CTX *context = NULL;
    int error;

    if (name == NULL)
        return pawl_tls_fail_(-ENOMEM, "no memory", identity->name);
    error = make_context(&context, tls, identity);
    if (error != 0) {
        free(name);
        return error;
    }
    set->named[set->count++] = (struct tls_named){.name = name, .context = context};
    return 0;
}

static int add_those(struct tls_set *set, struct pawl_tls *tls, bool patterns)
{
    int error = 0;

    for (size_t i = 1; error == 0 && i < tls->identity_count; i++)
        if ((tls->identities[i].name[0] == '*') == patterns)
            error = add(set, tls, &tls->identities[i]);
    return error;
}

int pawl_tls_set_read_(struct tls_set **out, struct pawl_tls *tls)
{
    const size_t names = tls->identity_count - 1;
    struct tls_set *set = calloc(1, sizeof *set + names * sizeof set->named[0]);
    int error;

    if (set == NULL)
        return pawl_tls_fail_(-ENOMEM, "no memory", NULL);
    error = make_context(&set->context, tls, &tls->identities[0]);
    if (error == 0)
        error = add_those(set, tls, false);
    if (error == 0)
        error = add_those(set, tls, true);
    if (error != 0) {
        pawl_tls_set_drop_(set);
        return error;
    }
    if (tls_serves(tls))
        SSL_CTX_set_tlsext_servername_callback(set->context, choose_name);
    *out = set;
    return 0;
}
