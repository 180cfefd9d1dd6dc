/* SPDX-License-Identifier: MIT */
/* libcuckoo with keys of 8 bytes, which are mixed already. */
#define LOOP(name) word_cuckoo_##name
#define KEY uint64_t
#define KEY_OF bench_word_of
#define HASH(key) ((key) ^ (key) >> 32)
#include "peer_cuckoo.h"
