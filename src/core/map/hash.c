/* SPDX-License-Identifier: MIT */
/* Keyed hashes: seeds, what is longer than 16 bytes, and SipHash-1-3. */
#include <pawl/hash.h>

#include <errno.h>
#include <sys/random.h>

extern inline uint64_t pawl_hash_fold_(uint64_t a, uint64_t b);
extern inline uint64_t pawl_hash_read8_(const unsigned char *at);
extern inline uint64_t pawl_hash_read4_(const unsigned char *at);
extern inline uint64_t pawl_hash_end_(uint64_t a, uint64_t b, size_t length,
                                      const struct pawl_hash_seed *seed);
extern inline uint64_t pawl_hash_bytes(const void *bytes, size_t length, const struct pawl_hash_seed *seed);
extern inline uint64_t pawl_hash_u64(uint64_t number, const struct pawl_hash_seed *seed);

int pawl_hash_seed_init(struct pawl_hash_seed *seed)
{
    char *at = (char *)seed;
    size_t left = sizeof *seed;

    while (left > 0) {
        ssize_t got = getrandom(at, left, 0);

        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0) {
            at += got;
            left -= (size_t)got;
        }
    }
    /* What pawl_hash_u64 multiplies by: an even one would lose bits. */
    seed->word[1] |= 1;
    seed->word[3] |= 1;
    return 0;
}

/* Two lanes, so that their multiplications overlap, then what is left: up to 16 bytes more, and the last 16, which may
 * overlap what was read before. */
uint64_t pawl_hash_long_(const unsigned char *at, size_t length, const struct pawl_hash_seed *seed)
{
    uint64_t x = seed->word[2], y = seed->word[3];
    size_t left = length;

    for (; left > 32; left -= 32, at += 32) {
        x = pawl_hash_fold_(pawl_hash_read8_(at) ^ seed->word[0], pawl_hash_read8_(at + 8) ^ x);
        y = pawl_hash_fold_(pawl_hash_read8_(at + 16) ^ seed->word[1], pawl_hash_read8_(at + 24) ^ y);
    }
    x ^= y;
    if (left > 16)
        x = pawl_hash_fold_(pawl_hash_read8_(at) ^ seed->word[0], pawl_hash_read8_(at + 8) ^ x);
    at += left;
    return pawl_hash_end_(pawl_hash_read8_(at - 16), pawl_hash_read8_(at - 8) ^ x, length, seed);
}

/* ---- SipHash ---- */

static inline uint64_t rotate(uint64_t word, unsigned int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline uint64_t little(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(word);
#else
    return word;
#endif
}

uint64_t pawl_hash_bytes_safe(const void *bytes, size_t length, const struct pawl_hash_seed *seed)
{
    const unsigned char *at = bytes;
    uint64_t k0 = seed->word[0], k1 = seed->word[1], last = (uint64_t)length << 56;
    /* the constants of the paper: "somepseudorandomlygeneratedbytes" */
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};

    for (size_t left = length; left >= 8; left -= 8, at += 8) {
        uint64_t word = little(pawl_hash_read8_(at));

        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t i = 0; i < (length & 7); i++)
        last |= (uint64_t)at[i] << 8 * i;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
