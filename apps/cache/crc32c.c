/* SPDX-License-Identifier: MIT */
#include "crc32c.h"

#include <pthread.h>

enum { STEP = 8 };

#define POLYNOMIAL UINT32_C(0x82f63b78) /* 0x1edc6f41, the lowest bit first */

static uint32_t tables[STEP][256];
static pthread_once_t made = PTHREAD_ONCE_INIT;

/* tables[k][b]: the sum of byte b with k zero bytes behind it. */
static void make_tables(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;

        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? POLYNOMIAL : 0);
        tables[0][byte] = sum;
    }
    for (int k = 1; k < STEP; k++)
        for (uint32_t byte = 0; byte < 256; byte++)
            tables[k][byte] = tables[k - 1][byte] >> 8 ^ tables[0][tables[k - 1][byte] & 0xff];
}

uint32_t cache_crc32c(uint32_t sum, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;

    (void)pthread_once(&made, make_tables);
    sum = ~sum;
    for (; count >= STEP; count -= STEP, at += STEP) {
        const uint32_t low = sum ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                                    (uint32_t)at[3] << 24);

        sum = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
              tables[4][low >> 24] ^ tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^
              tables[0][at[7]];
    }
    for (; count > 0; count--)
        sum = sum >> 8 ^ tables[0][(sum ^ *at++) & 0xff];
    return ~sum;
}
