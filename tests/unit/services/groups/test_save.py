"""A file is the old one or the new one, whatever ends the process that writes it."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drs_provider.services.groups.files import FolderReadOnlyError, locked, staged

ROOT = Path(__file__).parents[4]
OLD, NEW = b"old: 1\n" * 20_000, b"new: 2\n" * 30_000
WRITER = """
import itertools, sys
from pathlib import Path
from drs_provider.services.groups.files import staged
path, sizes = Path(sys.argv[1]), (b"old: 1\\n" * 20_000, b"new: 2\\n" * 30_000)
print("ready", flush=True)
for number in itertools.count():
    with staged(path, sizes[number % 2]) as write:
        write()
"""


def test_a_killed_process_leaves_the_old_or_the_new_file(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_bytes(OLD)
    for delay in (0.0, 0.003, 0.01, 0.02):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")},
        )
        writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait(10)
        writer.stdout.close()
        assert path.read_bytes() in {OLD, NEW}

    left = [file for file in tmp_path.iterdir() if file != path]
    assert all(file.name.startswith(".shop.yaml.") for file in left)  # hidden: nobody reads them as plans
    for file in left:
        os.utime(file, (0, 0))
    with staged(path, NEW) as write:
        write()
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_written_after_all_leaves_nothing(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_bytes(OLD)
    path.chmod(0o640)
    with pytest.raises(RuntimeError), staged(path, NEW):
        raise RuntimeError("no line in the audit log")

    assert (path.read_bytes(), list(tmp_path.iterdir())) == (OLD, [path])
    with staged(path, NEW) as write:
        write()
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (NEW, 0o640)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_keeps_its_owner_and_group(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_bytes(OLD)
    path.chmod(0o660)
    os.chown(path, 12345, 54321)

    with staged(path, NEW) as write:
        write()

    found = path.stat()
    assert (path.read_bytes(), found.st_uid, found.st_gid, found.st_mode & 0o777) == (NEW, 12345, 54321, 0o660)


@pytest.mark.parametrize("group_is_kept", [True, False])
def test_where_the_owner_cannot_be_kept_the_group_must_be(tmp_path, monkeypatch, group_is_kept):
    path = tmp_path / "shop.yaml"
    path.write_bytes(OLD)
    asked = []

    def fchown(_descriptor, owner, group):
        asked.append((owner, group))
        if owner != -1 or not group_is_kept:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", fchown)
    gid = path.stat().st_gid
    if group_is_kept:
        with staged(path, NEW) as write:
            write()
    else:
        with (
            pytest.raises(FolderReadOnlyError, match=rf"^shop\.yaml .* no longer belong to group {gid}$"),
            staged(path, NEW),
        ):
            pass

    assert asked == [(path.stat().st_uid, gid), (-1, gid)]
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (NEW if group_is_kept else OLD, [path])


@pytest.mark.parametrize("content", [NEW, None])
def test_a_link_is_changed_where_it_leads_to_and_not_here(tmp_path, content):
    (tmp_path / "real.yaml").write_bytes(OLD)
    (tmp_path / "link.yaml").symlink_to("real.yaml")

    with pytest.raises(FolderReadOnlyError, match=r"^link\.yaml is a link"), staged(tmp_path / "link.yaml", content):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("content", [NEW, None])
def test_a_folder_that_takes_no_change_says_so(tmp_path, content):
    path = tmp_path / "shop.yaml"
    path.write_bytes(OLD)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(FolderReadOnlyError), staged(path, content):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_a_file_system_that_takes_no_change_says_so_to_root_too(tmp_path, monkeypatch):
    path = tmp_path / "shop.yaml"
    path.write_bytes(OLD)

    def refuse(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(FolderReadOnlyError) as refused, staged(path, NEW):
        pass

    assert str(refused.value) == "shop.yaml cannot be written here: Read-only file system"
    assert path.read_bytes() == OLD


def test_one_process_at_a_time_changes_a_folder(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "plugins")!r})
from pathlib import Path
from drs_provider.services.groups.files import locked
print("waits", flush=True)
with locked(Path({str(tmp_path)!r})):
    print("has it", flush=True)
"""
    with locked(tmp_path):
        other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == "waits\n"
        time.sleep(0.2)
        assert other.poll() is None
    assert other.communicate(timeout=10)[0] == "has it\n"
