# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Everything is made under .build, from what tests/requirements pins. Any Python from 3.11 on can start it.
PYTHON ?= python3
STEPS = $(PYTHON) -B -m tests.harness.steps

.DEFAULT_GOAL := help
.PHONY: help env demo simulator lint types docs-lint docs sanity unit integration fault-tests test faults crash canary awx-kit format clean bench mutation laws matrix eda-tests fleet-tests fleet

help:  ## This list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 14

env:  ## Make .build/venv with all tools
	@$(STEPS) env

demo:  ## The whole story against the simulator, on this machine
	@$(STEPS) demo-env
	@.build/venv/bin/python demo/run.py

simulator:  ## Start the simulator; stop it with Ctrl-C. ARGS="--help" shows its options
	@$(STEPS) demo-env
	@.build/venv/bin/python -m tests.simulator $(ARGS)

lint types docs-lint docs sanity unit integration fault-tests eda-tests fleet-tests fleet faults crash canary laws matrix:
	@$(STEPS) $@

lint:  ## Style, licences, change log, ansible-lint, the collection archive
types:  ## mypy, strict
docs:  ## The documentation site, in .build/site
docs-lint:  ## The modules' documentation
sanity:  ## ansible-test sanity with the oldest and the newest ansible-core
unit:  ## Tests of single layers, also on the oldest Python of managed hosts
fault-tests:  ## Each fault once: servers that break, lie and stall, and killed runs
faults:  ## All faults with three client libraries, and other clients beside ours (takes long)
crash:  ## The part of them that is not the server's: killed at every system call, power loss, many writers, a GiB
integration:  ## Tests of the simulator, and of modules, role and playbooks against it

eda-tests:  ## The event source under ansible-rulebook (needs Java)
fleet-tests:  ## Three hosts over SSH, in network namespaces, one of them cut off in the middle (needs root)
fleet:  ## More of it, on all ways and with all that fails, and 300 mailboxes to 4 hosts

bench:  ## Downloads side by side with what a user would pick instead (takes long). ARGS="--help" shows its options
	@$(STEPS) env
	@.build/venv/bin/python -m benchmarks $(ARGS)

test:  ## All of these checks, and what is covered by the tests
	@$(STEPS) test

canary:  ## The whole secrets canary: every fault, shape and encoding, with the oldest and the newest ansible-core

mutation:  ## Break the code in a copy, one thing at a time: tests must notice. ARGS="--help" shows how to choose
	@$(STEPS) env
	@.build/venv/bin/python -m tests.mutation $(ARGS)
matrix:  ## Every ansible-core and every Python there is; writes the table of the README; 40 minutes
laws:  ## Generated tests at length: 500 random schedules, 100,000 hostile answers and more; half an hour

awx-kit:  ## Write extensions/awx anew from the options
	@$(STEPS) env
	@PYTHONPATH=.build/link .build/venv/bin/python -m tests.harness.awx_kit

format:  ## Lay out the Python files
	@$(STEPS) env
	@.build/venv/bin/ruff check --fix --exit-zero . && .build/venv/bin/ruff format .

clean:  ## Remove all that was made
	rm -rf .build
