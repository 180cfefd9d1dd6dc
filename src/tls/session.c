/* SPDX-License-Identifier: MIT */
/* Sessions that a client may resume, by the server's name. */
#include "tls.h"

#include <stdlib.h>
#include <string.h>

/* The mutex is held. NULL: none of that name. */
static struct tls_session *find(struct tls_sessions *sessions, const char *name)
{
    for (unsigned i = 0; i < TLS_SESSIONS; i++) {
        struct tls_session *session = &sessions->session[i];

        if (session->session != NULL && strcmp(session->name, name) == 0)
            return session;
    }
    return NULL;
}

/* The mutex is held. */
static void drop(struct tls_session *session)
{
    SSL_SESSION_free(session->session);
    free(session->name);
    *session = (struct tls_session){0};
}

/* The mutex is held. A stream that began with an older set was verified by what that had, at any time from then on. */
static bool is_current(const struct tls_sessions *sessions, const struct tls_stream *stream)
{
    const struct tls_set *set = stream->version->data;

    return set->number == sessions->set;
}

/* OpenSSL has got a ticket. 1: we keep the reference. */
int pawl_tls_session_new_(SSL *ssl, SSL_SESSION *session)
{
    const struct tls_stream *stream = SSL_get_app_data(ssl);
    struct tls_sessions *sessions = &stream->tls->sessions;
    struct tls_session *place;
    char *name = stream->name != NULL ? strdup(stream->name) : NULL;

    if (name == NULL)
        return 0;
    pawl_mutex_lock(&sessions->mutex);
    if (!is_current(sessions, stream)) {
        pawl_mutex_unlock(&sessions->mutex);
        free(name);
        return 0;
    }
    place = find(sessions, name);
    if (place == NULL)
        place = &sessions->session[sessions->next++ % TLS_SESSIONS];
    drop(place);
    *place = (struct tls_session){.name = name, .session = session};
    pawl_mutex_unlock(&sessions->mutex);
    return 1;
}

/* Before the handshake. A ticket of TLS 1.3 is used once, so that nobody who listens can join connections by it. */
void pawl_tls_session_offer_(struct tls_stream *stream)
{
    struct tls_sessions *sessions = &stream->tls->sessions;
    struct tls_session *found;

    pawl_mutex_lock(&sessions->mutex);
    found = is_current(sessions, stream) ? find(sessions, stream->name) : NULL;
    if (found != NULL) {
        if (SSL_SESSION_is_resumable(found->session))
            (void)SSL_set_session(stream->ssl, found->session); /* else a full handshake */
        if (SSL_SESSION_get_protocol_version(found->session) >= TLS1_3_VERSION ||
            !SSL_SESSION_is_resumable(found->session))
            drop(found);
    }
    pawl_mutex_unlock(&sessions->mutex);
}

void pawl_tls_sessions_forget_(struct tls_sessions *sessions, uint64_t set)
{
    pawl_mutex_lock(&sessions->mutex);
    sessions->set = set;
    for (unsigned i = 0; i < TLS_SESSIONS; i++)
        drop(&sessions->session[i]);
    pawl_mutex_unlock(&sessions->mutex);
}
