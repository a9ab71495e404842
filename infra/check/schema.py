"""What providers know: the arguments, blocks and results of their resources, data sources and ephemeral resources.

The packages `cdktn-provider-*` of PyPI are generated from the providers' own schemas. They are read here as text and never run.
"""

import ast
import functools
import re
import site
from dataclasses import dataclass, field
from pathlib import Path

# Every documented parameter is part of the schema; the others are what any resource takes.
DOCUMENTED = re.compile(r":param (\w+): (.*?Docs at Terraform Registry: \{@link \S+#(\w+) )")
FOLDERS = {"resource": "", "data": "data_{provider}_", "ephemeral": "ephemeral_{provider}_"}
BASES = {"TerraformResource", "TerraformDataSource", "TerraformEphemeralResource"}


@dataclass
class Nested:
    """A block within another one."""

    required: bool
    many: bool
    block: "Block | None"  # None where it may hold itself, so that the package has no type for it


@dataclass
class Block:
    """What may stand between the braces."""

    arguments: dict[str, bool] = field(default_factory=dict)  # by name: whether it must be given
    blocks: dict[str, Nested] = field(default_factory=dict)
    results: set[str] = field(default_factory=set)  # what can be asked of it beside its arguments


@functools.cache
def lookup(kind: str, type_name: str) -> Block | None:
    """The schema of a resource, a data source or an ephemeral resource; `None` where there is no such type."""
    if type_name == "terraform_data":
        return Block({"input": False, "triggers_replace": False}, {}, {"id", "output"})
    provider, _, rest = type_name.partition("_")
    folder = FOLDERS[kind].format(provider=provider) + rest
    for package in packages(provider):
        # A name that Python keeps for itself has an ending.
        for module in (package / folder / "__init__.py", package / f"{folder}_resource" / "__init__.py"):
            if module.exists():
                return read(module)
    return None


def packages(provider: str) -> list[Path]:
    """Where the provider's package is: once, or nowhere."""
    folders = [Path(path, f"cdktn_provider_{provider}") for path in site.getsitepackages()]
    return [folder for folder in folders if folder.exists()]


def has_provider(type_name: str) -> bool:
    """Whether there is a package of the type's provider at all."""
    return bool(packages(type_name.partition("_")[0]))


def version(provider: str) -> str | None:
    """The version of the provider whose schema the package has."""
    for package in packages(provider):
        found = re.search(rf"/{provider}/([\d.]+)/docs", (package / "provider/__init__.py").read_text(encoding="utf-8"))
        return found and found[1]
    return None


def read(module: Path) -> Block:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    top = next(node for node in classes.values() if any(ast.unparse(base).split(".")[-1] in BASES for base in node.bases))
    block = arguments_of(top, classes)
    properties = (node for node in top.body if isinstance(node, ast.FunctionDef) and node.decorator_list)
    block.results = {node.name for node in properties if ast.unparse(node.decorator_list[0]) == "builtins.property"}
    return block


def arguments_of(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Block:
    block = Block()
    init = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
    if init is None:
        return block
    documented = {found[1]: found for found in DOCUMENTED.finditer(ast.get_docstring(init) or "")}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        found = documented.get(argument.arg)
        if found is None:
            continue
        name, required, kind = found[3], default is None, ast.unparse(argument.annotation)
        nested = next((inner for inner in re.findall(r"'(\w+)'", kind) if inner in classes), None)
        if found[2].startswith(f"{name} block."):
            inner = arguments_of(classes[nested], classes) if nested else None
            block.blocks[name] = Nested(required, "Sequence" in kind, inner)
        else:
            block.arguments[name] = required
    return block
