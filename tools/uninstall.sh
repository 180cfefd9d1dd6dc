#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Remove what `make install` installed, and nothing else.
#
#   tools/uninstall.sh --prefix [BUILD]              where BUILD installs to, or would if it were configured
#   tools/uninstall.sh --record BUILD ROOT           after an installation: note below ROOT what it made
#   tools/uninstall.sh ROOT                          remove what is noted there
#
# ROOT is the prefix, with DESTDIR in front. Meson's own log knows the last installation of its build folder alone:
# `make test`, which installs to a folder of its own, overwrites it; it goes with the folder; and a second installation
# to the same place does not name the folders that the first one made. So the list stands beside what it lists, each
# installation adds to it, and any build folder, or none, can remove it. Paths are relative to ROOT: it may be moved.
set -euo pipefail
export LC_ALL=C # children sort behind their folder

list=share/pawl/installed

die() {
    printf 'tools/uninstall.sh: %s\n' "$1" >&2
    exit 1
}

prefix_of() {
    local prefix=
    [[ ! -r $1/meson-private/pawl.pc ]] || prefix=$(sed -n 's/^prefix=//p' "$1/meson-private/pawl.pc")
    printf '%s\n' "${prefix:-/usr/local}"
}

# Every path of standard input, relative to $1; links stay what they are.
relative() {
    xargs -r -d '\n' realpath -ms --relative-to="$1" --
}

record() {
    local root=$2 log=$1/meson-logs/install-log.txt folder made=()
    [[ -r $log ]] || die "$log is missing: what was installed is not known"
    # The folders that are made here stand in no log.
    for folder in "$root/${list%/*/*}" "$root/${list%/*}"; do
        [[ -d $folder ]] || made+=("$folder")
    done
    mkdir -p "$root/${list%/*}" || die "cannot write to $root"
    {
        [[ ! -r $root/$list ]] || cat "$root/$list"
        { grep -v '^#' "$log"; printf '%s\n' "${made[@]}" "$root/$list"; } | relative "$root"
    } | sort -u >"$root/$list.new"
    mv -f "$root/$list.new" "$root/$list"
}

# Only `..`, `../..` may lead out of the root: folders above it that the installation made, removed if they are empty.
stays_inside() {
    [[ $1 != /* && ( $1 =~ ^\.\.(/\.\.)*$ || /$1/ != */../* ) ]]
}

remove() {
    local root=$1 path entries=() paths=()
    [[ -r $root/$list ]] || die "nothing to remove: $root/$list is missing; another PREFIX or DESTDIR, or installed without make?"
    mapfile -t entries <"$root/$list"
    for path in "${entries[@]}"; do
        stays_inside "$path" || die "$root/$list is damaged: $path"
    done
    mapfile -t paths < <(printf '%s\n' "${entries[@]/#/$root/}" | xargs -r -d '\n' realpath -ms -- | sort -r)
    for path in "${paths[@]}"; do # the list last: who may not remove a file may come back
        [[ $path == */$list || -d $path && ! -L $path ]] || rm -f -- "$path" || die "cannot remove $path"
    done
    rm -f -- "$root/$list" || die "cannot remove $root/$list"
    # Folders that hold what is not ours stay.
    for path in "${paths[@]}"; do
        [[ ! -d $path || -L $path ]] || rmdir -- "$path" 2>/dev/null || true
    done
}

case ${1-} in
--prefix) prefix_of "${2-}" ;;
--record) record "${2:?which build folder?}" "${3:?where?}" ;;
--* | '') die 'usage: tools/uninstall.sh ROOT' ;;
*) remove "$1" ;;
esac
