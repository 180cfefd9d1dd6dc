/* SPDX-License-Identifier: MIT */
/* PAWL_MALLOC=word,word,name=value... and PAWL_MALLOC_PROFILE=file. */
#include "settings.h"

#include "fail.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings pawl_settings_ = {
    .huge = HUGE_AUTO,
    .huge_from = (size_t)64 << 20,
    .keep_pages = ((size_t)8 << 20) >> PAGE_SHIFT,
    .sample_bytes = (size_t)512 << 10,
    .cache = true,
};

static bool is_word(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* "name=123k": k, m and g multiply. False: another name, or no number. */
static bool is_number(const char *text, size_t length, const char *name, size_t *value)
{
    size_t n = strlen(name);
    size_t sum = 0;

    if (length <= n + 1 || memcmp(text, name, n) != 0 || text[n] != '=')
        return false;
    for (size_t i = n + 1; i < length; i++) {
        const char *unit = strchr("kmg", text[i]);

        if (text[i] >= '0' && text[i] <= '9' && sum <= SIZE_MAX / 16)
            sum = sum * 10 + (size_t)(text[i] - '0');
        else if (unit != NULL && i == length - 1 && i > n + 1 && sum <= SIZE_MAX >> 31)
            sum <<= 10 * ((size_t)(unit - "kmg") + 1);
        else
            return false;
    }
    *value = sum;
    return true;
}

static void understand(const char *text, size_t length)
{
    struct settings *s = &pawl_settings_;
    size_t number;

    if (is_word(text, length, "hardened"))
        s->hardened = true;
    else if (is_word(text, length, "leaks"))
        s->leaks = true;
    else if (is_word(text, length, "stats"))
        s->stats = true;
    else if (is_word(text, length, "background"))
        s->background = true;
    else if (is_word(text, length, "nocache"))
        s->cache = false;
    else if (is_word(text, length, "huge=never"))
        s->huge = HUGE_NEVER;
    else if (is_word(text, length, "huge=always"))
        s->huge = HUGE_ALWAYS;
    else if (is_number(text, length, "keep", &number))
        s->keep_pages = number >> PAGE_SHIFT;
    else if (is_number(text, length, "sample", &number) && number > 0)
        s->sample_bytes = number;
    else
        pawl_malloc_warn_("PAWL_MALLOC: this word is not known and is left out", text, length);
}

bool pawl_settings_read_(void)
{
    const char *text;
    const char *profile;

    if (environ == NULL)
        return false;
    text = secure_getenv("PAWL_MALLOC");
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, ",");

        if (length > 0)
            understand(text, length);
        text += length;
        if (*text == ',')
            text++;
    }
    profile = secure_getenv("PAWL_MALLOC_PROFILE");
    if (profile != NULL && strlen(profile) < sizeof pawl_settings_.profile)
        memcpy(pawl_settings_.profile, profile, strlen(profile) + 1);
    else if (profile != NULL)
        pawl_malloc_warn_("PAWL_MALLOC_PROFILE: this name is too long and is left out", profile,
                          strlen(profile));
    return true;
}
