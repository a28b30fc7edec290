# Two commands from a fresh clone: `make demo` shows what it does, `make test` proves that it works.
# While working: `make check`, which leaves out what needs TensorFlow or a browser.
PYTHON ?= python3
BIN := .venv/bin
LOCK := .ci/constraints.txt

.PHONY: demo check test lowest installs dist compatibility torch-families onnx-families ray attack simulations lint sample docs \
	pictures notebooks stranger clean

demo: .venv/.package
	$(BIN)/bias-audit demo --out reports/demo

# Two processes with a thread each are faster than two that share both cores, by a quarter where networks run.
ALONE := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1

# Long files first: their order says tests/conftest.py.
test: .venv/.dev
	$(ALONE) $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Import contracts are among these tests (tests/architecture/test_layers.py).
check: lint
	$(ALONE) $(BIN)/python -m pytest --quick -n 2 --dist worksteal

# The lowest versions that pyproject.toml declares, in an environment of their own: quick tests, and those of the doors.
# Python 3.11, for which all of them have wheels. UV_DEFAULT_INDEX names another index than PyPI.
lowest:
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct --editable '.[dev]'
	$(ALONE) .venv-lowest/bin/python -m pytest --quick -n 2 --dist worksteal
	$(ALONE) .venv-lowest/bin/python -m pytest -n 2 --dist loadfile $(DOORS)

DOORS := $(addprefix tests/keras/test_,$(addsuffix .py,keras_model legacy loaders methods_run model_heads saved_model \
	segmenting training)) tests/command/test_audit.py tests/torch_models

# What each way of installing brings, in fresh environments: sizes, times, and that its commands work.
installs: .venv/.dev
	$(BIN)/python -m tests.installs $(ARGS)

