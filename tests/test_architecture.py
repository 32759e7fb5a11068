"""The one direction: who may import whom, and which library may enter which room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ("node", "models", "training")

# A room may import the rooms before it in this list and itself, never those after it.
ROOMS = (
    "series",
    "ledger",
    "reception",
    "assembly",
    "analysis",
    "deidentification",
    "results",
    "delivery",
    "tasks",
    "commands",
)

# Modules directly under node/: what they may know of the rooms.
GROUND = {"errors", "durable", "malformed"}  # every room may import these; they import no room
JOINTS = {"service", "pipeline", "worker", "demo", "export", "__main__"}  # they know every stage


def modules(package: str) -> Iterator[Path]:
    return (ROOT / package).rglob("*.py")


def imported(path: Path) -> set[str]:
    """Every module name that a file imports, relative imports excluded by the linter."""
    found: set[str] = set()
    for item in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(item, ast.Import):
            found.update(name.name for name in item.names)
        elif isinstance(item, ast.ImportFrom) and item.module:
            found.add(item.module)
            found.update(f"{item.module}.{name.name}" for name in item.names)
    return found


def tops(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def room_of(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "node" and len(parts) > 1 and parts[1] in ROOMS else None


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("models", {"node", "training"}), ("training", {"node"}), ("node", {"training"})],
)
def test_packages_import_in_one_direction(package: str, forbidden: set[str]) -> None:
    wrong = {str(path.relative_to(ROOT)): tops(path) & forbidden for path in modules(package)}
    assert not {path: names for path, names in wrong.items() if names}


def test_rooms_of_the_node_import_in_one_direction() -> None:
    wrong = []
    for place, room in enumerate(ROOMS):
        later = set(ROOMS[place + 1 :])
        for path in modules(f"node/{room}"):
            wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in imported(path) if room_of(name) in later]
    assert not wrong


def test_rooms_do_not_import_the_places_that_join_them() -> None:
    wrong = []
    for room in ROOMS:
        for path in modules(f"node/{room}"):
            joints = {name for name in imported(path) if name.startswith("node.") and name.split(".")[1] in JOINTS}
            allowed = joints if room == "commands" else set()
            wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in joints - allowed]
    assert not wrong


@pytest.mark.parametrize("module", sorted(GROUND))
def test_what_every_room_imports_imports_no_room(module: str) -> None:
    assert not {name for name in imported(ROOT / "node" / f"{module}.py") if name.startswith("node.")}


def test_models_know_no_dicom_object_thread_file_or_setting() -> None:
    forbidden = {
        "pydicom",
        "highdicom",
        "pynetdicom",
        "threading",
        "pathlib",
        "os",
        "io",
        "yaml",
        "pydantic",
        "sqlalchemy",
    }
    files_allowed = {ROOT / "models" / "weights.py", *modules("models/published")}  # weight files alone
    wrong = {
        str(path.relative_to(ROOT)): tops(path) & forbidden for path in modules("models") if path not in files_allowed
    }
    assert not {path: names for path, names in wrong.items() if names}


def test_the_receiving_process_imports_no_torch() -> None:
    """`serve` stays small: analysis runs in a process of its own."""
    seen: set[str] = set()
    heavy: set[str] = set()
    queue = ["node.commands.serve"]
    while queue:
        name = queue.pop()
        path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if name in seen or not path.is_file():
            continue
        seen.add(name)
        names = imported(path)
        heavy |= {
            f"{name} imports {top}" for top in tops(path) & {"torch", "highdicom", "SimpleITK", "lightgbm", "skimage"}
        }
        queue += [item for item in names if item.startswith(HOUSE)]
    assert "node.service" in seen
    assert not heavy


def test_the_pdf_is_laid_out_in_two_modules() -> None:
    places = {path.relative_to(ROOT) for package in HOUSE for path in modules(package) if "reportlab" in tops(path)}
    assert places == {Path("node/results/pdf_pages.py"), Path("node/results/pdf_type.py")}


# What of the de-identification touches files, programs or the ledger; all else is given values and gives values.
DEIDENTIFICATION_SHELLS = {
    "documentation",
    "folders",
    "generate",
    "keys",
    "one_file",
    "pixel_signatures",
    "reading",
    "runs",
    "text_detection",
    "vault",
    "verification",
}


def test_rules_of_the_deidentification_are_pure() -> None:
    forbidden = {"os", "pathlib", "tempfile", "subprocess", "multiprocessing", "time", "threading", "logging", "random"}
    wrong = {
        path.name: tops(path) & (forbidden | {"sqlalchemy", "cryptography", "secrets"})
        for path in modules("node/deidentification")
        if path.stem not in DEIDENTIFICATION_SHELLS
    }
    assert not {path: names for path, names in wrong.items() if names}


def test_the_deidentification_knows_no_network_and_of_the_rooms_the_vault_alone() -> None:
    network = {"socket", "ssl", "http", "urllib", "pynetdicom", "asyncio"}
    wrong = []
    for path in modules("node/deidentification"):
        rooms = {name for name in imported(path) if room_of(name) not in {None, "deidentification"}}
        wrong += [f"{path.name} imports {name}" for name in tops(path) & network]
        wrong += [f"{path.name} imports {name}" for name in rooms if not name.startswith("node.ledger.vault")]
    assert not wrong


def test_series_rules_are_pure() -> None:
    forbidden = {"os", "pathlib", "time", "threading", "logging", "socket", "sqlalchemy", "random"}
    wrong = {path.name: tops(path) & forbidden for path in modules("node/series")}
    assert not {path: names for path, names in wrong.items() if names}


# The rules of de-identification: what is done to an attribute is decided without a file, a socket, a clock or a key.
DEIDENTIFICATION_RULES = (
    "attribute_types",
    "cleaning",
    "content",
    "dummies",
    "engine",
    "marking",
    "plan",
    "private",
    "profile",
    "temporal",
    "values",
)


def test_the_rules_of_deidentification_are_pure_and_know_dicom_alone() -> None:
    allowed = {"__future__", "collections", "copy", "dataclasses", "datetime", "enum", "functools", "importlib", "json"}
    allowed |= {"node", "pydicom", "re", "types", "typing"}
    for name in DEIDENTIFICATION_RULES:
        path = ROOT / "node" / "deidentification" / f"{name}.py"
        assert tops(path) <= allowed, path
        assert not {top for top in imported(path) if top.startswith("node.") and not known_to_rules(top)}, path


def known_to_rules(name: str) -> bool:
    return name.startswith(("node.deidentification", "node.errors", "node.malformed"))


@pytest.mark.parametrize("package", HOUSE)
def test_files_stay_short_and_nothing_is_pickled_or_evaluated(package: str) -> None:
    for path in modules(package):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 300, f"{path} has 300 lines or more"
        names = {
            node.func.id
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not names & {"eval", "exec", "compile"}, path
        assert not tops(path) & {"pickle", "shelve", "marshal", "dill", "joblib"}, path


def test_the_broad_except_stands_once() -> None:
    places = [
        str(path.relative_to(ROOT))
        for package in HOUSE
        for path in modules(package)
        for item in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(item, ast.ExceptHandler)
        and (item.type is None or (isinstance(item.type, ast.Name) and item.type.id in {"Exception", "BaseException"}))
        and not (isinstance(item.body[-1], ast.Raise) and item.body[-1].exc is None)  # tidied up, then raised again
    ]
    assert places == ["node/tasks/runner.py"]


@pytest.mark.parametrize("package", HOUSE)
def test_functions_stay_under_fifty_lines(package: str) -> None:
    long = [
        f"{path.relative_to(ROOT)}:{item.lineno} {item.name}"
        for path in modules(package)
        for item in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and (item.end_lineno or 0) - item.lineno >= 50
    ]
    assert not long
