/* SPDX-License-Identifier: MIT */
/* expect: misuse
 * The value of a semaphore that is no more. */
#include <semaphore.h>

int main(void)
{
    sem_t s;
    int value;
    sem_init(&s, 0, 1);
#ifndef FIXED
    sem_destroy(&s);
#endif
    sem_getvalue(&s, &value);
    return value != 1;
}
