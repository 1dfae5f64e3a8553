"""The house rules that a machine can check."""

import ast
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import cpexplore

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "cpexplore").rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(cpexplore.__path__, "cpexplore.")
)
TORCH_FREE = (
    *("cohort", "datasets", "gait", "io", "preprocessing", "runs", "simulate"),
    *("stats", "view", "walks", "windows"),
)


def functions_of(source: Path):
    tree = ast.parse(source.read_text())
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]


def public_functions():
    found = {}
    for name in MODULES:
        if any(part.startswith("_") for part in name.split(".")) or name.endswith(
            "cli"
        ):
            continue
        for function in vars(import_module(name)).values():
            if not inspect.isfunction(function) or function.__name__.startswith("_"):
                continue
            if function.__module__.startswith("cpexplore"):
                found[f"{function.__module__}.{function.__qualname__}"] = function
    return found


def test_public_functions_take_at_most_three_positional_arguments():
    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )
    too_many = [
        name
        for name, function in public_functions().items()
        if sum(p.kind in kinds for p in inspect.signature(function).parameters.values())
        > 3
    ]
    assert too_many == []


def test_public_functions_are_documented():
    bare = [name for name, f in public_functions().items() if not inspect.getdoc(f)]
    assert bare == []


TOP = [import_module(name) for name in MODULES if name.count(".") == 1]
OFFERED = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in TOP
    for name in getattr(module, "__all__", ())
    if inspect.isfunction(getattr(module, name))
}
"""What users import from a package of the top level."""
DEFINED = {
    name: function
    for name, function in public_functions().items()
    if name.count(".") == 2 and not name.startswith("cpexplore._")
}
"""What a module of the top level defines."""


@pytest.mark.parametrize("function", [*OFFERED.values()], ids=[*OFFERED])
def test_what_users_call_is_explained_and_shown(function):
    text = inspect.getdoc(function) or ""
    signature = inspect.signature(function)
    assert "Examples\n--------" in text
    assert not signature.parameters or "Parameters\n----------" in text
    assert signature.return_annotation in (None, "None") or "Returns\n-----" in text


@pytest.mark.parametrize("function", [*DEFINED.values()], ids=[*DEFINED])
def test_what_a_module_of_the_top_level_defines_is_shown(function):
    assert "Examples\n--------" in (inspect.getdoc(function) or "")


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_a_room_not_a_hall(source):
    assert len(source.read_text().splitlines()) <= 400
    for function in functions_of(source):
        doc = ast.get_docstring(function)
        doc_lines = len(doc.splitlines()) + 1 if doc else 0
        body = function.end_lineno - function.body[0].lineno + 1 - doc_lines
        assert body <= 60, f"{function.name} has {body} lines"


def test_no_assert_no_pickle_no_torch_load_in_the_library():
    forbidden = re.compile(
        r"\bimport pickle\b|\btorch\.load\(|\bread_pickle\(|allow_pickle=True"
    )
    for source in SOURCES:
        text = source.read_text()
        assert not forbidden.search(text), source
        asserts = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Assert)]
        assert not asserts, source


def test_importing_does_no_work(tmp_path):
    script = (
        "import socket, sys, os\n"
        "def closed(*a, **k): raise RuntimeError('network at import')\n"
        "socket.socket.connect = closed\n"
        f"import {', '.join(name for name in MODULES if '.player' not in name)}\n"
        "import numpy, matplotlib\n"
        "assert matplotlib.rcParams['font.size'] == 10.0\n"
    )
    environment = {"HOME": str(tmp_path), "PATH": "", "MPLCONFIGDIR": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], env=environment, check=True
    )
    made = {p.name for p in tmp_path.iterdir()}
    assert not made - {".cache", "fontlist-v390.json"} or all(
        name.startswith(("fontlist", ".")) for name in made
    )


@pytest.mark.parametrize("name", TORCH_FREE)
def test_a_clinician_never_pays_for_torch(name):
    code = f"import sys, cpexplore.{name}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False)
    assert done.returncode == 0


def test_environment_agrees_with_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "environment.yml").read_text().splitlines()
    wanted = [line.strip().removeprefix("- ") for line in lines]
    assert f"python{project['requires-python']}".replace(">=", "=") in wanted
    assert "-e .[lab]" in wanted
    assert "-c constraints.txt" in wanted


def test_constraints_pin_every_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["lab"], *extras["dev"]]
    declared += extras["browser"]
    names = {re.split(r"[><=\[]", d)[0].lower() for d in declared}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().split("==") for line in lines if "==" in line)
    assert names - set(pins) == set()
    assert pins["torch"] == "2.13.0"
    forbidden = [n for n in pins if n.startswith(("nvidia", "torchvision", "triton"))]
    assert forbidden == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_hold_no_outputs_and_no_logic(notebook):
    content = json.loads(notebook.read_text())
    assert "widgets" not in content["metadata"]
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert content["cells"][0]["cell_type"] == "markdown"
    assert "check" in code[-1]["metadata"].get("tags", [])
    for cell in code:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                assert node.end_lineno - node.lineno + 1 <= 8
