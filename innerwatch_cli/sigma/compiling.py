"""Compiles Sigma rules, with pySigma, into what `innerwatch.detection` runs, or refuses them with the reason."""

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule
from sigma.rule.base import SigmaRuleBase

from innerwatch.detection.rules import AnyOf, CompiledRule, Condition
from innerwatch.errors import UserError
from innerwatch_cli.paths import RULES
from innerwatch_cli.sigma import correlating, loading, mistakes
from innerwatch_cli.sigma.conditions import NotSupportedError, condition
from innerwatch_cli.sigma.correlating import Correlations
from innerwatch_cli.sigma.loading import Document, Parsed, R
from innerwatch_cli.sigma.lucene import ExactLucene
from innerwatch_cli.sigma.taxonomy import FOREIGN, LOGSOURCES, TAXONOMIES, Taxonomy, pipeline
from innerwatch_cli.sigma.threats import threats

# For rules without an id of their own: the same rule always gets the same one.
NAMELESS = uuid.UUID("6f2c7f2e-5a1c-5d3e-9a51-0b2f4f6f9d11")
PIPELINES = RULES.parent / "pipelines"
SELECTOR = re.compile(r"\b(?:1|any|all)\s+of\s+([A-Za-z0-9_*]+)")


@dataclass(slots=True)
class Compilation:
    """What compiled, rules before the correlations that use them, and an error for each rule that did not."""

    rules: list[CompiledRule] = field(default_factory=list)
    errors: list[UserError] = field(default_factory=list)


def compile_rules(paths: Sequence[Path | str], pipelines: Sequence[Path | str] | None = None) -> list[CompiledRule]:
    """The rules of files and folders, compiled. Raises the first rule's UserError, with path:line:column.

    `pipelines` are pySigma pipelines in YAML, applied before the log source's own: what `expand` placeholders stand
    for, for example. Unless given, they are those in sigma_rules/pipelines.
    """
    compilation = compile_all(paths, pipelines)
    if compilation.errors:
        raise compilation.errors[0]
    return compilation.rules


def compile_all(
    paths: Sequence[Path | str],
    pipelines: Sequence[Path | str] | None = None,
    taxonomies: Mapping[str, Taxonomy] = TAXONOMIES,
) -> Compilation:
    """As `compile_rules`, with every error collected instead of the first raised."""
    documents: list[Document] = []
    result = Compilation()
    for path in loading.files(paths):
        for item in loading.read(path):
            if isinstance(item, Document):
                documents.append(item)
            else:
                result.errors.append(item)
    Compiler(taxonomies, read_pipelines(pipelines)).run(documents, result)
    return result


def read_pipelines(paths: Sequence[Path | str] | None) -> list[ProcessingPipeline]:
    """Those in sigma_rules/pipelines unless others are given."""
    return [read_pipeline(path) for path in (sorted(PIPELINES.glob("*.yml")) if paths is None else map(Path, paths))]


def read_pipeline(path: Path) -> ProcessingPipeline:
    expected = "expected a pySigma pipeline as in sigma_rules/pipelines"
    try:
        return ProcessingPipeline.from_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", expected, path=path) from error
    except (SigmaError, ValueError) as error:
        raise UserError(f"this is no pipeline: {error}", expected, path=path) from error
    except (TypeError, AttributeError, KeyError) as error:  # pySigma takes it for granted that it is a map
        raise UserError("this is no pipeline", expected, path=path) from error


