/* SPDX-License-Identifier: MIT */
/* The frame of the planted mistakes: a correct sequence in pieces. Each file here departs from it in one
 * point. %rdi is the region, laid out as struct pawl_percpu: rseq_at, index_at, and slices from 64 on. */

/* The arming code of `name`, which may be made to arm another descriptor. */
.macro arm name, descriptor=none
\name\()_arm:
.ifc \descriptor,none
        leaq    \name\()_descriptor(%rip), %rax
.else
        leaq    \descriptor\()_descriptor(%rip), %rax
.endif
        movq    (%rdi), %rcx
        movq    %rax, %fs:8(%rcx)
.endm

/* This CPU's slice, in %rax. */
.macro slice
        movq    8(%rdi), %rcx
        movslq  %fs:(%rcx), %rcx
        movq    64(%rdi,%rcx,8), %rax
.endm

.macro function name
        .text
        .globl  \name
        .type   \name, @function
\name:
.endm

/* Function, arming code, start, slice. */
.macro open name
        function \name
        arm     \name
\name\()_start:
        slice
.endm

/* Descriptor, pointer to it, handler. A handler "restart" jumps to the arming code, "return" returns -2, and
 * "none" is the file's own. */
.macro describe name, version=0, flags=0, start=none, length=none, signature=0x53053053, handler=restart, listed=1, shift=0
        .size   \name, . - \name
        .pushsection __rseq_cs, "aw", @progbits
        .balign 32
        .skip   \shift
\name\()_descriptor:
        .long   \version, \flags
.ifc \start,none
        .quad   \name\()_start
.else
        .quad   \start
.endif
.ifc \length,none
        .quad   \name\()_end - \name\()_start
.else
        .quad   \length
.endif
        .quad   \name\()_abort
        .popsection
.if \listed
        .pushsection __rseq_cs_ptr_array, "aw", @progbits
        .quad   \name\()_descriptor
        .popsection
.endif
.ifnc \handler,none
        .pushsection __rseq_failure, "ax", @progbits
        .byte   0x0f, 0xb9, 0x3d
        .long   \signature
\name\()_abort:
.ifc \handler,restart
        jmp     \name\()_arm
.else
        movq    $-2, %rax
        ret
.endif
        .popsection
.endif
        .section .note.GNU-stack, "", @progbits
        .text
.endm

/* The end of the section, the end of the function, and the descriptor. */
.macro close name, handler=restart
\name\()_end:
        xorl    %eax, %eax
        ret
        describe \name, handler=\handler
.endm
