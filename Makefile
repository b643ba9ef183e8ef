# make report   install what is locked into .venv, run an experiment (EXPERIMENT=article) and render its report
# make paper    compile the paper of an experiment; wants pdfLaTeX (texlive-latex-recommended and lmodern of Debian)
# make verify   install, train a sample (SAMPLE=5%) of what the experiment has published again, and compare the two
# make test     install, and pass the tests
# make test-one pass the tests of one place: TEST=tests/unit/test_grid.py, or a folder, or FILE.py::test_name
# make test-isa pass the tests against Keras again under the instruction sets of older processors
# make soak     pass the tests that take minutes
# make format   write the code in the style that `make lint` checks
# make lint     what must be clean: ruff, mypy, snakefmt, snakemake --lint
# make bench    speeds, measured in turn with what they are compared with (ROWS=job for one row); wants an idle machine,
#               and 6 GB for PyTorch and JAX in .venv-bench
# make lock     choose versions anew and write them to the two lock files

EXPERIMENT ?= article
SAMPLE ?= 5%
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
PYTHON ?= python3

BIN := .venv/bin
INSTALLED := .venv/installed
BROWSER := tests/browser/node_modules/.package-lock.json

.PHONY: report paper verify test test-one test-isa soak format lint bench lock

report: $(INSTALLED)
	@$(BIN)/snakemake --cores $(CORES) --config experiment=$(EXPERIMENT)
	@echo "The report is results/$(EXPERIMENT)/report/index.html"

# Twice, for its references; with the same bytes whenever it is compiled.
paper: export SOURCE_DATE_EPOCH = 0
paper: export FORCE_SOURCE_DATE = 1
paper: $(INSTALLED)
	@$(BIN)/snakemake --cores $(CORES) paper --config experiment=$(EXPERIMENT)
	@command -v pdflatex >/dev/null || { echo "There is no pdflatex: install texlive-latex-recommended and lmodern"; exit 1; }
	@cd results/$(EXPERIMENT)/paper && for run in 1 2; do \
		pdflatex -interaction=batchmode -halt-on-error article >/dev/null || { tail -n 20 article.log; exit 1; }; done
	@echo "The paper is results/$(EXPERIMENT)/paper/article.pdf"

verify: $(INSTALLED)
	@$(BIN)/snakemake --cores $(CORES) verify --config experiment=$(EXPERIMENT) sample=$(SAMPLE)

test: $(INSTALLED) $(BROWSER)
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-one: $(INSTALLED)
	@test -n "$(TEST)" || { echo "Say which: make test-one TEST=tests/unit/test_identity.py"; exit 1; }
	$(BIN)/pytest $(TEST)

test-isa: $(INSTALLED)
	for isa in AVX2 SSE41; do \
		THALWEG_TEST_ISA=$$isa $(BIN)/pytest --numprocesses 2 --dist loadfile tests/reference tests/unit/training || exit 1; done

soak: $(INSTALLED)
	$(BIN)/pytest -m soak

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

bench: $(INSTALLED) .venv-bench/installed
	$(BIN)/python bench $(ROWS)

.venv-bench/installed: requirements-bench.lock
	$(PYTHON) -m venv .venv-bench
	echo '*' > .venv-bench/.gitignore
	-.venv-bench/bin/python -m pip install --quiet --require-hashes --requirement requirements-bench.lock && touch $@

lock:
	uv pip compile pyproject.toml --group test --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-header --no-annotate --upgrade --output-file requirements.lock
	uv pip compile --group bench --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-header --no-annotate --upgrade --output-file requirements-bench.lock
	$(BIN)/python workflow/conda.py

# The tests in a browser say themselves what they miss.
$(BROWSER): tests/browser/package-lock.json
	-npm ci --loglevel=error --prefix $(<D)

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
