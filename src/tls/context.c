/* SPDX-License-Identifier: MIT */
/* A context: its settings, its certificates, and who holds it. */
#include "tls.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

/* ---- settings ---- */

/* "h2,http/1.1" as it is sent: each with its length in front. */
static int read_protocols(struct pawl_tls *tls, const char *list)
{
    const size_t bytes = strlen(list);
    unsigned char *wire = malloc(bytes + 1);
    size_t at = 0;

    if (wire == NULL)
        return pawl_tls_fail_(-ENOMEM, "no memory", NULL);
    for (const char *protocol = list;; protocol += strcspn(protocol, ",") + 1) {
        const size_t length = strcspn(protocol, ",");

        if (length == 0 || length > 255) {
            free(wire);
            return pawl_tls_fail_(-EINVAL, "a protocol has 1 to 255 bytes", list);
        }
        wire[at++] = (unsigned char)length;
        memcpy(wire + at, protocol, length);
        at += length;
        if (protocol[length] == '\0')
            break;
    }
    tls->alpn = wire;
    tls->alpn_bytes = (unsigned)at;
    return 0;
}

static int copy(const char **place)
{
    char *text;

    if (*place == NULL)
        return 0;
    text = strdup(*place);
    *place = text;
    return text != NULL ? 0 : pawl_tls_fail_(-ENOMEM, "no memory", NULL);
}

static bool is_version(uint32_t number)
{
    return number == 0 || number == 12 || number == 13;
}

static int check(const struct pawl_tls_config *config)
{
    const uint32_t known = PAWL_TLS_SERVER | PAWL_TLS_NO_RESUME | PAWL_TLS_EOF_ENDS | PAWL_TLS_ANY_NAME |
                           PAWL_TLS_KEY_DER;
    const bool serves = (config->flags & PAWL_TLS_SERVER) != 0;

    if ((config->flags & ~known) != 0 || (uint32_t)config->verify > PAWL_TLS_VERIFY_REQUIRED)
        return pawl_tls_fail_(-EINVAL, "no such flag, or way to verify", NULL);
    if (!is_version(config->least) || !is_version(config->most) ||
        (config->most != 0 && config->most < config->least))
        return pawl_tls_fail_(-EINVAL, "versions are 12 and 13", NULL);
    if (config->record_bytes != 0 && (config->record_bytes < 512 || config->record_bytes > TLS_RECORD_MOST))
        return pawl_tls_fail_(-EINVAL, "a record has 512 to 16384 bytes", NULL);
    if ((config->chain_file == NULL) != (config->key_file == NULL))
        return pawl_tls_fail_(-EINVAL, "a certificate and its key belong together", NULL);
    if (serves && config->chain_file == NULL)
        return pawl_tls_fail_(-EINVAL, "a server needs a certificate (chain_file, key_file)", NULL);
    return 0;
}

/* ---- identities ---- */

static void free_identity(struct tls_identity *identity)
{
    free(identity->name);
    free(identity->chain_file);
    free(identity->key_file);
}

/* One more. The mutex is held. */
static int add_identity(struct pawl_tls *tls, const char *name, const char *chain_file, const char *key_file)
{
    const char *texts[3] = {name, chain_file, key_file};
    struct tls_identity *identities = realloc(tls->identities,
                                              (tls->identity_count + 1) * sizeof *identities);
    bool copied = true;

    if (identities == NULL)
        return pawl_tls_fail_(-ENOMEM, "no memory", NULL);
    tls->identities = identities;
    for (unsigned i = 0; i < 3; i++) {
        const bool wanted = texts[i] != NULL;

        texts[i] = wanted && copied ? strdup(texts[i]) : NULL;
        copied = copied && wanted == (texts[i] != NULL);
    }
    /* copies, which are ours to free */
    identities[tls->identity_count] = (struct tls_identity){.name = (char *)(uintptr_t)texts[0],
                                                            .chain_file = (char *)(uintptr_t)texts[1],
                                                            .key_file = (char *)(uintptr_t)texts[2]};
    if (!copied) {
        free_identity(&identities[tls->identity_count]);
        return pawl_tls_fail_(-ENOMEM, "no memory", NULL);
    }
    tls->identity_count++;
    return 0;
}

/* Reads the files and makes that the current set, without sessions. The mutex is held. */
static int publish(struct pawl_tls *tls)
{
    struct tls_set *set;
    int error = pawl_tls_set_read_(&set, tls);

    if (error != 0)
        return error;
    set->number = tls->sets + 1;
    error = pawl_rcu_cell_publish(&tls->set, set);
    if (error != 0) {
        pawl_tls_set_drop_(set);
        return pawl_tls_fail_(error, "no memory", NULL);
    }
    pawl_tls_sessions_forget_(&tls->sessions, ++tls->sets);
    return 0;
}

/* ---- how long it lives ---- */

