"""A strict stand-in for Kibana: detection rules, saved objects, Timeline templates, spaces, API keys.

A real HTTP server that keeps state. It refuses what Kibana refuses and more: query parameters and fields that it does
not know, requests without `kbn-xsrf`, other content types, read-only fields. Rules are validated against the schemas
that elastic/detection-rules keeps for each release. What each answer looks like is read from Kibana's sources:

- routes of rules: security_solution/server/lib/detection_engine/rule_management/api/rules/*/route.ts; PATCH keeps what
  it is not told (apply_rule_patch.ts), PUT sets the rest to its default but for `enabled` (apply_rule_update.ts)
- saved objects: core/packages/saved-objects/server-internal/src/routes/{import,export}.ts
- timelines: security_solution/server/lib/timeline/routes/timelines/{get_timeline,import_timelines}
- what a missing privilege is told as: security/server/authorization/api_authorization.ts
"""

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from email.parser import BytesParser
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import jsonschema  # type: ignore[import-untyped] # it has no types of its own

Body = dict[str, Any]
SCHEMAS = Path(__file__).parents[2] / "shared" / "data" / "kibana" / "rule-schemas"
RELEASES = {"8.19": "8.19.7", "9.5": "9.5.0"}
JSON = "application/json; charset=utf-8"
KEY = "a2V5OnNlY3JldA=="
# In 8.19 the API lets in whoever may use Security; it is the alerting framework that refuses to write.
RULES_ALL = {"8.19": "siem.queryRule/create", "9.5": "rules-all"}
RULES_READ = {"8.19": "securitySolution", "9.5": "rules-read"}
OBJECTS, TIMELINE_READ, TIMELINE_WRITE = "saved objects", "timeline_read", "timeline_write"
READ_ONLY = {
    "id",
    "immutable",
    "rule_source",
    "revision",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "execution_summary",
}
DEFAULTS: Body = {  # apply_rule_defaults.ts
    "enabled": False,
    "risk_score_mapping": [],
    "severity_mapping": [],
    "interval": "5m",
    "to": "now",
    "from": "now-6m",
    "exceptions_list": [],
    "false_positives": [],
    "max_signals": 100,
    "actions": [],
    "related_integrations": [],
    "required_fields": [],
    "setup": "",
    "references": [],
    "threat": [],
    "tags": [],
    "author": [],
    "output_index": "",
    "version": 1,
}


class Refused(Exception):
    def __init__(self, status: int, message: str, *, own: bool = False, **more: Any) -> None:
        super().__init__(message)
        self.status, self.own, self.more = status, own, more


class Fault(NamedTuple):
    """What the next request of its kind is answered."""

    method: str
    path: str  # regular expression
    status: int  # 0: nothing, the connection is cut
    headers: Mapping[str, str] = {}
    body: bytes = b'{"statusCode":0,"error":"Fault","message":"injected"}'
    kind: str = JSON
    after: bool = False  # the request is carried out all the same


class Request(NamedTuple):
    method: str
    path: str
    status: int
    body: Any


class Space:
    def __init__(self) -> None:
        self.rules: dict[str, Body] = {}
        self.objects: dict[tuple[str, str], Body] = {}
        self.timelines: dict[str, Body] = {}

    def named(self, name: str) -> Body:
        (found,) = (rule for rule in self.rules.values() if rule["name"] == name)
        return found


