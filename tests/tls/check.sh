#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck source=tests/closures.sh
. "$2/tests/closures.sh"

shared='src/tls/attach.c src/tls/context.c src/tls/session.c src/core/reclaim/rcu_cell.c'

context() { # SENTENCE DEFINES OPTIONS
    explore "context: $1" tests/tls/check_tls.c "-DTLS_SESSIONS=1u -include $root/tests/tls/played_mutex.h $2" "$shared" "$3"
}

context 'closed while a stream is there' '-DSTREAMS=1 -DRELOADS=0' ''
context '... and two' -DRELOADS=0 ''
context 'reloaded beside a stream' '-DSTREAMS=1 -DCLOSE=0' ''
context 'reloaded beside one that begins' '-DSTREAMS=1 -DAGAIN=1' ''
context 'reloaded, then closed, beside two streams' '' ''
if [[ ${PAWL_TEST_LONG-} == 1 ]]; then
    context 'reloaded twice beside one that begins' '-DSTREAMS=1 -DAGAIN=1 -DRELOADS=2' --max-time=100
    context 'reloaded beside two that begin' -DAGAIN=1 --max-time=100
fi
end_closures
