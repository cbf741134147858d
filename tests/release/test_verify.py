"""`edgecompile verify` and signatures: what was changed since the build is told."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PRIVATE = serialization.PrivateFormat.PKCS8
PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo
PEM = serialization.Encoding.PEM
TARGET = Path("dist/tiny/cpu-onnxruntime")


def key_pair(name: str) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.generate()
    private, public = Path(f"{name}.pem"), Path(f"{name}.pub.pem")
    private.write_bytes(key.private_bytes(PEM, PRIVATE, serialization.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(PEM, PUBLIC))
    return private, public


@pytest.fixture
def keys() -> tuple[Path, Path]:
    return key_pair("release")


@pytest.fixture
def signed(tiny, edgecompile, keys) -> Path:
    """The tiny recipe, built and signed: the folder of its target."""
    result = edgecompile("build", tiny, "--sign", keys[0])
    assert result.exit_code == 0, result.stderr
    return TARGET


def problems(result) -> list[str]:
    return [words for folder in result.json()["folders"] for words in folder["problems"]]


@pytest.mark.parametrize("dist", ["dist", "dist/tiny", "dist/tiny/cpu-onnxruntime"])
def test_what_a_build_made_is_whole_and_said_to_be_unsigned(built, edgecompile, dist):
    result = edgecompile("verify", dist)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "whole  dist/tiny/cpu-onnxruntime  3 files, not signed" in result.stdout


def test_one_byte_changed_in_any_file_of_a_signed_folder_is_told(signed, edgecompile):
    assert edgecompile("verify", signed).exit_code == 0
    edgecompile("bom", signed)
    names = sorted(path.name for path in signed.iterdir())
    assert len(names) == 6
    for name in names:
        whole = (signed / name).read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 1):
            changed = bytearray(whole)
            changed[place] ^= 1
            (signed / name).write_bytes(changed)
            result = edgecompile("verify", signed, "--format", "json")
            assert result.exit_code == 2, (name, place)
            assert any(name in words for words in problems(result)), (name, place)
            assert name in result.stderr
        (signed / name).write_bytes(whole)
    assert edgecompile("verify", signed).exit_code == 0


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bit_of_manifest_or_signature_counts(signed, data):
    from edgecompile.release.verify import verify

    file = signed / data.draw(st.sampled_from(["manifest.json", "manifest.sig"]))
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) * 8 - 1))
    changed = bytearray(whole)
    changed[place // 8] ^= 1 << place % 8
    file.write_bytes(changed)
    try:
        assert verify(signed)[0].problems
    finally:
        file.write_bytes(whole)


def test_files_that_are_missing_or_too_many_or_links_are_told(built, edgecompile):
    (built / "report.html").unlink()
    (built / ".hidden").write_text("x")
    (built / "lib").mkdir()
    (built / "lib/more.so").write_text("x")
    shutil.move(built / "model.onnx", "elsewhere.onnx")
    (built / "model.onnx").symlink_to(Path("elsewhere.onnx").resolve())
    result = edgecompile("verify", built, "--format", "json")
    assert result.exit_code == 2
    assert problems(result) == [
        ".hidden is not named by manifest.json",
        "lib/more.so is not named by manifest.json",
        "model.onnx is not a plain file",
        "report.html is missing",
    ]


def test_targets_that_are_gone_strange_or_under_another_name_are_told(built, edgecompile):
    model = built.parent
    shutil.copytree(built, model / "coral-usb")
    (model / "strange").mkdir()
    result = edgecompile("verify", "dist", "--format", "json")
    assert problems(result) == [
        "manifest.json is of the target cpu-onnxruntime",
        "strange is of no target: there is no manifest.json in it",
    ]
    (model / "strange").rmdir()
    shutil.rmtree(built)
    assert "cpu-onnxruntime is missing" in edgecompile("verify", "dist").stderr


def test_a_folder_without_a_build_is_told(edgecompile):
    Path("empty").mkdir()
    result = edgecompile("verify", "empty")
    assert result.exit_code == 2
    assert "there is no manifest.json in empty" in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "edgecompile.manifest/1"}', "\xff"])
def test_a_manifest_that_is_none_is_told(built, edgecompile, text):
    (built / "manifest.json").write_text(text, encoding="latin-1")
    result = edgecompile("verify", built)
    assert result.exit_code == 2
    assert "manifest.json is not as a build writes it" in result.stderr


def test_the_key_that_signed_is_accepted_and_another_one_is_not(signed, edgecompile, keys):
    asked = edgecompile("verify", signed, "--key", keys[1], "--format", "json")
    assert (asked.exit_code, asked.json()["folders"][0]["signed"]) == (0, "yes")
    unasked = edgecompile("verify", signed)
    assert "signed, by a key that was not named" in unasked.stdout
    _, other = key_pair("other")
    refused = edgecompile("verify", signed, "--key", other)
    assert refused.exit_code == 2
    assert "manifest.sig is by another key" in refused.stderr
    (signed / "manifest.sig").unlink()
    assert "manifest.sig is missing" in edgecompile("verify", signed, "--key", keys[1]).stderr


def test_a_manifest_changed_and_signed_by_someone_else_is_refused(signed, edgecompile, keys):
    from edgecompile.build.package import readable_json
    from edgecompile.release.signature import private_key, sign

    manifest = json.loads((signed / "manifest.json").read_bytes())
    manifest["stages"][-1]["metric"] = 0.5
    data = readable_json(manifest)
    stranger = private_key(str(key_pair("stranger")[0]), "--sign")
    (signed / "manifest.json").write_bytes(data)
    (signed / "manifest.sig").write_bytes(sign(stranger, data).as_bytes())
    assert edgecompile("verify", signed, "--key", keys[1]).exit_code == 2


def test_the_environment_signs_by_path_and_by_text_with_the_same_bytes(
    signed, tiny, edgecompile, keys, monkeypatch
):
    expected = (signed / "manifest.sig").read_bytes()
    for value in (str(keys[0]), keys[0].read_text()):
        shutil.rmtree("dist")
        monkeypatch.setenv("EDGECOMPILE_SIGNING_KEY", value)
        assert edgecompile("build", tiny).exit_code == 0
        assert (signed / "manifest.sig").read_bytes() == expected
    edgecompile("build", tiny)  # the variable was taken out
    assert not (signed / "manifest.sig").exists()


def test_a_signature_can_be_checked_without_edgecompile(signed, keys):
    body = json.loads((signed / "manifest.sig").read_bytes())
    public = serialization.load_pem_public_key(keys[1].read_bytes())
    public.verify(bytes.fromhex(body["signature"]), (signed / "manifest.json").read_bytes())


def test_keys_that_are_none_are_told_and_never_shown(tiny, edgecompile, keys, monkeypatch):
    secret = keys[0].read_text().splitlines()[1]
    elliptic = generate_private_key(SECP256R1())
    ed25519 = Ed25519PrivateKey.generate()
    locked = ed25519.private_bytes(PEM, PRIVATE, serialization.BestAvailableEncryption(b"word"))
    values = {
        secret: "cannot be read",
        f"-----BEGIN PRIVATE KEY-----\n{secret[:20]}\n-----END PRIVATE KEY-----": "no private key",
        elliptic.private_bytes(PEM, PRIVATE, serialization.NoEncryption()).decode(): "not an Ed",
        locked.decode(): "locked with a password",
    }
    for value, words in values.items():
        monkeypatch.setenv("EDGECOMPILE_SIGNING_KEY", value)
        result = edgecompile("build", tiny)
        assert result.exit_code == 2
        assert words in result.stderr
        assert not any(line in result.stderr for line in value.splitlines() if "---" not in line)
    assert not Path("dist").exists()


@pytest.mark.parametrize("arguments", [["recipes", "list"], ["verify", "dist"], ["build", "no"]])
def test_no_verb_leaves_the_key_to_its_children(edgecompile, monkeypatch, arguments):
    monkeypatch.setenv("EDGECOMPILE_SIGNING_KEY", "secret")
    edgecompile(*arguments)
    assert "EDGECOMPILE_SIGNING_KEY" not in os.environ
