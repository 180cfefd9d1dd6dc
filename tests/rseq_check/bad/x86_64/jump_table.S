/* SPDX-License-Identifier: MIT */
/* A switch by table inside. */
#include "sequence.inc"

        open    bad
        leaq    bad_table(%rip), %rdx
        jmp     *(%rdx,%rsi,8)
bad_one:
        addq    %rsi, (%rax)
        close   bad
        .section .data.rel.ro, "aw", @progbits
        .balign 8
bad_table:
        .quad   bad_end, bad_end
