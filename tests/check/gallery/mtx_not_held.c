/* SPDX-License-Identifier: MIT */
/* expect: misuse
 * A recursive mutex is given back more often than it was taken. POSIX has an answer for that (EPERM); to C11 it is
 * undefined. */
#include <threads.h>

int main(void)
{
    mtx_t m;
    mtx_init(&m, mtx_plain | mtx_recursive);
    mtx_lock(&m);
#ifdef FIXED
    mtx_lock(&m);
#endif
    mtx_unlock(&m);
    mtx_unlock(&m);
    return 0;
}
