/* SPDX-License-Identifier: MIT */
/* -Z and -o ssl_..., with memcached's names and values. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MISUSED = 64, BUFFER_MOST_KIB = 2 << 10 };

static int misuse(const char *what, const char *value)
{
    fprintf(stderr, "pawl-cache: %s, not '%s'; --help lists the options\n", what, value);
    return MISUSED;
}

/* One of these words or its number. -1: none. */
static int choose(const char *const *words, int count, const char *value)
{
    char number[12];

    for (int i = 0; i < count; i++) {
        snprintf(number, sizeof(number), "%d", i);
        if (strcmp(value, number) == 0 || (words[i] != NULL && strcasecmp(value, words[i]) == 0))
            return i;
    }
    return -1;
}

static int read_verify(struct cache_tls_options *options, const char *value)
{
    static const char *const modes[] = {"None", "Request", "Require", "Once"};
    const int mode = choose(modes, 4, value);

    if (mode < 0)
        return misuse("-o ssl_verify_mode wants 0 (None), 1 (Request), 2 (Require) or 3 (Once)", value);
    options->verify = (uint32_t)mode;
    return -1;
}

static int read_format(struct cache_tls_options *options, const char *value)
{
    static const char *const formats[] = {NULL, "PEM", "DER"};
    const int format = choose(formats, 3, value);

    if (format <= 0)
        return misuse("-o ssl_keyformat wants PEM (1) or DER (2)", value);
    options->der = format == 2;
    return -1;
}

static int read_version(struct cache_tls_options *options, const char *value)
{
    static const char *const versions[] = {"tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3"};
    const int version = choose(versions, 4, value);

    if (version < 2)
        return misuse("-o ssl_min_version wants 2 (tlsv1.2) or 3 (tlsv1.3): older ones are not safe", value);
    options->least = 10 + (uint32_t)version;
    return -1;
}

static int read_buffer(struct cache_tls_options *options, const char *value)
{
    char *end;
    const unsigned long kib = strtoul(value, &end, 10);

    if (*value < '0' || *value > '9' || *end != '\0' || kib < 1 || kib > BUFFER_MOST_KIB)
        return misuse("-o ssl_wbuf_size wants kilobytes, 1 to 2048", value);
    options->buffer_kib = (uint32_t)kib;
    return -1;
}

static int read_text(const char **place, const char *name, const char *value)
{
    char what[64];

    if (*value == '\0') {
        snprintf(what, sizeof(what), "-o %s wants a value", name);
        return misuse(what, value);
    }
    *place = value;
    return -1;
}

int cache_tls_option(struct cache_tls_options *options, const char *text)
{
    const char *const equals = strchr(text, '=');
    const char *const value = equals != NULL ? equals + 1 : "";
    char name[32];

    snprintf(name, sizeof(name), "%.*s", equals != NULL ? (int)(equals - text) : (int)strlen(text), text);
    if (strcmp(name, "ssl_chain_cert") == 0)
        return read_text(&options->chain, name, value);
    if (strcmp(name, "ssl_key") == 0)
        return read_text(&options->key, name, value);
    if (strcmp(name, "ssl_ca_cert") == 0)
        return read_text(&options->ca, name, value);
    if (strcmp(name, "ssl_ciphers") == 0)
        return read_text(&options->ciphers, name, value);
    if (strcmp(name, "ssl_verify_mode") == 0)
        return read_verify(options, value);
    if (strcmp(name, "ssl_keyformat") == 0)
        return read_format(options, value);
    if (strcmp(name, "ssl_min_version") == 0)
        return read_version(options, value);
    if (strcmp(name, "ssl_wbuf_size") == 0)
        return read_buffer(options, value);
    if (strcmp(name, "ssl_session_cache") == 0) {
        options->sessions = true;
        return -1;
    }
    if (strcmp(name, "ssl_kernel_tls") == 0)
        return misuse("TLS in the kernel is not supported: leave ssl_kernel_tls out", text);
    return misuse(
        "-o knows ssl_chain_cert, ssl_key, ssl_keyformat, ssl_verify_mode, ssl_ciphers, ssl_ca_cert, "
        "ssl_wbuf_size, ssl_session_cache and ssl_min_version",
        text);
}

int cache_tls_check(const struct cache_tls_options *options)
{
    if (!options->on)
        return -1;
    if (!CACHE_HAVE_TLS)
        return misuse("this one was built without OpenSSL: there is no -Z", "-Z");
    if (options->chain == NULL)
        return misuse("-Z wants a certificate: -o ssl_chain_cert=FILE,ssl_key=FILE", "-Z alone");
    return -1;
}

void cache_tls_say_settings(const struct cache_tls_options *options, cache_stat_fn *say, void *arg)
{
    cache_stat(say, arg, "ssl_enabled", "%s", options->on ? "yes" : "no");
    cache_stat(say, arg, "ssl_chain_cert", "%s", options->chain != NULL ? options->chain : "");
    cache_stat(say, arg, "ssl_key", "%s", options->key != NULL ? options->key : "");
    cache_stat(say, arg, "ssl_verify_mode", "%u", options->verify);
    cache_stat(say, arg, "ssl_keyformat", "%d", options->der ? 2 : 1);
    cache_stat(say, arg, "ssl_ciphers", "%s", options->ciphers != NULL ? options->ciphers : "NULL");
    cache_stat(say, arg, "ssl_ca_cert", "%s", options->ca != NULL ? options->ca : "NULL");
    cache_stat(say, arg, "ssl_wbuf_size", "%u", options->buffer_kib * 1024);
    cache_stat(say, arg, "ssl_session_cache", "%s", options->sessions ? "yes" : "no");
    cache_stat(say, arg, "ssl_kernel_tls", "no");
    cache_stat(say, arg, "ssl_min_version", "tlsv1.%u", options->least - 10);
}
