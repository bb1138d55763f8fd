"""`make check`: the types of what `tocsin checks new` writes are right. Quick after mypy, whose cache has what they import."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
FAMILY = "security"
KINDS = ("network", "program", "file")


def main() -> int:
    """Write a probe of each kind and look at them with mypy; its exit status."""
    with TemporaryDirectory() as folder:
        for kind in KINDS:
            package = Path(folder, kind, "tasks", FAMILY)
            package.mkdir(parents=True)
            (package / "__init__.py").touch()
            words = ("checks", "new", f"{FAMILY}.my_{kind}", "--kind", kind, "--folder", str(Path(folder, kind)))
            subprocess.run([sys.executable, "-m", "app.cli", *words], cwd=ROOT, check=True, capture_output=True)
            (package / f"my_{kind}.py").rename(Path(folder, f"my_{kind}.py"))
        modules = sorted(str(path) for path in Path(folder).glob("*.py"))
        return subprocess.run([sys.executable, "-m", "mypy", *modules], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
