/* SPDX-License-Identifier: MIT */
/* expect: not modelled
 * Another process. */
#include <unistd.h>

int main(void)
{
#ifndef FIXED
    if (fork() == 0)
        _exit(0);
#endif
    return 0;
}