void pawl_tls_let_go_(struct pawl_tls *tls)
{
    int emptied;

    /* release T: what this holder did with it is done; acquire T: before it is freed */
    if (pawl_fetch_sub_acq_rel(&tls->holds, UINT64_C(1)) != 1)
        return;
    emptied = pawl_rcu_cell_publish(&tls->set, NULL);
    (void)emptied; /* 0: an empty cell needs no memory */
    pawl_tls_sessions_forget_(&tls->sessions, 0);
    for (size_t i = 0; i < tls->identity_count; i++)
        free_identity(&tls->identities[i]);
    free(tls->identities);
    free((char *)(uintptr_t)tls->config.ca_file); /* copies of ours, all three */
    free((char *)(uintptr_t)tls->config.ciphers);
    free((char *)(uintptr_t)tls->config.suites);
    free(tls->alpn);
    OPENSSL_cleanse(tls->ticket_keys, sizeof tls->ticket_keys);
    free(tls);
}

/* Copies what is in the configuration; what failed in the middle is freed by letting go. */
static int settle(struct pawl_tls *tls, const struct pawl_tls_config *config)
{
    int error, errors[3];

    errors[0] = copy(&tls->config.ca_file);
    errors[1] = copy(&tls->config.ciphers);
    errors[2] = copy(&tls->config.suites);
    error = errors[0] != 0 ? errors[0] : errors[1] != 0 ? errors[1] : errors[2];
    if (error == 0 && config->alpn != NULL)
        error = read_protocols(tls, config->alpn);
    if (error == 0)
        error = add_identity(tls, NULL, config->chain_file, config->key_file);
    if (error == 0)
        error = pawl_tls_bio_ready_();
    if (error == 0 && RAND_bytes(tls->ticket_keys, sizeof tls->ticket_keys) != 1)
        error = pawl_tls_fail_openssl_("there are no random bytes", NULL);
    return error == 0 ? publish(tls) : error;
}

int pawl_tls_open(struct pawl_tls **out, const struct pawl_tls_config *config)
{
    struct pawl_tls *tls;
    int error = check(config);

    if (error != 0)
        return error;
    tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return pawl_tls_fail_(-ENOMEM, "no memory", NULL);
    tls->layer = (struct pawl_layer){
        .attach = pawl_tls_attach_,
        .start = pawl_tls_start_,
        .received = pawl_tls_received_,
        .resumed = pawl_tls_resumed_,
        .ended = pawl_tls_ended_,
        .encode = pawl_tls_encode_,
        .finish = pawl_tls_finish_,
        .detach = pawl_tls_detach_,
    };
    tls->config = *config;
    pawl_store_relaxed(&tls->holds, UINT64_C(1)); /* relaxed: nobody has it yet */
    pawl_rcu_cell_init(&tls->set, pawl_tls_set_drop_);
    pawl_mutex_init(&tls->mutex, 0);
    pawl_mutex_init(&tls->sessions.mutex, 0);
    error = settle(tls, config);
    if (error != 0) {
        pawl_tls_let_go_(tls);
        return error;
    }
    *out = tls;
    return 0;
}

void pawl_tls_close(struct pawl_tls *tls)
{
    if (tls != NULL)
        pawl_tls_let_go_(tls);
}

const struct pawl_layer *pawl_tls_layer(const struct pawl_tls *tls)
{
    return &tls->layer;
}

/* ---- changes ---- */

static bool has_name(const struct pawl_tls *tls, const char *name)
{
    for (size_t i = 1; i < tls->identity_count; i++)
        if (strcmp(tls->identities[i].name, name) == 0)
            return true;
    return false;
}

static int add_name(struct pawl_tls *tls, const char *name, const char *chain_file, const char *key_file)
{
    int error;

    if (has_name(tls, name))
        return pawl_tls_fail_(-EEXIST, "the name has a certificate", name);
    error = add_identity(tls, name, chain_file, key_file);
    if (error != 0)
        return error;
    error = publish(tls);
    if (error != 0)
        free_identity(&tls->identities[--tls->identity_count]);
    return error;
}

int pawl_tls_add_name(struct pawl_tls *tls, const char *name, const char *chain_file, const char *key_file)
{
    int error;

    if (!tls_serves(tls) || name[0] == '\0')
        return pawl_tls_fail_(-EINVAL, "only servers have names, and those are not empty", NULL);
    pawl_mutex_lock(&tls->mutex);
    error = add_name(tls, name, chain_file, key_file);
    pawl_mutex_unlock(&tls->mutex);
    return error;
}

/* A session stands for a peer that was verified, by authorities that may have been read anew: of those that verify nobody
 * resumes one from before. The mutex is held. */
static int read_again(struct pawl_tls *tls)
{
    unsigned char before[sizeof tls->ticket_keys];
    int error = 0;

    memcpy(before, tls->ticket_keys, sizeof before);
    if (tls_serves(tls) && pawl_tls_verification_(tls) != PAWL_TLS_VERIFY_NONE &&
        RAND_bytes(tls->ticket_keys, sizeof tls->ticket_keys) != 1)
        error = pawl_tls_fail_openssl_("there are no random bytes", NULL);
    if (error == 0)
        error = publish(tls);
    if (error != 0)
        memcpy(tls->ticket_keys, before, sizeof before);
    OPENSSL_cleanse(before, sizeof before);
    return error;
}

int pawl_tls_reload(struct pawl_tls *tls)
{
    int error;

    pawl_mutex_lock(&tls->mutex);
    error = read_again(tls);
    pawl_mutex_unlock(&tls->mutex);
    return error;
}
