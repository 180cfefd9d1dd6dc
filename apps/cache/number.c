/* SPDX-License-Identifier: MIT */
#include "number.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The digits: false if there are none, something stands behind them, or they are too many. */
static bool read_digits(const char *at, size_t count, uint64_t *number, bool *negative)
{
    const char *end = at + count, *first;
    uint64_t sum = 0;

    *negative = false;
    while (at != end && is_blank(*at))
        at++;
    if (at != end && (*at == '-' || *at == '+'))
        *negative = *at++ == '-';
    first = at;
    while (at != end && *at >= '0' && *at <= '9') {
        const uint64_t digit = (uint64_t)(*at++ - '0');

        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, digit, &sum))
            return false;
    }
    *number = sum;
    /* Behind a zero byte nothing is looked at: memcached asks strtoull(). */
    return at != first && (at == end || is_blank(*at) || *at == '\0');
}

bool cache_number_read(const char *text, size_t count, uint64_t *number)
{
    bool negative;

    if (!read_digits(text, count, number, &negative))
        return false;
    if (negative)
        *number = -*number;
    /* What looks negative is, if there is a minus; -18446744073709551615 is 1. */
    return *number <= INT64_MAX || memchr(text, '-', count) == NULL;
}

bool cache_number_read_u32(const char *text, size_t count, uint32_t *number)
{
    uint64_t wide;

    if (!cache_number_read(text, count, &wide))
        return false;
    *number = (uint32_t)wide;
    return true;
}

bool cache_number_read_i32(const char *text, size_t count, int32_t *number)
{
    uint64_t wide;
    bool negative;

    if (!read_digits(text, count, &wide, &negative) || wide > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *number = (int32_t)(uint32_t)(negative ? -wide : wide);
    return true;
}
