/* SPDX-License-Identifier: MIT */
#include "base64.h"

#include <stdint.h>

enum { NO_LETTER = 64 };

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* What a letter stands for; padding is 0. */
static uint32_t letter(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    if (c == '+')
        return 62;
    if (c == '/')
        return 63;
    return c == '=' ? 0 : NO_LETTER;
}

size_t cache_base64_decode(char *to, const char *text, size_t count)
{
    uint32_t group = 0, used = 0, pads = 0, padding = 0;
    size_t total = 0, written = 0;

    for (size_t i = 0; i < count; i++)
        total += letter(text[i]) != NO_LETTER;
    if (total == 0 || total % 4 != 0)
        return 0;
    for (size_t i = 0; i < count && padding == 0; i++) {
        if (letter(text[i]) == NO_LETTER)
            continue;
        group = group << 6 | letter(text[i]);
        pads += text[i] == '=';
        if (++used < 4)
            continue;
        padding = pads;
        if (padding > 2)
            return 0;
        to[written++] = (char)(group >> 16);
        if (padding < 2)
            to[written++] = (char)(group >> 8);
        if (padding < 1)
            to[written++] = (char)group;
        group = used = 0;
    }
    return written;
}

size_t cache_base64_encode(char *to, const char *bytes, size_t count)
{
    const unsigned char *from = (const unsigned char *)bytes;
    size_t written = 0;

    for (size_t i = 0; i < count; i += 3) {
        const size_t left = count - i;
        const uint32_t group = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                               (left > 2 ? from[i + 2] : 0);

        to[written++] = letters[group >> 18];
        to[written++] = letters[group >> 12 & 63];
        to[written++] = (char)(left > 1 ? letters[group >> 6 & 63] : '=');
        to[written++] = (char)(left > 2 ? letters[group & 63] : '=');
    }
    return written;
}
