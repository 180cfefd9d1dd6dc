/* SPDX-License-Identifier: MIT */
/* The frame of the planted mistakes on aarch64; see that of x86-64. x0 is the region. */
.macro arm name
\name\()_arm:
        adrp    x9, \name\()_descriptor
        add     x9, x9, :lo12:\name\()_descriptor
        mrs     x11, tpidr_el0
        ldr     x10, [x0]
        add     x10, x10, x11
        str     x9, [x10, #8]
.endm

/* This CPU's slice, in x9. */
.macro slice
        ldr     x10, [x0, #8]
        ldrsw   x10, [x11, x10]
        add     x9, x0, x10, lsl #3
        ldr     x9, [x9, #64]
.endm

.macro function name
        .text
        .globl  \name
        .type   \name, %function
\name:
.endm

.macro open name
        function \name
        arm     \name
\name\()_start:
        slice
.endm

.macro close name, handler=restart, signature=0xd428bc00
\name\()_end:
        mov     x0, #0
        ret
        .size   \name, . - \name
        .pushsection __rseq_cs, "aw", %progbits
        .balign 32
\name\()_descriptor:
        .long   0, 0
        .quad   \name\()_start, \name\()_end - \name\()_start, \name\()_abort
        .popsection
        .pushsection __rseq_cs_ptr_array, "aw", %progbits
        .quad   \name\()_descriptor
        .popsection
        .pushsection __rseq_failure, "ax", %progbits
        .inst   \signature
\name\()_abort:
.ifc \handler,restart
        b       \name\()_arm
.else
        mov     x0, #-2
        ret
.endif
        .popsection
        .section .note.GNU-stack, "", %progbits
        .text
.endm
