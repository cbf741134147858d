"""What a build depends on, written down before it: `edgecompile.lock`, and what differs from it.

Nothing is run: files are hashed, versions read. Each target has its own section, since a machine
may have the toolchain of one and not of another.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import edgecompile
from edgecompile.backends.registry import get_backend
from edgecompile.build.plan import Plan
from edgecompile.build.planning import make_plan
from edgecompile.build.step import External
from edgecompile.digest import digest_json
from edgecompile.errors import UserError
from edgecompile.recipe.load import LoadedRecipe
from edgecompile.recipe.paths import DATA_PREFIX, data_folder
from edgecompile.recipe.target import Target

LOCK = "edgecompile.lock"
SCHEMA = "edgecompile.lock/1"
_SEED = "seed"
_SECTIONS = {
    "tools": "package",
    "toolchains": "toolchain",
    "inputs": "file",
    "sources": "source",
    "facts": "target",
}
"""Of a target, with the word for one entry; `code` is told only where these are all equal."""


def make_lock(loaded: LoadedRecipe, targets: Sequence[Target]) -> dict[str, Any]:
    """The lock of a recipe for configured targets; a JSON value.

    Raises:
        EdgecompileError: a file is missing, or a target cannot be built for on this machine.
    """
    flat = dict(_flat(loaded.recipe.model_dump(mode="json", exclude={"description"}), ()))
    seeds = {name: value for name, value in flat.items() if name.split(".")[-1] == _SEED}
    return {
        "schema": SCHEMA,
        "recipe": {name: value for name, value in flat.items() if name not in seeds},
        "seeds": seeds,
        "targets": {target.name: _of_target(loaded, target) for target in targets},
    }


def _of_target(loaded: LoadedRecipe, target: Target) -> dict[str, dict[str, str]]:
    plan = make_plan(loaded, [target])
    return {
        "tools": {
            "edgecompile": edgecompile.__version__,
            "python": platform.python_version(),
            **plan.packages,
        },
        "toolchains": get_backend(target.backend).probe().versions,
        "inputs": _inputs(loaded, plan),
        "sources": plan.user_code.sources,
        "facts": {target.name: digest_json(target.model_dump(mode="json"))},
        "code": {step.name: step.code for step in plan.steps},
    }


def _inputs(loaded: LoadedRecipe, plan: Plan) -> dict[str, str]:
    found = [i for step in plan.steps for i in step.inputs.values() if isinstance(i, External)]
    return {_shown(external.path, loaded.folder): external.sha256 for external in found}


def _shown(path: Path, folder: Path) -> str:
    """Relative to the recipe, also out of it: an absolute path would tie the lock to a machine."""
    data = data_folder()
    if data is not None and path.is_relative_to(data.resolve()):
        return DATA_PREFIX + path.relative_to(data.resolve()).as_posix()
    return Path(os.path.relpath(path, folder)).as_posix()


def _flat(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, (*path, key))
    else:
        yield ".".join(path), value


def read_lock(file: Path) -> dict[str, Any]:
    """A lock as `make_lock` made it.

    Raises:
        UserError: there is none, or it is of another form.
    """
    remedy = "write it: `edgecompile lock RECIPE`"
    try:
        body: dict[str, Any] = json.loads(file.read_bytes())
        if body["schema"] != SCHEMA:
            raise UserError(f"{file} is not of the form {SCHEMA}", remedy=remedy)
        flat = [body["recipe"], body["seeds"]]
        for target in body["targets"].values():
            flat += [target[name] for name in (*_SECTIONS, "code")]
        if not all(isinstance(section, dict) for section in flat):
            raise TypeError
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror or error}", remedy=remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{file} is no lock", remedy=remedy) from None
    return body


def differences(locked: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """A sentence for each thing of `now` that is not as it was locked.

    Only the targets of `now` count: a lock may hold more.
    """
    found = [
        *_section("recipe", locked["recipe"], now["recipe"]),
        *_section("seed", locked["seeds"], now["seeds"]),
    ]
    for name, target in now["targets"].items():
        if name not in locked["targets"]:
            found.append(f"target {name}: not in the lock")
            continue
        then = locked["targets"][name]
        for section, word in _SECTIONS.items():
            found += _section(word, then[section], target[section])
    if not found:
        for name, target in now["targets"].items():
            found += _section("code of step", locked["targets"][name]["code"], target["code"])
    return list(dict.fromkeys(found))


def _section(word: str, locked: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*locked, *now}):
        if name not in now:
            yield f"{word} {name}: locked, and not there"
        elif name not in locked:
            yield f"{word} {name}: there, and not locked"
        elif locked[name] != now[name]:
            yield f"{word} {name}: {_short(now[name])}, locked is {_short(locked[name])}"


def _short(value: Any) -> str:
    """The first 12 digits of a digest, else the value as JSON writes it."""
    is_digest = isinstance(value, str) and len(value) == 64 and " " not in value
    return value[:12] if is_digest else json.dumps(value)


def require_locked(file: Path, loaded: LoadedRecipe, targets: Sequence[Target]) -> None:
    """Go on only where everything is as it was locked in `file`.

    Raises:
        UserError: something differs: each thing is named.
    """
    found = differences(read_lock(file), make_lock(loaded, targets))
    if found:
        raise UserError(
            f"this build is not the one that {file} locks:\n  " + "\n  ".join(found),
            remedy="bring these back, or lock anew: `edgecompile lock RECIPE`",
        )
