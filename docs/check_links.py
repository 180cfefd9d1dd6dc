#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every link of the documentation leads somewhere, and no chapter is hard to find.

    check_links.py ROOT

Four promises, spoken as TAP: a relative link names a file that exists (and a heading, where it has
a #fragment); each chapter in docs/ is reachable from docs/README.md; `code spans` that look like a
path of the project name something that exists; a code block under the comment `<!-- file: PATH -->`
is that file. Links to other hosts are not followed.
"""
import os
import re
import sys

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```[^\n]*$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"^<!-- file: (\S+) -->\n+```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`((?:include|src|tests|bench|tools|docs|examples|apps)/[\w./-]*\w\.\w+)`")
FOREIGN = re.compile(r"^[a-z][a-z0-9+.-]*:")


def read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def anchors(text):
    """The fragments under which a forge shows the headings of a page."""
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"[`*]", "", heading).lower()
        yield re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def pages(root):
    yield from (os.path.join(root, name) for name in ("README.md", "CONTRIBUTING.md"))
    for folder, _, names in os.walk(os.path.join(root, "docs")):
        yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(".md"))


def targets(page):
    """The relative links of a page, as (link, file, fragment)."""
    for link in LINK.findall(FENCE.sub("", read(page))):
        if FOREIGN.match(link):
            continue
        path, _, fragment = link.partition("#")
        there = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        yield link, there, fragment


def broken_links(root):
    for page in pages(root):
        for link, there, fragment in targets(page):
            where = os.path.relpath(page, root)
            if not os.path.exists(there):
                yield f"{where}: {link} names no file"
            elif fragment and there.endswith(".md") and fragment not in anchors(read(there)):
                yield f"{where}: {link} names no heading of that page"


def hidden_chapters(root):
    index = os.path.join(root, "docs", "README.md")
    reached, todo = {index}, [index]
    while todo:
        for _, there, _ in targets(todo.pop()):
            if there.endswith(".md") and os.path.exists(there) and there not in reached:
                reached.add(there)
                todo.append(there)
    for page in pages(root):
        if page not in reached and os.path.dirname(page).startswith(os.path.join(root, "docs")):
            yield f"{os.path.relpath(page, root)}: no way leads here from docs/README.md"


def stale_paths(root):
    for page in pages(root):
        for path in PATH.findall(FENCE.sub("", read(page))):
            placeholder = re.search(r"[/_](X|NAME|ROOM)[./]", path)
            if not placeholder and not os.path.exists(os.path.join(root, path)):
                yield f"{os.path.relpath(page, root)}: there is no {path}"


def stale_quotations(root):
    for page in pages(root):
        for path, text in QUOTED.findall(read(page)):
            there = os.path.join(root, path)
            if not os.path.exists(there) or read(there) != text:
                yield f"{os.path.relpath(page, root)}: what it shows is not {path}"


def main():
    root = os.path.abspath(sys.argv[1])
    promises = (
        ("every link leads somewhere", broken_links),
        ("every chapter is reachable from the index", hidden_chapters),
        ("every file that is named exists", stale_paths),
        ("every example that is shown is the file that the tests run", stale_quotations),
    )
    failed = False
    print(f"1..{len(promises)}")
    for number, (promise, findings) in enumerate(promises, 1):
        found = list(findings(root))
        failed |= bool(found)
        print("not ok" if found else "ok", number, "-", promise)
        for finding in found:
            print("#", finding)
    return failed


if __name__ == "__main__":
    sys.exit(main())
