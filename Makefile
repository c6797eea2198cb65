# Works on a fresh clone with make and Python 3.11 or newer: everything else is installed here, into .venv.

.DEFAULT_GOAL := help
.PHONY: help install run test test-crm soak coverage mutants lint bench lock clean

VENV := .venv
BIN := $(VENV)/bin
CRM := .venv-crm
FUZZ := .venv-fuzz
export PYTHON

# The lock files name every package with its version and hashes, so pip has nothing to resolve. Byte code is left to the
# first import: compiling all of it takes longer than downloading it. pip alone, since it alone reads pip's configuration.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-compile
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)

# The rooms that decide and that count money; the rest is shell, which the tests of whole calls go through.
MEASURED := protocol rating policy ledger service

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 10

run: $(VENV)/.server ## the server on 127.0.0.1:8080 with emulated calls (PORT= changes the port)
	@exec $(BIN)/callgate dev $(if $(PORT),--port $(PORT))

install: $(VENV)/.dev ## everything into .venv, what the tests need included

test: $(VENV)/.dev $(FUZZ)/.installed ## all tests (T=path for some of them)
	@tools/need-chromium
	@$(BIN)/python -m pytest $(if $(T),$(T),--numprocesses auto --dist worksteal)

test-crm: $(VENV)/.dev $(CRM)/.installed ## a real CRM, Tryton, gets a contact and a call from an emulated call
	@$(BIN)/python tools/test_crm.py $(CRM)

soak: $(VENV)/.dev $(FUZZ)/.installed ## the long runs, some hours: prints the figures of docs/reliability.md (S='simulator.py --seeds 5' for one of them)
	@tests/soak/all $(S)

coverage: $(VENV)/.dev ## what tests reach of the rooms that decide, room by room; fails below 95 %
	@code=0; $(BIN)/python -m pytest --numprocesses auto --dist worksteal --hypothesis-profile ci --cov --cov-report= \
		tests/unit tests/property tests/contract tests/integration || code=1; \
	for room in $(MEASURED); do echo "== $$room"; \
		$(BIN)/coverage report --include="src/callgate/$$room/*" --fail-under=95 || code=1; done; exit $$code

mutants: $(VENV)/.mutants ## changes to rating and ledger that no test notices: takes two hours; docs/reliability.md explains them
	@rm -rf mutants
	@$(BIN)/mutmut run
	@$(BIN)/mutmut results

lint: $(VENV)/.dev ## formatting, lint, strict types, import directions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: $(VENV)/.dev ## the whole decision against its peers, and the goals (B='--rounds 2' for less, B=--all for more)
	@bench/peers/express/install || true
	@$(BIN)/python bench/run.py $(B)

lock: $(VENV)/.dev ## renew requirements/ after a change of pyproject.toml (UPGRADE=1 takes newer versions)
	@$(UV_COMPILE) --group build --output-file requirements/build.txt
	@$(UV_COMPILE) --group crm --output-file requirements/crm.txt
	@$(UV_COMPILE) --group fuzz --output-file requirements/fuzz.txt
	@$(UV_COMPILE) pyproject.toml --extra server --output-file requirements/server.txt
	@$(UV_COMPILE) pyproject.toml --extra dev --constraints requirements/server.txt --output-file requirements/dev.txt
	@$(UV_COMPILE) pyproject.toml --extra mutants --constraints requirements/dev.txt --output-file requirements/mutants.txt

clean: ## forget everything that was installed or cached here
	rm -rf $(VENV) $(CRM) $(FUZZ) .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage mutants
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# Each stamp is written last, so that an interrupted step is done again.

$(VENV)/.created:
	@python=$$(tools/find-python) && echo "Installing into $(VENV) with $$python" && "$$python" -m venv --clear $(VENV)
	@touch $@

$(VENV)/.server: $(VENV)/.created pyproject.toml requirements/build.txt requirements/server.txt
	@$(PIP_INSTALL) --require-hashes --requirement requirements/build.txt --requirement requirements/server.txt
	@$(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.server requirements/dev.txt
	@$(PIP_INSTALL) --require-hashes --requirement requirements/dev.txt
	@touch $@

# The CRM has packages of its own, which ours must not have to agree with.
$(CRM)/.installed: $(VENV)/.created requirements/crm.txt
	@$(BIN)/python -m venv --clear $(CRM)
	@$(CRM)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements/crm.txt
	@touch $@

# What asks the API everything has packages of its own too.
$(FUZZ)/.installed: $(VENV)/.created requirements/fuzz.txt
	@$(BIN)/python -m venv --clear $(FUZZ)
	@$(FUZZ)/bin/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes --requirement requirements/fuzz.txt
	@touch $@

$(VENV)/.mutants: $(VENV)/.dev requirements/mutants.txt
	@$(PIP_INSTALL) --require-hashes --requirement requirements/mutants.txt
	@touch $@
