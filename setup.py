"""How conchgo is packaged. The settings of its tools are in pyproject.toml."""

from __future__ import annotations

import pathlib
import re

from setuptools import find_namespace_packages, setup
from setuptools.command.egg_info import egg_info


class OwnNamesOnly(egg_info):
    """The plugin lies in Twisted's own package, so nobody may think that `twisted` came with conchgo."""

    def run(self) -> None:
        super().run()
        pathlib.Path(self.egg_info, "top_level.txt").write_text("conchgo\n")


here = pathlib.Path(__file__).parent
version = re.search(r'__version__ = "(.+)"', (here / "conchgo" / "__init__.py").read_text())
postgresql = ["psycopg[binary]>=3.2"]
bench = ["asyncssh", "matplotlib"]

setup(
    name="conchgo",
    version=version[1] if version else None,
    description="One SSH port for a team's files: an SFTP server for virtual users, on Twisted Conch",
    long_description=(here / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    classifiers=[
        "Framework :: Twisted",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Internet :: File Transfer Protocol (FTP)",
        "Typing :: Typed",
    ],
    # Not src/: `twistd conchgo` must find the plugin in a checkout. The explicit directory makes an editable install
    # put the checkout on sys.path; without it setuptools installs import hooks, and those hide the plugin from Twisted.
    package_dir={"": "."},
    packages=[*find_namespace_packages(include=["conchgo", "conchgo.*"]), "twisted.plugins"],
    package_data={"conchgo": ["py.typed"]},
    install_requires=[
        "Twisted[conch]>=26.10,<27",
        "cryptography>=48,<51",
        "bcrypt>=4",
        "argon2-cffi",
        "SQLAlchemy>=2,<3",
        "alembic>=1.13",
        "pydantic>=2,<3",
        "pydantic-settings>=2.5,<3",
        "click>=8.1",
        "rich>=13",
        "xxhash>=3",
    ],
    extras_require={
        "postgresql": postgresql,
        "bench": bench,
        "test": [
            *postgresql,
            *bench,
            "build",
            "hypothesis",
            "import-linter",
            "mypy",
            "mypy-zope",
            "paramiko",
            "pytest",
            "pytest-xdist",
            "ruff",
            "ssh-audit",
        ],
    },
    entry_points={"console_scripts": ["conchgo = conchgo.cli.main:main"]},
    cmdclass={"egg_info": OwnNamesOnly},
)
