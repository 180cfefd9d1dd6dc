/* SPDX-License-Identifier: MIT */
/* Not in the array of pointers: works, but debuggers do not find it. */
#include "sequence.inc"

        open    bad
        addq    %rsi, (%rax)
bad_end:
        ret
        describe bad, listed=0
