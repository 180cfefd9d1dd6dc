/* SPDX-License-Identifier: MIT */
/* expect: data race
 * Functions of <string.h> that compilers expand, or leave to a library that nobody instruments, read and write what they
 * are given. The string's first byte is the reader's own. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static char name[16] = "pxq";
static atomic_int done;

static void *change(void *unused)
{
    strncpy(name + 1, "y", 2);
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
        found = strncmp(name, "pz", 2) == 0 || strchr(name, 'w') || memchr(name, 'w', 2);
    pthread_join(t, NULL);
    return found;
}
