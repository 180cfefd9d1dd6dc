/* SPDX-License-Identifier: MIT */
/* Linked into every test of a guest: alarms, by which tests that hang are ended, wait as much longer as the guest is
 * slower. */
#include <unistd.h>

enum { SLOWDOWN = 10 }; /* as in programs.py */

unsigned __real_alarm(unsigned seconds);
unsigned __wrap_alarm(unsigned seconds);

unsigned __wrap_alarm(unsigned seconds)
{
    return __real_alarm(SLOWDOWN * seconds);
}
