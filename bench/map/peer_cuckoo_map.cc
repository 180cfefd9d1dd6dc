/* SPDX-License-Identifier: MIT */
/* libcuckoo with keys of 16 bytes. */
#define LOOP(name) key_cuckoo_##name
#define KEY bench_key
#define KEY_OF bench_key_of
#define HASH(key) bench_map_hash(&(key))
#include "peer_cuckoo.h"
