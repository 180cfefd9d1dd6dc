/* SPDX-License-Identifier: MIT */
/* Keys of the meta commands that are any bytes. */
#ifndef CACHE_BASE64_H
#define CACHE_BASE64_H

#include <stddef.h>

/* Returns the bytes written, at most 3 for 4 of the text; 0: it is wrong. As memcached: what is no letter of the
 * alphabet is passed over, and what stands behind the padding as well. */
size_t cache_base64_decode(char *to, const char *text, size_t count);

/* Returns the bytes written: 4 for each 3. */
size_t cache_base64_encode(char *to, const char *bytes, size_t count);

#endif
