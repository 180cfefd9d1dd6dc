/* SPDX-License-Identifier: MIT */
/* Words that are counted: found without a lock, made once by whoever is first, taken out when they are done with. */
#include <pawl/map.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
    PAWL_ATOMIC(long) seen;
    struct pawl_retired retired;
    char text[16]; /* the key */
};

static bool same_word(const void *object, const void *key)
{
    return strcmp(((const struct word *)object)->text, key) == 0;
}

static uint64_t hash_word(const void *object, const struct pawl_hash_seed *seed)
{
    const char *text = ((const struct word *)object)->text;

    return pawl_hash_bytes(text, strlen(text), seed);
}

static void free_word(struct pawl_retired *retired)
{
    free(pawl_retired_of(retired, struct word, retired));
}

static int count(struct pawl_map *words, const char *text)
{
    uint64_t hash = pawl_hash_bytes(text, strlen(text), &words->seed);
    struct word *word, *fresh = NULL;

    pawl_rcu_read_lock();
    word = pawl_map_get(words, hash, text);
    if (word == NULL && (fresh = calloc(1, sizeof *fresh)) != NULL) {
        snprintf(fresh->text, sizeof fresh->text, "%s", text);
        word = pawl_map_get_or_insert(words, hash, text, fresh); /* another thread may have been first */
        if (word != fresh)
            free(fresh);
    }
    if (word != NULL)
        pawl_fetch_add_relaxed(&word->seen, 1); /* relaxed: a count */
    pawl_rcu_read_unlock();
    return word != NULL ? 0 : -1;
}

static void print_and_take_out(void *object, void *words)
{
    struct word *word = object;

    printf("%-6s %ld\n", word->text, pawl_load_relaxed(&word->seen));
    if (pawl_map_del_object(words, hash_word(word, &((struct pawl_map *)words)->seed), word) == 0)
        pawl_rcu_call(&word->retired, free_word); /* when nobody can have it any more */
}

int main(void)
{
    static const char *const text[] = {"the", "cat", "and", "the", "dog", "and", "the", "cow"};
    struct pawl_map_options options = {.equal = same_word, .hash_of = hash_word};
    struct pawl_map_cursor cursor = {0};
    struct pawl_map words;
    size_t different;

    if (pawl_map_init(&words, &options) != 0)
        return 1;
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        if (count(&words, text[i]) != 0)
            return 1;
    different = pawl_map_size(&words);
    pawl_rcu_read_lock();
    while (pawl_map_walk(&words, &cursor, 100, print_and_take_out, &words)) {
    }
    pawl_rcu_read_unlock();
    pawl_map_destroy(&words);
    pawl_rcu_barrier();
    return different == 5 ? 0 : 1;
}