class StandIn:
    def __init__(self, release: str) -> None:
        self.release, self.number = release, RELEASES[release]
        self.spaces = {"default": Space()}
        everything = {RULES_ALL[release], RULES_READ[release], OBJECTS, TIMELINE_READ, TIMELINE_WRITE}
        self.keys: dict[str, dict[str, set[str]]] = {KEY: {"*": everything}}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.before_write: Callable[[int], None] = lambda _: None
        self.base = ""  # server.basePath
        self.url = ""
        self._lock = threading.RLock()
        self._clock = 0

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Requests that changed something: methods and paths."""
        asking = ("/_export",)
        return [
            (one.method, one.path)
            for one in self.requests
            if one.method != "GET" and one.status == 200 and not one.path.endswith(asking)
        ]

    def space(self, name: str = "default") -> Space:
        return self.spaces[name]

    def fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.method == method and re.search(fault.path, path):
                    self.faults.remove(fault)
                    return fault
        return None

    # --- what is asked

    def answer(self, method: str, target: str, headers: Message, data: bytes) -> tuple[int, Any]:
        with self._lock:
            parts = urlsplit(target)
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            found = re.fullmatch(rf"{self.base}(?:/s/([a-z0-9_-]+))?(/api/.*)", parts.path)
            if not found:
                raise Refused(404, "Not Found")
            name, path = found[1] or "default", found[2]
            privileges = self._privileges(headers, name)
            if method != "GET" and not headers.get("kbn-xsrf"):
                raise Refused(400, "Request must contain a kbn-xsrf header.")
            versioned = path.startswith(("/api/detection_engine", "/api/timeline"))
            if versioned and headers.get("elastic-api-version") != "2023-10-31":
                raise Refused(400, "No version available for public route; expected 2023-10-31")
            handler, needed, allowed = self._route(method, path)
            if unknown := set(query) - allowed:
                raise Refused(400, f"[request query]: unknown {sorted(unknown)}")
            if needed and needed not in privileges and needed != OBJECTS:
                if needed == RULES_ALL["8.19"]:
                    raise Refused(403, 'Unauthorized by "siem" to create "siem.queryRule" rule', own=True)
                raise Refused(
                    403,
                    f"API [{method} {target}] is unauthorized for user, "
                    f"this action is granted by the Kibana privileges [{needed}]",
                )
            body = self._body(path, headers, data) if method != "GET" else None
            # Kibana does not ask whether a space exists: what is written to one that doesn't is there, unseen.
            space = self.spaces.get(name) or Space()
            return handler(space, query, body, privileges)

    def _privileges(self, headers: Message, space: str) -> set[str]:
        scheme, _, key = headers.get("Authorization", "").partition(" ")
        if scheme != "ApiKey" or key not in self.keys:
            raise Refused(401, "[security_exception]: unable to authenticate user")
        granted = self.keys[key]
        return granted.get(space, granted.get("*", set()))

    def _route(self, method: str, path: str) -> tuple[Callable[..., tuple[int, Any]], str, set[str]]:
        read, everything = RULES_READ[self.release], RULES_ALL[self.release]
        rules = "/api/detection_engine/rules"
        routes: dict[tuple[str, str], tuple[Callable[..., tuple[int, Any]], str, set[str]]] = {
            ("GET", "/api/status"): (self._status, "", set()),
            ("GET", f"{rules}/_find"): (
                self._find,
                read,
                {"fields", "filter", "sort_field", "sort_order", "page", "per_page"},
            ),
            ("GET", rules): (self._read, read, {"id", "rule_id"}),
            ("POST", rules): (self._create, everything, set()),
            ("PATCH", rules): (self._patch, everything, set()),
            ("PUT", rules): (self._put, everything, set()),
            ("POST", "/api/saved_objects/_export"): (self._export, OBJECTS, set()),
            ("POST", "/api/saved_objects/_import"): (
                self._import,
                OBJECTS,
                {"overwrite", "createNewCopies", "compatibilityMode"},
            ),
            ("GET", "/api/timeline"): (self._timeline, TIMELINE_READ, {"id", "template_timeline_id"}),
            ("POST", "/api/timeline/_import"): (self._import_timelines, TIMELINE_WRITE, set()),
        }
        if method == "GET" and (found := re.fullmatch(r"/api/spaces/space/([^/]+)", path)):
            return lambda *given: self._space(found[1], given[-1]), "", set()
        if (method, path) not in routes:
            raise Refused(404, "Not Found")
        return routes[method, path]

    def _body(self, path: str, headers: Message, data: bytes) -> Any:
        kind = headers.get_content_type()
        if path.endswith("/_import"):
            if kind != "multipart/form-data":
                raise Refused(415, "Unsupported Media Type")
            head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
            parts = BytesParser().parsebytes(head + data).get_payload()
            assert isinstance(parts, list)
            (part,) = parts
            assert isinstance(part, Message)
            if part.get_param("name", header="content-disposition") != "file":
                raise Refused(400, "[request body.file]: expected value of type [Stream]")
            if not str(part.get_filename()).endswith(".ndjson"):
                raise Refused(400, f"Invalid file extension {part.get_filename()}")
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            return [json.loads(line) for line in content.splitlines()]
        if kind != "application/json":
            raise Refused(415, "Unsupported Media Type")
        return json.loads(data)

    # --- the server itself

    def _status(self, *_: Any) -> tuple[int, Any]:
        return 200, {
            "name": "stand-in",
            "version": {"number": self.number},
            "status": {"overall": {"level": "available"}},
        }

    def _space(self, name: str, privileges: set[str]) -> tuple[int, Any]:
        if not privileges:
            raise Refused(403, f"Unauthorized to get {name} space")
        if name not in self.spaces:
            raise Refused(404, "Not Found")
        return 200, {"id": name, "name": name, "disabledFeatures": []}

    # --- detection rules

    def _find(self, space: Space, query: Mapping[str, str], *_: Any) -> tuple[int, Any]:
        tag = re.fullmatch(r'alert\.attributes\.tags: "([^"]+)"', query["filter"])
        page, size = int(query.get("page", 1)), int(query.get("per_page", 20))
        if not tag or query.get("sort_field", "created_at") != "created_at" or not 1 <= size <= 100 or page < 1:
            raise Refused(400, f"[request query]: cannot be understood: {query}")
        found = sorted(
            (rule for rule in space.rules.values() if tag[1] in rule["tags"]), key=lambda rule: str(rule["created_at"])
        )
        rows = found[(page - 1) * size : page * size]
        return 200, {"page": page, "perPage": size, "total": len(found), "data": rows}

    def _read(self, space: Space, query: Mapping[str, str], *_: Any) -> tuple[int, Any]:
        return 200, self._existing(space, query["rule_id"])

    def _create(self, space: Space, _query: Any, body: Body, _privileges: Any) -> tuple[int, Any]:
        self._check(body, whole=True)
        if body["rule_id"] in space.rules:
            raise Refused(409, f'rule_id: "{body["rule_id"]}" already exists', own=True)
        now = self._now()
        rule = {
            **DEFAULTS,
            **self._stored(body),
            "id": str(uuid.uuid4()),
            "immutable": False,
            "rule_source": {"type": "internal"},
            "revision": 0,
            **dict.fromkeys(("created_at", "updated_at"), now),
            **dict.fromkeys(("created_by", "updated_by"), "key"),
        }
        space.rules[rule["rule_id"]] = rule
        return 200, rule

    def _patch(self, space: Space, _query: Any, body: Body, _privileges: Any) -> tuple[int, Any]:
        rule = self._existing(space, body["rule_id"])
        self._check(body, whole=False)
        if body.get("type", rule["type"]) != rule["type"]:
            raise Refused(400, "type cannot be changed", own=True)
        self._renew(rule, {name: value for name, value in self._stored(body).items() if value is not None})
        return 200, rule

    def _put(self, space: Space, _query: Any, body: Body, _privileges: Any) -> tuple[int, Any]:
        rule = self._existing(space, body["rule_id"])
        self._check(body, whole=True)
        kept = {name: rule[name] for name in (*READ_ONLY, "enabled", "version") if name in rule}
        fresh = {**DEFAULTS, **kept, **self._stored(body)}
        for name in set(rule) - set(fresh):
            del rule[name]
        self._renew(rule, fresh)
        return 200, rule

    def _renew(self, rule: Body, fields: Body) -> None:
        changed = {name for name, value in fields.items() if rule.get(name) != value}
        rule.update(fields)
        # https://github.com/elastic/kibana/pull/147398: what is no content of a rule leaves its revision as it is
        rule["revision"] += bool(changed - {"enabled"})
        rule["updated_at"] = self._now()

    def _existing(self, space: Space, rule_id: str) -> Body:
        if rule_id not in space.rules:
            raise Refused(404, f'rule_id: "{rule_id}" not found', own=True)
        return space.rules[rule_id]

    def _stored(self, body: Body) -> Body:
        """As it is given back: Kibana says of each required field whether it is ECS's."""
        fields = body.get("required_fields")
        return (
            {**body, "required_fields": [{**one, "ecs": one["name"].startswith("event.")} for one in fields]}
            if fields is not None
            else dict(body)
        )

    def _check(self, body: Body, *, whole: bool) -> None:
        if wrong := READ_ONLY & set(body):
            raise Refused(400, f"[request body]: read-only: {sorted(wrong)}")
        for item in body.get("required_fields", ()):
            if set(item) != {"name", "type"}:
                raise Refused(400, f"[request body]: required_fields: {item}")
        if whole and "risk_score" not in body:
            raise Refused(400, "[request body]: risk_score: Required")
        if wrongs := violations(body, self.release, whole=whole):
            raise Refused(400, f"[request body]: {'; '.join(wrongs)}")

    # --- saved objects

    def _export(self, space: Space, _query: Any, body: Body, privileges: set[str]) -> tuple[int, Any]:
        if set(body) - {"objects", "includeReferencesDeep", "excludeExportDetails"} or not body["objects"]:
            raise Refused(400, "[request body]: Either `type` or `objects` are required.")
        keys = [(one["type"], one["id"]) for one in body["objects"]]
        if OBJECTS not in privileges:
            problems = [
                (key, {"statusCode": 403, "error": "Forbidden", "message": f"Unable to bulk_get {key[0]}:{key[1]}"})
                for key in keys
            ]
        else:
            problems = [
                (key, {"statusCode": 404, "error": "Not Found", "message": f"Saved object [{'/'.join(key)}] not found"})
                for key in keys
                if key not in space.objects
            ]
        if problems:
            objects = [{"type": kind, "id": identity, "error": error} for (kind, identity), error in problems]
            raise Refused(400, "Error fetching objects to export", attributes={"objects": objects})
        return 200, [space.objects[key] for key in keys]

    def _import(
        self, space: Space, query: Mapping[str, str], lines: list[Body], privileges: set[str]
    ) -> tuple[int, Any]:
        if OBJECTS not in privileges:
            raise Refused(403, "Unable to bulk_create dashboard, index-pattern, search, tag")
        if query.get("overwrite") not in ("true", "false", None):
            raise Refused(400, "[request query.overwrite]: expected value of type [boolean]")
        sent = {(one["type"], one["id"]) for one in lines}
        errors = []
        for one in lines:
            if set(one) - {"type", "id", "attributes", "references", "coreMigrationVersion", "typeMigrationVersion"}:
                raise Refused(400, f"[request body]: {sorted(one)}")
            if len({reference["name"] for reference in one["references"]}) < len(one["references"]):
                raise Refused(400, f"[request body]: two references of one name in {one['id']}")
            elsewhere = [
                name for name, other in self.spaces.items() if other is not space and key(one) in other.objects
            ]
            if elsewhere:  # Kibana would give it another id: links would not find it
                errors.append({"type": one["type"], "id": one["id"], "error": {"type": "conflict"}})
            errors += [
                {"type": one["type"], "id": one["id"], "error": {"type": "missing_references"}}
                for reference in one["references"]
                if reference["type"] in ("index-pattern", "search")
                and (reference["type"], reference["id"]) not in sent | set(space.objects)
            ]
            if key(one) in space.objects and query.get("overwrite") != "true":
                errors.append({"type": one["type"], "id": one["id"], "error": {"type": "conflict"}})
        if errors:
            return 200, {"success": False, "successCount": 0, "errors": errors}
        for one in lines:
            # Kibana rewrites what it takes in.
            attributes = {**one["attributes"], "upgraded": True} if one["type"] == "dashboard" else one["attributes"]
            space.objects[key(one)] = {**one, "attributes": attributes, "updated_at": self._now(), "managed": False}
        return 200, {"success": True, "successCount": len(lines)}

    # --- Timeline templates

    def _timeline(self, space: Space, query: Mapping[str, str], *_: Any) -> tuple[int, Any]:
        found = space.timelines.get(query["template_timeline_id"])
        if self.release == "8.19":
            return 200, {"data": {"getOneTimeline": found}} if found else {}
        if not found:
            raise Refused(404, "not found", own=True)
        return 200, found

    def _import_timelines(self, space: Space, _query: Any, lines: list[Body], _privileges: Any) -> tuple[int, Any]:
        errors = []
        for one in lines:
            if one["timelineType"] != "template" or not isinstance(one["templateTimelineVersion"], int):
                raise Refused(400, "no template", own=True)
            there = space.timelines.get(one["templateTimelineId"])
            if there and there["templateTimelineVersion"] >= one["templateTimelineVersion"]:
                errors.append({"id": one["templateTimelineId"], "error": {"status_code": 409, "message": "not newer"}})
            else:
                space.timelines[one["templateTimelineId"]] = one
        return 200, {"success": not errors, "success_count": len(lines) - len(errors), "errors": errors}

    def _now(self) -> str:
        self._clock += 1
        return f"2026-11-24T12:{self._clock // 60 % 60:02}:{self._clock % 60:02}.{self._clock // 3600:03}Z"


