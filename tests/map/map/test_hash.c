/* SPDX-License-Identifier: MIT */
/* The hashes for maps. */
#include "map_test.h"

/* ---- the hash ---- */

/* Python 3.11 with PYTHONHASHSEED=0 says the same of these; the first stands in Rust's tests of SipHash-1-3. */
static void the_safe_hash_is_siphash_1_3(void **state)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyz";
    static const struct {
        size_t length;
        uint64_t hash;
    } known[] = {{1, UINT64_C(4644417185603328019)},
                 {6, UINT64_C(7070790388344807208)},
                 {11, UINT64_C(1450545860578130900)},
                 {16, (uint64_t)-INT64_C(7712962755478248686)},
                 {26, UINT64_C(3619993805786647007)}};
    struct pawl_hash_seed zero = {{0}};
    struct pawl_hash_seed counted = {{UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908), 0, 0}};

    (void)state;
    assert_int_equal(pawl_hash_bytes_safe("", 0, &counted), UINT64_C(0xabac0158050fc4dc));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_int_equal(pawl_hash_bytes_safe(text, known[i].length, &zero), known[i].hash);
}

/* Each bit of each length of key changes about half of the result, and no two prefixes are the same. */
static void the_fast_hash_sees_every_bit_and_the_length(void **state)
{
    uint64_t hashes[100];
    struct pawl_hash_seed seed;

    (void)state;
    assert_int_equal(pawl_hash_seed_init(&seed), 0);
    for (size_t length = 0; length < 100; length++) {
        unsigned char *key = calloc(1, length); /* just as long: who reads behind it is found out by ASan */
        unsigned int flips = 0;

        assert_true(key != NULL || length == 0);
        hashes[length] = pawl_hash_bytes(key, length, &seed);
        for (size_t i = 0; i < length; i++)
            assert_int_not_equal(hashes[length], hashes[i]);
        for (size_t bit = 0; bit < 8 * length; bit++) {
            uint64_t differs;

            key[bit / 8] ^= (unsigned char)(1u << bit % 8);
            differs = pawl_hash_bytes(key, length, &seed) ^ hashes[length];
            key[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_in_range(__builtin_popcountll(differs), 8, 56);
            flips += (unsigned int)__builtin_popcountll(differs);
        }
        if (length > 3)
            assert_in_range(flips / (8 * length), 29, 35);
        free(key);
    }
}

static void seeds_differ(void **state)
{
    struct pawl_hash_seed a, b;

    (void)state;
    assert_int_equal(pawl_hash_seed_init(&a), 0);
    assert_int_equal(pawl_hash_seed_init(&b), 0);
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_int_not_equal(pawl_hash_bytes("key", 3, &a), pawl_hash_bytes("key", 3, &b));
    assert_int_not_equal(pawl_hash_bytes_safe("key", 3, &a), pawl_hash_bytes_safe("key", 3, &b));
}

int run_hash(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_safe_hash_is_siphash_1_3),
        cmocka_unit_test(the_fast_hash_sees_every_bit_and_the_length),
        cmocka_unit_test(seeds_differ),
    };

    return cmocka_run_group_tests_name("hashes", tests, NULL, NULL);
}
