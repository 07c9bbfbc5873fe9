# Two commands do all of the set-up: `make serve` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
PORT ?= 8000

# Where it is set, each of some hundred processes of the tests compiles torch anew, in three seconds.
unexport PYTHONDONTWRITEBYTECODE

INSTALL := $(UV) pip install --quiet --python $(BIN)/python

.PHONY: help serve test unit coverage test-code test-long image-test sbom lint bench client docs lock clean fuzz

help:
	@echo "make serve   install what the service needs and start it on 127.0.0.1:$(PORT)"
	@echo "make test    install all of it and run every check and test"
	@echo "make unit    run the fast tests of single modules, in about 2 minutes"
	@echo "make coverage   run the tests of make test and print how much of service and export they reach"
	@echo "make test-long   run what takes minutes: killed jobs, soak, more generated requests"
	@echo "make image-test  build the image without a registry of images, and run it; needs root, buildah and debootstrap"
	@echo "make sbom    write bills of materials of both images (CycloneDX) into var/sbom"
	@echo "make fuzz    search the parsers for inputs that they cannot take, SECONDS=120 for each"
	@echo "make bench   print one JSON line for each performance measurement"
	@echo "make client  generate the blocking half of the Python client from the asynchronous one"
	@echo "make docs    build the documentation site into var/site"
	@echo "make lock    compile requirements/*.txt anew from pyproject.toml"

serve: .venv/online var/models/.prepared
	EMOSERVE_PORT=$${EMOSERVE_PORT:-$(PORT)} $(BIN)/emoserve serve

# Tests wait for processes and sockets a third of their time: three at once keep two processors busy.
WORKERS ?= 3

test: .venv/test var/models/.prepared
	$(MAKE) --jobs 2 lint var/numba/made
	$(MAKE) test-code

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict client/emoserve_client client/unasync.py client/typescript/generate.py

test-code: .venv/test var/models/.prepared var/numba/made
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope

# librosa compiles functions when it is imported, in 40 s; each worker of the tests begins with a copy of these.
var/numba/made: .venv/test
	NUMBA_CACHE_DIR=$@ $(BIN)/python -c "from librosa.core import audio, pitch; from librosa.util import utils"
	touch $@

unit: .venv/test var/models/.prepared var/numba/made
	$(BIN)/python -m pytest tests/unit -m "not long and not slow" --numprocesses $(WORKERS) --dist loadscope

# Decoder processes are not measured: their sandbox lets them write no file.
coverage: .venv/test var/models/.prepared
	rm -rf var/coverage && mkdir -p var/coverage
	$(BIN)/coverage run -m pytest --numprocesses $(WORKERS) --dist loadscope
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --format total --include "service/*" | sed 's/$$/ % of service/'
	$(BIN)/coverage report --format total --include "export/*" | sed 's/$$/ % of export/'

test-long: .venv/test var/models/.prepared
	$(BIN)/python -m pytest -m long
	$(BIN)/python -m pytest tests/unit -m hypothesis --hypothesis-profile drawn

image-test: .venv/test sbom
	$(BIN)/python -m tests.image

# Python packages of the images, with the hashes that they are installed by; the tool checks what it writes.
sbom: $(UV) requirements/sbom.txt
	mkdir -p var/sbom
	for target in cpu cuda; do \
		$(UV) run --quiet --isolated --no-project --with-requirements requirements/sbom.txt cyclonedx-py requirements \
			requirements/image-$$target.txt --output-reproducible --output-file var/sbom/$$target.cdx.json || exit 1; done

# Search the parsers for inputs that they cannot take, SECONDS for each; see tests/fuzz.
SECONDS ?= 120
fuzz: .venv/test
	for target in container wav multipart accept query table stream_message stream_picture job_texts; do \
		$(BIN)/python -m tests.fuzz $$target $(SECONDS) || exit 1; done

bench: .venv/test var/models/.prepared
	$(BIN)/python -m benchmarks $(ONLY)

client: .venv/test
	$(BIN)/python client/unasync.py
	$(BIN)/emoserve openapi > var/openapi.json
	$(BIN)/python client/typescript/generate.py var/openapi.json

docs: .venv/test
	$(BIN)/properdocs build --strict --config-file mkdocs.yml
	@echo "var/site/index.html"

lock: $(UV)
	$(UV) pip compile -q $(LOCK) requirements/uv.in -o requirements/uv.txt
	$(UV) pip compile -q $(LOCK) pyproject.toml -o requirements/online.txt
	$(UV) pip compile -q $(LOCK) pyproject.toml --extra offline --extra published --extra test --overrides requirements/test-overrides.in -c requirements/online.txt -o requirements/test.txt
	$(UV) pip compile -q $(LOCK) requirements/sbom.in -o requirements/sbom.txt
	$(UV) pip compile -q $(LOCK) --no-deps requirements/no-deps.in -o requirements/no-deps.txt
	$(UV) pip compile -q $(LOCK) pyproject.toml requirements/image-cpu.in --overrides requirements/image-cpu-overrides.in -o requirements/image-cpu.txt
	$(UV) pip compile -q $(LOCK) pyproject.toml requirements/image-cuda.in -o requirements/image-cuda.txt
LOCK := --python-version 3.11 --generate-hashes --no-header --universal

clean:
	rm -rf .venv var build *.egg-info

$(UV): requirements/uv.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	touch $@

# A machine with an NVIDIA driver gets CUDA and cuDNN as wheels; `make serve CUDA=` does without.
CUDA ?= $(shell /sbin/ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1' && echo cuda)
ONLINE := requirements/$(if $(CUDA),image-cuda,online).txt

.venv/online: $(UV) $(ONLINE) requirements/no-deps.txt pyproject.toml
	$(INSTALL) --require-hashes -r $(ONLINE)
	$(INSTALL) --require-hashes --no-deps -r requirements/no-deps.txt
	$(INSTALL) --no-deps --editable .
	touch $@

.venv/test: .venv/online requirements/test.txt
	$(INSTALL) --require-hashes --no-deps -r requirements/test.txt
	touch $@

# Bundles that are made on this machine from files of installed packages.
var/models/.prepared: .venv/online
	$(BIN)/emoserve setup --out var/models || test -d var/models/voice-activity
	touch $@
