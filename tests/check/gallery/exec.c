/* SPDX-License-Identifier: MIT */
/* expect: not modelled
 * Another program in this process. */
#include <unistd.h>

int main(void)
{
#ifndef FIXED
    execl("/bin/true", "true", (char *)0);
#endif
    return 0;
}
