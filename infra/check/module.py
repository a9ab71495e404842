"""A folder of Terraform files: what stands in it, and what its expressions refer to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hcl2

# What the parser adds.
NOTES = ("__is_block__", "__comments__", "__inline_comments__")
# `aws_sqs_queue.this["x"].arn` without what stands in brackets.
REFERENCE = re.compile(r"(?<![\w.-])([a-z_][\w-]*)((?:\[[^\[\]]*\]|\.[\w*-]+)+)")


@dataclass
class Place:
    """Where something stands: the file, and what it is called."""

    file: Path
    name: str

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


@dataclass
class Module:
    """One folder."""

    folder: Path
    # By kind (resource, module, variable, ...), then by name; a resource's name has its type before it, that of `terraform` is empty.
    blocks: dict[str, dict[str, tuple[Place, dict]]] = field(default_factory=dict)
    locals: dict[str, tuple[Place, object]] = field(default_factory=dict)
    # Every expression with its place: what refers to something.
    expressions: list[tuple[Place, str]] = field(default_factory=list)

    def of(self, kind: str) -> dict[str, tuple[Place, dict]]:
        return self.blocks.get(kind, {})


def load(folder: Path, root: Path) -> Module:
    module = Module(folder)
    for file in sorted(folder.glob("*.tf")):
        shown = file.relative_to(root)
        with file.open(encoding="utf-8") as text:
            content = hcl2.load(text)
        for kind, blocks in content.items():
            if kind in NOTES:
                continue
            for block in blocks:
                add(module, shown, kind, block)
    return module


def add(module: Module, file: Path, kind: str, block: dict) -> None:
    if kind == "locals":
        for name, value in plain(block).items():
            place = Place(file, f"local.{name}")
            module.locals[name] = (place, value)
            collect(module, place, value)
        return
    labels, body = [], block
    while not body.get("__is_block__") and len(body) == 1:
        [(label, body)] = body.items()
        labels.append(label.strip('"'))
    name = ".".join(labels)
    place = Place(file, name if kind == "resource" else f"{kind}.{name}" if name else kind)
    module.blocks.setdefault(kind, {})[name] = (place, body)
    collect(module, place, body)


def plain(body: dict) -> dict:
    """A block's content without the parser's notes."""
    return {name: value for name, value in body.items() if name not in NOTES}


def is_block(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and bool(value[0].get("__is_block__"))


def collect(module: Module, place: Place, value: object) -> None:
    if isinstance(value, dict):
        for name, inner in plain(value).items():
            # A key may be an expression.
            collect(module, place, name)
            collect(module, place, inner)
    elif isinstance(value, list):
        for inner in value:
            collect(module, place, inner)
    elif isinstance(value, str):
        module.expressions.append((place, value))


def references(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each chain of names in an expression: its head, and what is asked of it."""
    code = without_strings(text)
    # What stands in brackets is an expression of its own, so the innermost ones go first.
    while True:
        for head, rest in REFERENCE.findall(code):
            yield head, re.findall(r"\.([\w*-]+)", re.sub(r"\[[^\[\]]*\]", "", rest))
        shorter = re.sub(r"\[[^\[\]]*\]", "", code)
        if shorter == code:
            return
        code = shorter


def without_strings(text: str) -> str:
    """The expression with the words of its strings taken out, and what is interpolated in them left in."""
    code, depths, position = [], [], 0
    in_string = False
    while position < len(text):
        two, one = text[position : position + 2], text[position]
        if in_string:
            if text.startswith("$${", position) or one == "\\":
                position += 3 if one == "$" else 2
                continue
            if two == "${":
                depths.append(0)
                in_string = False
                code.append(" ")
                position += 2
                continue
            in_string = one != '"'
        elif one == '"':
            in_string = True
            code.append(" ")
        elif depths and one == "}" and depths[-1] == 0:
            depths.pop()
            in_string = True
            code.append(" ")
        else:
            if depths:
                depths[-1] += {"{": 1, "}": -1}.get(one, 0)
            code.append(one)
        position += 1
    return "".join(code)
