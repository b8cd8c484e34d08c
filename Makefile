# Development entry points; an installed daemon needs none of them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OPENAPI := 23.0.2

.PHONY: demo test check dist dist-check e2e e2e-run e2e-install bench bench-floor

# One environment for the demo (only the run-time package), one with the pinned tools for everything else.
$(VENV)/demo: systemd/pycryptodome.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r systemd/pycryptodome.lock
	touch $@

$(VENV)/tools: $(VENV)/demo tests/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

# make demo                                  sandbox, daemon and a chat page in the browser
# make demo MESSAGE="nginx:latest, redis:7"  sends that message and prints the member's chat
# make demo ENGINE=actions                   the same with GitHub's runners instead of the daemon's own copying
demo: $(VENV)/demo
	@$(BIN)/python wxsyncd.py demo $(if $(ENGINE),--engine "$(ENGINE)") $(if $(MESSAGE),--message "$$WXSYNC_DEMO_MESSAGE")
demo: export WXSYNC_DEMO_MESSAGE = $(value MESSAGE)

# The whole suite under branch coverage; daemons that the tests start count when they end by SIGTERM.
test: $(VENV)/tools
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

# The whole chain between real registries. Needs git, skopeo, docker-registry, shellcheck (Debian packages of these
# names) and Python 3.10; npm fetches GitHub's OpenAPI description. What is missing is a SKIP, with CI=true a failure.
e2e: $(VENV)/tools
	@if $(BIN)/python -c "import sys; sys.exit(sys.version_info < (3, 10))"; then $(MAKE) --no-print-directory e2e-run; \
	else echo "SKIP e2e: Python 3.10 or newer is needed"; test "$$CI" != true; fi

e2e-run: $(VENV)/e2e
	@test -e $(VENV)/github-openapi.json || { command -v npm >/dev/null && $(MAKE) $(VENV)/github-openapi.json; } || true
	$(BIN)/python -m pytest -rs tests/e2e

$(VENV)/e2e: $(VENV)/tools tests/requirements-e2e.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt -r tests/requirements-e2e.txt
	touch $@

$(VENV)/github-openapi.json:
	cd $(VENV) && npm pack --silent @octokit/openapi@$(OPENAPI) >/dev/null
	tar -xzOf $(VENV)/octokit-openapi-$(OPENAPI).tgz package/generated/api.github.com.json > $@.part
	rm $(VENV)/octokit-openapi-$(OPENAPI).tgz
	mv $@.part $@

# The release: dist/wxsyncd-VERSION.tar.gz and its checksum. The wheels are fetched once, by the lock file's hashes.
dist: $(VENV)/demo
	PYTHONPATH=systemd $(BIN)/python -m packing

# The same bytes from two directories, umasks and times; a byte that was flipped is refused.
dist-check: $(VENV)/tools
	$(BIN)/python -m pytest -rs tests/install/test_release.py

# Installed for real: the archive in booted Debian 11, 12 and 13 machines; the container image, read-only on old .env files; fronts (nginx, Caddy) as the docs have them.
# Needs root, Python 3.10 and the Debian packages that .ci/run names. What is missing is a SKIP, with CI=true a failure.
e2e-install: $(VENV)/tools
	@if $(BIN)/python -c "import sys; sys.exit(sys.version_info < (3, 10))"; then \
	$(MAKE) --no-print-directory $(VENV)/e2e && $(BIN)/python -m pytest -rs tests/e2e_install; \
	else echo "SKIP e2e-install: Python 3.10 or newer is needed"; test "$$CI" != true; fi

check: $(VENV)/tools
	$(BIN)/mypy
	$(BIN)/ruff check wxsync tests systemd wxsyncd.py

# The relay beside nginx, gunicorn and a bare forwarder, and what it bears; uploads beside the way of the replaced
# program, and at full speed. Needs wrk and nginx-light; takes minutes.
bench: $(VENV)/tools
	$(BIN)/python -m tests.bench.relay.throughput
	$(BIN)/python -m tests.bench.relay.endurance
	$(BIN)/python -m tests.bench.upload.speed
	$(BIN)/python -m tests.bench.mirror.speed

# Half of what relay and upload promise, in a minute or so: a floor that holds on a busy machine too.
bench-floor: $(VENV)/tools
	$(BIN)/python -m tests.bench.relay.throughput --seconds 2 --rounds 3 --floor
	$(BIN)/python -m tests.bench.upload.speed --floor
	$(BIN)/python -m tests.bench.mirror.speed --floor
