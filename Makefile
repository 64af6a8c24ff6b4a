# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# A front for nox, which noxfile.py tells what to run. Everything is made under .build; any Python from 3.11 on will do.
PYTHON ?= python3
TOOLS := .build/nox
NOX = $(TOOLS)/bin/python -m nox

SESSIONS = quick env format demo simulator bench awx-content error-codes \
	ansible-lint extra-checks license-check integration cores security world units sanity fault-tests site types lint archive eda fleet-tests \
	matrix property-tests secret-leaks long-tests mutation fleet faults crash world-at-length switches simulator-tests tooling docs bench-short

.DEFAULT_GOAL := help
.PHONY: help test test-all list clean $(SESSIONS)

help:  ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 12
	@echo 'NAME        A session of that list: make quick, make demo, make units ARGS="-k name"'

test: $(TOOLS)  ## The gate: all that must hold before a change lands
	@$(TOOLS)/bin/python -B -m tests.harness.sessions gate

test-all: $(TOOLS)  ## Everything else, in parts; PART="crash faults" runs only these
	@$(TOOLS)/bin/python -B -m tests.harness.sessions all $(PART)

list: $(TOOLS)  ## All sessions
	@$(NOX) --list

clean:  ## Remove all that was made
	rm -rf .build

$(TOOLS): tests/requirements/nox.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv --clear $@
	@$@/bin/python -m pip install --quiet --disable-pip-version-check "$$(grep ^uv= $<)"
	@UV_SYSTEM_CERTS=true UV_NO_CONFIG=1 $@/bin/uv pip install --quiet --python $@/bin/python -r $<
	@touch $@

$(SESSIONS): $(TOOLS)
	@$(NOX) --session $@ -- $(ARGS)
