"""What a module depends on is found by reading it, never by running it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompile.build.code import step_code
from edgecompile.build.fingerprint import Root, fingerprint


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_name(path.name + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def of(folder: Path, file: str = "model.py", *roots: Root):
    return fingerprint(folder / file, roots or (Root(folder),))


def test_a_module_is_read_and_not_run(tmp_path):
    write(tmp_path, model="from pathlib import Path\nPath('witness').touch()\n")
    of(tmp_path)
    assert not (tmp_path / "witness").exists()


def test_local_imports_are_followed_wherever_they_are_written(tmp_path):
    write(
        tmp_path,
        model="import a\n\ndef f():\n    from sub import c\n    import sub.d as d\n",
        a="from b import x",
        b="x = 1",
        sub__c="",
        sub__d="",
        other="never imported",
    )
    (tmp_path / "sub" / "__init__.py").write_text("")
    assert sorted(of(tmp_path).sources) == [
        "a.py",
        "b.py",
        "model.py",
        "sub/__init__.py",
        "sub/c.py",
        "sub/d.py",
    ]


def test_c_and_templates_beside_a_package_belong_to_it(tmp_path):
    write(tmp_path, model="from sub import c", sub__c="")
    for name in ("sub/__init__.py", "sub/kernel.h", "sub/page.c.j2", "sub/notes.txt", "lonely.c"):
        (tmp_path / name).write_text("1")
    before = of(tmp_path)
    assert sorted(before.sources) == [
        "model.py",
        "sub/__init__.py",
        "sub/c.py",
        "sub/kernel.h",
        "sub/page.c.j2",
    ]
    (tmp_path / "sub/kernel.h").write_text("2")
    assert of(tmp_path).digest != before.digest


def test_imports_in_a_circle_end(tmp_path):
    write(tmp_path, model="import a", a="import b", b="import a, model")
    assert sorted(of(tmp_path).sources) == ["a.py", "b.py", "model.py"]


def test_packages_are_known_by_their_version_and_the_standard_library_not_at_all(tmp_path):
    import numpy

    write(tmp_path, model="import json, numpy.linalg\nfrom sklearn import svm\nimport no_such\n")
    found = of(tmp_path).packages
    assert set(found) == {"numpy", "scikit-learn"}
    assert found["numpy"] == numpy.__version__


@given(comment=st.text("abc #'\"", max_size=10), blank=st.integers(0, 3))
def test_comments_and_blank_lines_do_not_count(tmp_path_factory, comment, blank):
    folder = tmp_path_factory.mktemp("fingerprint")
    write(folder, model="def f(x):\n    return x + 1\n")
    before = of(folder).digest
    write(folder, model="\n" * blank + f"# {comment}\ndef f(x):\n\n    return x + 1  # {comment}\n")
    assert of(folder).digest == before


@pytest.mark.parametrize("changed", ["x = 2", "x = 1.0", "x = 1; y = 1", "X = 1", "x = 1\n'a'"])
def test_code_counts(tmp_path, changed):
    write(tmp_path, model="import a", a="x = 1")
    before = of(tmp_path).digest
    write(tmp_path, a=changed)
    assert of(tmp_path).digest != before


def test_a_file_that_is_not_python_is_known_by_its_bytes(tmp_path):
    write(tmp_path, model="def f(:")
    before = of(tmp_path).digest
    write(tmp_path, model="def g(:")
    assert of(tmp_path).digest != before


def test_where_the_folder_lies_does_not_count(tmp_path):
    for place in ("one", "two/deeper"):
        write(tmp_path / place, model="import a", a="x = 1")
    assert of(tmp_path / "one").digest == of(tmp_path / "two/deeper").digest


def test_beside_a_package_only_the_package_itself_is_local(tmp_path):
    """Else a step's code would be all of site-packages, and reading it take minutes."""
    write(tmp_path, mine__model="import mine.part, theirs.part", mine__part="", theirs__part="")
    found = of(tmp_path, "mine/model.py", Root(tmp_path, "mine"))
    assert sorted(found.sources) == ["mine/model.py", "mine/part.py"]


def test_modules_of_a_package_in_different_folders_are_kept_apart(tmp_path):
    write(
        tmp_path,
        mine__model="from . import part\nfrom .sub import other\n",
        mine__part="",
        mine__sub__other="",
    )
    for folder in ("mine", "mine/sub"):
        (tmp_path / folder / "__init__.py").write_text("")
    before = of(tmp_path, "mine/model.py", Root(tmp_path, "mine"))
    assert sorted(before.sources) == [
        "mine/__init__.py",
        "mine/model.py",
        "mine/part.py",
        "mine/sub/__init__.py",
        "mine/sub/other.py",
    ]
    (tmp_path / "mine/__init__.py").write_text("x = 1")
    assert of(tmp_path, "mine/model.py", Root(tmp_path, "mine")).digest != before.digest


def test_a_step_of_ours_depends_on_its_own_code_and_on_our_packages_only():
    found = step_code("edgecompile.evaluate.steps:measure")
    assert {"edgecompile/evaluate/steps.py", "edgecompile/evaluate/metrics.py"} <= set(
        found.sources
    )
    assert all(name.startswith("edgecompile/") for name in found.sources)
    assert not any(name.startswith("edgecompile/backends") for name in found.sources)
    assert "numpy" in found.packages
