"""Kibana's HTTP API, as much of it as a push needs. Whatever is wrong is one line that names the remedy.

Detection rules: https://www.elastic.co/docs/api/doc/kibana/group/endpoint-security-detections-api
Saved objects: https://www.elastic.co/docs/api/doc/kibana/group/endpoint-saved-objects
Timelines: https://www.elastic.co/docs/api/doc/kibana/group/endpoint-security-timeline-api
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import (
    HTTPError,
    LocationParseError,
    MaxRetryError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Timeout, Url, parse_url

from innerwatch.errors import UserError
from innerwatch_cli.cluster import without_password
from innerwatch_cli.kibana import spaces

Rule = dict[str, Any]
Object = dict[str, Any]
Key = tuple[str, str]  # type and id of a saved object

BUSY = (429, 502, 503, 504)
TIMEOUT = Timeout(connect=10, read=60)  # seconds; an import of dashboards takes longer than a read
# A busy Kibana, or a proxy without one behind it: six more attempts within two minutes, no sooner than it asks for.
RETRY = urllib3.Retry(
    total=None,
    connect=0,
    read=1,  # a connection that was kept and is gone
    redirect=0,
    other=0,
    status=6,
    status_forcelist=BUSY,
    allowed_methods=None,  # POST and PATCH too: what a first attempt did, the second finds
    raise_on_status=False,
    backoff_factor=0.5,
    backoff_max=20,
    backoff_jitter=0.5,
    retry_after_max=20,
)
API_VERSION = "2023-10-31"  # the only public one, in 8.19 as in 9.x
PAGE = 100  # rules
OURS = "Innerwatch"  # the tag of every rule that we make
EXPECTED_URL = "expected http(s)://host:port of a Kibana, with its base path if it has one"


class Release(NamedTuple):
    """What a Kibana is called by, and where its roles give the right to detection rules."""

    major: int
    minor: int

    @property
    def feature(self) -> str:
        """https://www.elastic.co/docs/solutions/security/detect-and-alert/detections-privileges"""
        if self < (9, 3):
            return "Security"
        return "Rules, Alerts, and Exceptions" if self < (9, 4) else "Rules and Exceptions"


class Conflict(UserError):
    """Somebody else changed or made the same thing at the same moment."""


class Answer(NamedTuple):
    status: int
    body: Any  # of JSON; a list of a line each for NDJSON; None for anything else

    @property
    def message(self) -> str:
        """Kibana's own word of what was wrong."""
        told = self.body.get("message") if isinstance(self.body, dict) else None
        return " ".join(map(str, told)) if isinstance(told, list) else str(told or "it says no more")


