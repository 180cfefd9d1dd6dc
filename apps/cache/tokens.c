/* SPDX-License-Identifier: MIT */
#include "tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 16 };

struct cache_tokens {
    size_t bytes;
    char text[FILE_MAX + 1]; /* the file, lines ended by zeros */
};

static int read_file(struct cache_tokens *tokens, const char *path)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 1;

    if (file < 0)
        return -errno;
    while (got > 0 && tokens->bytes <= FILE_MAX) {
        got = read(file, tokens->text + tokens->bytes, sizeof(tokens->text) - tokens->bytes);
        if (got > 0)
            tokens->bytes += (size_t)got;
    }
    const int error = got < 0 ? -errno : tokens->bytes > FILE_MAX ? -EINVAL : 0;
    close(file);
    return error;
}

/* Ends the lines; each must have a colon. */
static int split_lines(struct cache_tokens *tokens)
{
    char *line = tokens->text, *end;
    unsigned lines = 0;

    tokens->text[tokens->bytes] = '\0';
    for (; *line != '\0'; line = end + 1) {
        end = strchrnul(line, '\n');
        const bool last = *end == '\0';

        *end = '\0';
        if (*line != '\0' && strchr(line, ':') == NULL)
            return -EINVAL;
        lines += *line != '\0';
        if (last)
            break;
    }
    return lines > 0 ? 0 : -EINVAL;
}

int cache_tokens_open(struct cache_tokens **out, const char *path)
{
    struct cache_tokens *tokens = calloc(1, sizeof(*tokens));
    int error;

    if (tokens == NULL)
        return -ENOMEM;
    error = read_file(tokens, path);
    if (error == 0)
        error = split_lines(tokens);
    if (error != 0) {
        cache_tokens_close(tokens);
        return error;
    }
    *out = tokens;
    return 0;
}

void cache_tokens_close(struct cache_tokens *tokens)
{
    if (tokens == NULL)
        return;
    explicit_bzero(tokens, sizeof(*tokens));
    free(tokens);
}

/* Looks at all bytes, whether they differ or not. */
static bool same(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    unsigned char differs = a_bytes != b_bytes;

    for (size_t i = 0; i < a_bytes; i++)
        differs |= (unsigned char)(b_bytes == 0 ? 1 : a[i] ^ b[i % b_bytes]);
    return differs == 0;
}

bool cache_tokens_match(const struct cache_tokens *tokens, const char *user, size_t user_bytes,
                        const char *password, size_t password_bytes)
{
    bool match = false;

    if (tokens == NULL)
        return false;
    for (const char *line = tokens->text; line < tokens->text + tokens->bytes; line += strlen(line) + 1) {
        const char *colon = strchr(line, ':');

        if (colon == NULL)
            continue;
        const bool is_user = same(line, (size_t)(colon - line), user, user_bytes);
        const bool is_password = same(colon + 1, strlen(colon + 1), password, password_bytes);

        match = match || (is_user && is_password);
    }
    return match;
}