class Compiler:
    def __init__(self, taxonomies: Mapping[str, Taxonomy], pipelines: Iterable[ProcessingPipeline] = ()) -> None:
        self.taxonomies = taxonomies
        self.backends = {dataset: ExactLucene(taxonomy) for dataset, taxonomy in taxonomies.items()}
        self.foreign = ExactLucene(FOREIGN)
        self.ours = {dataset: pipeline(dataset, taxonomies) for dataset in taxonomies}
        self.theirs = list(pipelines)

    def run(self, documents: Iterable[Document], result: Compilation) -> None:
        parsed = list(self._parse_all(documents, result))
        singles = [Parsed(item.id, item.document, item.rule) for item in parsed if isinstance(item.rule, SigmaRule)]
        filters = [(item.document, item.rule) for item in parsed if isinstance(item.rule, SigmaFilter)]
        compiled: dict[str, CompiledRule] = {}
        for single in _filtered(singles, filters, result):
            try:
                compiled[single.id] = _with_meta(self.single(single), single)
            except mistakes.EXPECTED as error:
                result.errors.append(mistakes.explain(single.document, error))
        used = self._correlations(parsed, compiled, result)
        for identity, done in compiled.items():
            result.rules.append(msgspec.structs.replace(done, alerts=False) if identity in used else done)

    def _correlations(
        self, parsed: Iterable[Parsed[SigmaRuleBase]], compiled: dict[str, CompiledRule], result: Compilation
    ) -> set[str]:
        """Adds the correlations to `compiled`; the ids of the rules that only serve them come back."""
        items = {
            item.id: Parsed(item.id, item.document, item.rule)
            for item in parsed
            if isinstance(item.rule, SigmaCorrelationRule)
        }
        used: set[str] = set()
        for identity, done in Correlations(items, compiled, self.taxonomies).compile(result.errors).items():
            compiled[identity] = _with_meta(done, items[identity])
            if not items[identity].rule.generate and done.correlation is not None:
                used.update(source.rule for source in done.correlation.sources)
        return used

    # --- reading

    def _parse_all(self, documents: Iterable[Document], result: Compilation) -> Iterator[Parsed[SigmaRuleBase]]:
        seen: dict[str, Document] = {}
        for document in documents:
            try:
                rule = parse(document)
            except mistakes.EXPECTED as error:
                result.errors.append(mistakes.explain(document, error))
                continue
            identity = str(rule.id or uuid.uuid5(NAMELESS, f"{rule.title}\n{document.data.get('logsource')}"))
            if identity in seen:
                place = f"{seen[identity].path}:{seen[identity].node.start_mark.line + 1}"
                what = f"the id {identity} is taken already by {place}"
                result.errors.append(document.error(what, "expected an id of its own", document.value("id")))
                continue
            seen[identity] = document
            yield Parsed(identity, document, rule)

    # --- single rules

    def single(self, item: Parsed[SigmaRule]) -> CompiledRule:
        rule = item.rule
        dataset = dataset_of(rule)
        if dataset and dataset not in self.taxonomies:
            raise NotSupportedError(f"the log source {dataset} has no fields yet")
        for transform in self.theirs:
            transform.apply(rule)
        if dataset:
            self.ours[dataset].apply(rule)
        backend = self.backends[dataset] if dataset else self.foreign
        _refuse_empty(item.document, rule)
        trees = [one.parse() for one in rule.detection.parsed_condition]
        if any(tree is None for tree in trees):
            raise NotSupportedError("the condition selects nothing")
        conditions: list[Condition] = [condition(tree, backend.taxonomy) for tree in trees]
        selected = [backend.select(tree) for tree in trees]
        query = selected[0][0] if len(selected) == 1 else " OR ".join(f"({one})" for one, _ in selected)
        return CompiledRule(
            id=item.id,
            title=rule.title,
            dataset=dataset,
            logsource={
                key: value
                for key in ("category", "product", "service")
                if (value := getattr(rule.logsource, key)) is not None
            },
            query=query,
            exact=all(exact for _, exact in selected),
            condition=conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions)),
        )


def dataset_of(rule: SigmaRule) -> str:
    source = rule.logsource
    if source.category is not None:
        return ""
    return LOGSOURCES.get((source.product or "", source.service or ""), "")


def parse(document: Document) -> SigmaRuleBase:
    """One document as pySigma's rule. Raises what `mistakes.EXPECTED` lists."""
    mistakes.check_shape(document)
    data = correlating.with_one_operator(document.data)
    parsed = SigmaCollection.from_dicts([data], collect_filters=True, resolve_references=False)
    rules: list[SigmaRuleBase] = [*parsed.rules, *parsed.filters]
    if len(rules) != 1:
        raise NotSupportedError("collection actions (`action: …`) are not supported; write each rule out")
    return rules[0]


def _refuse_empty(document: Document, rule: SigmaRule) -> None:
    """pySigma drops a selector that matches no search identifier, and takes an empty list for null."""
    names = list(rule.detection.detections)
    for text in rule.detection.condition:
        for pattern in SELECTOR.findall(text):
            wanted = re.compile(".*" if pattern == "them" else re.escape(pattern).replace(r"\*", ".*"))
            if not any(
                wanted.fullmatch(name) and (pattern.startswith("_") or not name.startswith("_")) for name in names
            ):
                raise NotSupportedError(f"`of {pattern}` matches no search identifier")
    empty = mistakes.empty_value(document.data.get("detection"))
    if empty:
        raise NotSupportedError(f"{empty} has no value; write null to ask for a field without one")


def _filtered(
    singles: list[Parsed[SigmaRule]], filters: list[tuple[Document, SigmaFilter]], result: Compilation
) -> Iterator[Parsed[SigmaRule]]:
    """The rules with Sigma's filters applied."""
    for document, rule_filter in filters:
        for reference in _named(rule_filter.filter.rules):
            if not any(reference in (single.id, single.rule.name) for single in singles):
                node = document.value("filter", "rules")
                what = f"the filter is for a rule {reference!r} that is not there"
                result.errors.append(document.error(what, "expected the id or name of a rule given", node))
    for single in singles:
        for _, rule_filter in filters:
            rule_filter.apply_on_rule(single.rule)  # changes the rule in place
        yield single


def _named(rules: Any) -> list[str]:
    return [] if isinstance(rules, str) else [reference.reference for reference in rules]


def _with_meta(compiled: CompiledRule, item: Parsed[R]) -> CompiledRule:
    rule = item.rule
    return msgspec.structs.replace(
        compiled,
        title=rule.title,
        name=rule.name or "",
        level=rule.level.name.lower() if rule.level else "medium",
        status=rule.status.name.lower() if rule.status else "",
        description=(rule.description or "").strip(),
        tags=tuple(f"{tag.namespace}.{tag.name}" for tag in rule.tags),
        falsepositives=tuple(map(str, rule.falsepositives)),
        references=tuple(map(str, rule.references)),
        threat=threats(tuple(f"{tag.namespace}.{tag.name}" for tag in rule.tags)),
        author=rule.author or "",
        license=rule.license or "",
        version=str(rule.modified or rule.date or ""),
        path=str(item.document.path),
    )
