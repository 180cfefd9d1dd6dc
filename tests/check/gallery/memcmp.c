/* SPDX-License-Identifier: MIT */
/* expect: data race
 * Comparisons and copies of a few bytes, which compilers like to expand, read and write them. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static char key[8] = "x";
static atomic_int done;

static void *change(void *unused)
{
    strcpy(key, "y");
    atomic_store_explicit(&done, 1, memory_order_release);
    return unused;
}

int main(void)
{
    pthread_t t;
    int found = 0;
    pthread_create(&t, NULL, change, NULL);
#ifdef FIXED
    if (atomic_load_explicit(&done, memory_order_acquire))
#endif
        found = memcmp(key, "y", 2) == 0 || strcmp(key, "z") == 0;
    pthread_join(t, NULL);
    return found && !atomic_load(&done);
}
