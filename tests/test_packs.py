"""Tar and zip: their texts and pages, read one by one; nothing is unpacked to disk, and no path leads out."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from command_line import clean, read_records
from hypothesis import given
from hypothesis import strategies as st

from cleaner.errors import InputError
from cleaner.readers.packs import Member, cut_tar, cut_zip

FILES = {"a.txt": b"The bridge reopened.", "sub/b.html": b"<p>The harbour closed.</p>", "c.txt": b"The mill burnt."}
MAX_BYTES = 100_000


def tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as pack:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            pack.addfile(info, io.BytesIO(content))
    return target.getvalue()


def zipped(files: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", packing) as pack:
        for name, content in files.items():
            pack.writestr(name, content)
    return target.getvalue()


def members(content: bytes) -> list[Member]:
    is_zip = content.startswith(b"PK")
    blocks = cut_zip(io.BytesIO(content), None, MAX_BYTES) if is_zip else cut_tar([content], None, MAX_BYTES)
    return [member for block in blocks for member in block.members]


PACKS = {"tar": tar, "zip": zipped}


@pytest.mark.parametrize("name", ["in.tar", "in.tar.gz", "in.tgz", "in.zip"])
def test_an_archive_of_texts_is_cleaned_like_a_folder_of_them(tmp_path: Path, name: str) -> None:
    content = zipped(FILES) if name.endswith("zip") else tar(FILES, "w:gz" if name.endswith("gz") else "w")
    (tmp_path / name).write_bytes(content)
    assert [(record["id"], record["text"]) for record in clean(tmp_path / name).records] == [
        (f"{name}/a.txt#0", "The bridge reopened."),
        (f"{name}/sub/b.html#0", "The harbour closed."),
        (f"{name}/c.txt#0", "The mill burnt."),
    ]
    assert clean(tmp_path / name, "-o", tmp_path / "out/").code == 0
    assert (tmp_path / "out" / name / "sub" / "b.html.txt").read_text() == "The harbour closed.\n"


@pytest.mark.parametrize("kind", PACKS)
def test_an_archive_comes_through_a_pipe(kind: str) -> None:
    assert [record["text"] for record in clean("-", stdin=PACKS[kind](FILES)).records] == [
        "The bridge reopened.",
        "The harbour closed.",
        "The mill burnt.",
    ]


@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("name", ["../a.txt", "/etc/a.txt", "sub/../../a.txt", "C:\\a.txt", "..\\a.txt"])
def test_a_path_that_leads_out_is_told_and_nothing_is_written_there(tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"p.{kind}").write_bytes(PACKS[kind]({name: b"Out.", **FILES}))
    assert clean(tmp_path / "in", "-o", tmp_path / "out/run").code == 3
    (error,) = read_records(tmp_path / "out" / "run" / "_errors.jsonl")
    assert "leads out of the archive" in error["message"]
    assert not [path for path in tmp_path.rglob("a.txt*") if "p." not in str(path)]


@pytest.mark.parametrize("kind", PACKS)
def test_hidden_files_and_folders_are_no_inputs_and_links_are_told(kind: str) -> None:
    content = PACKS[kind]({".hidden": b"x", "__MACOSX/a.txt": b"x", "sub/.git/b": b"x", "./a.txt": b"One."})
    assert [member.name for member in members(content)] == ["a.txt"]


def test_a_link_in_a_tar_is_told_and_not_followed() -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as pack:
        link = tarfile.TarInfo("a.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        pack.addfile(link)
    (member,) = members(target.getvalue())
    assert member.problem is not None and "link" in member.problem[1]


@pytest.mark.parametrize("kind", PACKS)
def test_a_member_that_unpacks_to_too_much_is_told_and_the_others_are_read(kind: str) -> None:
    bomb = bytes(5_000_000)
    content = PACKS[kind]({"a.txt": b"One.", "bomb.txt": bomb, "bomb.txt.gz": gzip.compress(bomb), "c.txt": b"Two."})
    assert [(member.body, member.problem and member.problem[0]) for member in members(content)] == [
        (b"One.", None),
        (b"", "too_large"),
        (b"", "too_large"),
        (b"Two.", None),
    ]


@pytest.mark.parametrize("kind", PACKS)
def test_records_inside_an_archive_are_told_and_not_taken_for_a_text(kind: str) -> None:
    (member,) = members(PACKS[kind]({"a.jsonl": b'{"text": "One."}\n'}))
    assert member.problem == ("unreadable", "kind 'jsonl' is not read inside an archive; unpack it")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", PACKS)
def test_two_members_of_one_name_do_not_become_one(kind: str) -> None:
    target = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(target, "w") as pack:
            for text in ("One.", "Two."):
                pack.writestr("a.txt", text)
    else:
        target.write(tar({"a.txt": b"One."})[:1024] + tar({"a.txt": b"Two."}))
    assert [(member.name, member.body) for member in members(target.getvalue())] == [
        ("a.txt", b"One."),
        ("a.txt~2", b"Two."),
    ]


def test_a_damaged_member_of_a_zip_costs_no_other() -> None:
    content = zipped(FILES, zipfile.ZIP_STORED).replace(b"The harbour", b"The mountain"[:11])
    assert [member.problem is None for member in members(content)] == [True, False, True]


@pytest.mark.parametrize("n_bytes", [600, 1600, 2100])
def test_a_tar_that_was_cut_short_gives_what_is_whole_and_is_told(tmp_path: Path, n_bytes: int) -> None:
    (tmp_path / "in.tar.gz").write_bytes(gzip.compress(tar(FILES))[:-40])
    (tmp_path / "in.tar").write_bytes(tar({name: content * 30 for name, content in FILES.items()})[:n_bytes])
    for path in tmp_path.iterdir():
        assert clean(path).code in (1, 3)


def damaged(content: bytes) -> Iterator[bytes]:
    chance = random.Random(len(content))
    for _ in range(300):
        broken = bytearray(content)
        for _ in range(chance.randint(1, 5)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        yield bytes(broken[: chance.randint(1, len(broken))] if chance.random() < 0.3 else broken)


@pytest.mark.parametrize("content", [tar(FILES), tar(FILES, "w:xz"), zipped(FILES)])
def test_damage_of_any_kind_is_told(content: bytes) -> None:
    for broken in damaged(content):
        with suppress(InputError):
            for member in members(broken):
                assert isinstance(member, Member)


@given(st.binary(max_size=600))
def test_any_bytes_are_an_archive_or_told(content: bytes) -> None:
    for cut in (lambda: cut_tar([content], None, 1000), lambda: cut_zip(io.BytesIO(content), None, 1000)):
        with suppress(InputError):
            list(cut())
