/* SPDX-License-Identifier: MIT */
/* strdup through the allocator that counts and fails. */
#include <stdlib.h>
#include <string.h>

char *__wrap_strdup(const char *text);

char *__wrap_strdup(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);

    return copy != NULL ? memcpy(copy, text, bytes) : NULL;
}