def key(item: Body) -> tuple[str, str]:
    return item["type"], item["id"]


@cache
def schema(release: str, kind: str) -> Body:
    read: Body = json.loads((SCHEMAS / release / f"{release}.{kind}.json").read_text())
    return read


def violations(body: Body, release: str, *, whole: bool) -> list[str]:
    """What is wrong with a rule, or with a part of one, by Elastic's schemas; nothing where these are absent."""
    if not SCHEMAS.exists():
        return []
    # Elastic's repository holds its rules to more than the API does: there, `ecs` is written by hand.
    bare = {name: value for name, value in body.items() if name not in ("output_index", "namespace")}
    if "required_fields" in bare:
        bare["required_fields"] = [{"name": one["name"], "ecs": False} for one in bare["required_fields"]]
    held = schema(release, body.get("type", "query"))
    validator = jsonschema.Draft4Validator(held if whole else {**held, "required": ["rule_id"]})
    return [error.message for error in validator.iter_errors(bare)]


class Server(ThreadingHTTPServer):
    def __init__(self, stand_in: StandIn) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.stand_in = stand_in


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms
    server: Server

    def do_GET(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.stand_in.fault(self.command, self.path)
        if fault and not fault.after:
            self._fail(fault)
            return
        status, answer = self._answer(data)
        body, kind = json.dumps(answer).encode(), JSON
        if isinstance(answer, list):
            body, kind = "\n".join(map(json.dumps, answer)).encode(), "application/ndjson"
        sent = json.loads(data) if data[:1] == b"{" else None
        self.server.stand_in.requests.append(Request(self.command, urlsplit(self.path).path, status, sent))
        if fault:
            self._fail(fault)
        else:
            self._reply(status, body, {"Content-Type": kind})

    do_POST = do_PUT = do_PATCH = do_GET

    def _answer(self, data: bytes) -> tuple[int, Any]:
        stand_in = self.server.stand_in
        if self.command != "GET" and not self.path.endswith("/_export"):
            stand_in.before_write(len(stand_in.writes))
        try:
            return stand_in.answer(self.command, self.path, self.headers, data)
        except Refused as refused:
            # The detection engine has its own form of errors.
            name = "status_code" if refused.own else "statusCode"
            return refused.status, {name: refused.status, "message": str(refused), **refused.more}

    def _fail(self, fault: Fault) -> None:
        self.close_connection = not fault.status
        if fault.status:
            self._reply(fault.status, fault.body, {"Content-Type": fault.kind, **fault.headers})

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running(stand_in: StandIn) -> Iterator[StandIn]:
    """The stand-in on a port of 127.0.0.1, at `stand_in.url`."""
    server = Server(stand_in)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
