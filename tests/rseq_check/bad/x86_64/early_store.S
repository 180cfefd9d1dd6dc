/* SPDX-License-Identifier: MIT */
/* A store before the section is not undone. */
#include "sequence.inc"

        function bad
        movq    $1, (%rsi)
        arm     bad
bad_start:
        slice
        movq    %rsi, (%rax)
        close   bad, handler=return
