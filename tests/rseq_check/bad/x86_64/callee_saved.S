/* SPDX-License-Identifier: MIT */
/* The abort handler returns with the caller's %rbx overwritten. */
#include "sequence.inc"

        open    bad
        movq    (%rax), %rbx
        leaq    (%rbx,%rsi), %rdx
        movq    %rdx, (%rax)
        close   bad, handler=return
