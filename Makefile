# Everything a user does, as one word. `make` alone lists the words.

BUDGET = laptop
IMAGES =
GEN =
PROMPTS =
REF =
OUT =
SEED = 0
PYTHON ?= python3

VENV = .venv
PY = $(VENV)/bin/python
RUN = $(PY) -m pixverve_lib.kit.runner
REPORT = $(PY) -m pixverve_lib.exhibits.index
OPTIONS = --budget $(BUDGET) --seed $(SEED) --images "$$IMAGES"

# As an environment variable, a folder's name may hold blanks and quotes.
export IMAGES GEN PROMPTS REF OUT
# How long idle threads of torch spin before they sleep: by default ten times slower when cores are shared.
export GOMP_SPINCOUNT ?= 10000
# It would shadow the kernel of .venv.
unexport JUPYTER_PATH

.DEFAULT_GOAL := help
.PHONY: help reproduce report compare manifest artifact notebook lab test bench bench-folder lock clean distclean

help:
	@echo "make reproduce [BUDGET=smoke|laptop|gpu|paper] [IMAGES=folder] [SEED=0]"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  %-12s %s\n' "$$name" "$$text"; done

reproduce: $(VENV)/installed ## run every notebook that needs it and list the exhibits
	@$(RUN) reproduce $(OPTIONS)
	@$(REPORT) $(OPTIONS)

report: $(VENV)/installed ## write figures/index.html: every exhibit of the papers in its place, in one page
	@$(REPORT) $(OPTIONS)

compare: $(VENV)/installed ## list what differs from the committed reference run, and beyond tolerance
	@$(PY) -m pixverve_lib.exhibits.compare $(OPTIONS)

manifest: $(VENV)/installed ## write figures/manifest.json after a reference run (maintainers)
	@$(PY) -m pixverve_lib.exhibits.manifest

artifact: $(VENV)/installed ## write docs/ARTIFACT.md from figures/manifest.json (maintainers, after make manifest)
	@$(PY) -m pixverve_lib.exhibits.artifact

notebook: $(VENV)/installed ## run one notebook: make notebook NB=01
	@$(RUN) notebook "$(NB)" $(OPTIONS)

lab: $(VENV)/installed ## open the notebooks in JupyterLab
	$(VENV)/bin/jupyter lab notebooks

test: $(VENV)/installed ## ruff, unit tests, and every notebook once at budget smoke
	$(VENV)/bin/ruff check .
	OPENBLAS_NUM_THREADS=1 $(PY) -m pytest tests -n 2 --dist worksteal

bench: $(VENV)/installed ## time the pixel detectors beside the obvious way
	$(PY) tests/bench.py

bench-folder: $(VENV)/installed ## score your pictures: make bench-folder GEN=folder PROMPTS=file [REF=folder] [OUT=folder]
	@$(PY) -m pixverve_lib.bench.folder --gen "$$GEN" --prompts "$$PROMPTS" --ref "$$REF" --out "$$OUT" --seed $(SEED)

lock: $(VENV)/installed ## compile requirements.in into requirements.lock (needs the package index)
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 \
		requirements.in --output-file requirements.lock

# Replies were paid for, weights were downloaded by hand: to remove them, `rm -r .cache`.
clean: ## remove runs/, build/, caches; figures/, .cache/replies and .cache/weights stay
	rm -rf runs build .pytest_cache .ruff_cache *.egg-info
	test ! -d .cache || find .cache -mindepth 1 -maxdepth 1 ! -name replies ! -name weights -exec rm -rf {} +

distclean: clean ## remove the environment .venv as well
	rm -rf $(VENV)

# The only step that needs the package index. Redone when the lock has changed.
$(VENV)/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, this is $$($(PYTHON) --version); try: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); echo "cannot make $(VENV); on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing requirements.lock into $(VENV) (a few minutes, several GB, once)"
	@$(PY) -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	@$(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(PY) --requirement requirements.lock
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $@
