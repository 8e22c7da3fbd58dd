"""What a user gets with `pip install`: built and installed for real, without the network."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import PackageMetadata, PathDistribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import cleaner

ROOT = Path(__file__).resolve().parent.parent
SHIPPED_MODELS = sorted(
    file.relative_to(ROOT / "models").as_posix() for file in (ROOT / "models").rglob("*") if file.is_file()
)
# Cleans with the packaged model, then tells where the code and the model came from.
PROBE = """
from pathlib import Path
import cleaner
from cleaner.model.artefact import DEFAULT_MODEL, load_model, models_dir

article = cleaner.Cleaner().clean("The council voted 7-2 on Monday.\\n\\nMayor Ruiz said she would sign.")
assert article.lines_in == 2, article
print(Path(cleaner.__file__).resolve().parent)
print(Path(models_dir()).resolve())
print(Path(load_model(DEFAULT_MODEL).path).resolve().parent)
"""


def run(*command: str | Path, cwd: Path) -> str:
    """The standard output of a command; its failure shows all that it said."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


class Environment:
    """A new virtual environment that sees the packages of this one, but not this one's cleaner."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
        self.folder = folder
        self.scripts = Path(paths["scripts"])
        self.python = self.scripts / Path(sys.executable).name
        if not self.python.exists():
            self.python = self.scripts / ("python.exe" if sys.platform == "win32" else "python")
        self.site_packages = Path(paths["purelib"])
        ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        # A folder named in a .pth file is searched last, and its own .pth files (our editable install) are not read.
        (self.site_packages / "packages_of_the_test_run.pth").write_text("\n".join(sorted(ours)), encoding="utf-8")

    def install(self, *what: str | Path) -> None:
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        run(*pip, "--no-index", "--no-deps", "--no-build-isolation", *what, cwd=self.folder)

    def python_code(self, code: str) -> list[str]:
        return run(self.python, "-I", "-c", code, cwd=self.folder).splitlines()


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--directory", folder, cwd=ROOT)
    return {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}


@pytest.fixture(scope="module")
def wheel_files(archives: dict[str, Path]) -> list[str]:
    return zipfile.ZipFile(archives["wheel"]).namelist()


@pytest.fixture(scope="module")
def installed(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("installed wheel"))
    environment.install(archives["wheel"])
    return environment


@pytest.fixture(scope="module")
def metadata(installed: Environment) -> PackageMetadata:
    return PathDistribution(next(installed.site_packages.glob("line_cleaner-*.dist-info"))).metadata


def test_the_wheel_carries_every_file_of_every_model(wheel_files: list[str]) -> None:
    assert SHIPPED_MODELS, "models/ is empty: run `make models`"
    assert [name for name in sorted(wheel_files) if name.startswith("cleaner/_models/")] == [
        f"cleaner/_models/{name}" for name in SHIPPED_MODELS
    ]


def test_the_wheel_carries_every_file_of_the_package_with_its_type_marker(wheel_files: list[str]) -> None:
    package = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "cleaner").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in wheel_files if re.match("cleaner/(?!_models/)", name)} == package
    assert "cleaner/py.typed" in package


def test_the_wheel_puts_nothing_but_cleaner_beside_other_packages(wheel_files: list[str]) -> None:
    assert {re.sub(r"line_cleaner-.*\.dist-info", "dist-info", name.split("/")[0]) for name in wheel_files} == {
        "cleaner",
        "dist-info",
    }


def test_the_source_archive_can_build_the_wheel_again(archives: dict[str, Path]) -> None:
    with tarfile.open(archives["sdist"]) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    wanted = {"pyproject.toml", "README.md", "LICENSE", "cleaner/__init__.py", "cleaner/py.typed"}
    assert wanted | {f"models/{name}" for name in SHIPPED_MODELS} <= names


def test_the_source_archive_leaves_out_what_git_ignores(archives: dict[str, Path]) -> None:
    with tarfile.open(archives["sdist"]) as archive:
        strays = [name for name in archive.getnames() if re.search(r"/(\.venv|__pycache__|\.mypy_cache|dist)/", name)]
    assert strays == []


def test_an_installed_wheel_cleans_with_the_model_inside_it(installed: Environment) -> None:
    package = installed.site_packages.resolve() / "cleaner"
    models = str(package / "_models")
    assert installed.python_code(PROBE) == [str(package), models, models]


def test_an_editable_install_cleans_with_the_models_at_the_root(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "editable")
    environment.install("--editable", ROOT)
    models = str(ROOT / "models")
    assert environment.python_code(PROBE) == [str(ROOT / "cleaner"), models, models]


def test_an_installed_wheel_brings_the_command_cleaner(installed: Environment) -> None:
    command = next(installed.scripts.glob("cleaner*"))
    assert cleaner.__version__ in run(command, "--version", cwd=installed.folder)


def test_python_dash_m_cleaner_is_the_same_command(installed: Environment) -> None:
    command = next(installed.scripts.glob("cleaner*"))
    as_module = run(installed.python, "-I", "-m", "cleaner", "--version", cwd=installed.folder)
    assert as_module == run(command, "--version", cwd=installed.folder)


def test_the_installed_version_is_the_one_that_the_code_names(metadata: PackageMetadata) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("line-cleaner", cleaner.__version__)


def test_the_licence_travels_with_its_text(metadata: PackageMetadata, wheel_files: list[str]) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert any(re.fullmatch(r"line_cleaner-.*\.dist-info/licenses/LICENSE", name) for name in wheel_files)


def test_the_readme_is_the_long_description(metadata: PackageMetadata) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert metadata["Description"].strip() == readme.strip()


# ---- The lock file

LOCK = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8")
PINS = [Requirement(line) for line in LOCK.splitlines() if line and not line.startswith("#")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DECLARED = [
    Requirement(text)
    for group in (
        PROJECT["build-system"]["requires"],
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
    )
    for text in group
    if not text.startswith("line-cleaner[")
]


@pytest.mark.parametrize("requirement", DECLARED, ids=str)
def test_every_package_that_we_ask_for_is_pinned_to_a_version_we_allow(requirement: Requirement) -> None:
    name = canonicalize_name(requirement.name)
    versions = [next(iter(pin.specifier)).version for pin in PINS if canonicalize_name(pin.name) == name]
    assert versions and all(requirement.specifier.contains(version) for version in versions), "run `make lock`"


def test_every_pin_names_one_version_and_no_place_to_get_it_from() -> None:
    loose = [str(pin) for pin in PINS if pin.url or not re.fullmatch(r"==[^,*]+", str(pin.specifier))]
    assert PINS and loose == []


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_every_python_that_we_support_has_one_pin_for_each_package(python: str) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.6", "sys_platform": "linux"}
    names = [pin.name for pin in PINS if pin.marker is None or pin.marker.evaluate(environment)]
    assert sorted(names) == sorted(set(names))


def test_an_extra_named_all_brings_every_other_extra() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert Requirement(everything).extras == extras.keys() - {"all"}
