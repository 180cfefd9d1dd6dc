#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Configure a build folder once, and again only when the wish has changed.
#
#   tools/setup.sh BUILD [meson setup arguments]
#   tools/setup.sh --clean BUILD        remove BUILD and the folders BUILD-* beside it
#
# Meson fixes the compiler when a folder is configured, so `make test CC=clang` after `make test`
# has to start the folder anew. A folder that was configured by hand (without this script) is used
# as it is, and never removed behind its owner's back.
set -euo pipefail

die() {
    printf 'tools/setup.sh: %s\n' "$1" >&2
    exit 1
}

is_build_folder() {
    [[ -d $1/meson-private || -f $1/.pawl-setup ]]
}

remove() {
    local folder
    for folder in "$1" "$1"-*; do
        if is_build_folder "$folder"; then
            rm -rf -- "$folder"
        elif [[ $folder == "$1" && -e $folder ]]; then
            die "$folder is not a Meson build folder; remove it by hand if it should go"
        fi
    done
}

if [[ ${1-} == --clean ]]; then
    remove "${2:?which folder?}"
    exit 0
fi

# Where Debian's linker looks for libraries. Meson asks dpkg-architecture, which is in dpkg-dev and not on every machine.
library_folder() {
    local cc name
    [[ -r /etc/debian_version && " $*" != *libdir* ]] && ! command -v dpkg-architecture >/dev/null || return 0
    read -ra cc <<<"${CC:-gcc}"
    name=$("${cc[@]}" -print-multiarch 2>/dev/null) || return 0
    [[ -z $name ]] || printf '%s' "--libdir=lib/$name"
}

build=${1:?which folder?}
shift
stamp=$build/.pawl-setup
wish=$(printf '%s\n' "CC=${CC-}" "CXX=${CXX-}" "CFLAGS=${CFLAGS-}" "CXXFLAGS=${CXXFLAGS-}" \
    "LDFLAGS=${LDFLAGS-}" "$@")
plain=$'CC=\nCXX=\nCFLAGS=\nCXXFLAGS=\nLDFLAGS='

if [[ -f $build/build.ninja ]]; then
    if [[ ! -f $stamp ]]; then
        [[ $wish == "$plain" ]] ||
            die "$build was configured by hand; choose another folder (BUILD=...) or remove it"
        exit 0
    fi
    [[ $(<"$stamp") == "$wish" ]] && exit 0
    echo "$build: configured for something else, starting anew"
    rm -rf -- "$build"
fi

libdir=$(library_folder "$@")
meson setup ${libdir:+"$libdir"} "$build" "$@"
printf '%s\n' "$wish" >"$stamp"
