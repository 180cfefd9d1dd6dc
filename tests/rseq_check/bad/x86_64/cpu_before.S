/* SPDX-License-Identifier: MIT */
/* The CPU number is read before the section: after a migration it is another CPU's. */
#include "sequence.inc"

        function bad
        movq    8(%rdi), %rdx
        movslq  %fs:(%rdx), %rdx
        arm     bad
bad_start:
        movq    64(%rdi,%rdx,8), %rax
        addq    %rsi, (%rax)
        close   bad
