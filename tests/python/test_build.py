"""The build: what cffi reads of the header, a missing cargo, what gets linked."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import inferencekey

ROOT = Path(__file__).parents[2]
PACKAGE = Path(inferencekey.__file__).parent

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")


@pytest.fixture(scope="module")
def build_ffi() -> ModuleType:
    """The build script as a module."""
    spec = importlib.util.spec_from_file_location("build_ffi", ROOT / "build_ffi.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Name, a piece of a header, what cffi gets of it.
HEADERS = [
    ("comments go", "/* #define A 1\n */ int a(void); // b", "int a(void);"),
    ("guards go", "#ifndef X_H\n#define X_H\nint a(void);\n#endif", "int a(void);"),
    ("C++ goes", '#ifdef __cplusplus\nextern "C" {\n#endif\nint a(void);', "int a(void);"),
    (
        "nested directives of C++ go",
        "#ifdef __cplusplus\n#if 1\nnamespace x {\n#endif\nint b;\n#endif\nint a(void);",
        "int a(void);",
    ),
    ("integers stay", "#define IKEY_A (-100)\n#define B 0x1fU", "#define IKEY_A ... #define B ..."),
    (
        "typed integers stay",
        "#define A ((int32_t)3)\n#define B UINT32_C(7)",
        "#define A ... #define B ...",
    ),
    ("other macros go", '#define V "1.0"\n#define F(x) (x)\nint a(void);', "int a(void);"),
    (
        "attributes vanish",
        '#define IKEY_API __attribute__((visibility("default")))\nIKEY_API int a(void);',
        "int a(void);",
    ),
    ("includes go", "#include <stdint.h>\nuint8_t a(void);", "uint8_t a(void);"),
]


@pytest.mark.parametrize(
    ("header", "expected"), [row[1:] for row in HEADERS], ids=[row[0] for row in HEADERS]
)
def test_declarations_are_what_cffi_can_parse(
    build_ffi: ModuleType, header: str, expected: str
) -> None:
    """The header is the only list of functions, so what cffi cannot read has to come off."""
    assert " ".join(build_ffi.declarations(header).split()) == expected


def test_the_committed_header_is_taken_whole(build_ffi: ModuleType) -> None:
    """Every exported symbol can be called."""
    code = build_ffi.declarations(build_ffi.HEADER.read_text("utf-8"))
    symbols = (ROOT / "include" / "inferencekey.symbols").read_text("utf-8").split()
    assert set(symbols) == set(re.findall(r"\b(ikey_\w+)\(", code))


@pytest.mark.parametrize(
    ("cargo", "sentence"),
    [
        (
            None,
            r"error: inferencekey has a Rust core and cargo was not found: "
            r"install Rust \d+\.\d+ or newer from https://rustup\.rs and try again",
        ),
        (
            "cargo 1.60.0 (abc 2022-04-01)",
            r"error: inferencekey has a Rust core and cargo 1\.60\.0 \(abc 2022-04-01\) is too old "
            r"for it: install Rust \d+\.\d+ or newer from https://rustup\.rs and try again",
        ),
    ],
    ids=["missing", "too old"],
)
def test_a_build_without_cargo_says_one_sentence(
    tmp_path: Path, cargo: str | None, sentence: str
) -> None:
    """Nobody has to read a traceback to learn that Rust is needed."""
    pytest.importorskip("setuptools", minversion="77.0.3")
    if cargo is not None:
        program = tmp_path / "cargo"
        program.write_text(f"#!/bin/sh\necho '{cargo}'\n")
        program.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "-t", tmp_path, "-b", tmp_path],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.fullmatch(sentence, done.stderr.strip().splitlines()[-1]), done.stderr
    assert "Traceback" not in done.stderr


CORE = ROOT / "core"
CARGO = """#!/bin/sh
[ "$1" = --version ] && { echo cargo 99.0.0; exit; }
printf '%s\\n' "$@" >"$0.arguments"
echo '{"reason":"compiler-artifact","target":{"kind":["cdylib"]},"filenames":["/library"]}'
"""


def cargo_arguments(folder: Path, release: str) -> list[str]:
    """What cargo is told beside a rustc of that release."""
    for name, text in (("cargo", CARGO), ("rustc", f"#!/bin/sh\necho 'rustc {release} (x)'\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    done = subprocess.run(
        [sys.executable, "build_library.py"],
        cwd=ROOT,
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "/library\n"
    return (folder / "cargo.arguments").read_text().splitlines()


def test_the_compiler_that_the_profile_is_for_gets_it(tmp_path: Path) -> None:
    """Unpacked, as a compiler reads it. It has to be of our own version: names are made of it."""
    (version,) = re.findall(r'^version = "(.+)"', (CORE / "Cargo.toml").read_text("utf-8"), re.M)
    profiles = list((CORE / "profiles").iterdir())
    releases = [re.fullmatch(rf"{version}-rustc-(.+)\.profdata\.gz", p.name) for p in profiles]
    assert releases, "no profile: run `make profile`"
    for release in releases:
        assert release, f"not of version {version}: {profiles}; run `make profile`"
        *_, flags = cargo_arguments(tmp_path, release[1])
        (profile,) = re.findall(r'^build.rustflags = \["-Cprofile-use=(.+)"\]$', flags)
        assert Path(profile).read_bytes().startswith(b"\xfflprofi\x81")


def test_another_compiler_gets_no_profile(tmp_path: Path) -> None:
    """It would know none of the names, and perhaps not the format."""
    assert not [text for text in cargo_arguments(tmp_path, "99.0.0") if "profile-use" in text]


@linux
def test_the_library_is_found_beside_the_module() -> None:
    """A relative run path and no other: the package works wherever it is installed."""
    (module,) = PACKAGE.glob("_native*.so")
    dynamic = subprocess.run(
        ["readelf", "--dynamic", "--wide", module], capture_output=True, text=True, check=True
    ).stdout
    assert re.findall(r"\(R(?:UN)?PATH\).*\[(.+)\]", dynamic) == ["$ORIGIN"]
    (needed,) = re.findall(r"\(NEEDED\).*\[(libinferencekey.+)\]", dynamic)
    assert (PACKAGE / needed).is_file()


@linux
def test_a_library_of_another_abi_is_refused(tmp_path: Path) -> None:
    """The module and a library that does not fit say so at import, with both versions."""
    copy = tmp_path / "inferencekey"
    copy.mkdir()
    for file in [*PACKAGE.glob("*.py"), *PACKAGE.glob("_native*.so")]:
        shutil.copy(file, copy)
    symbols = (ROOT / "include" / "inferencekey.symbols").read_text("utf-8").split()
    stub = tmp_path / "stub.c"
    stub.write_text("\n".join(f"unsigned {symbol}(void) {{ return 42; }}" for symbol in symbols))
    (library,) = PACKAGE.glob("libinferencekey.so.*")
    command = ["cc", "-w", "-shared", "-fPIC", f"-Wl,-soname,{library.name}", str(stub)]
    subprocess.run([*command, "-o", str(copy / library.name)], check=True)
    done = subprocess.run(
        [sys.executable, "-c", "from inferencekey import DataClient"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip().splitlines()[-1] == (
        "ImportError: inferencekey._native was built for version 1 of the C ABI, and the "
        "libinferencekey beside it has version 42: install inferencekey again"
    )
