/* SPDX-License-Identifier: MIT */
/* What went wrong: OpenSSL's queue as an errno and a line. */
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

static __thread char failure[2 * TLS_TEXT_BYTES];

/* An alert comes as reason 1000 + its number. */
static int of_alert(int alert)
{
    switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
        return -EKEYREJECTED;
    case SSL_AD_CERTIFICATE_EXPIRED:
        return -EKEYEXPIRED;
    case SSL_AD_NO_APPLICATION_PROTOCOL:
    case SSL_AD_PROTOCOL_VERSION:
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_INSUFFICIENT_SECURITY:
        return -EPROTONOSUPPORT;
    default:
        return -EPROTO;
    }
}

static int of_reason(unsigned long error)
{
    const int reason = ERR_GET_REASON(error);

    if (ERR_SYSTEM_ERROR(error))
        return reason > 0 ? -reason : -EPROTO;
    if (reason == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    if (ERR_GET_LIB(error) == ERR_LIB_X509 && reason == X509_R_KEY_VALUES_MISMATCH)
        return -EKEYREJECTED;
    if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        return -EPROTO;
    if (reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
        return of_alert(reason - SSL_AD_REASON_OFFSET);
    switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return -EKEYREJECTED;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
        return -EPROTONOSUPPORT;
    default:
        return -EPROTO;
    }
}

/* The first error of the queue, which led to the others. */
static unsigned long first_error(char *text)
{
    const char *data = "";
    int flags = 0;
    unsigned long error = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
    char unknown[64];
    const char *reason = ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error))
                                                 : ERR_reason_error_string(error);
    const bool more = (flags & ERR_TXT_STRING) != 0 && data[0] != '\0';

    if (reason == NULL) {
        snprintf(unknown, sizeof unknown, error == 0 ? "no reason is known" : "error %lx", error);
        reason = unknown;
    }
    snprintf(text, TLS_TEXT_BYTES, "%s%s%s", reason, more ? ": " : "", more ? data : "");
    ERR_clear_error();
    return error;
}

int pawl_tls_why_(const SSL *ssl, char *text)
{
    const unsigned long error = first_error(text);
    const long verified = SSL_get_verify_result(ssl);
    const bool of_verification = ERR_GET_LIB(error) == ERR_LIB_SSL &&
                                 ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    const size_t length = strlen(text);

    if (of_verification && verified != X509_V_OK) {
        snprintf(text + length, TLS_TEXT_BYTES - length, ": %s", X509_verify_cert_error_string(verified));
        if (verified == X509_V_ERR_CERT_HAS_EXPIRED)
            return -EKEYEXPIRED;
    }
    return of_reason(error);
}

int pawl_tls_fail_(int error, const char *what, const char *which)
{
    snprintf(failure, sizeof failure, "%s%s%s", what, which != NULL ? ": " : "", which != NULL ? which : "");
    return error;
}

int pawl_tls_fail_openssl_(const char *what, const char *which)
{
    char text[TLS_TEXT_BYTES];
    const unsigned long code = first_error(text);
    int error = of_reason(code);

    if (error == -EPROTO || error == -EPROTONOSUPPORT)
        error = -EINVAL; /* nobody spoke a protocol: a setting, or what stands in a file */
    snprintf(failure, sizeof failure, "%s%s%s: %s", what, which != NULL ? " " : "",
             which != NULL ? which : "", text);
    return error;
}

const char *pawl_tls_failure(void)
{
    return failure;
}
