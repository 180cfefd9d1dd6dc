#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Debian's memcached and tmux, which are linked with libevent, run on libpawl-event unchanged. Speaks TAP.
#
#   programs.sh FOLDER
set -u

export LD_LIBRARY_PATH=$1
work=$(mktemp -d)
# shellcheck source=tests/promise.sh
. "$(dirname "$0")/../promise.sh"
cache=
tmux_socket=$work/tmux

clean_up() {
    [[ -n $cache ]] && kill "$cache" 2>/dev/null
    tmux -S "$tmux_socket" kill-server 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT

# Again until it succeeds, a minute at most.
soon() {
    local i
    for ((i = 0; i < 1200; i++)); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}

# The process has our library, and not the other.
on_ours() {
    grep -q libpawl-event "/proc/$1/maps" && ! grep -q 'libevent.*2\.1\.so' "/proc/$1/maps"
}

memcached_starts() {
    local user=()
    [[ $(id -u) == 0 ]] && user=(-u root)
    MEMCACHED_PORT_FILENAME=$work/port memcached "${user[@]}" -l 127.0.0.1 -p -1 -U 0 -t 2 -c 512 >"$work/log" 2>&1 &
    cache=$!
    soon test -s "$work/port" && on_ours "$cache"
}

port() {
    sed -n 's/^TCP INET: //p' "$work/port"
}

# One exchange: sends $1, and reads as many lines as $2 has, which must be these.
ask() {
    local wanted=$2 got='' line
    printf '%b' "$1" >&"$connection"
    while [[ $got != "$wanted" ]]; do
        IFS= read -r -t 60 line <&"$connection" || return 1
        got+=${line%$'\r'}$'\n'
        [[ $wanted == "$got"* ]] || { echo "asked: $1" && echo "got: $got" && return 1; }
    done
}

memcached_answers() {
    local connection
    exec {connection}<>"/dev/tcp/127.0.0.1/$(port)" || return 1
    ask 'set a 5 0 3\r\nabc\r\n' $'STORED\n' &&
        ask 'get a b\r\n' $'VALUE a 5 3\nabc\nEND\n' &&
        ask 'set n 0 0 2\r\n41\r\n' $'STORED\n' &&
        ask 'incr n 1\r\nincr n 1\r\n' $'42\n43\n' &&
        ask 'add a 0 0 1\r\nx\r\n' $'NOT_STORED\n' &&
        ask 'append a 0 0 3\r\ndef\r\nget a\r\n' $'STORED\nVALUE a 5 6\nabcdef\nEND\n' &&
        ask 'delete a\r\nget a\r\n' $'DELETED\nEND\n' &&
        ask 'nonsense\r\n' $'ERROR\n'
    local status=$?
    exec {connection}>&-
    return "$status"
}

# Values that do not fit into a socket's buffer at once.
memcached_takes_large_values() {
    local connection
    head -c 700000 /dev/zero | tr '\0' v >"$work/value"
    exec {connection}<>"/dev/tcp/127.0.0.1/$(port)" || return 1
    { printf 'set large 0 0 700000\r\n' && cat "$work/value" && printf '\r\nget large\r\n'; } >&"$connection" &
    printf 'STORED\r\nVALUE large 0 700000\r\n' >"$work/wanted"
    { cat "$work/value" && printf '\r\nEND\r\n'; } >>"$work/wanted"
    timeout 60 head -c "$(wc -c <"$work/wanted")" <&"$connection" | cmp - "$work/wanted"
    local status=$?
    wait $!
    exec {connection}>&-
    return "$status"
}

memcached_serves_many() {
    local connections=() connection i status=0
    for ((i = 0; i < 100; i++)); do
        exec {connection}<>"/dev/tcp/127.0.0.1/$(port)" || return 1
        connections+=("$connection")
    done
    for i in "${!connections[@]}"; do
        printf 'set k%d 0 0 4\r\n%04d\r\n' "$i" "$i" >&"${connections[i]}"
    done
    for i in "${!connections[@]}"; do
        connection=${connections[i]}
        ask "get k$i\r\n" "STORED"$'\n'"VALUE k$i 0 4"$'\n'"$(printf '%04d' "$i")"$'\n'"END"$'\n' || status=1
    done
    for connection in "${connections[@]}"; do
        exec {connection}>&-
    done
    return "$status"
}

memcached_ends() {
    kill -TERM "$cache" && wait "$cache"
    local status=$?
    cache=
    [[ $status == 0 ]]
}

in_tmux() {
    tmux -S "$tmux_socket" -f /dev/null "$@"
}

tmux_starts() {
    TERM=xterm in_tmux new-session -d -s one -x 80 -y 24 'PS1="> " sh -i' && on_ours "$(in_tmux display-message -p '#{pid}')"
}

pane_says() {
    in_tmux capture-pane -p -t one | grep -qx "$1"
}

tmux_shows_what_a_shell_says() {
    # shellcheck disable=SC2016 # for the shell inside
    soon pane_says '>.*' && in_tmux send-keys -t one 'echo $((6 * 7))' Enter && soon pane_says 42 &&
        in_tmux send-keys -t one 'seq 500' Enter && soon pane_says 500
}

tmux_has_windows_and_timers() {
    in_tmux new-window -t one -d 'sleep 0.1' && in_tmux split-window -t one -d 'sleep 60' &&
        [[ $(in_tmux list-panes -t one | wc -l) == 2 ]] &&
        in_tmux run-shell "sleep 0.05; echo ran >'$work/ran'" && [[ $(<"$work/ran") == ran ]] &&
        in_tmux wait-for -S signal && in_tmux wait-for signal && soon one_window_left
}

one_window_left() {
    [[ $(in_tmux list-windows -t one | wc -l) == 1 ]]
}

tmux_ends() {
    local pid
    pid=$(in_tmux display-message -p '#{pid}') && in_tmux kill-server && soon gone "$pid"
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

promise 'memcached starts on libpawl-event' memcached memcached_starts
if [[ -n $cache ]]; then
    promise 'memcached answers' memcached memcached_answers
    promise 'memcached takes and gives values larger than a socket holds' memcached memcached_takes_large_values
    promise 'memcached serves 100 connections' memcached memcached_serves_many
    promise 'memcached ends when it is told to' memcached memcached_ends
fi
promise 'tmux starts on libpawl-event' tmux tmux_starts
if in_tmux has-session -t one 2>/dev/null; then
    promise 'tmux shows what a shell says' tmux tmux_shows_what_a_shell_says
    promise 'tmux opens, closes and waits' tmux tmux_has_windows_and_timers
    promise 'tmux ends when it is told to' tmux tmux_ends
fi
echo "1..$number"
exit "$failed"
