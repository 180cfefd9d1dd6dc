#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# reload.sh PROGRAM: a file that changes, and signals, make it speak.
set -eu
folder=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT

says() { # LINE
    for ((i = 0; i < 3000; i++)); do
        grep -qx "$1" "$folder/out" && return
        sleep 0.02
    done
    echo "it never said: $1" >&2
    cat "$folder/out" >&2
    exit 1
}

echo speed=1 >"$folder/conf"
"$1" "$folder/conf" >"$folder/out" &
pid=$!
says 'started: speed=1'
echo speed=2 >"$folder/new"
mv "$folder/new" "$folder/conf"
says 'changed: speed=2'
echo speed=3 >"$folder/conf"
says 'changed: speed=3'
kill -HUP "$pid"
says 'SIGHUP: speed=3'
kill -TERM "$pid"
wait "$pid"
