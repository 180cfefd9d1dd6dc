/* SPDX-License-Identifier: MIT */
/* CRC-32C (Castagnoli), as iSCSI and ext4 have it: finds every single burst of up to 32 bits. Eight bytes a step by tables. */
#ifndef CACHE_CRC32C_H
#define CACHE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of `before`, of which the sum is `sum` (0: nothing), and these bytes. Any thread. */
uint32_t cache_crc32c(uint32_t sum, const void *bytes, size_t count);

#endif
