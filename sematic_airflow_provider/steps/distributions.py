"""Which distribution a third-party module comes from, and in which version.

Names are guessed first and checked: a table of all distributions (``importlib.metadata.packages_distributions``) takes as long as a whole step.
"""

from __future__ import annotations

import json
import os
import re
import sys
from functools import lru_cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

_KNOWN = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "git": "GitPython",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.storage": "google-cloud-storage",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "OpenSSL": "pyOpenSSL",
    "PIL": "pillow",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "usb": "pyusb",
    "yaml": "PyYAML",
}


@lru_cache(maxsize=1024)
def distribution_of(module: str) -> tuple[str, str] | None:
    """Name (normalised as PyPI does) and version of what installed a module; None where nothing says so.

    The version of a distribution that was installed from a repository ends with its commit.
    """
    for guess in _guesses(module):
        try:
            found = distribution(guess)
        except (PackageNotFoundError, ValueError):
            continue
        if _holds(found, module):
            return _described(found)
    by_record = _by_record(module)
    return _described(by_record) if by_record else None


def _guesses(module: str) -> list[str]:
    parts = module.split(".")
    if parts[:2] == ["airflow", "providers"]:
        return [f"apache-airflow-providers-{'-'.join(parts[2:end])}" for end in (4, 3)]
    known = [_KNOWN[name] for name in (".".join(parts[:end]) for end in (3, 2, 1)) if name in _KNOWN]
    return [*known, parts[0], *("-".join(parts[:end]) for end in (3, 2) if len(parts) >= end)]


def _holds(found: Distribution, module: str) -> bool:
    """Whether the distribution has the module: distributions may be named like the modules of others."""
    root = module.partition(".")[0]
    if root == "airflow":
        return True
    folder = Path(str(found.locate_file("")))
    if (folder / root / "__init__.py").exists() or (folder / f"{root}.py").exists():
        return True
    if not (folder / root).is_dir():
        return any(folder.glob(f"{root}.*.so"))
    record = found.read_text("RECORD") or ""  # a folder that several distributions share
    return f"{module.replace('.', '/')}/__init__.py," in record or f"{module.replace('.', '/')}.py," in record


def normalised(name: str) -> str:
    """The one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _by_record(module: str) -> Distribution | None:
    """Search the lists of installed files for the module's own file."""
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    base = module.replace(".", "/")
    for folder in dict.fromkeys(sys.path):
        if file is not None and not str(file).startswith(folder):
            continue
        try:
            entries = sorted(entry.path for entry in os.scandir(folder) if entry.name.endswith(".dist-info"))
        except OSError:
            continue
        wanted = [f"{base}/__init__.py,", f"{base}.py,"]
        if file is not None:
            wanted.insert(0, os.path.relpath(file, folder).replace(os.sep, "/") + ",")
        if "." in module:  # a folder that several distributions share
            wanted.append(f"{base}/")
        needles = [f"\n{name}".encode() for name in wanted]
        for entry in entries:
            try:
                record = b"\n" + Path(entry, "RECORD").read_bytes()
            except OSError:
                continue
            if any(needle in record for needle in needles):
                return Distribution.at(entry)
    root = module.partition(".")[0]
    return _by_record(root) if root != module else None


def _described(found: Distribution) -> tuple[str, str]:
    text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""  # the parser of e-mails is slow
    name, version = (_field(text, "Name"), _field(text, "Version"))
    try:
        origin = json.loads(found.read_text("direct_url.json") or "{}")
        commit = origin.get("vcs_info", {}).get("commit_id", "")
    except (ValueError, AttributeError):
        commit = ""
    return normalised(name), f"{version}@{commit}" if commit else version


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}: *(.*?) *$", text, re.MULTILINE)
    return found[1] if found else ""
