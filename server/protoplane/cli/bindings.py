"""Where the methods of a resource stand in HTTP (AIP-127)."""

from __future__ import annotations

from protoplane.cli.noun import Noun


def http_paths(noun: Noun) -> dict[str, str]:
    """Bindings by method name; those of further patterns are additional."""
    first, *others = (_http_paths_of(noun, pattern) for pattern in noun.patterns)
    return {method: _with_additional(path, [other[method] for other in others]) for method, path in first.items()}


def _with_additional(path: str, others: list[str]) -> str:
    if not others:
        return path
    inside = path[1:-1].strip()
    return "".join((f"{{\n      {inside}", *(f"\n      additional_bindings {other}" for other in others), "\n    }"))


def _http_paths_of(noun: Noun, pattern: str) -> dict[str, str]:
    name = "/".join("*" if part.startswith("{") else part for part in pattern.split("/"))
    parent = name.rpartition("/")[0].rpartition("/")[0]
    base, field = f"/{noun.version}/", noun.field
    collection = f"{base}{{parent={parent}}}/{noun.collection}" if parent else f"{base}{noun.collection}"

    def with_body(verb: str, path: str, body: str) -> str:
        return f'{{\n      {verb}: "{path}"\n      body: "{body}"\n    }}'

    return {
        f"Get{noun.name}": f'{{get: "{base}{{name={name}}}"}}',
        f"BatchGet{noun.plural_name}": f'{{get: "{collection}:batchGet"}}',
        f"List{noun.plural_name}": f'{{get: "{collection}"}}',
        f"Create{noun.name}": with_body("post", collection, field),
        f"BatchCreate{noun.plural_name}": with_body("post", f"{collection}:batchCreate", "*"),
        f"Update{noun.name}": with_body("patch", f"{base}{{{field}.name={name}}}", field),
        f"BatchUpdate{noun.plural_name}": with_body("post", f"{collection}:batchUpdate", "*"),
        f"BatchDelete{noun.plural_name}": with_body("post", f"{collection}:batchDelete", "*"),
        f"Delete{noun.name}": f'{{delete: "{base}{{name={name}}}"}}',
        f"Undelete{noun.name}": with_body("post", f"{base}{{name={name}}}:undelete", "*"),
        f"Aggregate{noun.plural_name}": f'{{get: "{collection}:aggregate"}}',
    }
