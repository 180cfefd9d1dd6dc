#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a manual page lists and what the program's help lists are the same options. Speaks TAP.

    test_manuals.py PAGES [PAGE PROGRAM ARGUMENTS...] [-- PAGE PROGRAM ARGUMENTS...]...

PAGES is the folder of the sources (docs/man); PROGRAM with ARGUMENTS prints its help. An option counts by its
longest name. Options that a text only mentions, in the middle of a line, are not looked at.
"""
import pathlib
import re
import subprocess
import sys

# *-a*, *--all*=_X_, ... in a line of their own; "  -a, --all=X  text" in a help.
IN_PAGE = re.compile(r"^\*-.*$", re.MULTILINE)
IN_HELP = re.compile(r"^ {2,8}-{1,2}[A-Za-z0-9].*$", re.MULTILINE)


def long_names(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text))


def pairs(text):
    """(short, long) where both are told, so that a letter does not wander."""
    return set(re.findall(r"(?<![\w-])(-[A-Za-z0-9]), (--[a-z][a-z0-9-]*)", text))


def of_page(page):
    lines = [line.replace("*", "") for line in IN_PAGE.findall(page.read_text(encoding="utf-8"))]
    return "\n".join(lines)


def of_help(command):
    text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
                          timeout=60).stdout
    # What follows the name and its value, behind two blanks, only mentions.
    return "\n".join(re.split(r"(?<=\S) {2,}", line.strip())[0] for line in IN_HELP.findall(text))


def main():
    pages = pathlib.Path(sys.argv[1])
    groups = [[]]
    for word in sys.argv[2:]:
        if word == "--":
            groups.append([])
        else:
            groups[-1].append(word)
    failed = False
    for number, (name, *command) in enumerate(groups, 1):
        told, known = of_page(pages / f"{name}.1.scd"), of_help(command)
        differ = long_names(told) ^ long_names(known) | {" ".join(p) for p in pairs(told) ^ pairs(known)}
        if not known:
            differ = {"(no options were found)"}
        failed = failed or bool(differ)
        print(f"{'not ' if differ else ''}ok {number} - {name}: page and help list the same options")
        for option in sorted(differ):
            print(f"#   {option}")
    print(f"1..{len(groups)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
