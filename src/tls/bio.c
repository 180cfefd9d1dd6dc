/* SPDX-License-Identifier: MIT */
/* Between OpenSSL and the stream: reads take from what was received, writes go into the out-queue. */
#include "tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <string.h>

/* Made by the first pawl_tls_open() that has the memory, and never changed. */
static BIO_METHOD *method;
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static int read_some(BIO *bio, char *bytes, size_t room, size_t *count)
{
    struct tls_stream *stream = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *count = room < stream->in_count ? room : stream->in_count;
    if (*count == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(bytes, stream->in, *count);
    stream->in += *count;
    stream->in_count -= *count;
    return 1;
}

/* What OpenSSL answers by itself, to requests for new keys or a new handshake, is bounded by who reads it: a program that
 * reads on, whatever is queued, does not know of these. -EPROTO: too much. */
static int bound_answers(struct tls_stream *stream, size_t count)
{
    if (!stream->open || stream->encoding)
        return 0;
    if (pawl_stream_queued(stream->layered.stream) == 0)
        stream->unheard = 0;
    stream->unheard += count;
    return stream->unheard <= TLS_UNHEARD_MOST ? 0 : -EPROTO;
}

static int write_all(BIO *bio, const char *bytes, size_t count, size_t *written)
{
    struct tls_stream *stream = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    stream->put_error = bound_answers(stream, count);
    if (stream->put_error == 0)
        stream->put_error = pawl_layer_put(&stream->layered, bytes, count);
    if (stream->put_error == -EPIPE)
        stream->put_error = 0; /* our side is shut: what OpenSSL would still answer nobody waits for */
    *written = stream->put_error == 0 ? count : 0;
    return stream->put_error == 0;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* the stream sends by itself */
}

static BIO_METHOD *make_method(void)
{
    const int index = BIO_get_new_index();
    BIO_METHOD *made = index < 0 ? NULL : BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "pawl_stream");

    if (made == NULL)
        return NULL;
    BIO_meth_set_read_ex(made, read_some);
    BIO_meth_set_write_ex(made, write_all);
    BIO_meth_set_ctrl(made, control);
    return made;
}

int pawl_tls_bio_ready_(void)
{
    bool ready;

    pthread_mutex_lock(&making);
    if (method == NULL)
        method = make_method();
    ready = method != NULL;
    pthread_mutex_unlock(&making);
    return ready ? 0 : -ENOMEM;
}

BIO *pawl_tls_bio_(struct tls_stream *stream)
{
    BIO *bio = BIO_new(method);

    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    return bio;
}
