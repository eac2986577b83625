"""Normal forms: text of a syntax tree and digest of a code object, without lines, comments and formatting."""

from __future__ import annotations

import ast
from types import CodeType

from sematic_airflow_provider.artifacts.digest import digest_bytes

_LEFT_OUT = frozenset({"ctx", "type_comment", "kind", "type_ignores"})


def text_of(node: ast.AST) -> str:
    """One text for all programs that differ in nothing but comments and formatting. It is for digests, not for people."""
    out: list[str] = []
    _write(node, out)
    return " ".join(out)


def _write(node: ast.AST, out: list[str]) -> None:
    out.append(f"({type(node).__name__}")
    for name in node._fields:
        if name in _LEFT_OUT:
            continue
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            _write(value, out)
        elif isinstance(value, list):
            out.append("[")
            for member in value:
                if isinstance(member, ast.AST):
                    _write(member, out)
                else:
                    out.append(repr(member))
            out.append("]")
        else:
            out.append(repr(value))
    out.append(")")


def digest_of_code(code: CodeType) -> str:
    """Digest of what a code object does: instructions, constants and names, without file and lines."""
    return digest_bytes(_described(code).encode("utf-8", "surrogatepass"))


def _described(code: CodeType) -> str:
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    constants = ",".join(_constant(value) for value in code.co_consts)
    return f"{counts}{names}{code.co_code!r}[{constants}]"


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return _described(value)
    if isinstance(value, frozenset):  # its order differs from process to process
        return f"frozenset({sorted(_constant(member) for member in value)})"
    if isinstance(value, tuple):
        return f"({','.join(_constant(member) for member in value)})"
    return f"{type(value).__name__}:{value!r}"


def codes_in(code: CodeType) -> dict[str, str]:
    """Digest and name of this code object and of all that are nested in it."""
    found = {digest_of_code(code): code.co_name}
    for value in code.co_consts:
        if isinstance(value, CodeType):
            found |= codes_in(value)
    return found
