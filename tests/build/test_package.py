"""What was built appears under its final name whole or not at all."""

from __future__ import annotations

import pytest

from edgecompile.build.package import remove_whole, replacing, sole_writer, write_whole
from tests.conftest import tree


def test_a_folder_is_replaced_by_a_complete_one(tmp_path):
    folder = tmp_path / "model" / "target"
    with sole_writer(folder.parent):
        for text in ("old", "new"):
            with replacing(folder) as staged:
                (staged / "file").write_text(text)
                assert folder.exists() == (text == "new")
    assert tree(tmp_path) == {"model/target/file": b"new"}
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_failure_keeps_the_old_folder_and_leaves_nothing_else(tmp_path):
    folder = tmp_path / "target"
    folder.mkdir()
    (folder / "file").write_text("old")
    with pytest.raises(ZeroDivisionError), sole_writer(tmp_path), replacing(folder) as staged:
        (staged / "file").write_text("new")
        raise ZeroDivisionError
    assert tree(tmp_path) == {"target/file": b"old"}
    assert [p.name for p in tmp_path.iterdir()] == ["target"]


def test_a_link_under_the_name_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "target").symlink_to(precious)
    remove_whole(tmp_path / "out" / "target")
    assert not (tmp_path / "out" / "target").is_symlink()
    assert (precious / "file").read_text() == "mine"


def test_removing_what_is_not_there_is_no_error(tmp_path):
    remove_whole(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_whole(tmp_path):
    with sole_writer(tmp_path):
        write_whole(tmp_path / "summary.json", b"one")
        write_whole(tmp_path / "summary.json", b"two")
    assert tree(tmp_path) == {"summary.json": b"two"}
