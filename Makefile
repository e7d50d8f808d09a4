# The menu: `make` prints it. Each target makes what it needs, in .venv and build/, and nothing outside this
# folder. Paths are relative, so that the folder's own may have spaces in it.

PYTHON ?= python3
# For the program that demo, bench and test run: make demo ARGS="--seconds 5"
ARGS ?=
# For install. M32=1: the 32-bit libraries, for old programs that are compiled with -m32.
PREFIX ?= /usr/local
M32 ?=
LIBDIR ?= $(if $(M32),lib32,lib)

BIN := .venv/bin
RUN := .ci/in-venv
SOURCES := $(sort $(shell find srr bpf -type f ! -name '*.pyc' ! -name '*.so')) \
    LICENSE README.md meson.build meson.options pyproject.toml

# ./srr is the source; a program that is started here must import the installed package.
export PYTHONSAFEPATH := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test lint bench docs sanitize model build install clean FORCE

help: ## this list
	@echo 'make TARGET [PYTHON=/path/to/python3.11] [ARGS="..."] [PREFIX=/usr/local] [DESTDIR=] [M32=1]'
	@sed -n 's/^\([a-z]*\):.*## /    \1\t/p' Makefile | expand -t 16

demo: .venv/.installed ## build, and watch 40 processes at work
	@$(BIN)/srr demo $(ARGS)

test: .venv/.test ## all tests, of the C core and of the package
	@for need in 'need pkg-config pkg-config' need-m32 need-bcc 'need dot graphviz' 'need eu-stack elfutils'; do .ci/$$need || [ -z "$$SRR_MUST$$CI" ] || exit 1; done
	@$(RUN) .ci/configure build/test -Dextension=false -Dtests=true
	$(RUN) meson test -C build/test --print-errorlogs
	$(BIN)/pytest $(ARGS)

lint: .venv/.test .venv/.lint ## style, types, compiler warnings (gcc and clang), who may know whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(call strictly,gcc)
	@if .ci/need clang clang; then $(call strictly,clang); \
	elif [ "$$SRR_MUST$$CI" ]; then exit 1; else echo 'srr: the build with clang is skipped' >&2; fi
	$(BIN)/pytest -q tests/lint

# A build of everything in C in which each warning is an error.
strictly = CC=$(1) $(RUN) .ci/configure build/lint-$(1) -Dwerror=true -Dtests=true && \
    $(RUN) meson compile -C build/lint-$(1)

bench: .venv/.installed ## round trips, side by side with pipes and sockets
	@$(BIN)/srr bench $(ARGS)

docs: .venv/.docs ## the manual, into build/site
	$(BIN)/mkdocs build --strict --config-file .mkdocs.yml

sanitize: .venv/.tools ## the C core under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer
	$(call sanitized,address,-Db_sanitize=address$(comma)undefined)
	$(call sanitized,thread,-Db_sanitize=thread -Done_mapping=true)

# Without randomized addresses where that can be had: older ThreadSanitizers insist on places of their own.
sanitized = @echo "==== $(1)"; \
    $(RUN) .ci/configure build/sanitize-$(1) -Dextension=false -Dtests=true -Db_lundef=false \
        -Dlibraries=false -Dc_args=-fno-omit-frame-pointer $(2) && \
    ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 \
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
    $$(setarch -R true 2>/dev/null && echo setarch -R) \
    $(RUN) meson test -C build/sanitize-$(1) --print-errorlogs --timeout-multiplier 10
comma := ,

model: ## check the model of the rendezvous (spin)
	@.ci/need spin spin
	tests/model/check.sh quick

build: build/wheel/.made ## the wheel, into build/wheel
	@ls build/wheel/*.whl

install: .venv/.tools ## the C libraries, headers and man pages, into PREFIX (M32=1: for programs of 32 bits)
ifneq ($(M32),)
	@.ci/need-m32 '$(CC)'
endif
	@$(if $(M32),CC='$(CC) -m32') $(RUN) .ci/configure build/install$(M32:%=-m32) -Dextension=false \
	    --prefix "$$(realpath -ms -- '$(PREFIX)')" --libdir '$(LIBDIR)'
	$(RUN) meson install -C build/install$(M32:%=-m32) --quiet \
	    $(if $(DESTDIR),--destdir "$$(realpath -ms -- '$(DESTDIR)')")

clean: ## remove .venv and all that was built
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# What lies behind them. A stamp says when it was last done; what it depends on says when to do it again.

# Another PYTHON= makes another environment; without one, the environment that there is will do.
build/python: FORCE
	@mkdir -p build
	@[ '$(origin PYTHON)' = file ] && [ -e $@ ] || echo '$(PYTHON)' | cmp -s - $@ || echo '$(PYTHON)' >$@

.venv/.made: build/python .ci/venv
	@echo 'srr: making .venv' >&2
	@.ci/venv "$$(cat build/python)" || { rm build/python; exit 1; }
	@touch $@

.venv/.tools: .venv/.made pyproject.toml
	@$(BIN)/pip install -q ninja $$($(BIN)/python -c "$(REQUIRED)")
	@touch $@
REQUIRED := import tomllib; \
    print(*(r.replace(' ', '') for r in tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires']))

# Changes when a source comes or goes, which no source's own time can tell.
build/sources: FORCE
	@mkdir -p build
	@printf '%s\n' $(SOURCES) | cmp -s - $@ || printf '%s\n' $(SOURCES) >$@

build/wheel/.made: $(SOURCES) build/sources .venv/.tools
	@echo 'srr: building' >&2
	@rm -rf build/wheel
	@$(RUN) pip wheel -q --no-deps --no-build-isolation --config-settings=build-dir=build/release -w build/wheel .
	@touch $@

# Installed, not editable: forty processes that start at once must not each ask ninja what has changed.
.venv/.installed: build/wheel/.made
	@$(BIN)/pip install -q --force-reinstall --no-deps build/wheel/srr-*.whl
	@$(BIN)/pip install -q build/wheel/srr-*.whl
	@touch $@

.venv/.test .venv/.lint .venv/.docs: .venv/.%: .venv/.installed
	@$(BIN)/pip install -q "$$(ls build/wheel/srr-*.whl)[$*]"
	@touch $@
