# make course    set up, build the book, release the problem sets, grade the sample class
# make pdf       set up, build the book, print it into one file
# make test      set up, then lint and run every test
# make test-full the same with the full counts; writes what was counted to benchmarks/results/test-full.json
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: course test test-full book pdf release grade clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
NOTEBOOKS := $(wildcard solutions/*/*.ipynb)
PACKAGE := $(shell find lstmlab -type f -not -path '*/__pycache__/*')
BOOK := $(shell find book _config.yml lstmlab -type f -not -path '*/__pycache__/*' -not -path 'lstmlab/grading/*')
# Three processes on two cores, since many tests wait for another process; tests/conftest.py has the order of the files.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder
export PYDEVD_DISABLE_FILE_VALIDATION := 1
# nbgrader calls its own tools by name.
export PATH := $(CURDIR)/$(BIN):$(PATH)

course: grade
	@printf '\nThe book:              %s\n' '_build/html/index.html   (open it in a browser; it needs no network)'
	@printf 'A problem set:         %s\n' 'exercises/ps3-lstm-forward/ps3-lstm-forward.ipynb   ($(BIN)/jupyter lab opens it)'
	@printf 'Feedback to a student: %s\n\n' 'class/feedback/two-mistakes/ps3-lstm-forward/ps3-lstm-forward.html'

test: .make/venv .make/system
	$(BIN)/ruff check
	$(BIN)/pytest $(SIDE_BY_SIDE)

test-full: .make/venv .make/system
	$(BIN)/ruff check
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "full or not full" --figures=benchmarks/results/test-full.json

book: .make/book

pdf: .make/system .make/book
	$(BIN)/python book/_print/make_pdf.py

release: class/.released

# The sample class is laid out only where there is no class yet.
grade: .make/venv .make/system .make/book class/.released
	@test -d class/submitted || $(BIN)/python tests/sample_class.py class/submitted
	$(BIN)/lstmlab grade ps3-lstm-forward --seconds 5
	$(BIN)/lstmlab feedback ps3-lstm-forward

.make/venv: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v[:2] < (3, 11) and f"Python {v[0]}.{v[1]} is too old; install Python 3.11 or newer and run: make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo 'No venv could be made; on Debian: apt-get install python3-venv'; exit 1; }
	$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.txt
	@mkdir -p $(@D) && touch $@

# bubblewrap and libseccomp isolate students' code; chromium is for the browser test.
.make/system: .make/venv
	@missing=''; \
	command -v bwrap >/dev/null || missing+=' bubblewrap'; \
	command -v setpriv >/dev/null || missing+=' util-linux'; \
	$(BIN)/python -c 'import pyseccomp' 2>/dev/null || missing+=' libseccomp2'; \
	command -v chromium >/dev/null || missing+=' chromium'; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=' postgresql'; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; \
	  else \
	    echo "These are missing:$$missing. Install them first, on Debian or Ubuntu: sudo apt-get install$$missing"; exit 1; \
	  fi; \
	fi
	@mkdir -p $(@D) && touch $@

# Each page's kernel warns that its connection, which does not leave this machine, is not encrypted.
.make/book: .make/venv $(BOOK)
	$(BIN)/jupyter-book build book --config _config.yml --path-output . --all -n -W --keep-going \
	  2> >(grep -v '^\[IPKernelApp\] WARNING | Kernel is running over TCP' >&2)
	@mkdir -p $(@D) && touch $@

class/.released: .make/venv $(NOTEBOOKS) $(PACKAGE) nbgrader_config.py
	$(BIN)/lstmlab release
	@touch $@

clean:
	rm -rf _build .make class
