#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed.py PAGE OUT: a page as an array of C, for page.h."""
import sys

page = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "w", encoding="ascii") as out:
    out.write('#include "page.h"\n\nconst char cache_page[] = {\n')
    for at in range(0, len(page), 20):
        out.write(" ".join(f"{byte - 256 if byte > 127 else byte}," for byte in page[at:at + 20]) + "\n")
    out.write("};\nconst size_t cache_page_bytes = sizeof cache_page;\n")
