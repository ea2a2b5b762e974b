# A verb is a nox session of the same name, with - for _; `test` is `tests`. Options go in ARGS:
#   make soak-short ARGS='--defect lost_write'
PYTHON ?= python3
BOOT := .boot
NOX := $(BOOT)/bin/nox
VERBS := $(filter-out help clean,$(MAKECMDGOALS))

.PHONY: help clean $(VERBS)

help: $(NOX) ## list the verbs
	@$(NOX) --list

$(VERBS): $(NOX)
	@HW_VERB=$(patsubst test,tests,$(subst -,_,$@)); export HW_VERB; $(NOX) -s $$HW_VERB -- $(ARGS)

# nox and uv live in a venv of their own, so that nothing needs to be installed beforehand.
$(NOX): requirements/boot.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@$(PYTHON) -m venv $(BOOT)
	@$(BOOT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/boot.txt
	@touch $(NOX)

clean: ## remove venvs and caches, keep the runs
	rm -rf $(BOOT) .nox .mypy_cache .pytest_cache .ruff_cache .hypothesis
