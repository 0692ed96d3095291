"""infra/template.yaml as SAM's transform expands it, on this machine: for an emulated AWS, which does not know SAM.

In AWS the service expands it: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/transform-aws-serverless.html
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

from innerwatch.errors import UserError


def source(path: Path) -> dict[str, Any]:
    """The template as it is written, short forms of functions in their long form."""
    from samtranslator.yaml_helper import yaml_parse

    found: dict[str, Any] = yaml_parse(path.read_text(encoding="utf-8"))
    return found


def translated(path: Path, region: str) -> dict[str, Any]:
    """What SAM's transform makes of it. Raises UserError where SAM's translator is not installed."""
    try:
        from samtranslator.parser.parser import Parser
        from samtranslator.translator.translator import Translator
    except ModuleNotFoundError as error:
        raise UserError("an emulated AWS needs aws-sam-translator, which is not installed", "`make setup`") from error
    translator = Translator({}, Parser(), boto_session=boto3.session.Session(region_name=region))
    found: dict[str, Any] = translator.translate(source(path), {})
    return found


def for_emulator(path: Path, region: str, values: Mapping[str, str]) -> dict[str, Any]:
    """The same with numbers in place of references to parameters of type Number, which MiniStack leaves texts."""
    body = translated(path, region)
    numbers = {
        name: int(values.get(name, found.get("Default")))
        for name, found in body["Parameters"].items()
        if found["Type"] == "Number"
    }
    written: dict[str, Any] = _with_numbers(body, numbers)
    return written


def _with_numbers(node: Any, numbers: Mapping[str, int]) -> Any:
    if isinstance(node, dict):
        if set(node) == {"Ref"} and node["Ref"] in numbers:
            return numbers[node["Ref"]]
        return {key: _with_numbers(value, numbers) for key, value in node.items()}
    return [_with_numbers(value, numbers) for value in node] if isinstance(node, list) else node
