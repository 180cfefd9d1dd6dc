/* SPDX-License-Identifier: MIT */
/* expect: not modelled
 * fork() copies one thread of many: outside the model, and it says so. */
#include <sys/types.h>
#include <unistd.h>

int main(void)
{
#ifndef FIXED
    return fork() != 0;
#else
    return 0;
#endif
}
