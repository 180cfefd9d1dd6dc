/* SPDX-License-Identifier: MIT */
/* expect: memory error
 * A variable of a function that has returned. Repair: one that stays. */
static int *newest;

static __attribute__((noinline)) void count(int n)
{
#ifdef FIXED
    static
#endif
        int seen;
    seen = n;
    newest = &seen;
}

int main(void)
{
    count(3);
    return *newest != 3;
}
