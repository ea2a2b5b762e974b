# Verbs for people; each is a nox session of the same name. Options go in ARGS:
#   make soak-short ARGS='--defect lost_write'
PYTHON ?= python3
BOOT := .boot
NOX := $(BOOT)/bin/nox
VERBS := soak-short soak-replies replay twins heal up down doctor report history baseline bench offline-images docs lint types lock

.PHONY: help test clean $(VERBS)

help: $(NOX) ## list the verbs
	@echo 'make test, make $(VERBS)'
	@$(NOX) --list

test: $(NOX)
	@$(NOX) -s tests -- $(ARGS)

$(VERBS): $(NOX)
	@$(NOX) -s $(subst -,_,$@) -- $(ARGS)

# nox and uv live in a venv of their own, so that nothing needs to be installed beforehand.
$(NOX): requirements/boot.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@$(PYTHON) -m venv $(BOOT)
	@$(BOOT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/boot.txt
	@touch $(NOX)

clean: ## remove venvs and caches, keep the runs
	rm -rf $(BOOT) .nox .mypy_cache .pytest_cache .ruff_cache .hypothesis
