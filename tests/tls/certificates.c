/* SPDX-License-Identifier: MIT */
#include "certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct certificate authority, stranger, main_server, other_server, wild_server, expired, client,
    strange_client, changing;

static char folder[64];

enum { DAY = 24 * 60 * 60 };

/* One of the authorities. */
struct signer {
    X509 *certificate;
    EVP_PKEY *key;
};

static struct signer believed, unknown;

static void demand(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "certificates: %s failed\n", what);
    abort();
}

static void extend(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    demand(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

/* by NULL: signed by itself, an authority. */
static X509 *make(const char *name, EVP_PKEY *key, const struct signer *by, long days_left)
{
    static long serial = 1;
    X509 *certificate = X509_new();
    X509_NAME *subject;
    char alternative[128];

    demand(certificate != NULL, "X509_new");
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -2L * DAY);
    X509_gmtime_adj(X509_getm_notAfter(certificate), days_left * DAY);
    X509_set_pubkey(certificate, key);
    subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, by == NULL ? subject : X509_get_subject_name(by->certificate));
    if (by == NULL) {
        extend(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
        extend(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        snprintf(alternative, sizeof alternative, "DNS:%s,IP:127.0.0.1", name);
        extend(certificate, by->certificate, NID_subject_alt_name, alternative);
    }
    demand(X509_sign(certificate, by == NULL ? key : by->key, EVP_sha256()) > 0, "X509_sign");
    return certificate;
}

static void save(const struct certificate *files, X509 *certificate, EVP_PKEY *key)
{
    BIO *file = BIO_new_file(files->chain, "w");

    demand(file != NULL && PEM_write_bio_X509(file, certificate) == 1, files->chain);
    BIO_free(file);
    file = BIO_new_file(files->key, "w");
    demand(file != NULL && PEM_write_bio_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1, files->key);
    BIO_free(file);
}

static void issue(struct certificate *files, const char *name, const struct signer *by, long days_left)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make(name, key, by, days_left);

    save(files, certificate, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void name_files(struct certificate *files, const char *name)
{
    snprintf(files->chain, sizeof files->chain, "%s/%s.pem", folder, name);
    snprintf(files->key, sizeof files->key, "%s/%s.key", folder, name);
}

static void found(struct signer *signer, struct certificate *files, const char *name)
{
    signer->key = EVP_EC_gen("P-256");
    signer->certificate = make(name, signer->key, NULL, 30);
    save(files, signer->certificate, signer->key);
}

static const struct {
    struct certificate *files;
    const char *file, *name;
    long days_left;
    struct signer *by;
} all[] = {
    {&authority, "authority", "Pawl Test Authority", 30, NULL},
    {&stranger, "stranger", "Somebody Else", 30, NULL},
    {&main_server, "server", "server.test", 30, &believed},
    {&other_server, "other", "other.test", 30, &believed},
    {&wild_server, "wild", "*.wild.test", 30, &believed},
    {&expired, "expired", "expired.test", -1, &believed},
    {&client, "client", "a client", 30, &believed},
    {&changing, "changing", "changing.test", 30, &believed},
    {&strange_client, "strange", "a strange client", 30, &unknown},
};

void certificates_make(void)
{
    const char *place = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%.40s/pawl-tls-XXXXXX", place != NULL ? place : "/tmp");
    demand(mkdtemp(folder) != NULL, folder);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        name_files(all[i].files, all[i].file);
    found(&believed, &authority, all[0].name);
    found(&unknown, &stranger, all[1].name);
    for (size_t i = 2; i < sizeof all / sizeof all[0]; i++)
        issue(all[i].files, all[i].name, all[i].by, all[i].days_left);
}

void certificate_replace(struct certificate *files, const char *name)
{
    issue(files, name, &believed, 30);
}

void certificates_remove(void)
{
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        unlink(all[i].files->chain);
        unlink(all[i].files->key);
    }
    rmdir(folder);
    X509_free(believed.certificate);
    X509_free(unknown.certificate);
    EVP_PKEY_free(believed.key);
    EVP_PKEY_free(unknown.key);
}
