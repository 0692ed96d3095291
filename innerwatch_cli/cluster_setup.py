"""What a cluster must hold before logs arrive: index templates, lifecycle policies, roles; from infra/elasticsearch.

https://www.elastic.co/docs/manage-data/lifecycle/index-lifecycle-management
https://www.elastic.co/docs/deploy-manage/users-roles/cluster-or-deployment-auth/defining-roles
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from string import Template
from typing import Any, NamedTuple

from elasticsearch import ApiError, Elasticsearch, NotFoundError

from innerwatch.fields import DATASETS
from innerwatch_cli import index_templates
from innerwatch_cli.paths import ELASTICSEARCH
from innerwatch_cli.rights import retention

POLICY, COMPONENT, INDEX_TEMPLATE, ROLE = "lifecycle policy", "component template", "index template", "role"
NEW, CHANGED, SAME, KEPT = "new", "changed", "same", "kept"

# Output of the stack that names the secret → name of the key, and its role.
KEYS = {
    "ElasticsearchSecret": ("enrich-logs", "writer"),
    "ElasticsearchCheckSecret": ("check", "checker"),
    "ElasticsearchDetectSecret": ("detect", "detector"),
    "ElasticsearchMeasureSecret": ("measure-behaviour", "measurer"),
}


class Part(NamedTuple):
    kind: str
    name: str
    body: dict[str, Any]
    ours: bool = True  # whether another one under this name is brought in line with it


def roles(namespace: str) -> dict[str, dict[str, Any]]:
    """Name without the namespace → body of `PUT _security/role/…`."""
    return {
        path.stem: json.loads(Template(path.read_text()).substitute(namespace=namespace))
        for path in sorted((ELASTICSEARCH / "roles").glob("*.json"))
    }


def parts(namespace: str, without: Collection[str] = (), retain: Mapping[str, int] | None = None) -> Iterator[Part]:
    """All that is to be installed but for the kinds in `without`, what others refer to first.

    `retain` has the days for which datasets are to be kept; of the others, what a cluster has already is left.
    """
    retain = retain or {}
    for dataset in sorted(DATASETS):
        policy = retention.policy(dataset, retain.get(dataset))
        if POLICY not in without:
            name = retention.policy_name(dataset)
            yield Part(POLICY, name, policy, ours=dataset in retain)
            lifecycle: dict[str, Any] = {"settings": {"index": {"lifecycle": {"name": name}}}}
        else:
            lifecycle = {"lifecycle": {"data_retention": f"{retention.days_of(policy)}d"}}
        yield Part(COMPONENT, index_templates.lifecycle_component(dataset), {"template": lifecycle})
    for name, body in index_templates.templates().items():
        yield Part(INDEX_TEMPLATE, name, body)
    if ROLE not in without:
        for name, body in roles(namespace).items():
            yield Part(ROLE, f"{namespace}-{name}", body)


def api_keys(namespace: str) -> dict[str, dict[str, Any]]:
    """Output that names the secret → body of `POST _security/api_key`. A key can no more than its role."""
    found = {name: {"indices": role["indices"]} for name, role in roles(namespace).items()}  # descriptions are refused
    return {
        secret: {"name": f"{namespace}-{name}", "role_descriptors": {role: found[role]}}
        for secret, (name, role) in KEYS.items()
    }


# --- what the cluster can and holds


def missing(es: Elasticsearch) -> dict[str, str]:
    """The kinds that this cluster does not have, with the reason."""
    asked: dict[str, tuple[Callable[[], object], str]] = {
        POLICY: (
            es.ilm.get_lifecycle,
            "this cluster has no index lifecycle management; new data streams get one of their own, if it can that",
        ),
        ROLE: (es.security.get_role, "this cluster's security is off: whoever reaches it reads and changes everything"),
    }
    found = {}
    for kind, (ask, why) in asked.items():
        try:
            ask()
        except ApiError as error:
            if error.status_code not in (400, 405, 410):  # no such endpoint, or none in serverless
                raise
            found[kind] = why
    return found


def state(es: Elasticsearch, part: Part) -> str:
    try:
        current = READ[part.kind](es, part.name)
    except NotFoundError:
        return NEW
    if holds(current, part.body):
        return SAME
    return CHANGED if part.ours else KEPT


def bring(es: Elasticsearch, part: Part, found: str) -> None:
    if found in (NEW, CHANGED):
        WRITE[part.kind](es, part.name, part.body)


def _policy(es: Elasticsearch, name: str) -> dict[str, Any]:
    return dict(es.ilm.get_lifecycle(name=name)[name]["policy"])


def _component(es: Elasticsearch, name: str) -> dict[str, Any]:
    return dict(es.cluster.get_component_template(name=name)["component_templates"][0]["component_template"])


def _template(es: Elasticsearch, name: str) -> dict[str, Any]:
    return dict(es.indices.get_index_template(name=name)["index_templates"][0]["index_template"])


def _role(es: Elasticsearch, name: str) -> dict[str, Any]:
    return dict(es.security.get_role(name=name)[name])


READ: dict[str, Callable[[Elasticsearch, str], dict[str, Any]]] = {
    POLICY: _policy,
    COMPONENT: _component,
    INDEX_TEMPLATE: _template,
    ROLE: _role,
}
WRITE: dict[str, Callable[[Elasticsearch, str, dict[str, Any]], object]] = {
    POLICY: lambda es, name, body: es.ilm.put_lifecycle(name=name, policy=body),
    COMPONENT: lambda es, name, body: es.cluster.put_component_template(name=name, **body),
    INDEX_TEMPLATE: index_templates.put,
    ROLE: lambda es, name, body: es.security.put_role(name=name, **body),
}
EXACT = frozenset({"mappings", "settings"})  # where one entry too many is a difference


def holds(current: Any, wanted: Any, *, exact: bool = False) -> bool:
    """Whether the cluster has what is wanted; defaults that it adds by itself don't count, nor `3` for `"3"`."""
    if isinstance(wanted, Mapping):
        return (
            isinstance(current, Mapping)
            and (not exact or set(current) == set(wanted))
            and all(
                key in current and holds(current[key], value, exact=exact or key in EXACT)
                for key, value in wanted.items()
            )
        )
    if isinstance(wanted, list):
        return (
            isinstance(current, list)
            and len(current) == len(wanted)
            and all(holds(one, other, exact=exact) for one, other in zip(current, wanted, strict=True))
        )
    return _text(current) == _text(wanted)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
