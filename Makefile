# SPDX-License-Identifier: MIT
# The front door: a thin layer over Meson. `make` alone lists what there is.

BUILD  ?= build
JOBS   ?=
DESTDIR ?=
# Extra arguments: of meson setup, meson test, the benchmarks, tests/vm/run; and which benchmarks.
SETUP  ?=
TESTS  ?=
BENCH  ?=
VM     ?=
NAME   ?=
CACHE  ?=

# make's built-in CC and CXX are a default, not a wish: only what was asked for reaches Meson.
ifneq ($(filter-out default undefined,$(origin CC)),)
export CC
endif
ifneq ($(filter-out default undefined,$(origin CXX)),)
export CXX
endif

jobs = $(if $(JOBS),-j $(JOBS))
# A folder as seen from anywhere; make's abspath would take one with a blank in its name for two.
absolute = $(if $(filter /%,$(firstword $(1))),$(1),$(CURDIR)/$(1))

# Where things are installed. Without PREFIX, where the build folder says.
prefix = $(if $(PREFIX),$(call absolute,$(PREFIX)),$(shell tools/uninstall.sh --prefix '$(BUILD)'))
root = $(if $(DESTDIR),$(call absolute,$(DESTDIR)))$(prefix)
ldconfig = $(if $(DESTDIR),,! [ -x /sbin/ldconfig -a -w /etc/ld.so.cache ] || /sbin/ldconfig)

.PHONY: help run test check bench bench-instructions check-vm lint docs install uninstall clean deps build
.DEFAULT_GOAL := help

help:
	@echo 'Pawl. Everything is built in $(BUILD)/; what is missing is installed first (see tools/bootstrap.sh).'
	@echo
	@echo '  make run                  build, then start pawl-cache on 127.0.0.1:11211, until Ctrl-C (CACHE="arguments")'
	@echo '  make test                 build, run every test; the last line is "N passed, N failed"'
	@echo '  make check                the long form: long suites, and stress tests with PAWL_TEST_LONG=1'
	@echo '  make check-vm             the tests inside virtual machines: aarch64, 64 CPUs on 4 nodes'
	@echo '  make bench                every benchmark beside its peers, or those in NAME='
	@echo '  make bench-instructions   instruction counts of the fast paths (callgrind)'
	@echo '  make lint                 clang-format, clang-tidy, cppcheck, shellcheck, house rules'
	@echo '  make docs                 man pages; checks that every link in the chapters leads somewhere'
	@echo '  make install              install to $$(DESTDIR)$$(PREFIX); PREFIX is /usr/local, or what it last was'
	@echo '  make uninstall            remove what make install put there, from whichever build folder'
	@echo '  make clean                remove $(BUILD)/ and the build folders beside it'
	@echo
	@echo 'Variables: CC, CXX, CFLAGS, BUILD=dir, JOBS=n, DESTDIR=, PREFIX=,'
	@echo '           SETUP="-Doption=value ..." (meson setup), TESTS="suite or test names" (meson test),'
	@echo '           NAME="benchmark ..." BENCH="arguments" (pawl bench), VM="arguments" (tests/vm/run)'

deps:
	@tools/bootstrap.sh build test

build: deps
	@tools/setup.sh '$(BUILD)' $(SETUP)
	@ninja -C '$(BUILD)' $(jobs)

run: build
	@echo 'pawl-cache on 127.0.0.1:11211; Ctrl-C ends it. Try: printf "set a 0 0 1\\r\\nx\\r\\nget a\\r\\nquit\\r\\n" | nc 127.0.0.1 11211'
	@exec '$(BUILD)/apps/cache/pawl-cache' -l 127.0.0.1 $(CACHE)

test: build
	@tools/run-tests '$(BUILD)' $(TESTS)

check: build
	@tools/run-tests '$(BUILD)' --setup=long $(TESTS)

# Peers that were just installed are found by configuring again.
bench: build
	@tools/bootstrap.sh --optional bench
	@meson setup --reconfigure '$(BUILD)' >/dev/null && ninja -C '$(BUILD)' $(jobs)
	@pawl='$(BUILD)/tools/pawl/pawl'; names='$(NAME)'; \
	for name in $${names:-$$($$pawl bench --list)}; do $$pawl bench $$name $(BENCH) || exit; done

bench-instructions: build
	@tools/bootstrap.sh instructions
	@bench/instructions $(BENCH) '$(BUILD)/bench'

check-vm: build
	@tools/bootstrap.sh vm
	@tests/vm/run --build-dir '$(BUILD)/vm' $(VM)

lint:
	@tools/bootstrap.sh build test lint
	@tools/lint.sh '$(BUILD)-lint'

docs: build
	@tools/bootstrap.sh docs
	@tools/run-tests '$(BUILD)' --suite=docs

install: build
	@$(if $(PREFIX),meson configure '$(BUILD)' -Dprefix='$(call absolute,$(PREFIX))' && ninja -C '$(BUILD)' $(jobs))
	@meson install -C '$(BUILD)' --no-rebuild $(if $(DESTDIR),--destdir '$(call absolute,$(DESTDIR))')
	@tools/uninstall.sh --record '$(BUILD)' '$(root)'
	@$(ldconfig)

uninstall:
	@tools/uninstall.sh '$(root)'
	@$(ldconfig)

clean:
	@tools/setup.sh --clean '$(BUILD)'
