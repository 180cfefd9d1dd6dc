/* SPDX-License-Identifier: MIT */
/* How often each word comes: a table of one's own over keyed hashes. The words are a stranger's, so the seed is a secret
 * of this process: nobody can send a list of words that all fall into one place. */
#include <pawl/hash.h>

#include <stdio.h>

enum { PLACES = 64 }; /* a power of two, and more than there are words */

static const char text[] = "a lock free list is free of a lock a free lock is not a list";

static struct place {
    const char *word; /* NULL: empty */
    size_t length;
    int count;
} places[PLACES];

static void count(const struct pawl_hash_seed *seed, const char *word, size_t length)
{
    /* pawl_hash_bytes_safe() where strangers also see how long answers take */
    size_t i = pawl_hash_bytes(word, length, seed) % PLACES;

    while (places[i].word != NULL &&
           (places[i].length != length || memcmp(places[i].word, word, length) != 0))
        i = (i + 1) % PLACES;
    places[i].word = word;
    places[i].length = length;
    places[i].count++;
}

int main(void)
{
    struct pawl_hash_seed seed;
    int words = 0, different = 0;

    if (pawl_hash_seed_init(&seed) != 0)
        return 1;
    for (const char *at = text; *at != '\0'; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");

        count(&seed, at, length);
        at += length;
        words++;
    }
    for (int i = 0; i < PLACES; i++)
        if (places[i].word != NULL) {
            different++;
            printf("%d %.*s\n", places[i].count, (int)places[i].length, places[i].word);
        }
    printf("%d words, %d different\n", words, different);
    return words == 16 && different == 7 ? 0 : 1;
}
