# make setup | run | test | bench | soak | figures | audit | locks | digests. `run` and `test` set up what is missing by themselves.
# make surrogates FACES='…' VALIDATION=… trains what is missing of the generators that ship; docs/targets.md says how.
# `soak` takes an hour or so: SOAK='--jobs 200 --mutants 500 --structures 4000 --seed 1' makes it another one.
# POISE_PORT (default 8000) and POISE_DATA_DIR (default ./var) let several copies run side by side.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
export POISE_PORT ?= 8000
export POISE_DATA_DIR ?= ./var
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup run test types tests bench soak figures audit locks digests surrogates
.DEFAULT_GOAL := setup

setup: $(STAMP)

# torch is asked for alone and first, by its exact version, so that a build for this machine that pip already knows of
# wins over a larger one.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Poise needs Python 3.11 or newer" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$$(grep -E '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

# exec: the service gets the signals meant for it, and make's exit status is its own
run: $(STAMP)
	@exec $(BIN)/poise serve

# Types are checked beside the tests, which leave a processor idle now and then: from scratch it takes a minute.
test: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --no-print-directory --jobs=2 types tests

types: $(STAMP)
	$(BIN)/mypy

# what is compiled is kept, whatever the environment says: tests start hundreds of interpreters. What four processes would
# compile at the same time is compiled before they start.
tests: $(STAMP)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q app benchmarks perturbations worker
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder --durations=20

# more processes than processors: many tests wait for something
TESTERS ?= 4
test tests: export OMP_NUM_THREADS ?= 1

bench: $(STAMP)
	@for script in benchmarks/bench_*.py; do \
		test -e "$$script" || { echo "no benchmarks yet"; break; }; \
		$(BIN)/python "$$script" || exit 1; \
	done

# photos while parts of the service are killed, then damaged photos, on a service of its own; then files wrong in what they
# are made of, in processes of their own
soak: $(STAMP)
	$(BIN)/python -m benchmarks.soak $(SOAK)

# the tables about what ships, from the perturbation's sidecar and the model cards; a test fails until they are written
figures: $(STAMP)
	$(BIN)/python -m benchmarks.write_figures

# hours of one core in all: lowest priority, one thread, and killed at any time it goes on where it was
SURROGATES ?= build/surrogates
surrogates: export OMP_NUM_THREADS ?= 1
surrogates: $(STAMP)
	@test -n "$(FACES)" && test -n "$(VALIDATION)" || { \
		echo "say what to train and to measure on: make surrogates FACES='A.zip B.zip' VALIDATION=C.zip" >&2; exit 1; }
	nice -n 19 $(BIN)/poise targets train-all $(addprefix --faces ,$(FACES)) --validation $(VALIDATION) \
		$(if $(PEOPLE),--people $(PEOPLE)) --out $(SURROGATES) $(TRAIN_ALL)

# compares the pinned versions with the public advisory database, so it needs the network; its tools live apart
AUDIT := $(VENV)/audit

audit:
	test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) && $(AUDIT)/bin/pip install --quiet 'pip-audit>=2.9,<3'; }
	@$(AUDIT)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict --timeout 15 || \
		{ echo "not clean: either the lines above name vulnerabilities, or the advisory database could not be reached" >&2; exit 1; }

# what the images are built from, by hash: after a change of constraints.txt, and TORCH_CPU_INDEX=URL for the CPU build of
# torch. Needs the network; an old pip downloads several gigabytes for it.
locks: $(STAMP)
	$(BIN)/python docker/lock.py

# the images of others they are built on, by digest: after a change of a tag. Needs docker and the network.
digests: $(STAMP)
	$(BIN)/python docker/digests.py
