"""Files appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from cnsr import files
from cnsr.errors import StorageError
from cnsr.files import atomic_path, check_folder, make_folder, write_bytes, write_text


def test_content_appears_under_its_name_and_nothing_else_stays(tmp_path):
    write_text(tmp_path / "deep" / "note.txt", "grün\n")
    assert (tmp_path / "deep" / "note.txt").read_bytes() == "grün\n".encode()
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["note.txt"]


def test_the_temporary_name_keeps_the_ending(tmp_path):
    with atomic_path(tmp_path / "image.exr") as temporary:
        assert temporary.suffix == ".exr"
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"x")


@pytest.mark.parametrize("fault", [RuntimeError("bug"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_no_temporary_one(tmp_path, fault):
    target = tmp_path / "a.bin"
    write_bytes(target, b"old")
    with pytest.raises(type(fault)), atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        raise fault
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_one_clear_line_and_loses_nothing(tmp_path):
    target = tmp_path / "a.bin"
    write_bytes(target, b"old")
    with pytest.raises(StorageError) as caught, atomic_path(target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == (
        f"cannot write {target}: the disk is full; free some space and run the same command again"
    )
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "data").write_text("")
    for fails in (lambda: write_bytes(tmp_path / "data" / "a", b""), lambda: make_folder(tmp_path / "data")):
        with pytest.raises(StorageError, match=r"cannot write .*data"):
            fails()


def test_finished_files_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_make_folder_creates_parents_and_leaves_no_trace(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_can_be_checked_before_it_is_there(tmp_path):
    check_folder(tmp_path)
    check_folder(tmp_path / "deep" / "down")
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / "file"
    file.touch()
    for path, reason in [
        (file, "a file of that name is in the way"),
        (file / "deep" / "down", "a part of the path is a file, not a folder"),
    ]:
        with pytest.raises(StorageError) as caught:
            check_folder(path)
        assert str(caught.value) == f"cannot write {path}: {reason}"


def test_a_folder_below_one_without_permission_cannot_be_written(tmp_path, monkeypatch):
    """Tests may run as root, who may write everywhere: the system's answer is given by hand."""

    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.tempfile, "NamedTemporaryFile", refuse)
    with pytest.raises(StorageError, match=rf"^cannot write {tmp_path / 'new'}: permission denied"):
        check_folder(tmp_path / "new")


def test_a_file_is_created_once(tmp_path):
    path = tmp_path / "record.json"
    assert files.create_text(path, "first\n")
    assert not files.create_text(path, "second\n")
    assert path.read_text() == "first\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_created_once_where_there_are_no_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    test_a_file_is_created_once(tmp_path)