# sdist and wheel in dist/, built from nothing and checked; the tests lie in the sdist.
dist:
	$(PYTHON) -m venv --clear .venv-dist
	.venv-dist/bin/python -m pip install --quiet build twine
	rm -rf dist build
	.venv-dist/bin/python -m build
	.venv-dist/bin/twine check --strict dist/*
	.venv-dist/bin/python -m tests.installs.contents dist

# Every family of keras.applications: explained as reports/compatibility.md says, and loaded from a file of Keras 2.
# What a few of them show comes with `make test`.
compatibility: .venv/.dev
	$(BIN)/python tests/keras/compatibility.py --check
	$(BIN)/python -m pytest -m families tests/keras

# Families of torchvision, timm and Hugging Face into reports/compatibility-pytorch.md, in an environment of their own: the
# CPU's PyTorch (find-links or an index that has it), and torchvision without what it asks for, some GB of CUDA.
torch-families: .venv-families/.package
	$(ALONE) .venv-families/bin/python tests/torch_models/families.py --write $(ARGS)

# Networks of them exported to ONNX, held against PyTorch, into reports/compatibility-onnx.md.
onnx-families: .venv-families/.package
	$(ALONE) .venv-families/bin/python tests/torch_models/onnx_families.py --write $(ARGS)

.venv-families/.package: Makefile
	$(PYTHON) -m venv --clear .venv-families
	.venv-families/bin/python -m pip install --quiet 'torch==2.13.0+cpu'
	.venv-families/bin/python -m pip install --quiet --no-deps 'torchvision==0.28.0' 'timm==1.0.31'
	.venv-families/bin/python -m pip install --quiet pyyaml huggingface_hub safetensors 'transformers==5.24.0'
	.venv-families/bin/python -m pip install --quiet 'onnx==1.23.2' 'onnxscript==0.7.2' --editable '.[onnx]'
	@.venv-families/bin/python -c 'import cv2' 2>/dev/null || { \
		.venv-families/bin/python -m pip uninstall --quiet --yes opencv-python; \
		.venv-families/bin/python -m pip install --quiet opencv-python-headless; }
	@touch $@

# Audits by a Ray cluster of this machine, of which the tests kill a worker, in an environment of their own.
ray: .venv-ray/.package
	$(ALONE) .venv-ray/bin/python -m pytest tests/command/ray_cluster.py $(ARGS)

.venv-ray/.package: pyproject.toml $(LOCK)
	$(PYTHON) -m venv --clear .venv-ray
	.venv-ray/bin/python -m pip install --quiet --constraint $(LOCK) hypothesis pytest --editable '.[onnx,ray]'
	@.venv-ray/bin/python -c 'import cv2' 2>/dev/null || { \
		.venv-ray/bin/python -m pip uninstall --quiet --yes opencv-python; \
		.venv-ray/bin/python -m pip install --quiet --constraint $(LOCK) opencv-python-headless; }
	@touch $@

# Hostile input of every kind, new in each run: docs/how-to/attack.md. Repeat one with ARGS="--seed N".
TRIES ?= 100000
attack: .venv/.dev
	$(ALONE) $(BIN)/python -m tests.attack --tries $(TRIES) $(ARGS)

# How often the rules accuse where nobody relies, and what they say of planted cues; one kind with ARGS="--kind weak".
AUDITS ?= 200
simulations: .venv/.dev
	$(BIN)/python -m tests.simulations --audits $(AUDITS) $(ARGS)

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .github action.yml bias_audit/gate/ci .pre-commit-config.yaml .yamllint.yml

# The committed sample run and the pictures of the README; needs Chromium.
sample: .venv/.dev
	$(BIN)/python reports/make_sample.py

# The notebooks of docs/notebooks, executed where they stand, in an environment of their own. Each trains small networks.
notebooks: .venv-notebooks/.package
	cd docs/notebooks && $(ALONE) ../../.venv-notebooks/bin/python -m nbconvert --to notebook --execute --inplace \
		--ExecutePreprocessor.timeout=3600 *.ipynb

.venv-notebooks/.package: pyproject.toml $(LOCK)
	$(PYTHON) -m venv --clear .venv-notebooks
	.venv-notebooks/bin/python -m pip install --quiet --constraint $(LOCK) --editable '.[notebooks,tensorflow]'
	@.venv-notebooks/bin/python -c 'import cv2' 2>/dev/null || { \
		.venv-notebooks/bin/python -m pip uninstall --quiet --yes opencv-python; \
		.venv-notebooks/bin/python -m pip install --quiet --constraint $(LOCK) opencv-python-headless; }
	@touch $@

# The site in build/site, in an environment of its own; a warning, a dead link or a file from the network is an error.
docs: .venv-docs/.package
	.venv-docs/bin/python docs/site/build.py build/site

.venv-docs/.package: pyproject.toml $(LOCK) .ci/constraints-docs.txt
	$(PYTHON) -m venv --clear .venv-docs
	.venv-docs/bin/python -m pip install --quiet --constraint $(LOCK) --constraint .ci/constraints-docs.txt --editable '.[docs]'
	@.venv-docs/bin/python -c 'import cv2' 2>/dev/null || { \
		.venv-docs/bin/python -m pip uninstall --quiet --yes opencv-python; \
		.venv-docs/bin/python -m pip install --quiet --constraint $(LOCK) opencv-python-headless; }
	@touch $@

# The pictures of docs/concepts.md.
pictures: .venv/.package
	$(BIN)/python docs/pictures/make.py

# The commands of README.md and docs/, one after the other in an empty environment, end as the text says. An hour or so.
stranger: .venv/.dev
	$(BIN)/python -m tests.stranger $(ARGS)

clean:
	rm -rf .venv .venv-docs .venv-notebooks .venv-families .venv-ray .venv-lowest .venv-dist build dist bias_audit.egg-info

.venv/.package: pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "bias-audit needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile --constraint $(LOCK) --editable '.[tensorflow]'
	@# Without a display's libraries (libGL) the OpenCV wheel refuses to load; the headless one is the same code.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
		$(BIN)/python -m pip uninstall --quiet --yes opencv-python; \
		$(BIN)/python -m pip install --quiet --no-compile --constraint $(LOCK) opencv-python-headless; }
	@touch $@

.venv/.dev: .venv/.package
	$(BIN)/python -m pip install --quiet --no-compile --constraint $(LOCK) --editable '.[dev]'
	@touch $@
