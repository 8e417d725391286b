"""What pyproject.toml cannot say of the package: the sample lies outside it in a checkout, and inside it in a wheel."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SAMPLE = Path("data/sample")


class BuildWithSample(build_py):
    """Puts the sample where `rag ingest --sample` of an installed package looks. A checkout's is used in its place."""

    def run(self) -> None:
        """Nothing; what is built has `rag/sample`, unless the checkout itself is installed."""
        super().run()
        if not self.editable_mode:
            shutil.copytree(SAMPLE, Path(self.build_lib) / "rag" / "sample", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithSample})
