/* SPDX-License-Identifier: MIT */
/* Keyed hashes of bytes, for tables.
 *
 * Purpose    What a hash table asks for: 64 bits, each as good as the other, different in each process. Two strengths:
 *            pawl_hash_bytes is fast, pawl_hash_bytes_safe is a pseudorandom function. Not for signatures, nor for
 *            files: the numbers mean nothing without the seed, and may change with the library.
 * Model      hash(bytes, length, seed). The seed is secret: whoever knows it can make keys that collide, with either.
 * Flooding   pawl_hash_bytes_safe (SipHash-1-3) resists senders of keys who see how long answers take and learn
 *            from it: no way is known to find collisions without the key that is better than trying.
 *            pawl_hash_bytes (multiply and fold with four secret words) resists prepared lists of keys, as the seed is
 *            fresh: two keys that are not chosen by the seed collide like random ones. It is not a pseudorandom
 *            function, and nobody has proven that a sender who observes collisions for long cannot work out the seed.
 *            Nobody is known to have done it over a network. A key half that equals a secret word makes its product
 *            0, so that the other half does not count: one in 2^63 for each guess.
 *            pawl_hash_u64 is as pawl_hash_bytes of eight bytes.
 * Progress   Wait-free. Any thread, signal handlers too.
 * Cost       16 bytes, measured beside each other: docs/map.md. bytes: two multiplications in a row for up to 16
 *            bytes, one more for each further 16, two lanes. safe: about four times as long.
 * Source     Wang Yi, "Modern non-cryptographic hash function and pseudorandom number generator" (wyhash), 2019, for
 *            the folded multiplication; the arrangement is ours. J.-P. Aumasson, D. Bernstein, "SipHash: a fast
 *            short-input PRF", 2012, with 1 and 3 rounds as Rust and Python take it.
 */
#ifndef PAWL_HASH_H
#define PAWL_HASH_H

#include <pawl/config.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

PAWL_BEGIN_DECLS

struct pawl_hash_seed {
    uint64_t word[4];
};

/* A seed that nobody can guess, from the kernel. Returns 0, or a negative errno of getrandom(2). */
PAWL_API int pawl_hash_seed_init(struct pawl_hash_seed *seed) PAWL_NONNULL PAWL_MUST_USE;

__extension__ typedef unsigned __int128 pawl_hash_wide_;

/* Both halves of the product: each bit of the result hangs on all bits of both. */
PAWL_API PAWL_INLINE uint64_t pawl_hash_fold_(uint64_t a, uint64_t b)
{
    pawl_hash_wide_ product = (pawl_hash_wide_)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* In the machine's byte order: the numbers differ between machines, which nobody may care about. */
PAWL_API PAWL_INLINE uint64_t pawl_hash_read8_(const unsigned char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

PAWL_API PAWL_INLINE uint64_t pawl_hash_read4_(const unsigned char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

PAWL_API uint64_t pawl_hash_long_(const unsigned char *at, size_t length, const struct pawl_hash_seed *seed);

PAWL_API PAWL_INLINE uint64_t pawl_hash_end_(uint64_t a, uint64_t b, size_t length,
                                             const struct pawl_hash_seed *seed)
{
    return pawl_hash_fold_(seed->word[2] ^ length,
                           pawl_hash_fold_(a ^ seed->word[0], b ^ seed->word[1]) ^ seed->word[3]);
}

/* The fast one. `bytes` may be NULL when length is 0. */
PAWL_API PAWL_INLINE uint64_t pawl_hash_bytes(const void *bytes, size_t length,
                                              const struct pawl_hash_seed *seed)
{
    const unsigned char *at = (const unsigned char *)bytes;

    if (PAWL_UNLIKELY(length > 16))
        return pawl_hash_long_(at, length, seed);
    if (PAWL_LIKELY(length >= 8)) /* the two halves overlap: the length says how far */
        return pawl_hash_end_(pawl_hash_read8_(at), pawl_hash_read8_(at + length - 8), length, seed);
    if (length >= 4)
        return pawl_hash_end_(pawl_hash_read4_(at), pawl_hash_read4_(at + length - 4), length, seed);
    if (length == 0)
        return pawl_hash_end_(0, 0, 0, seed);
    return pawl_hash_end_((uint64_t)at[0] << 16 | (uint64_t)at[length >> 1] << 8 | at[length - 1], 0, length,
                          seed);
}

PAWL_API PAWL_INLINE uint64_t pawl_hash_u64(uint64_t number, const struct pawl_hash_seed *seed)
{
    return pawl_hash_fold_(pawl_hash_fold_(number ^ seed->word[0], seed->word[1]) ^ seed->word[2],
                           seed->word[3]);
}

/* The safe one: SipHash-1-3 under the first two words of the seed. */
PAWL_API uint64_t pawl_hash_bytes_safe(const void *bytes, size_t length, const struct pawl_hash_seed *seed);

PAWL_END_DECLS
#endif
