"""Checks the Terraform files without a provider and without AWS: python check.py [folder]

Every resource, data source, block and argument is in the provider's schema, and what is required is there; every reference names
something; modules get the inputs that they ask for; nothing is declared for nobody; every alarm has a runbook. Prints what is wrong, one
a line.
"""

import re
import sys
from pathlib import Path

import schema
from module import Module, Place, is_block, load, plain, references

META = {
    "resource": {"count", "for_each", "depends_on", "provider", "lifecycle", "provisioner", "connection"},
    "data": {"count", "for_each", "depends_on", "provider", "lifecycle"},
    "ephemeral": {"count", "for_each", "depends_on", "provider", "lifecycle"},
    "module": {"source", "version", "count", "for_each", "depends_on", "providers"},
}
RUNBOOK = re.compile(r"README\.md#([\w-]+|\$\{each\.key\})")


class Check:
    """All modules below a folder, and what is wrong with them."""

    def __init__(self, root: Path):
        self.root = root
        # Places are shown as somebody at the repository's root would write them.
        # Terraform keeps copies of its own.
        folders = sorted({file.parent for file in root.rglob("*.tf") if ".terraform" not in file.parts})
        self.modules = {folder: load(folder, root.parent) for folder in folders}
        self.problems: list[str] = []

    def say(self, place: Place, words: str) -> None:
        self.problems.append(f"{place} {words}")

    def run(self) -> list[str]:
        headings = set(re.findall(r"^#+ (.+)$", (self.root / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
        for module in self.modules.values():
            for kind in ("resource", "data", "ephemeral"):
                for name, (place, body) in module.of(kind).items():
                    self.typed(kind, name, place, body)
            for place, body in module.of("module").values():
                self.call(module, place, body)
            for place, text in module.expressions:
                for head, rest in references(text):
                    self.reference(module, place, head, rest)
            self.declarations(module)
            self.pins(module)
            self.runbooks(module, {heading.lower().replace(" ", "-") for heading in headings})
        return sorted(set(self.problems))

    def typed(self, kind: str, name: str, place: Place, body: dict) -> None:
        type_name = name.partition(".")[0]
        known = schema.lookup(kind, type_name)
        if known is None:
            what = "such type" if schema.has_provider(type_name) else "package of its provider in requirements.txt"
            self.say(place, f"is of a type that is not known: there is no {what}")
            return
        self.block(known, place, {key: value for key, value in plain(body).items() if key not in META[kind]})

    def block(self, known: schema.Block, place: Place, body: dict) -> None:
        given = set()
        for name, value in body.items():
            blocks = value if is_block(value) else None
            if name == "dynamic":
                for dynamic in value:
                    [(label, inner)] = plain(dynamic).items()
                    given.add(label.strip('"'))
                    self.nested(known, place, label.strip('"'), inner["content"], dynamic=True)
                continue
            given.add(name)
            if blocks:
                self.nested(known, place, name, blocks, dynamic=False)
            elif name in known.blocks:
                self.say(place, f'has "{name}" as an argument: it is a block, so it takes no equals sign')
            elif name not in known.arguments:
                self.say(place, f'has no argument "{name}"')
        required = [name for name, must in known.arguments.items() if must]
        required += [name for name, nested in known.blocks.items() if nested.required]
        for name in required:
            if name not in given:
                self.say(place, f'needs "{name}"')

    def nested(self, known: schema.Block, place: Place, name: str, blocks: list[dict], *, dynamic: bool) -> None:
        if name in known.arguments:
            self.say(place, f'has "{name}" as a block: it is an argument, so it takes an equals sign')
        elif name not in known.blocks:
            self.say(place, f'has no block "{name}"')
        else:
            if len(blocks) > 1 and not known.blocks[name].many and not dynamic:
                self.say(place, f'has several blocks "{name}": one is allowed')
            for block in blocks:
                inner = known.blocks[name].block
                if inner is not None:
                    self.block(inner, Place(place.file, f"{place.name}.{name}"), plain(block))

    def call(self, module: Module, place: Place, body: dict) -> None:
        folder = (module.folder / body["source"].strip('"')).resolve()
        target = self.modules.get(folder)
        if target is None:
            self.say(place, f"has a source that is no folder here: {body['source']}")
            return
        given = set(plain(body)) - META["module"]
        variables = target.of("variable")
        for name in given - set(variables):
            self.say(place, f'is given "{name}", and has no such variable')
        for name, (_, declared) in variables.items():
            if "default" not in declared and name not in given:
                self.say(place, f'needs "{name}"')

    def reference(self, module: Module, place: Place, head: str, rest: list[str]) -> None:
        if head == "var" and rest[0] not in module.of("variable"):
            self.say(place, f"refers to var.{rest[0]}, which is not declared")
        elif head == "local" and rest[0] not in module.locals:
            self.say(place, f"refers to local.{rest[0]}, which is not declared")
        elif head == "module":
            self.output(module, place, rest)
        elif head in ("data", "ephemeral"):
            self.result(module, place, head, rest)
        elif head == "terraform_data" or schema.has_provider(head) and "_" in head:
            self.result(module, place, "resource", [head, *rest])

    def output(self, module: Module, place: Place, rest: list[str]) -> None:
        found = module.of("module").get(rest[0])
        if found is None:
            self.say(place, f"refers to module.{rest[0]}, which is not declared")
            return
        target = self.modules.get((module.folder / found[1]["source"].strip('"')).resolve())
        if target and len(rest) > 1 and rest[1] not in target.of("output"):
            self.say(place, f'refers to module.{rest[0]}.{rest[1]}, and that module has no output "{rest[1]}"')

    def result(self, module: Module, place: Place, kind: str, rest: list[str]) -> None:
        name = ".".join(rest[:2])
        if name not in module.of(kind):
            self.say(place, f"refers to {name if kind == 'resource' else f'{kind}.{name}'}, which is not declared")
            return
        known = schema.lookup(kind, rest[0])
        if known is None or len(rest) < 3 or rest[2] == "*":
            return
        if rest[2] not in known.results | set(known.arguments) | set(known.blocks):
            self.say(place, f'refers to {name}.{rest[2]}: it has no attribute "{rest[2]}"')

    def declarations(self, module: Module) -> None:
        used = {(head, rest[0]) for _, text in module.expressions for head, rest in references(text)}
        for name, (place, body) in module.of("variable").items():
            if not used_elsewhere(module, place, name):
                self.say(place, "is used nowhere")
            for wanted in ("type", "description"):
                if wanted not in body:
                    self.say(place, f"has no {wanted}")
        for name, (place, _) in module.locals.items():
            if ("local", name) not in used:
                self.say(place, "is used nowhere")
        for place, body in module.of("output").values():
            if "description" not in body:
                self.say(place, "has no description")

    def pins(self, module: Module) -> None:
        for place, body in module.of("terraform").values():
            for providers in body.get("required_providers", []):
                for name, wanted in plain(providers).items():
                    pin, known = wanted["version"].strip('"'), schema.version(name)
                    if pin[0].isdigit() and pin != known:
                        self.say(place, f"pins {name} {pin}, and is checked by the schema of {known}: see requirements.txt")

    def runbooks(self, module: Module, headings: set[str]) -> None:
        for name, (place, body) in module.of("resource").items():
            if not name.startswith("aws_cloudwatch_metric_alarm."):
                continue
            found = RUNBOOK.search(body.get("alarm_description", ""))
            if not found:
                self.say(place, "names no runbook in its alarm_description: infra/README.md#...")
                continue
            for anchor in anchors(module, found[1], body):
                if anchor not in headings:
                    self.say(place, f'names the runbook "{anchor}", and infra/README.md has no such heading')


def used_elsewhere(module: Module, declared: Place, name: str) -> bool:
    """Whether anything but the variable's declaration itself, whose validation names it, refers to it."""
    others = (text for place, text in module.expressions if place != declared and f"var.{name}" in text)
    return any(head == "var" and rest[0] == name for text in others for head, rest in references(text))


def anchors(module: Module, anchor: str, body: dict) -> list[str]:
    """The runbook's heading, or one for each key of the map that the alarm is made for."""
    if not anchor.startswith("$"):
        return [anchor]
    source = re.search(r"local\.(\w+)", str(body.get("for_each", "")))
    value = module.locals[source[1]][1] if source else {}
    return [key.strip('"') for key in plain(value)] if isinstance(value, dict) else []


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    check = Check(root)
    problems = check.run()
    for problem in problems:
        print(problem)
    count = sum(len(module.of(kind)) for module in check.modules.values() for kind in ("resource", "data", "ephemeral"))
    print(f"{len(check.modules)} modules, {count} resources: {len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
