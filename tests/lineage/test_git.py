"""The checkout that a step's file stands in."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from sematic_airflow_provider.lineage import git
from sematic_airflow_provider.lineage.git import Checkout, Patch


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "dags").mkdir(parents=True)
    _git(folder, "init", "-b", "trunk")
    (folder / "dags" / "flow.py").write_text("x = 1\n")
    _git(folder, "add", ".")
    _git(folder, "commit", "-m", "one")
    return folder


def _opened(folder: Path) -> Checkout:
    found = Checkout.open(folder)
    assert found is not None
    return found


def _patch(root: Path) -> Patch:
    checkout = _opened(root)
    state = checkout.state()
    assert state is not None
    return checkout.patch(changed=bool(state["dirty"]))


def test_a_clean_checkout_gives_commit_and_branch_and_no_patch(root: Path) -> None:
    checkout = _opened(root / "dags")
    head = _git(root, "rev-parse", "HEAD").strip()
    assert checkout.state() == {"commit": head, "branch": "trunk", "remote": None, "dirty": False}
    assert checkout.patch(changed=False) == Patch(None)


def test_a_folder_in_no_checkout_starts_no_process(tmp_path: Path) -> None:
    assert Checkout.open(tmp_path) is None


def test_the_patch_makes_the_working_tree_from_the_commit(root: Path, tmp_path: Path) -> None:
    (root / "dags" / "flow.py").write_text("x = 2\ny = 'é'")
    (root / "dags" / "gone.txt").write_text("1\n")
    _git(root, "add", "dags/gone.txt")
    _git(root, "commit", "-m", "two")
    (root / "dags" / "gone.txt").unlink()
    (root / "dags" / "staged.py").write_text("s = 1\n")
    _git(root, "add", "dags/staged.py")
    (root / "new").mkdir()
    (root / "new" / "helper.py").write_text("def f():\n    return 1")
    (root / "new" / "empty.py").write_text("")
    (root / "new" / "name with space.py").write_text("a = 1\n\n")
    (root / "dags" / "flow.py").write_text("x = 3\n")
    patch = _patch(root)
    assert patch.unavailable is None
    assert patch.text is not None
    other = tmp_path / "other"
    _git(tmp_path, "clone", str(root), str(other))
    subprocess.run(["git", "apply", "-"], cwd=other, input=patch.text, text=True, check=True)
    for name in (
        "dags/flow.py",
        "dags/staged.py",
        "new/helper.py",
        "new/empty.py",
        "new/name with space.py",
    ):
        assert (other / name).read_bytes() == (root / name).read_bytes(), name
    assert not (other / "dags" / "gone.txt").exists()


def test_untracked_data_and_environments_are_not_in_the_patch(root: Path) -> None:
    (root / "data.csv").write_text("secret,1\n")
    (root / "env" / "lib").mkdir(parents=True)
    (root / "env" / "pyvenv.cfg").write_text("")
    (root / "env" / "lib" / "other.py").write_text("x = 1\n")
    (root / ".gitignore").write_text("ignored.py\n")
    (root / "ignored.py").write_text("x = 1\n")
    assert _patch(root) == Patch(None)


def test_large_untracked_files_are_left_out_and_that_is_said(root: Path) -> None:
    (root / "large.py").write_text("#" * 70_000)
    (root / "small.py").write_text("x = 1\n")
    patch = _patch(root)
    assert patch.text is not None
    assert "small.py" in patch.text
    assert "large.py" not in patch.text
    assert patch.unavailable is not None
    assert "1 untracked" in patch.unavailable


def test_a_difference_beyond_the_limit_is_not_kept_and_that_is_said(root: Path) -> None:
    (root / "dags" / "flow.py").write_text("x = 2\n" * (git.DIFF_LIMIT // 6 + 1))
    patch = _patch(root)
    assert patch.text is None
    assert patch.unavailable is not None
    assert "1 MiB" in patch.unavailable


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("https://user:secret@git.example.com/a/b.git", "https://git.example.com/a/b.git"),
        ("https://token@git.example.com/a/b.git", "https://git.example.com/a/b.git"),
        ("git@git.example.com:a/b.git", "git@git.example.com:a/b.git"),
    ],
)
def test_a_token_in_the_remote_is_left_out(root: Path, url: str, recorded: str) -> None:
    _git(root, "remote", "add", "zother", "https://elsewhere.example.com/x.git")
    _git(root, "remote", "add", "origin", url)
    state = _opened(root).state()
    assert state is not None
    assert state["remote"] == recorded


def test_without_origin_the_first_remote_is_told(root: Path) -> None:
    _git(root, "remote", "add", "upstream", "https://git.example.com/a/b.git")
    state = _opened(root).state()
    assert state is not None
    assert state["remote"] == "https://git.example.com/a/b.git"


def test_before_the_first_commit_there_is_a_branch_and_no_commit(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-b", "trunk")
    assert _opened(tmp_path).state() == {"commit": None, "branch": "trunk", "remote": None, "dirty": False}


def test_a_detached_head_has_no_branch(root: Path) -> None:
    _git(root, "checkout", "--detach")
    state = _opened(root).state()
    assert state is not None
    assert (state["branch"], len(state["commit"])) == (None, 40)


@pytest.mark.parametrize("packed", [False, True])
def test_without_git_its_files_tell_commit_and_branch(
    root: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    head = _git(root, "rev-parse", "HEAD").strip()
    if packed:
        _git(root, "pack-refs", "--all")
    monkeypatch.setenv("PATH", "/nowhere")
    checkout = _opened(root / "dags")
    assert checkout.state() == {"commit": head, "branch": "trunk", "remote": None, "dirty": None}
    assert checkout.patch(changed=False).text is None


def test_without_git_a_worktree_tells_its_own_branch(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = _git(root, "rev-parse", "HEAD").strip()
    _git(root, "worktree", "add", "-b", "other", str(tmp_path / "tree"))
    with_git = _opened(tmp_path / "tree").state()
    assert with_git is not None
    assert (with_git["branch"], with_git["commit"]) == ("other", head)
    monkeypatch.setenv("PATH", "/nowhere")
    assert _opened(tmp_path / "tree").state() == {"commit": head, "branch": "other", "remote": None, "dirty": None}


def test_a_git_that_hangs_is_not_waited_for(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec /bin/sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(slow.parent))
    monkeypatch.setattr(git, "_SECONDS", 0.2)
    before = time.monotonic()
    state = _opened(root).state()
    assert time.monotonic() - before < 5
    assert state is not None
    assert (state["branch"], state["dirty"]) == ("trunk", None)


def test_variables_of_a_git_hook_do_not_mislead(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    _git(other, "init", "-b", "elsewhere")
    monkeypatch.setenv("GIT_DIR", os.fspath(other / ".git"))
    state = _opened(root).state()
    assert state is not None
    assert state["branch"] == "trunk"


def test_no_lock_is_taken_and_nothing_is_written(root: Path) -> None:
    (root / "dags" / "flow.py").touch()
    before = (root / ".git" / "index").stat().st_mtime_ns
    _patch(root)
    assert (root / ".git" / "index").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "written",
    [
        '[remote "origin"]\n\turl = https://git.example.com/a/b.git\n',
        '[remote "origin"]\n\tURL=https://git.example.com/a/b.git\n\turl = https://second.example.com\n',
        '[Remote "origin"] url = "https://git.example.com/a/b.git" ; ours\n',
        '[remote "origin"]\n\turl = https://git.example.com/\\\na/b.git\n',
        "[include]\n\tpath = more\n",
    ],
)
def test_remotes_are_those_that_git_lists_however_they_are_written(root: Path, written: str) -> None:
    (root / ".git" / "more").write_text('[remote "origin"]\n\turl = https://git.example.com/a/b.git\n')
    with (root / ".git" / "config").open("a") as config:
        config.write(written)
    assert _git(root, "config", "--get-regexp", r"^remote\..*\.url$").split()[1] == "https://git.example.com/a/b.git"
    state = _opened(root).state()
    assert state is not None
    assert state["remote"] == "https://git.example.com/a/b.git"


def test_of_a_worktree_the_remotes_are_those_of_the_repository(root: Path, tmp_path: Path) -> None:
    _git(root, "remote", "add", "origin", "https://git.example.com/a/b.git")
    _git(root, "worktree", "add", "-b", "other", str(tmp_path / "tree"))
    state = _opened(tmp_path / "tree").state()
    assert state is not None
    assert state["remote"] == "https://git.example.com/a/b.git"


def test_a_clean_checkout_with_plain_remotes_takes_one_process(root: Path, tmp_path: Path) -> None:
    _git(root, "remote", "add", "origin", "https://git.example.com/a/b.git")
    checkout = _opened(root)
    started = [process for process in (checkout._status, checkout._remotes, checkout._diff) if process is not None]
    state = checkout.state()
    assert state is not None
    assert (len(started), state["remote"], state["dirty"]) == (1, "https://git.example.com/a/b.git", False)