class Kibana:
    """One space of a Kibana that was seen to answer. Every method raises UserError."""

    def __init__(self, url: str, api_key: str, space: str = spaces.DEFAULT) -> None:
        if not re.fullmatch(r"[\x21-\x7e]+", api_key):
            raise UserError(
                "the API key is not one", "expected the `encoded` form that Kibana shows, in KIBANA_API_KEY"
            )
        self.where, self.space = without_password(url).rstrip("/"), space
        self._base = _checked(url)
        self._pool = urllib3.PoolManager(
            timeout=TIMEOUT, retries=RETRY, cert_reqs="CERT_REQUIRED", ca_certs=os.environ.get("SSL_CERT_FILE")
        )
        self._headers = {"Authorization": f"ApiKey {api_key}", "kbn-xsrf": "innerwatch", "Accept": "application/json"}
        self.release = self._find_release()
        self._find_space()

    @property
    def base(self) -> str:
        """Kibana's base path, if it has one."""
        return self._base.path or ""

    # --- detection rules

    def ours(self) -> list[Rule]:
        """The rules that carry our tag."""
        found: list[Rule] = []
        for page in range(1, 101):
            query = {
                "filter": f'alert.attributes.tags: "{OURS}"',
                "sort_field": "created_at",
                "sort_order": "asc",
                "page": page,
                "per_page": PAGE,
            }
            answer = self._rules("GET", "/_find", query=query)
            found += answer.body["data"]
            if not answer.body["data"] or len(found) >= answer.body["total"]:
                break
        return list({rule["id"]: rule for rule in found}.values())  # a page may move while we read

    def rule(self, rule_id: str) -> Rule | None:
        answer = self._rules("GET", query={"rule_id": rule_id}, accept=(404,))
        return answer.body if answer.status == 200 else None

    def create(self, rule: Rule) -> None:
        self._rules("POST", body=rule)

    def patch(self, rule_id: str, fields: Mapping[str, Any]) -> None:
        """Changes `fields` of a rule and nothing else of it."""
        self._rules("PATCH", body={"rule_id": rule_id, **fields})

    def replace(self, rule: Rule) -> None:
        """Puts a rule in the place of the one with its rule_id: what it lacks is gone afterwards."""
        self._rules("PUT", body=rule)

    def _rules(
        self,
        method: str,
        path: str = "",
        *,
        query: Mapping[str, Any] | None = None,
        body: Rule | None = None,
        accept: Sequence[int] = (),
    ) -> Answer:
        return self._ask(method, f"/api/detection_engine/rules{path}", query=query, body=body, accept=accept)

    # --- saved objects

    def objects(self, wanted: Sequence[Key]) -> dict[Key, Object]:
        """Those of `wanted` that are there. Asks by export, which is public in both releases."""
        keys = list(wanted)
        while keys:
            body = {
                "objects": [{"type": kind, "id": identity} for kind, identity in keys],
                "includeReferencesDeep": False,
                "excludeExportDetails": True,
            }
            answer = self._ask("POST", "/api/saved_objects/_export", body=body, accept=(400,))
            if answer.status == 200:
                return {(one["type"], one["id"]): one for one in answer.body}
            failed = (answer.body.get("attributes") or {}).get("objects") or []
            for one in failed:
                if one["error"].get("statusCode") == 403:
                    raise self._forbidden("POST", "/api/saved_objects/_export", one["error"]["message"])
            absent = {(one["type"], one["id"]) for one in failed if one["error"].get("statusCode") == 404}
            if not absent & set(keys):
                raise UserError(f"Kibana at {self.where} exports no saved objects: {answer.message}")
            keys = [key for key in keys if key not in absent]
        return {}

    def import_objects(self, objects: Iterable[Object]) -> None:
        """Writes saved objects, over those that are there."""
        told = self._upload("/api/saved_objects/_import", objects, query={"overwrite": "true"})
        if not told.get("success"):
            raise UserError(f"Kibana at {self.where} did not take {_import_errors(told)}")

    def timeline_template(self, identity: str) -> Object | None:
        path = "/api/timeline"
        answer = self._ask("GET", path, query={"template_timeline_id": identity}, accept=(404,))
        if answer.status == 404:
            return None
        body = answer.body
        # 8.19 wraps it; 9.x, at some time, ceased to.
        found = (body.get("data") or {}).get("getOneTimeline") if "data" in body else body
        return found if found and found.get("templateTimelineId") else None

    def import_timelines(self, timelines: Iterable[Object]) -> None:
        told = self._upload("/api/timeline/_import", timelines)
        if not told.get("success"):
            raise UserError(f"Kibana at {self.where} did not take the timeline template: {_import_errors(told)}")

    def _upload(self, path: str, lines: Iterable[Object], query: Mapping[str, str] | None = None) -> dict[str, Any]:
        text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
        file = ("innerwatch.ndjson", text.encode(), "application/ndjson")
        told: dict[str, Any] = self._ask("POST", path, query=query, file=file).body
        return told

    # --- what the rest is made of

    def _find_release(self) -> Release:
        answer = self._ask("GET", "/api/status", within_space=False, accept=(400, 403, 404))
        version = answer.body.get("version") if isinstance(answer.body, dict) else None
        number = version.get("number") if isinstance(version, dict) else None
        found = re.match(r"(\d+)\.(\d+)\.", str(number))
        if not found:
            raise self._no_kibana()
        release = Release(int(found[1]), int(found[2]))
        if not (8, 19) <= release < (10, 0):
            raise UserError(f"Kibana at {self.where} is {number}", "expected 8.19 or 9.x")
        return release

    def _find_space(self) -> None:
        """Kibana takes rules for a space that does not exist, without a word."""
        answer = self._ask("GET", f"/api/spaces/space/{self.space}", accept=(403, 404))
        if answer.status == 404:
            raise UserError(f"Kibana at {self.where} has no space {self.space!r} (404)", "mend --space")
        if answer.status == 403:
            raise UserError(
                f"the API key may not enter the space {self.space!r} of Kibana at {self.where} (403)",
                "mend --space, or give the key's role privileges in that space",
            )

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        file: tuple[str, bytes, str] | None = None,
        accept: Sequence[int] = (),
        within_space: bool = True,
    ) -> Answer:
        """Kibana's answer to a request, if its status is 200 or in `accept`."""
        headers = dict(self._headers)
        if path.startswith(("/api/detection_engine", "/api/timeline")):  # the other APIs have no versions
            headers["elastic-api-version"] = API_VERSION
        base = f"{self._base.url.rstrip('/')}{spaces.path(self.space) if within_space else ''}"
        url = f"{base}{path}{'?' + urlencode(query) if query else ''}"
        try:
            response = self._pool.request(
                method,
                url,
                headers=headers,
                redirect=False,
                json=body,
                fields={"file": file} if file else None,
            )
        except HTTPError as error:
            raise self._unreachable(error) from error
        answer = Answer(response.status, _decoded(response))
        if answer.status != 200 and answer.status not in accept:
            raise self._failed(method, path, answer)
        if answer.body is None:
            raise self._no_kibana()
        return answer

    def _failed(self, method: str, path: str, answer: Answer) -> UserError:
        if answer.status == 401:
            return UserError(
                f"Kibana at {self.where} does not know the API key (401)", "set KIBANA_API_KEY to a valid one"
            )
        if answer.status in BUSY:
            return UserError(
                f"Kibana at {self.where} is too busy or not ready ({answer.status}), again and again",
                "run the command again later; what is done stays done",
            )
        if answer.body is None:
            return self._no_kibana()
        if answer.status == 403:
            return self._forbidden(method, path, answer.message)
        if answer.status == 404 and path.endswith("/_find"):
            return UserError(
                f"Kibana at {self.where} has no detection rules (404)", "is Elastic Security switched off?"
            )
        if answer.status in (404, 409):
            return Conflict(
                f"somebody else works on the same thing in Kibana at {self.where} ({answer.status}): {answer.message}",
                "run the command again",
            )
        return UserError(f"Kibana at {self.where} refused {method} {path} ({answer.status}): {answer.message}")

    def _forbidden(self, method: str, path: str, message: str) -> UserError:
        named = re.search(r"granted by the Kibana privileges \[([^\]]*)\]", message)
        lacks = f"the Kibana privilege {named[1]}" if named else f"a privilege ({message})"
        if path.startswith("/api/detection_engine"):
            needed = f"All for {self.release.feature}"
        elif path.startswith("/api/timeline"):
            needed = "All for Timeline"
        else:
            needed = "All for Saved Objects Management, Dashboard, Discover, Data View Management and Tag Management"
        return UserError(
            f"the API key lacks {lacks} for {method} {path} in the space {self.space!r} of {self.where} (403)",
            f"its role needs {needed} there" + ("" if "rules" in path else "; --rules-only leaves dashboards out"),
        )

    def _no_kibana(self) -> UserError:
        return UserError(
            f"what answers at {self.where} is no Kibana", "KIBANA_URL is the address of Kibana, not of Elasticsearch"
        )

    def _unreachable(self, error: HTTPError) -> UserError:
        cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
        text = str(cause).rpartition("): ")[2] or type(cause).__name__
        if isinstance(cause, SSLError):
            return UserError(
                f"TLS with {self.where} failed: {text}", "SSL_CERT_FILE may name a file of certificates to trust"
            )
        if isinstance(cause, ReadTimeoutError):
            return UserError(
                f"Kibana at {self.where} did not answer within {TIMEOUT.read_timeout:.0f} s",
                "run the command again; what is done stays done",
            )
        if isinstance(cause, ProtocolError):
            return UserError(
                f"Kibana at {self.where} broke the connection off: {text}",
                "run the command again; what is done stays done",
            )
        return UserError(f"nothing answers at {self.where}: {text}", "mend KIBANA_URL")


def _checked(url: str) -> Url:
    try:
        parsed = parse_url(url)
    except LocationParseError:
        parsed = Url()
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise UserError(f"KIBANA_URL is {without_password(url)!r}", EXPECTED_URL)
    return parsed._replace(auth=None)  # the API key says who we are


def _decoded(response: urllib3.BaseHTTPResponse) -> Any:
    """A body of JSON, or of NDJSON, a line each; None for anything else, such as a proxy's page."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
    try:
        if kind == "application/json":
            return json.loads(response.data)
        if kind in ("application/ndjson", "application/x-ndjson"):
            return [json.loads(line) for line in response.data.splitlines() if line.strip()]
    except ValueError:  # neither JSON nor UTF-8
        pass
    return None


def _import_errors(told: Mapping[str, Any]) -> str:
    errors = [
        " ".join(
            str(part)
            for part in (one.get("type"), one.get("id"), (one.get("error") or {}).get("type"), _said(one.get("error")))
            if part
        )
        for one in told.get("errors") or [{}]
    ]
    return "; ".join(errors[:3]) + (f"; and {len(errors) - 3} more" if len(errors) > 3 else "")


def _said(error: Any) -> str:
    return str(error.get("message") or "") if isinstance(error, dict) else ""
