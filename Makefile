# make serve     a server on 127.0.0.1:2022, with all its state in ./var
# make test      lint, types, layers, tests
# make test-all  the same with the full matrices and the big sizes
# make soak      200 sessions at once with mixed work and random ends, again and again for an hour (MINUTES=60, SEED=...)
# make lint      lint, types, layers only
# make bench     conchgo's speed beside other servers', into docs/performance.md, some 15 minutes; see there
# make bench-programs  installs these servers (Debian also starts some of them as services)
# make clean     remove what was made, except ./var

PYTHON ?= python3
BIN := .venv/bin
CONFIG := var/conchgo.toml
MINUTES ?= 60

.PHONY: serve test test-all soak lint programs bench bench-programs clean

serve: $(CONFIG)
	@printf '\n  sftp -P 2022 demo@127.0.0.1\n\n'
	@printf 'A new password for demo: $(BIN)/conchgo user --config $(CONFIG) passwd demo\n\n'
	@exec $(BIN)/conchgo serve --config $(CONFIG)

test: lint programs
	$(BIN)/pytest -n 2 -m 'not full'

test-all: lint programs
	$(BIN)/pytest -n 2

soak: .venv/installed-for-tests
	SOAK_MINUTES=$(MINUTES) SOAK_SEED=$(SEED) $(BIN)/pytest -n 0 -s tests/soak

lint: .venv/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

programs:
	@sh tests/install_programs.sh

bench: .venv/installed-for-bench
	@mkdir -p -m 700 var
	$(BIN)/python -m tests.benchmarks --json var/bench.json --plot docs/performance.png --docs docs/performance.md

bench-programs:
	@sh tests/install_programs.sh bench

# On the first run: the user demo with a password that is shown once and stored as a hash only.
$(CONFIG): | .venv/installed
	@mkdir -p -m 700 var
	@printf '%s\n' '# Made by `make serve`; etc/conchgo.toml explains every key.' \
	    '[service]' 'state_directory = "."' '[ssh]' 'listen = ["127.0.0.1:2022"]' > $@.new
	@password=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(12))') && \
	    { $(BIN)/conchgo user --config $@.new show demo >/dev/null 2>&1 && do=passwd || do=add; } && \
	    printf '%s\n' "$$password" | $(BIN)/conchgo user --config $@.new $$do demo --password-file - && \
	    mv $@.new $@ && printf '\ndemo has the password %s (shown only now)\n' "$$password"

.venv/bin/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/install_programs.sh python3-venv
	$(PYTHON) -m venv .venv

.venv/installed: setup.py | .venv/bin/python
	$(BIN)/pip install -q -e .
	@touch $@

.venv/installed-for-bench: setup.py | .venv/bin/python
	$(BIN)/pip install -q -e '.[bench]'
	@touch $@ .venv/installed

.venv/installed-for-tests: setup.py | .venv/bin/python
	$(BIN)/pip install -q -e '.[test]'
	@touch $@ .venv/installed .venv/installed-for-bench

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f twisted/plugins/dropin.cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
