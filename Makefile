# Needs GNU make, a POSIX shell and Python 3.11 to 3.13.

.PHONY: help setup demo serve test bench bench-arms fuzz test-clients test-arms test-kills test-long \
    test-replicas lint lock licences clean test-tutorial test-page

help: ## print what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv with the locked packages: CUDA builds beside an NVIDIA GPU, else CPU builds
	@python=$$(sh setup/find_python.sh "$(PYTHON)") && "$$python" setup/install.py

demo: setup ## ingest data/sample, serve it with the embedded models, ask three questions, stop
	@.venv/bin/python -m rag.demo

serve: setup ## serve on http://127.0.0.1:8000 until interrupted
	@.venv/bin/rag serve

test: setup ## run the tests, in two processes: vLLM's in one, those of other files where there is room
	@.venv/bin/python -m pytest -n 2 --no-loadscope-reorder

bench: setup ## measure what the service adds to the engine's first token
	@.venv/bin/rag bench load

bench-arms: setup ## install what `rag bench reuse` and `ingest` compare with, in environments of their own below data/bench
	@.venv/bin/python -m rag.bench.reuse.pilot data/bench
	@.venv/bin/python -m rag.bench.ingest.environments data/bench

fuzz: setup ## send 20,000 cases to the service: from the OpenAPI document, and good bodies changed
	@.venv/bin/python -m pytest -q -m fuzz tests/api/test_fuzz.py

test-clients: setup ## drive the service by other programs and their clients, in environments of their own; 3 GB
	@.venv/bin/python -m pytest -m clients tests/api

test-arms: bench-arms ## run what `rag bench ingest` compares with, on a few files
	@.venv/bin/python -m pytest -m arms tests/unit/test_bench_ingest.py

test-kills: setup ## kill 300 ingests at random moments and compare with an undisturbed one
	@.venv/bin/python -m pytest -q -s -m kills tests/kills

test-long: setup ## ten minutes at five times the capacity, 100,000 requests, against the fake engine; half an hour
	@.venv/bin/python -m pytest -q -s -m long tests/long

test-replicas: setup ## kill one of two vLLMs under load; three minutes on two cores
	@.venv/bin/python -m pytest -q -s -m replicas tests/engine/test_two_engines.py

test-tutorial: setup ## follow docs/tutorial.md to the letter with a real vLLM, in a copy of the checkout
	@.venv/bin/python -m pytest -q -s -m tutorial tests/docs/test_tutorial.py

test-page: setup ## measure the chat page in Chromium: bytes, first paint, 1,000 messages, an answer of 2 MB
	@.venv/bin/python -m pytest -q -s -m page tests/browser/test_page_figures.py

lint: setup ## check style, format and types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

lock: setup ## write requirements/cpu.txt and cuda.txt anew: requirements/README.md
	@.venv/bin/python setup/lock.py

licences: setup ## write docs/licences.md: every package with its licence; fails on what is unknown or not allowed
	@.venv/bin/python setup/licences.py

clean: ## remove .venv and caches; what was ingested stays
	@for path in .venv build dist *.egg-info .*_cache .hypothesis; do \
	    if [ -e "$$path" ]; then echo "removing $$path"; rm -rf -- "$$path"; fi; \
	done
	@find rag ingest prompts setup tests -name __pycache__ -type d -prune -exec echo removing {} \; -exec rm -rf {} +
